"""Concatenation along the channels on the GPU: `layers.concat` by the kernels of concat.cu."""

from ...dispatch import device_of
from ...layers._shapes import check_shapes
from ...layers.concat import check_channels
from .launch import blocks, launch


def forward(a, b):
    check_shapes("concat.forward", a=(a, "N H W Ca"), b=(b, "N H W Cb"))
    (n, h, w, ca), cb = a.shape, b.shape[3]
    y = device_of(a, b).empty((n, h, w, ca + cb), a.dtype)
    launch("concat.concat_forward", blocks(y.size), a, b, y, n * h * w, ca, cb)
    return y


def backward(dy, channels_a):
    check_channels(dy, channels_a)
    n, h, w, c = dy.shape
    da, db = (device_of(dy).empty((n, h, w, channels), dy.dtype) for channels in (channels_a, c - channels_a))
    launch("concat.concat_backward", blocks(dy.size), dy, da, db, n * h * w, channels_a, c - channels_a)
    return da, db
