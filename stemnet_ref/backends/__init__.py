"""How the operations of the layers are computed, and the choice of a backend."""

from contextlib import nullcontext
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from ..errors import InputError, NoGpu

NAMES = "auto", "plain", "cpu", "cuda"
PRECISIONS = "fp32", "tf32"


class Backend(NamedTuple):
    """The code that computes a run's operations, and where their arrays lie."""

    name: str                   # what the user reads: "plain", "cpu", or "cuda" and the chip
    layers: ModuleType          # package with the operations: `stemnet_ref.layers`, `backends.cpu` or `backends.cuda`
    optimizers: ModuleType      # equations of the optimizers: `stemnet_ref.optimizers`, or the backend's module
    device: object = None       # the cuda.device.CuPy that holds the arrays; None where they are NumPy's

    def limit_threads(self):
        """Return a context for work in which the threads of BLAS would only wait for each other.

        The matrix products of the plain layers are small. With several threads each a run takes as long as with one on
        free cores, and many times as long beside other work.
        """
        return threadpool_limits(1, "blas") if self.name == "plain" else nullcontext()


def choose(name="auto", precision="fp32", log=lambda text: None):
    """Return the backend for the options --backend and --precision.

    Parameters
    ----------
    name : {"auto", "plain", "cpu", "cuda"}
        "auto" is "cuda" where there is a GPU, else "cpu".
    precision : {"fp32", "tf32"}
        Precision of the operands of convolutions: "tf32" rounds them to 11 significant bits, on a GPU that can.
    log : callable
        Takes a line of text for the user, where CuPy is installed and "auto" still takes the CPU.

    Raises
    ------
    InputError
        If there is no such backend, if "cuda" is asked for and CuPy or a GPU is missing, or "tf32" and what is there
        cannot do it, or if the GPU computes with another precision in this process already.
    """
    if name not in NAMES:
        raise InputError(f"--backend {name}: must be {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if precision not in PRECISIONS:
        raise InputError(f"--precision {precision}: must be {' or '.join(PRECISIONS)}")
    if name in ("plain", "cpu") and precision == "tf32":
        raise InputError("--precision tf32: is for --backend cuda only; on a CPU leave it out")
    if name == "plain":
        from .. import layers, optimizers
        return Backend("plain", layers, optimizers)
    if name in ("auto", "cuda"):
        from . import cuda
        from .cuda import optimizers
        from .cuda.device import CuPy, register
        try:
            device = register(CuPy(precision))
            return Backend(device.name, cuda, optimizers, device)
        except NoGpu as error:
            if name == "cuda":
                raise InputError(f"--backend cuda: {error.reason}; {error.remedy}, or use --backend cpu") from None
            if precision == "tf32":
                raise InputError(f"--precision tf32: needs a GPU; {error.reason}; {error.remedy}, or leave --precision "
                                 "out") from None
            if find_spec("cupy"):
                log(f"note: the CPU is used: {error.reason}")
    from . import cpu
    from .cpu import optimizers
    return Backend("cpu", cpu, optimizers)
