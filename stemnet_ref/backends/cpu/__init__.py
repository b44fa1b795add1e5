"""The layers' operations, fast, on a CPU: threads, Winograd's convolution, fused blocks.

A layer that is fast enough as it is plain is that of `stemnet_ref.layers`.
"""

from ...layers import (
    batch_norm,
    concat,
    dense,
    dice,
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)
from . import bias, block, conv2d, conv_transpose2d, dropout, max_pool2d

__all__ = ["batch_norm", "bias", "block", "concat", "conv2d", "conv_transpose2d", "dense", "dice", "dropout",
           "max_pool2d", "quadratic", "relu", "sigmoid", "softmax", "weighted_cross_entropy"]
