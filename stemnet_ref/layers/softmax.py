"""Softmax over the last axis.

Forward    p_j = e^z_j / sum over k of e^z_k          (eq. 8)
Backward   dz_j = p_j (dp_j - sum over k of dp_k p_k)  (eq. 38 with dp_k/dz_j = p_k ([k = j] - p_j))

The largest z is subtracted first, which changes nothing and keeps e^z finite.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_alike


@operation
def forward(z):
    """Return probabilities that sum to 1 over the last axis; shape (..., K) and dtype of `z`."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@operation
def backward(dp, p):
    """Return dz from the gradient with respect to the output and the output itself, both of shape (..., K)."""
    check_alike("softmax.backward", dp=dp, p=p)
    return p * (dp - (dp * p).sum(axis=-1, keepdims=True))
