"""Max-pooling on the GPU: `layers.max_pool2d` by the kernels of max_pool2d.cu."""

import numpy as np

from ...dispatch import device_of
from ...layers.max_pool2d import check_gradient, check_size
from .launch import blocks, launch


def forward(x, size=2):
    check_size(x, size)
    n, h, w, c = x.shape
    y, argmax = (device_of(x).empty((n, h // size, w // size, c), dtype) for dtype in (x.dtype, np.uint8))
    _launch("max_pool2d.max_pool2d_forward", x, y, argmax, y.shape, size)
    return y, argmax


def backward(dy, argmax, size=2, add_to=None):
    shape = check_gradient(dy, argmax, size, add_to)
    dx = device_of(dy, argmax).empty(shape, dy.dtype) if add_to is None else add_to
    _launch("max_pool2d.max_pool2d_backward", dy, argmax, dx, dy.shape, size, int(add_to is not None))
    return dx


def _launch(name, first, second, third, shape, *rest):
    """Start a kernel with these three arrays, the sizes of y, and `rest`."""
    n, i, j, c = shape
    launch(name, (blocks(j * blocks(c, 4)), i, n), first, second, third, i, j, c, *rest,
           options=(("VECTOR", int(c % 4 == 0)),))
