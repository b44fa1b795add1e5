"""Call a function of one's own with copies of its arguments, and see what it changed in place."""

import copy
import sys

import numpy as np

from .arrays import as_array


def call(function, arguments):
    """Call a function, and return what it returned and which arguments it changed.

    It gets copies: what it does to them is not seen in the next call, nor in what is expected of it.

    Parameters
    ----------
    function : callable
    arguments : dict of str to array
        Arguments by name, in their order.

    Returns
    -------
    results : list of (ndarray or None)
        What it returned, an array or several, copied: later calls may use the same memory.
    changed : list of str
        Names of the arguments whose numbers are others than before.

    Raises
    ------
    ValueError
        If an argument cannot be copied.
    """
    copies = {name: _copied(name, array) for name, array in arguments.items()}
    found = function(*copies.values())
    found = found if isinstance(found, (tuple, list)) else (found,)
    results = [None if each is None else pristine(each) for each in found]
    return results, [name for name, array in arguments.items() if not _same(as_array(array), as_array(copies[name]))]


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
    """Return a copy in the same library: a PyTorch tensor that requires a gradient gives a leaf that does."""
    if hasattr(array, "detach"):
        return array.detach().clone().requires_grad_(array.requires_grad)
    try:
        return copy.deepcopy(array)
    except Exception as error:
        raise ValueError(f"check: {name} is a {type(array).__name__}, which cannot be copied ({error}); a layer could "
                         "change it in place unseen; give a NumPy array") from None


def _same(before, after):
    return before.shape == after.shape and np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
