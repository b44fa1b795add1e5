"""Which code computes with an array: the plain functions with NumPy's, a backend's of the same names with its own.

This module and the choice of a backend (`backends.choose`) are all that dispatches. A backend registers the type of its
arrays; it is imported when the first of them is met, and nothing here imports it.
"""

from functools import cache, wraps
from importlib import import_module

import numpy as np

_packages = {}                  # type of array -> name of the package with the functions for it


def register(array_type, package):
    """Let `package` compute with arrays of a type: its module MODULE holds a function for each one of MODULE here."""
    _packages[array_type] = package


def operation(function):
    """Let a plain function take arrays of a backend, which the function of the same name in that backend computes with.

    Raises
    ------
    ValueError
        From the function, if its arrays are not all of one type.
    """
    module = function.__module__.rpartition(".")[2]

    @cache
    def of(package):
        return getattr(import_module(f"{package}.{module}"), function.__name__)

    @wraps(function)
    def dispatched(*arguments, **named):
        package = package_of(*arguments, *named.values())
        return function(*arguments, **named) if package is None else of(package)(*arguments, **named)

    return dispatched


def package_of(*arguments):
    """Return the package that computes with the arrays among the arguments; None where all are NumPy's.

    Raises
    ------
    ValueError
        If the arrays are of several types.
    """
    found = {kind for each in arguments for kind in _types(each)}
    if len(found) > 1:
        raise ValueError(f"arrays of {' and '.join(sorted(kind.__name__ for kind in found))}: move them to one device")
    for kind in found:
        if kind is not np.ndarray:
            return _package(kind)
    return None


def _types(argument):
    """Return the types of the arrays in an argument: an array, or a tuple or a dict of some."""
    if isinstance(argument, np.ndarray) or hasattr(argument, "__cuda_array_interface__"):
        return {type(argument)} if type(argument) in _packages or not isinstance(argument, np.ndarray) else {np.ndarray}
    if isinstance(argument, tuple):
        return {kind for each in argument for kind in _types(each)}
    return {kind for each in argument.values() for kind in _types(each)} if isinstance(argument, dict) else set()


def _package(kind):
    if kind not in _packages and kind.__module__.partition(".")[0] == "cupy":
        import_module("stemnet_ref.backends.cuda").register_cupy()
    if kind not in _packages:
        raise ValueError(f"{kind.__name__}: must be an array of NumPy or CuPy")
    return _packages[kind]
