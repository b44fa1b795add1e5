"""Where the layers' tests run: NumPy, the CUDA files on the emulated device, and a GPU."""

import shutil
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from emulated import Emulator

from stemnet_ref.backends.cuda import device
from stemnet_ref.errors import InputError


@cache
def emulator():
    """Return the emulated device; skip the test where no compiler is installed."""
    if shutil.which("g++") is None:
        pytest.skip("the CUDA files are run on the CPU by g++, which is not installed")
    return device.register(Emulator())


@cache
def find_gpu():
    """Return the GPU, or None."""
    try:
        return device.choose("cuda")
    except InputError:
        return None


def gpu():
    """Return the GPU; fail the test without one (conftest.py leaves it out then, unless STEMNET_REQUIRE_GPU is set)."""
    return find_gpu() or pytest.fail("there is no CuPy or no GPU here, but STEMNET_REQUIRE_GPU is set")


def on(place, layer):
    """Return a layer whose functions take and return NumPy arrays, and compute at a place."""
    if place is None:
        return layer
    where = place()
    names = "forward", "backward", "backward_input", "backward_weight"
    functions = {name: _moved(where, getattr(layer, name)) for name in names if hasattr(layer, name)}
    if hasattr(layer, "draw_mask"):
        functions["draw_mask"] = lambda *arguments: where.to_host(layer.draw_mask(*arguments, device=where))
    return SimpleNamespace(**functions)


def _moved(where, function):
    """Return the function with its arrays moved to the device, and its results back."""
    def there(array):
        if isinstance(array, tuple):
            return tuple(map(there, array))
        if not isinstance(array, np.ndarray) or (array.ndim == 1 and function.__module__.endswith("cross_entropy")):
            return array                                    # the class weights
        labels = np.issubdtype(array.dtype, np.integer) and array.dtype != np.int32
        return where.to_device(np.ascontiguousarray(array.astype(np.uint8) if labels else array))

    def back(result):
        if isinstance(result, tuple):
            return tuple(map(back, result))
        if result is None:
            return None
        array = where.to_host(result)
        return array if array.ndim else float(array)

    return lambda *arguments: back(function(*map(there, arguments)))


PLACES = pytest.mark.parametrize("place", [
    pytest.param(None, id="numpy"), pytest.param(emulator, id="emulated"),
    pytest.param(gpu, id="gpu", marks=pytest.mark.gpu)])
KERNEL_PLACES = pytest.mark.parametrize("place", [
    pytest.param(emulator, id="emulated"), pytest.param(gpu, id="gpu", marks=pytest.mark.gpu)])
