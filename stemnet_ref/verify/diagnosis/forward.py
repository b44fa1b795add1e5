"""The usual mistakes of the forward passes of single layers, beside the conventions in which frameworks differ.

They are written as those of `backward`: a layer is called with changed inputs, or its result is written out.
"""

import numpy as np

from ...layers import softmax as plain_softmax
from .backward import Mistakes


def _normalised(axes):
    """Return the function for a normalisation by mean and variance over other axes."""
    def value(g):
        centred = g.x - g.x.mean(axes, keepdims=True)
        return g.scale * centred / np.sqrt(g.x.var(axes, keepdims=True) + g.options.epsilon) + g.shift
    return value


def _over(axis):
    return lambda g: plain_softmax.forward(g.x.swapaxes(axis, -1)).swapaxes(axis, -1)


MISTAKES = {                # by layer and output
    "bias": {"y": [Mistakes("x + b, b by channels (eq. 30)", "write x + b, of shape (C,)", {
        "is x - b": lambda g: g.x - g.b,
        "has the bias added twice": lambda g: g.x + 2 * g.b,
        "has the bias along the columns, not the channels": lambda g: g.x + g.b[:, None],
        "has the bias along the rows, not the channels": lambda g: g.x + g.b[:, None, None]})]},
    "relu": {"y": [Mistakes("max(x, 0) (eq. 37)", "write np.maximum(x, 0)", {
        "is |x|": lambda g: abs(g.x),
        "is min(x, 0)": lambda g: np.minimum(g.x, 0),
        "is 1 where x is above 0, not x": lambda g: np.where(g.x > 0, 1.0, 0.0)})]},
    "sigmoid": {"y": [Mistakes("1 / (1 + exp(-x))", "write 1 / (1 + np.exp(-x))", {
        "is 1 / (1 + exp(x)), the sigmoid of -x": lambda g: 1 - g.y,
        "is tanh(x)": lambda g: np.tanh(g.x),
        "has the sigmoid taken twice": lambda g: g.right(x=g.y)})]},
    "dense": {"y": [Mistakes("x weight + b, weight of shape (in, out)", "write x @ weight + b", {
        "has the weight transposed": lambda g: g.right(weight=g.weight.T),
        "lacks the bias": lambda g: g.right(b=0 * g.b),
        "has the bias added twice": lambda g: g.right(b=2 * g.b)})]},
    "max_pool2d": {"y": [Mistakes("the largest value of each window (section 4.3)", "write windows.max(-1)", {
        "is the smallest of each window": lambda g: -g.trace.changed(x=-g.x).array("y"),
        "is the largest magnitude of each window": lambda g: g.right(x=abs(g.x))})]},
    "dropout": {"y": [Mistakes("x mask / keep_prob (section 8.1)", "write x * mask / keep_prob", {
        "is not masked": lambda g: g.x / g.options.keep_prob,
        "is divided by keep_prob twice": lambda g: g.x * g.mask / g.options.keep_prob ** 2,
        "is multiplied by keep_prob, not divided": lambda g: g.x * g.mask * g.options.keep_prob})]},
    "softmax": {"y": [Mistakes("exp(z) / the sum over the classes (eq. 8)", "sum over the last axis, the classes", {
        "sums to 1 over the images, not the classes": _over(0),
        "sums to 1 over the rows, not the classes": _over(1),
        "sums to 1 over the columns, not the classes": _over(2),
        "is its logarithm": lambda g: np.log(g.y),
        "is the softmax of -z": lambda g: g.right(x=-g.x),
        "has the softmax taken twice": lambda g: g.right(x=g.y)})]},
    "batch_norm": {"y": [Mistakes(
        "scale (x - mean) / std + shift, with the mean and the variance of each channel over all images and pixels "
        "(eq. 56-58)", "take both over the axes 0, 1 and 2", {
            "is normalised over each image alone": _normalised((1, 2)),
            "is normalised over the images alone": _normalised((0,)),
            "is normalised over the channels of each pixel": _normalised((3,)),
            "is normalised over each image with all its channels": _normalised((1, 2, 3)),
            "lacks the scale": lambda g: g.right(scale=np.ones_like(g.scale)),
            "lacks the shift": lambda g: g.right(shift=0 * g.shift),
            "has scale and shift exchanged": lambda g: g.right(scale=g.shift, shift=g.scale),
            "has the scale 1 + scale": lambda g: g.right(scale=1 + g.scale),
            "is divided by the variance, not by its root": lambda g: g.scale * (g.x - g.x.mean((0, 1, 2))) / (
                g.x.var((0, 1, 2)) + g.options.epsilon) + g.shift})]},
}
