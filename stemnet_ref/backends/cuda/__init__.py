"""The same operations on a GPU: a module for each layer with the host side of its kernels, in CuPy's arrays.

Names, arguments and results are those of the reference; a layer's kernels lie in the `.cu` file beside its reference,
what they share in the headers here. Nothing here needs CuPy until a GPU is asked for.
"""

from . import (
    batch_norm,
    bias,
    block,
    concat,
    conv2d,
    conv_transpose2d,
    dense,
    dice,
    dropout,
    max_pool2d,
    metrics,
    optimizers,
    quadratic,
    regularization,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)

__all__ = ["batch_norm", "bias", "block", "concat", "conv2d", "conv_transpose2d", "dense", "dice", "dropout",
           "max_pool2d", "metrics", "optimizers", "quadratic", "regularization", "relu", "sigmoid", "softmax",
           "weighted_cross_entropy"]
