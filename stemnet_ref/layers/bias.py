"""Bias: one number per channel.

Forward    y[n,i,j,c] = x[n,i,j,c] + b[c]                 (eq. 30, the term b)
Backward   dx = dy, db[c] = sum over n,i,j of dy[n,i,j,c]  (eq. 35, 49; shared by all pixels, so summed)
"""

import numpy as np

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
    return x + b


def backward(dy):
    """Return dx (`dy` itself) and db of shape (C,)."""
    check_shapes("bias.backward", dy=(dy, "N H W C"))
    pixels = dy.reshape(-1, dy.shape[3])                            # (N*H*W, C)
    return dy, np.ones(len(pixels), dy.dtype) @ pixels              # as a product: faster than sum(axis=0), and blocked
