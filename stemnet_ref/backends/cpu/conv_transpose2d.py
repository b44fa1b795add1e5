"""The transposed convolution of layers/conv_transpose2d.py where windows do not overlap: whole rows as products."""

import itertools

import numpy as np

from ...layers import conv_transpose2d as reference
from ...layers._shapes import check_shapes
from .jobs import bands, divide
from .threads import share


def forward(x, weight, stride=2, padding="same"):
    """Return what `layers.conv_transpose2d.forward` returns, in another order of sums."""
    if weight.shape[:2] != (stride, stride):
        return reference.forward(x, weight, stride, padding)
    check_shapes("conv_transpose2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    reference.output_crop(x.shape, weight.shape, stride, padding)       # refuses a wrong padding
    y = np.empty(reference.full_shape(x.shape, weight.shape, stride), x.dtype)
    enlarge(x, weight, y)
    return y


def backward(dy, x, weight, stride=2, padding="same"):
    """Return what `layers.conv_transpose2d.backward` returns, in another order of sums."""
    if weight.shape[:2] != (stride, stride):
        return reference.backward(dy, x, weight, stride, padding)
    reference.check_gradient(dy, x, weight, stride, padding)
    dx, dweight = np.empty(x.shape, x.dtype), np.empty(weight.shape, weight.dtype)
    gradients(dy, x, weight, dx, dweight)
    return dx, dweight


def enlarge(x, weight, y, epilogue=None):
    """Write the output into `y` where neighbouring windows do not overlap, kernel and stride being s (NumPy arrays).

    Row s*i+a of y, seen as (W, s*O), is row i of x times the kernel's row a, seen as (C, s*O). `epilogue` is called as
    epilogue(y) with every piece of the output while it is in the cache, to be changed in place.
    """
    s, _, o, c = weight.shape

    def work(job):
        (image, rows), a = job
        lines, piece = x[image, rows], y[image, s * rows.start + a:s * rows.stop:s]
        piece[...] = (lines.reshape(-1, c) @ weight[a].reshape(s * o, c).T).reshape(piece.shape)
        if epilogue:
            epilogue(piece)

    share(work, itertools.product(bands(x), range(s)))


def gradients(dy, x, weight, dx, dweight):
    """Write the gradients where neighbouring windows do not overlap: row s*i+a of dy belongs to row i of x."""
    s, _, o, _ = weight.shape

    def lines(image, rows, a):
        return dy[image, s * rows.start + a:s * rows.stop:s].reshape(-1, s * o)

    def by_input(job):
        _, channels, mine = job
        for image, rows in mine:
            out = dx[image, rows, :, channels]
            out[...] = sum(lines(image, rows, a) @ weight[a, ..., channels].reshape(s * o, -1)
                           for a in range(s)).reshape(out.shape)

    def by_weight(job):
        _, channels, mine = job
        width = channels.stop - channels.start
        return sum(np.stack([lines(image, rows, a).T @ x[image, rows, :, channels].reshape(-1, width)
                             for a in range(s)]) for image, rows in mine)

    jobs = divide([x], bands(x))
    share(by_input, jobs)
    dweight[...] = 0
    for (_, channels, _), part in zip(jobs, share(by_weight, jobs), strict=True):
        dweight[..., channels] += part.reshape(s, s, o, -1)
