"""Concatenation along the channels: the bridge from the way down to the way up (thesis section 9).

Forward    y = [a, b]
Backward   da = dy[..., :channels_a], db = dy[..., channels_a:]
"""

import numpy as np

from ..backends.cuda.device import blocks, device_of, launch
from ._shapes import check_shapes


def forward(a, b):
    """Return a (N, H, W, Ca) and b (N, H, W, Cb) side by side, shape (N, H, W, Ca+Cb).

    Raises
    ------
    ValueError
        If N, H, W or the dtypes differ.
    """
    check_shapes("concat.forward", a=(a, "N H W Ca"), b=(b, "N H W Cb"))
    device = device_of(a, b)
    if device:
        (n, h, w, ca), cb = a.shape, b.shape[3]
        y = device.empty((n, h, w, ca + cb), a.dtype)
        launch("concat.concat_forward", blocks(y.size), a, b, y, n * h * w, ca, cb)
        return y
    return np.concatenate((a, b), axis=3)


def backward(dy, channels_a):
    """Return da and db, with NumPy views of `dy` (N, H, W, C), of which the first `channels_a` channels belong to a."""
    check_shapes("concat.backward", dy=(dy, "N H W C"))
    if not 0 <= channels_a <= dy.shape[3]:
        raise ValueError(f"concat.backward: channels_a={channels_a} must be between 0 and the {dy.shape[3]} of dy")
    device = device_of(dy)
    if device:
        n, h, w, c = dy.shape
        da, db = (device.empty((n, h, w, channels), dy.dtype) for channels in (channels_a, c - channels_a))
        launch("concat.concat_backward", blocks(dy.size), dy, da, db, n * h * w, channels_a, c - channels_a)
        return da, db
    return dy[..., :channels_a], dy[..., channels_a:]
