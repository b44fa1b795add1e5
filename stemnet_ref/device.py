"""Which device runs the arithmetic."""

from .errors import InputError


def choose(name):
    """Return the device to use, "cpu", for the option --device.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}

    Raises
    ------
    InputError
        If "cuda" is asked for: this version has no CUDA kernels.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: must be auto, cpu or cuda")
    if name == "cuda":
        raise InputError("--device cuda: this version has no CUDA kernels yet; use --device cpu")
    return "cpu"
