"""Softmax over the last axis.

Forward    p_j = e^z_j / sum over k of e^z_k          (eq. 8)
Backward   dz_j = p_j (dp_j - sum over k of dp_k p_k)  (eq. 38: every output depends on every z)

The largest z is subtracted first, which changes nothing and keeps e^z finite.
"""

from functools import reduce

import numpy as np

from ..backends.cuda.device import blocks, device_of, launch


def forward(z):
    """Return probabilities that sum to 1 over the last axis; shape (..., K) and dtype of `z`."""
    device = device_of(z)
    if device:
        p, rows = device.empty(z.shape, z.dtype), z.size // z.shape[-1]
        launch("softmax.softmax_forward", blocks(rows), z, p, rows, z.shape[-1])
        return p
    e = np.exp(z - over_classes(np.maximum, z))
    return e / over_classes(np.add, e)


def backward(dp, p):
    """Return dz from the gradient by the output and the output, both of shape (..., K)."""
    if dp.shape != p.shape:
        raise ValueError(f"softmax.backward: dp has shape {dp.shape}; p has {p.shape}")
    device = device_of(dp, p)
    if device:
        dz, rows = device.empty(p.shape, p.dtype), p.size // p.shape[-1]
        launch("softmax.softmax_backward", blocks(rows), dp, p, dz, rows, p.shape[-1])
        return dz
    return p * (dp - over_classes(np.add, dp * p))


def over_classes(operation, z):
    """Return operation.reduce over the last axis, which is kept and not empty: much faster where it is short."""
    return reduce(operation, (z[..., k:k + 1] for k in range(z.shape[-1])))
