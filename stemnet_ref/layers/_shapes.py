"""Check the shapes and dtypes of a layer's arguments before any arithmetic."""

import numpy as np


def check_shapes(layer, **arguments):
    """Bind the letters of every argument's shape, and return them with their sizes.

    Parameters
    ----------
    layer : str
        Name that opens the message, such as ``conv2d.forward``.
    **arguments : (array, str)
        Each argument with the letters of its axes, such as ``x=(x, "N H W C")``. A letter that
        occurs twice must have one size.

    Returns
    -------
    dict of str to int

    Raises
    ------
    ValueError
        If the number of axes is wrong, a letter has two sizes, or two floating-point arguments
        differ in dtype (NumPy would widen the result without a word).
    """
    sizes, bound_by, dtypes = {}, {}, {}
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
        if np.issubdtype(array.dtype, np.floating):
            dtypes[name] = array.dtype
    if len(set(dtypes.values())) > 1:
        listed = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        raise ValueError(f"{layer}: arguments differ in dtype ({listed}); convert them to one")
    return sizes
