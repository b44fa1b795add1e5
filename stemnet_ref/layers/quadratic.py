"""Quadratic cost of the probabilities, averaged over pixels.

Forward    C = 1/n * sum over pixels of C_x, C_x = |y - p|^2 / 2        (eq. 3-4 of section 7.2.1)
Backward   dp = (p - y) / n

y is 1 at the pixel's class and 0 at the others; n counts the pixels of the batch.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_labels, check_shapes


@operation
def forward(p, labels):
    """Return the cost, a float; on a GPU an array of shape (), so that nothing waits for it.

    Parameters
    ----------
    p : float ndarray of shape (N, H, W, K)
    labels : int ndarray of shape (N, H, W), 0 to K-1

    Raises
    ------
    ValueError
        If shapes do not fit, or labels are no integers or not below K.
    """
    return float(np.sum(_error(p, labels) ** 2, dtype=np.float64) / 2 / labels.size)


@operation
def backward(p, labels):
    """Return dp, shape of `p`."""
    return _error(p, labels) / p.dtype.type(labels.size)


def _error(p, labels):
    check_shapes("quadratic", p=(p, "N H W K"), labels=(labels, "N H W"))
    check_labels("quadratic", labels, p.shape[3])
    return p - (labels[..., None] == np.arange(p.shape[3])).astype(p.dtype)
