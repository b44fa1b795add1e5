"""Logistic sigmoid.

Forward    y = 1 / (1 + e^-x)       (eq. 2)
Backward   dx = dy * y * (1 - y)    (sigma'(z) of eq. 32-34)
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_alike


@operation
def forward(x):
    """Return the sigmoid of `x`, element by element, in its shape and dtype; large |x| do not overflow."""
    e = np.exp(-np.abs(x))                          # in (0, 1]
    return np.where(x >= 0, 1, e) / (1 + e)         # e^x / (1 + e^x) where x < 0


@operation
def backward(dy, y):
    """Return dx from the gradient with respect to the output and the output itself, both of the shape of x."""
    check_alike("sigmoid.backward", dy=dy, y=y)
    return dy * y * (1 - y)
