"""Which code computes: two questions, and who answers each.

Which library's arrays are these? This module answers it at every call, by their type: an `operation` computes with
NumPy's arrays itself, and gives those of a backend to the function of the same name in that backend. A backend
registers the type of its arrays and the device that holds them; CuPy's arrays that nobody has registered are registered
when the first of them is met.

Which code computes with NumPy's arrays? The type cannot tell, since the `plain` and the `cpu` backend both compute with
them. So `backends.choose` answers it once for a run: its Backend holds the package of the layers and the module of the
optimizers' equations, which the run hands to the network (`StemNet.to`), the network to the block that is composed of
layers (`layers.block`), a training step to the cost, and the run to the optimizer (`rules`). Nothing else chooses code.
"""

from functools import cache, wraps
from importlib import import_module

import numpy as np

_registered = {}                # type of array -> name of the package that computes with it, and its device
_operations = {}                # last part of a module's name, and function's name -> the module's whole name


def register(array_type, package, device):
    """Let `package` compute with arrays of a type: its module MODULE holds a function for each one of MODULE here.

    `device` holds them: it has `empty`, `to_device` and `to_host` (`backends.cuda.device.CuPy`).
    """
    _registered[array_type] = package, device


def registered(array_type):
    """Return the device that a backend has registered for a type of arrays; None where there is none."""
    return _registered.get(array_type, (None, None))[1]


def operation(function):
    """Let a plain function take arrays of a backend, which the function of the same name in that backend computes with.

    Raises
    ------
    ValueError
        If there is an operation of that name in another module of the same last name: a backend has one function for
        both. The function raises it if its arrays are not all of one type, or of a type that no backend has registered.
    """
    module = function.__module__.rpartition(".")[2]
    owner = _operations.setdefault((module, function.__name__), function.__module__)
    if owner != function.__module__:
        raise ValueError(f"operation: {function.__module__}.{function.__name__} has the name of an operation of "
                         f"{owner}, and a backend holds one {module}.{function.__name__}; rename one of them")

    @cache
    def of(package):
        return getattr(import_module(f"{package}.{module}"), function.__name__)

    @wraps(function)
    def dispatched(*arguments, **named):
        package, _ = owner_of(*arguments, *named.values())
        return function(*arguments, **named) if package is None else of(package)(*arguments, **named)

    return dispatched


def owner_of(*arguments):
    """Return the package that computes with the arrays among the arguments, and their device; None for NumPy's.

    Arrays are looked for in tuples and dicts too.

    Raises
    ------
    ValueError
        If the arrays are of several types, or of one that nobody has registered.
    """
    found = {kind for each in arguments for kind in _types(each)}
    if len(found) > 1:
        raise ValueError(f"arrays of {' and '.join(sorted(kind.__name__ for kind in found))}: move them to one device")
    for kind in found - {np.ndarray}:
        if kind not in _registered and kind.__module__.partition(".")[0] == "cupy":
            gpu = import_module("stemnet_ref.backends.cuda.device")
            gpu.register(gpu.CuPy())
        if kind not in _registered:
            raise ValueError(f"{kind.__name__}: must be an array of NumPy or CuPy")
        return _registered[kind]
    return None, None


def device_of(*arguments):
    """Return the device of the arrays among the arguments, None where all are NumPy's; it raises as `owner_of`."""
    return owner_of(*arguments)[1]


def to_host(array):
    """Return an array as NumPy's, wherever it lies."""
    device = device_of(array)
    return device.to_host(array) if device else array


def to_device_of(other, array):
    """Return NumPy's `array` where the array `other` lies."""
    device = device_of(other)
    return device.to_device(array) if device else array


def _types(argument):
    """Return the types of the arrays in an argument: an array, or a tuple or a dict of some."""
    kind = type(argument)
    if kind in _registered:
        return {kind}
    if isinstance(argument, np.ndarray):
        return {np.ndarray}
    if isinstance(argument, (tuple, dict)):
        return {kind for each in (argument.values() if isinstance(argument, dict) else argument)
                for kind in _types(each)}
    is_array = hasattr(kind, "shape") and hasattr(kind, "dtype") and not isinstance(argument, np.generic)
    return {kind} if is_array else set()
