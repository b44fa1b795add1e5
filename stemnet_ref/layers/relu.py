"""Rectified linear unit.

Forward    y = max(0, x)                 (eq. 37)
Backward   dx = dy where y > 0, else 0   (the factor sigma'(z) of eq. 33-34; the slope at x = 0 is taken as 0)
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_alike


@operation
def forward(x):
    """Return max(0, x), element by element, in the shape and dtype of `x`. NaN stays NaN."""
    return np.maximum(x, 0)


@operation
def backward(dy, y):
    """Return dx.

    Parameters
    ----------
    dy, y : float ndarray
        The gradient with respect to the output, and the output of `forward`: y > 0 exactly where x > 0, so x need not
        be kept.

    Raises
    ------
    ValueError
        If the shapes or the dtypes differ.
    """
    check_alike("relu.backward", dy=dy, y=y)
    return np.where(y > 0, dy, dy.dtype.type(0))
