"""Bias: one number per channel.

Forward    y[n,i,j,c] = x[n,i,j,c] + b[c]                 (eq. 30, the term b)
Backward   dx = dy, db[c] = sum over n,i,j of dy[n,i,j,c]  (eq. 35, 49; shared by all pixels, so summed)
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes


@operation
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
    return x + b


@operation
def backward(dy):
    """Return dx, which is `dy` itself, and db of shape (C,), from dy of shape (N, H, W, C)."""
    check_shapes("bias.backward", dy=(dy, "N H W C"))
    return dy, dy.sum(axis=(0, 1, 2), dtype=np.float64).astype(dy.dtype)        # a float32 sum of many pixels drifts
