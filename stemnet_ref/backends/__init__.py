"""How the operations of the layers are computed, and the choice of a backend."""

from types import ModuleType
from typing import NamedTuple

from ..errors import InputError

NAMES = "auto", "plain", "cpu", "cuda"


class Backend(NamedTuple):
    """What computes.

    Attributes
    ----------
    name : str
        For the user: "plain", "cpu", or "cuda" and the chip.
    layers : module
        The operations: `stemnet_ref.layers`, `stemnet_ref.backends.cpu` or `stemnet_ref.backends.cuda`.
    device : cuda.device.CuPy, or None
        What holds the arrays; None where they are NumPy's.
    """

    name: str
    layers: ModuleType
    device: object = None


def choose(name="auto", precision="fp32", log=lambda text: None):
    """Return the backend for the options --backend and --precision.

    Parameters
    ----------
    name : {"auto", "plain", "cpu", "cuda"}
        "auto" is "cuda" where there is a GPU, else "cpu".
    precision : {"fp32", "tf32"}
        Of the operands of convolutions: "tf32" rounds them to 11 significant bits, on a GPU that can.
    log : callable
        Takes a line of text for the user, where CuPy is installed and "auto" still takes the CPU.

    Raises
    ------
    InputError
        If there is no such backend, if "cuda" is asked for and CuPy or a GPU is missing, or "tf32" and what is there
        cannot do it.
    """
    from .cuda import device

    if name not in NAMES:
        raise InputError(f"--backend {name}: must be {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    gpu = device.choose("cpu" if name == "plain" else name, precision, log)
    if gpu:
        from . import cuda as layers
    elif name == "plain":
        from .. import layers
    else:
        from . import cpu as layers
    return Backend(gpu.name if gpu else "plain" if name == "plain" else "cpu", layers, gpu)
