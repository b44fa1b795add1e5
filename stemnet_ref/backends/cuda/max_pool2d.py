"""Max-pooling on the GPU: `layers.max_pool2d` by the kernels of max_pool2d.cu."""

import numpy as np

from ...dispatch import device_of
from ...layers.max_pool2d import check_gradient, check_size
from .launch import blocks, launch


def forward(x, size=2):
    check_size(x, size)
    n, h, w, c = x.shape
    i, j = h // size, w // size
    y, argmax = (device_of(x).empty((n, i, j, c), dtype) for dtype in (x.dtype, np.uint8))
    launch("max_pool2d.max_pool2d_forward", (blocks(j * c), i, n), x, y, argmax, i, j, c, size)
    return y, argmax


def backward(dy, argmax, size=2, add_to=None):
    shape = check_gradient(dy, argmax, size, add_to)
    n, i, j, c = dy.shape
    dx = device_of(dy, argmax).empty(shape, dy.dtype) if add_to is None else add_to
    launch("max_pool2d.max_pool2d_backward", (blocks(j * size * c), i * size, n), dy, argmax, dx, i, j, c, size,
           int(add_to is not None))
    return dx
