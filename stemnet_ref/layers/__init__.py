"""The layers: one module each, a pair of plain functions `forward` and `backward`, and no hidden state.

Arrays are (N, H, W, C): batch, height, width, channels; filters (kh, kw, in, out). `dx` is the gradient of the cost
with respect to `x`. Every layer runs in float32 and float64 and returns the dtype it was given. NumPy's arrays are
computed with here; CuPy's by the kernels of `stemnet_ref.backends.cuda` (`stemnet_ref.dispatch`).
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
    perceptron,
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)

__all__ = ["batch_norm", "bias", "block", "concat", "conv2d", "conv_transpose2d", "dense", "dice", "dropout",
           "max_pool2d", "perceptron", "quadratic", "relu", "sigmoid", "softmax", "weighted_cross_entropy"]
