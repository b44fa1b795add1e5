"""The two layouts of arrays: NHWC, the reference's, and NCHW, PyTorch's.

In NCHW maps are (N, C, H, W), filters (out, in, kh, kw), and those of a transposed convolution (in, out, kh, kw).
Only arrays of four axes have a layout. Names, those of parameters or of a golden file, say which ones are filters.
"""

import numpy as np

from ..errors import InputError

LAYOUTS = "NHWC", "NCHW"


def is_filter(name):
    """Return whether a name is that of filters, or of a gradient with respect to them."""
    return name.endswith(".weight")


def nchw_axes(name):
    """Return the axes of NHWC in the order that they have in NCHW."""
    return (3, 2, 0, 1) if is_filter(name) else (0, 3, 1, 2)


def to_layout(name, array, layout):
    """Return an array of the reference's layout in another."""
    if layout == "NHWC" or array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(nchw_axes(name)))


def from_layout(name, array, layout):
    """Return an array in the reference's layout; the inverse of `to_layout`."""
    if layout == "NHWC" or array.ndim != 4:
        return array
    return array.transpose(np.argsort(nchw_axes(name)))


def nchw_shape(name, shape):
    """Return the shape in NCHW of what has the shape of four axes in the reference's layout."""
    return tuple(shape[axis] for axis in nchw_axes(name))


def shape_from_layout(name, shape, layout):
    """Return the shape in the reference's layout of an array that has `shape` in another."""
    if layout == "NHWC" or len(shape) != 4:
        return tuple(shape)
    return tuple(shape[axis] for axis in np.argsort(nchw_axes(name)))


def fitting(found, shapes, layouts=LAYOUTS):
    """Return the layout in which most shapes that were `found` are the reference's `shapes`, both by name.

    Of several it is the first.
    """
    return max(layouts, key=lambda layout: sum(
        shape_from_layout(name, shape, layout) == shapes.get(name) for name, shape in found.items()))


def stated(arrays, path):
    """Return the layouts that a file's arrays may have: the one that its `about` states, or all.

    Raises
    ------
    InputError
        If `about` cannot be read, or states another layout.
    """
    try:
        layout = arrays.about().get("layout") if "about" in arrays else None
    except (ValueError, AttributeError):
        raise InputError(f'{path}: about is no JSON text; leave it out, or write {{"layout": "NCHW"}}') from None
    if layout not in (None, *LAYOUTS):
        raise InputError(f"{path}: about says layout {str(layout)[:40]!r}; it must be {' or '.join(LAYOUTS)}")
    return LAYOUTS if layout is None else (layout,)
