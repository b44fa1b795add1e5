"""Bias: one number per channel.

Forward    y[n,i,j,c] = x[n,i,j,c] + b[c]                 (eq. 30, the term b)
Backward   dx = dy, db[c] = sum over n,i,j of dy[n,i,j,c]  (eq. 35, 49; shared by all pixels, so summed)
"""

import numpy as np

from ..backends.cpu.threads import bands, share, sum_parts
from ..backends.cuda.device import device_of
from ..backends.cuda.shared import each_element, sum_over
from ._shapes import check_shapes


def forward(x, b):
    """Return x + b.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    b : float ndarray of shape (C,), dtype of `x`

    Returns
    -------
    y : ndarray, shape and dtype of `x`

    Raises
    ------
    ValueError
        If `b` does not have one element per channel.
    """
    check_shapes("bias.forward", x=(x, "N H W C"), b=(b, "C"))
    device = device_of(x, b)
    if device:
        return each_element(device, "bias.bias_forward", x, b, like=x, rest=b.shape)
    return x + b


def backward(dy, into=None):
    """Return dx (`dy` itself) and db of shape (C,), in the array `into` if given."""
    check_shapes("bias.backward", dy=(dy, "N H W C"))
    device, c = device_of(dy), dy.shape[3]
    if device:
        pixels = dy.size // c
        return dy, sum_over(device, "bias.bias_backward", pixels, (c,), dy, dtype=dy.dtype, columns=c, rest=(pixels, c),
                            into=into)
    return dy, sum_parts(share(sum_over_pixels, (dy[band] for band in bands(dy))), dy, into)


def sum_over_pixels(dy):
    """Return the sum of NumPy's `dy` over all but the channels: as a product, faster than sum(axis=0) and blocked."""
    pixels = dy.reshape(-1, dy.shape[-1])
    return np.ones(len(pixels), dy.dtype) @ pixels
