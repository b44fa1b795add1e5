"""Logistic sigmoid.

Forward    y = 1 / (1 + e^-x)       (eq. 2)
Backward   dx = dy * y * (1 - y)    (sigma'(z) of eq. 32-34)
"""

import numpy as np

from ..backends.cuda.device import device_of
from ..backends.cuda.shared import each_element


def forward(x):
    """Return the sigmoid of `x`, element by element; any shape, dtype of `x`; no overflow for large |x|."""
    device = device_of(x)
    if device:
        return each_element(device, "sigmoid.sigmoid_forward", x, like=x)
    e = np.exp(-np.abs(x))                          # in (0, 1]
    return np.where(x >= 0, 1, e) / (1 + e)         # e^x / (1 + e^x) where x < 0


def backward(dy, y):
    """Return dx from the gradient by the output and the output itself, both of the shape of x."""
    if dy.shape != y.shape:
        raise ValueError(f"sigmoid.backward: dy has shape {dy.shape}; y has {y.shape}")
    device = device_of(dy, y)
    if device:
        return each_element(device, "sigmoid.sigmoid_backward", dy, y, like=y)
    return dy * y * (1 - y)
