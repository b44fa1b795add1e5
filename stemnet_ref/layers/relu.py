"""Rectified linear unit.

Forward    y = max(0, x)                 (eq. 37)
Backward   dx = dy where y > 0, else 0   (the factor sigma'(z) of eq. 33-34; 0 at x = 0)
"""

import numpy as np

from ..backends.cuda.device import device_of
from ..backends.cuda.shared import each_element


def forward(x, into=None):
    """Return max(0, x), element by element; any shape, dtype of `x`. NaN stays NaN. `into` is a NumPy array for it."""
    device = device_of(x)
    if device:
        return each_element(device, "relu.relu_forward", x, like=x)
    return np.maximum(x, 0, out=into)


def backward(dy, y):
    """Return dx.

    Parameters
    ----------
    dy, y : float ndarray
        Gradient by the output, and the output of `forward`: y > 0 exactly where x > 0, so x need not be kept.
    """
    if dy.shape != y.shape:
        raise ValueError(f"relu.backward: dy has shape {dy.shape}; y has {y.shape}")
    device = device_of(dy, y)
    if device:
        return each_element(device, "relu.relu_backward", dy, y, like=y)
    return dy * (y > 0)
