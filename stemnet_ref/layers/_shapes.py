"""Check the shapes and dtypes of a layer's arguments before any arithmetic."""

import numpy as np


def check_shapes(layer, **arguments):
    """Bind the letters of every argument's shape, and return them with their sizes.

    Parameters
    ----------
    layer : str
        Name that opens the message, such as ``conv2d.forward``.
    **arguments : (array or None, str)
        Each argument with the letters of its axes, such as ``x=(x, "N H W C")``. A letter that
        occurs twice must have one size. None, an optional argument that is not given, has none.

    Returns
    -------
    dict of str to int

    Raises
    ------
    ValueError
        If the number of axes is wrong, a letter has two sizes, or two floating-point arguments
        differ in dtype.
    """
    arguments = {name: given for name, given in arguments.items() if given[0] is not None}
    sizes, bound_by = {}, {}
    for name, (array, letters) in arguments.items():
        letters = letters.split()
        if array.ndim != len(letters):
            raise ValueError(f"{layer}: {name} has shape {array.shape}; "
                             f"it needs {len(letters)} axes ({', '.join(letters)})")
        for letter, size in zip(letters, array.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(f"{layer}: {name} has shape {array.shape}, axes ({', '.join(letters)}); "
                                 f"{letter} must be {sizes[letter]} as in {bound_by[letter]}")
            bound_by.setdefault(letter, name)
    check_dtypes(layer, **{name: array for name, (array, _) in arguments.items()})
    return sizes


def check_alike(layer, **arrays):
    """Raise ValueError unless two arrays are of one shape, of any number of axes, and one dtype."""
    (first, a), (second, b) = arrays.items()
    if a.shape != b.shape:
        raise ValueError(f"{layer}: {first} has shape {a.shape}; {second} has {b.shape}")
    check_dtypes(layer, **arrays)


def check_dtypes(layer, **arrays):
    """Raise ValueError unless all floating-point arrays are of one dtype: NumPy would widen the result silently."""
    dtypes = {name: array.dtype for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}
    if len(set(dtypes.values())) > 1:
        listed = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        raise ValueError(f"{layer}: arguments differ in dtype ({listed}); convert them to one")


def check_labels(layer, labels, classes):
    """Raise ValueError unless `labels` are integers from 0 to classes-1."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{layer}: labels are {labels.dtype}; they must be integers, the class of each pixel")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"{layer}: labels run from {labels.min()} to {labels.max()}; "
                         f"{classes} classes allow 0 to {classes - 1}")
