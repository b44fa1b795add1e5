"""Dice cost: one minus the overlap of the predicted and the true cells.

Forward    DC = 2 |p and y| / (|p| + |y|)                               (eq. 6)
           C = 1 - DC                                                   (eq. 7)
Backward   dp = (DC - 2 y) / (|p| + |y|)                                for the cell classes, 0 for class 0

The sets are soft: |p and y| = sum of p*y, |p| = sum of p, |y| = sum of y, over the pixels of the batch and the cell
classes 1 to K-1. Two empty sets agree: DC = 1. (The listing counts the background too and squares the terms of the
denominator.)
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_labels, check_shapes


@operation
def forward(p, labels):
    """Return the cost, a float between 0 and 1; on a GPU an array of shape (), so that nothing waits for it.

    Parameters
    ----------
    p : float ndarray of shape (N, H, W, K)
        Probabilities; class 0 is the background.
    labels : int ndarray of shape (N, H, W), 0 to K-1

    Raises
    ------
    ValueError
        If shapes do not fit, or labels are no integers or not below K.
    """
    _, overlap, total = _sets(p, labels)
    return float(1 - 2 * overlap / total) if total else 0.0


@operation
def backward(p, labels):
    """Return dp, shape of `p`."""
    truth, overlap, total = _sets(p, labels)
    dp = np.zeros_like(p)
    if total:
        dp[..., 1:] = (2 * overlap / total - 2 * truth) / total
    return dp


def _sets(p, labels):
    """Return y (N, H, W, K-1), |p and y|, and |p| + |y|; sums in float64."""
    check_shapes("dice", p=(p, "N H W K"), labels=(labels, "N H W"))
    check_labels("dice", labels, p.shape[3])
    truth = (labels[..., None] == np.arange(1, p.shape[3])).astype(p.dtype)
    cells = p[..., 1:]
    overlap = np.sum(cells * truth, dtype=np.float64)
    return truth, overlap, np.sum(cells, dtype=np.float64) + np.sum(truth, dtype=np.float64)
