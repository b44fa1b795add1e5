"""Where operations run in the tests: plain, on the CPU's backend, in CUDA on the emulated device, on a GPU."""

import inspect
import shutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from emulated import Emulator

from stemnet_ref import backends
from stemnet_ref.backends import Backend, cuda
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
        return backends.choose("cuda").device
    except InputError:
        return None


def gpu():
    """Return the GPU; fail the test without one (conftest.py leaves it out then, unless STEMNET_REQUIRE_GPU is set)."""
    return find_gpu() or pytest.fail("there is no CuPy or no GPU here, but STEMNET_REQUIRE_GPU is set")


def plain():
    """Stand for the reference: it has no device."""


def cpu():
    """Stand for the CPU's backend: it has no device."""


def backend_at(place):
    """Return the Backend of a place."""
    if place in (plain, cpu):
        return backends.choose(place.__name__)
    return Backend(place().name, cuda, cuda.optimizers, place())


def module_at(package, module):
    """Return the module of a package of layers that computes what a plain module does: this where it has none."""
    path = f"{package}.{module.__name__.rpartition('.')[2]}"
    return import_module(path if find_spec(path) else module.__name__)


def on(place, module):
    """Return a module's functions as a place has them; they take and return NumPy arrays."""
    there, where = module_at(backend_at(place).layers.__name__, module), place()
    functions = {name: function for name, function in vars(there).items() if inspect.isfunction(function)}
    return SimpleNamespace(**{name: _moved(where, function) for name, function in functions.items()} if where else
                           functions)


def to_device(where, array):
    """Return an argument as it is on a device: labels as uint8, class weights and numbers as they are."""
    if isinstance(array, dict):
        return {name: to_device(where, each) for name, each in array.items()}
    if isinstance(array, tuple):
        moved = [to_device(where, each) for each in array]
        return type(array)(*moved) if hasattr(array, "_fields") else tuple(moved)
    if not isinstance(array, np.ndarray):
        return array
    labels = np.issubdtype(array.dtype, np.integer)
    return where.to_device(np.ascontiguousarray(array.astype(np.uint8) if labels else array))


def to_host(where, result):
    """Return a result as NumPy's, arrays of shape () as floats."""
    if isinstance(result, tuple):
        moved = [to_host(where, each) for each in result]
        return type(result)(*moved) if hasattr(result, "_fields") else tuple(moved)
    if not isinstance(result, where.array_type):
        return result
    array = where.to_host(result)
    return array if array.ndim else float(array)


def arrays(value):
    """Return the arrays in arguments, one after the other."""
    if isinstance(value, np.ndarray) or hasattr(value, "__cuda_array_interface__"):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [array for each in values for array in arrays(each)]


def _moved(where, function):
    """Return the function with its arrays moved to the device, and its results and what it changes moved back."""
    def run(*arguments, **named):
        if function.__name__ == "draw_mask":
            named = {"like": where.empty((), np.float32)}
        there = [to_device(where, each) for each in arguments]
        result = to_host(where, function(*there, **{name: to_device(where, each) for name, each in named.items()}))
        for array, changed in zip(arrays(arguments), arrays(there), strict=True):
            array[...] = where.to_host(changed)
        return result

    return run


_KERNELS = [pytest.param(emulator, id="emulated"), pytest.param(gpu, id="gpu", marks=pytest.mark.gpu)]
PLACES = pytest.mark.parametrize("place", [plain, cpu, *_KERNELS])
KERNEL_PLACES = pytest.mark.parametrize("place", _KERNELS)
