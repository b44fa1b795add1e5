"""Compare single layers, forward and backward: what `verify layer` and `check` do.

`diagnosis.layers` says which layers there are, and what they take and give.
"""

from dataclasses import dataclass

import numpy as np

from .compare import Comparison, unit_of
from .diagnosis.layers import COSTS, LayerTrace
from .diagnosis.rounding import DOUBLE


@dataclass(frozen=True)
class Options:
    """What a layer takes besides its inputs; each layer uses the options that concern it.

    Attributes
    ----------
    padding : {"same", "valid"}
    stride : int
        Stride of the transposed convolution.
    size : int
        Side of the pooling window, in pixels.
    keep_prob : float
        Probability that dropout keeps a value, in (0, 1].
    epsilon : float
        What batch normalisation adds to the variance, above 0.
    class_weights : tuple of float
        Weight of each class in the cost; without them 1, 2, 3 and so on.

    Raises
    ------
    ValueError
        If one is outside its range.
    """

    padding: str = "same"
    stride: int = 2
    size: int = 2
    keep_prob: float = 0.75
    epsilon: float = 1e-3
    class_weights: tuple = ()

    def __post_init__(self):
        for name, good, required in (
                ("padding", self.padding in ("same", "valid"), "same or valid"),
                ("stride", self.stride >= 1, "at least 1"), ("size", 1 <= self.size <= 16, "from 1 to 16"),
                ("keep_prob", 0 < self.keep_prob <= 1, "above 0 and at most 1, the probability to keep"),
                ("epsilon", self.epsilon > 0, "above 0")):
            if not good:
                raise ValueError(f"{name}={getattr(self, name)!r} must be {required}")

    def weights(self, classes):
        """Return the class weights for a number of classes."""
        weights = tuple(self.class_weights) or tuple(float(1 + each) for each in range(classes))
        if len(weights) != classes:
            raise ValueError(f"class_weights={self.class_weights!r}: there are {classes} classes")
        return weights


def sample_inputs(layer, options, shape=(2, 6, 8, 3), filters=4, kernel=(5, 5), dtype=np.float32, seed=0):
    """Return random inputs of a layer by name, for x of `shape`, and a random dy.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    options : Options
    shape : tuple of int
        Shape (N, H, W, C) of x; a dense layer sees N*H*W rows of C numbers, a cost C classes.
    filters : int
        Channels of the output; for a concatenation those of the second input.
    kernel : tuple of int
        Height and width of the kernel, in pixels.
    dtype : float32 or float64
    seed : int
    """
    rng = np.random.default_rng(seed)
    channels = shape[3]
    for name, value, least in (("filters", filters, 1), ("kernel", min(kernel), 1),
                               ("classes (the last number of shape)", channels, 2 if layer in COSTS else 1),
                               ("pixels of shape", int(np.prod(shape[:3])), 2 if layer == "batch_norm" else 1)):
        if value < least:
            raise ValueError(f"{layer}: {name}={value} must be at least {least}")
    if layer == "max_pool2d" and (shape[1] % options.size or shape[2] % options.size):
        raise ValueError(f"max_pool2d: height and width of shape={shape} must be multiples of {options.size}")
    if layer == "conv2d" and options.padding == "valid" and (kernel[0] > shape[1] or kernel[1] > shape[2]):
        raise ValueError(f"conv2d: a kernel of {kernel[0]} x {kernel[1]} does not fit into shape={shape}; pad by same")

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    inputs = {"x": normal(*shape)}
    if layer == "conv2d":
        inputs["weight"] = normal(*kernel, channels, filters)
    elif layer == "conv_transpose2d":
        inputs["weight"] = normal(*kernel, filters, channels)
    elif layer == "dense":
        inputs = {"x": normal(int(np.prod(shape[:3])), channels), "weight": normal(channels, filters),
                  "b": normal(filters)}
    elif layer == "bias":
        inputs["b"] = normal(channels)
    elif layer == "concat":
        inputs = {"a": inputs["x"], "b": normal(*shape[:3], filters)}
    elif layer == "dropout":
        inputs["mask"] = (rng.random(shape) < options.keep_prob).astype(np.uint8)
    elif layer == "batch_norm":
        inputs |= {"scale": normal(channels), "shift": normal(channels)}
    elif layer == "max_pool2d":
        inputs["x"] = np.round(2 * inputs["x"]) / 2         # so that some tie
    elif layer in COSTS:
        return {"x": 4 * inputs["x"], "labels": rng.integers(0, channels, shape[:3])}
    inputs["dy"] = normal(*LayerTrace(layer, inputs, options, DOUBLE).computed("y").value.array.shape)
    return inputs


def compare_layer(layer, inputs, actual, options=None):
    """Return the `report.Report` on what an implementation made of a layer's inputs.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    inputs : dict of str to ndarray
        Inputs by name, dy among them.
    actual : dict of str to ndarray
        Outputs of the implementation by name.
    options : Options, optional
    """
    def make(unit, conventions):
        return LayerTrace(layer, inputs, options or Options(), unit, conventions)

    return Comparison(make, list(actual), actual, {}, {}, unit_of([*inputs.values(), *actual.values()])).run()
