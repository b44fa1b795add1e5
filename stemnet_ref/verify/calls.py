"""Call a function of one's own with copies of its arguments, and see what it changed in place."""

import copy
import inspect
import sys

import numpy as np

from .arrays import as_array


def call(function, arguments, role="forward"):
    """Call a function, and return what it returned and which arguments it changed, as it left them.

    It gets copies: what it does to them is not seen in the next call, nor in what is expected of it.

    Parameters
    ----------
    function : callable
    arguments : dict of str to array
        Arguments by name, in their order.
    role : {"forward", "backward"}
        What messages call the function.

    Returns
    -------
    results : list of (ndarray or None)
        What it returned, an array or several, copied: later calls may use the same memory.
    changed : dict of str to array
        The arguments whose numbers are others than before, by name: copies of what the function left of them.

    Raises
    ------
    ValueError
        If an argument cannot be copied, the function does not take the arguments, or it returns what is no array.
    """
    _check_signature(function, list(arguments), role)
    copies = {name: _copied(name, array) for name, array in arguments.items()}
    found = function(*copies.values())
    found = found if isinstance(found, (tuple, list)) else (found,)
    try:
        results = [None if each is None else pristine(each) for each in found]
    except TypeError as error:
        types = ", ".join(type(each).__name__ for each in found)
        raise ValueError(f"check: {role} must return arrays; it returned {types} ({error})") from None
    return results, {name: _copied(name, copies[name]) for name, array in arguments.items()
                     if not _same(as_array(array), as_array(copies[name]))}


def _check_signature(function, names, role):
    """Raise ValueError unless a function can be called with so many arguments."""
    called = f"check calls {role}({', '.join(names)})"
    if isinstance(function, type):
        raise ValueError(f"check: {role} is the class {function.__name__}; give a function, or an object made of the "
                         f"class, such as {function.__name__}(); {called}")
    if not callable(function):
        raise ValueError(f"check: {role} is a {type(function).__name__}; give a function; {called}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):             # a function of C that does not say what it takes
        return
    try:
        signature.bind(*names)
    except TypeError as error:
        dy = "" if role == "forward" else ("; dy comes first" if "dy" in names else
                                           "; there is no dy, for the result of forward is one number")
        raise ValueError(f"check: {role} takes other arguments ({error}): {called}{dy}; docs/check.md has what each "
                         "layer gets") from None


def pristine(array):
    """Return an array of any library as a NumPy array that shares no memory with it."""
    return np.array(as_array(array))


def like(example, array):
    """Return a NumPy array as one of the library of an example, where that library's functions take no other."""
    if hasattr(example, "detach"):
        return sys.modules["torch"].as_tensor(array, device=example.device)
    if type(example).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"].asarray(array)
    return array


def _copied(name, array):
    """Return a copy in the same library.

    A PyTorch tensor that requires a gradient gives one that does and keeps it in `grad`, but is no leaf: those may not
    be changed in place.
    """
    if hasattr(array, "detach"):
        own = array.detach().clone()
        if array.requires_grad:
            own = own.requires_grad_().clone()
            own.retain_grad()
        return own
    try:
        return copy.deepcopy(array)
    except Exception as error:
        raise ValueError(f"check: {name} is a {type(array).__name__}, which cannot be copied ({error}); a layer could "
                         "change it in place unseen; give a NumPy array") from None


def _same(before, after):
    return before.shape == after.shape and np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
