"""Rosenblatt's perceptron: a threshold, without a derivative to learn by.

Forward    y_j = 1 if sum over i of w_ij x_i + b_j > 0, else 0      (eq. 1)
"""

from . import dense


def forward(x, weight, bias):
    """Return 0 or 1 for each of the N x M outputs, dtype of `x`; arguments as for `dense.forward`."""
    return (dense.forward(x, weight, bias) > 0).astype(x.dtype)
