"""The max-pooling of layers/max_pool2d.py, shared among threads, band by band."""

import numpy as np

from ...layers.max_pool2d import check_gradient, check_size
from .jobs import bands
from .threads import share


def forward(x, size=2):
    """Return what `layers.max_pool2d.forward` returns, bit for bit."""
    check_size(x, size)
    y = x[:, ::size, ::size].copy()
    argmax = np.zeros(y.shape, np.uint8)

    def work(band):
        best, place_of_best = y[band], argmax[band]
        for place in range(1, size * size):
            candidate = x[:, place // size::size, place % size::size][band]
            np.copyto(place_of_best, place, where=candidate > best)
            np.maximum(best, candidate, out=best)

    share(work, bands(y))
    return y, argmax


def backward(dy, argmax, size=2, add_to=None):
    """Return what `layers.max_pool2d.backward` returns, bit for bit."""
    shape = check_gradient(dy, argmax, size, add_to)
    dx = np.zeros(shape, dy.dtype) if add_to is None else add_to

    def work(band):
        for place in range(size * size):
            dx[:, place // size::size, place % size::size][band] += dy[band] * (argmax[band] == place)

    share(work, bands(dy))
    return dx
