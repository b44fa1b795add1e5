"""What others do to borders, and in place of a transposed convolution: linear maps and their adjoints."""

import numpy as np

from ...layers import conv2d

# NumPy's names
PADDINGS = {"padding_reflect": "reflect", "padding_symmetric": "symmetric", "padding_replicate": "edge",
            "padding_circular": "wrap"}
# In place of filters (kh, kw, out, in) of a transposed convolution, by the convention's value: those (kh, kw, in, out)
# of the convolution after the interpolation, and the adjoint, which takes their gradient and the kernel's size
FILTERS = {1.0: (lambda w: w.swapaxes(2, 3), lambda dw, size: dw.swapaxes(2, 3)),
           2.0: (lambda w: w.mean((0, 1), keepdims=True).swapaxes(2, 3),
                 lambda dw, size: np.tile(dw.swapaxes(2, 3), (*size, 1, 1)) / np.prod(size)),
           3.0: (lambda w: w.sum((0, 1), keepdims=True).swapaxes(2, 3),
                 lambda dw, size: np.tile(dw.swapaxes(2, 3), (*size, 1, 1)))}


def pad(x, pads, mode):
    """Return maps (N, H, W, C) with rows and columns added: `pads` as numpy.pad takes them, mode one of PADDINGS."""
    return np.pad(x, ((0, 0), *pads, (0, 0)), mode)


def unpad(dy, pads, mode):
    """Return the gradient with respect to x of `pad`: what a pixel was copied to is added."""
    for axis, (before, after) in enumerate(pads, 1):
        sources = np.pad(np.arange(dy.shape[axis] - before - after), (before, after), mode)
        dy = np.moveaxis(dy, axis, 0)
        dx = np.zeros((sources.max() + 1, *dy.shape[1:]))
        for row, source in zip(dy, sources, strict=True):
            dx[source] += row
        dy = np.moveaxis(dx, 0, axis)
    return dy


def fits(shape, pads, mode):
    """Return whether maps of a shape can be padded in a mode, by some pixels at least."""
    least = 1 if mode == "reflect" else 0
    return any(map(any, pads)) and all(max(each) + least <= side for each, side in zip(pads, shape[1:3], strict=True))


def interpolation(side, mode):
    """Return the matrix (2 side, side) that doubles a side: by "nearest", or "bilinear" without aligned corners."""
    rows = np.eye(side)
    if mode == "nearest":
        return rows.repeat(2, 0)
    before, after = rows[np.maximum(np.arange(side) - 1, 0)], rows[np.minimum(np.arange(side) + 1, side - 1)]
    return np.stack([(3 * rows + before) / 4, (3 * rows + after) / 4], 1).reshape(2 * side, side)


def resize(x, rows, columns):
    """Return maps of which each row and column is a combination of those of x, by two matrices."""
    return np.einsum("ph,nhwc,qw->npqc", rows, x, columns, optimize=True)


def upsampled(x_shape, size, mode, value):
    """Return forward(x, w), backward_input(dy, w) and backward_weight(dy, x) of an interpolation and a convolution.

    The convolution is "same", with filters that FILTERS makes by `value` from those of the transposed one, whose kernel
    has a `size`.
    """
    rows, columns = (interpolation(side, mode) for side in x_shape[1:3])
    filters, adjoint = FILTERS[value]

    def backward_weight(dy, x):
        shape = *(size if value == 1.0 else (1, 1)), x.shape[-1], dy.shape[-1]
        return adjoint(conv2d.backward_weight(dy, resize(x, rows, columns), shape, "same"), size)

    return (lambda x, w: conv2d.forward(resize(x, rows, columns), filters(w), "same"),
            lambda dy, w: resize(conv2d.backward_input(dy, filters(w), "same"), rows.T, columns.T), backward_weight)
