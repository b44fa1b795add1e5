"""Dice cost on the GPU: `layers.dice` by the kernels of dice.cu; the cost is an array of shape ()."""

import numpy as np

from ...dispatch import device_of
from ...layers._shapes import check_shapes
from .launch import blocks, launch, sum_over


def forward(p, labels):
    cost = device_of(p, labels).empty((), np.float64)
    launch("dice.dice_forward", 1, _sets(p, labels), cost, block=1)
    return cost


def backward(p, labels):
    dp = device_of(p, labels).empty(p.shape, p.dtype)
    launch("dice.dice_backward", blocks(p.size), labels, _sets(p, labels), dp, p.shape[3], p.size)
    return dp


def _sets(p, labels):
    """Return |p and y| and |p| + |y|, float64 of shape (2,)."""
    check_shapes("dice", p=(p, "N H W K"), labels=(labels, "N H W"))
    return sum_over("dice.dice_sets", labels.size, (2,), p, labels, rest=(labels.size, p.shape[3]))
