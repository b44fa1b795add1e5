"""Softmax over the last axis.

Forward    p_j = e^z_j / sum over k of e^z_k          (eq. 8)
Backward   dz_j = p_j (dp_j - sum over k of dp_k p_k)  (eq. 38: every output depends on every z)

The largest z is subtracted first, which changes nothing and keeps e^z finite.
"""

from functools import reduce

import numpy as np

from ..dispatch import operation
from ._shapes import check_alike


@operation
def forward(z):
    """Return probabilities that sum to 1 over the last axis; shape (..., K) and dtype of `z`."""
    e = np.exp(z - over_classes(np.maximum, z))
    return e / over_classes(np.add, e)


@operation
def backward(dp, p):
    """Return dz from the gradient by the output and the output, both of shape (..., K)."""
    check_alike("softmax.backward", dp=dp, p=p)
    return p * (dp - over_classes(np.add, dp * p))


def over_classes(ufunc, z):
    """Return ufunc.reduce over the last axis, which is kept and not empty: much faster where it is short."""
    return reduce(ufunc, (z[..., k:k + 1] for k in range(z.shape[-1])))
