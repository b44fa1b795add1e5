"""A layer alone: what it takes, and what it is expected to give under every convention.

A layer takes inputs by name and gives outputs by name: y, and dx, dweight and so on for a given dy; the costs give cost
and dx. Names and layouts are those of `stemnet_ref.layers`.
"""

from dataclasses import dataclass

import numpy as np

from ...layers import dice, quadratic
from . import costs, operations, products
from .rounding import DOUBLE, Assumptions, Computed, exact

# By layer: the axes of its inputs
INPUTS = {
    "conv2d": {"x": "N H W C", "weight": "kh kw C O"}, "conv_transpose2d": {"x": "N H W C", "weight": "kh kw O C"},
    "bias": {"x": "N H W C", "b": "C"}, "relu": {"x": "N H W C"}, "sigmoid": {"x": "N H W C"},
    "dense": {"x": "NHW C", "weight": "C O", "b": "O"}, "max_pool2d": {"x": "N H W C"},
    "dropout": {"x": "N H W C", "mask": "N H W C"}, "concat": {"a": "N H W C", "b": "N H W O"},
    "softmax": {"x": "N H W C"}, "batch_norm": {"x": "N H W C", "scale": "C", "shift": "C"},
    **{cost: {"x": "N H W C", "labels": "N H W"} for cost in ("weighted_cross_entropy", "dice", "quadratic")}}
COSTS = tuple(layer for layer, inputs in INPUTS.items() if "labels" in inputs)
# By layer: the names of its gradients, as a backward pass returns them
GRADIENTS = {layer: tuple(f"d{name}" for name in inputs if name not in ("labels", "mask"))
             for layer, inputs in INPUTS.items()}
FILTERS, KERNEL = 4, (5, 5)     # of inputs that are sampled
PADDINGS = "same", "valid"
# By option of `verify layer`: the layers that have it
OPTIONS = {"padding": ("conv2d", "conv_transpose2d"), "stride": ("conv_transpose2d",), "keep_prob": ("dropout",),
           **{option: tuple(layer for layer, inputs in INPUTS.items() if axis in " ".join(inputs.values()).split())
              for option, axis in (("filters", "O"), ("kernel", "kh"))}}
# By layer: a function of (v, o, assumed), as `products` describes it
LAYERS = {
    "conv2d": products.conv2d, "conv_transpose2d": products.conv_transpose2d, "bias": operations.bias,
    "relu": operations.relu, "sigmoid": operations.sigmoid, "dense": operations.dense,
    "max_pool2d": operations.max_pool2d, "dropout": operations.dropout, "concat": operations.concat,
    "softmax": costs.softmax_layer, "weighted_cross_entropy": costs.weighted_cross_entropy,
    "dice": costs.of_probabilities(dice, 8.0), "quadratic": costs.of_probabilities(quadratic, 2.0),
    "batch_norm": operations.batch_norm}


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
                ("padding", self.padding in PADDINGS, " or ".join(PADDINGS)),
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


class LayerTrace:
    """The outputs of one layer, computed when asked for.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    inputs : dict of str to ndarray
        Inputs by name, dy among them.
    options : Options
    unit, conventions, spread
        The same as for `Assumptions`.
    """

    def __init__(self, layer, inputs, options, unit, conventions=frozenset(), spread=False):
        self.layer, self.inputs, self.options, self.unit, self.conventions = layer, inputs, options, unit, conventions
        self.spread = spread
        self.values, self._known = {name: exact(array) for name, array in inputs.items()}, {}

    def under(self, conventions):
        """Return the LayerTrace under other conventions."""
        return LayerTrace(self.layer, self.inputs, self.options, self.unit, conventions, self.spread)

    def spread_out(self):
        """Return the LayerTrace where rounding errors are spread."""
        return LayerTrace(self.layer, self.inputs, self.options, self.unit, self.conventions, True)

    def changed(self, options=None, **inputs):
        """Return the LayerTrace of other inputs, by name, or with other options."""
        return LayerTrace(self.layer, {**self.inputs, **inputs}, options or self.options, self.unit, self.conventions,
                          self.spread)

    def roundoff(self):
        """Return what one rounding of a result may come to, as `Assumptions.roundoff`."""
        return Assumptions(self.unit, self.conventions).roundoff()

    def computed(self, key):
        """Return an output, and what was consulted for it: a Computed."""
        if key not in self._known:
            consulted = set()
            assumed = Assumptions(self.unit, self.conventions, consulted=consulted, spread=self.spread)
            value = LAYERS[self.layer](self.value, self.options, assumed)[key]()
            self._known[key] = Computed(value, frozenset(consulted))
        return self._known[key]

    def value(self, name):
        """Return an input or an output, a Value."""
        return self.values[name] if name in self.values else self.computed(name).value

    def array(self, name):
        """Return an input or an output as it is without rounding, float64."""
        return self.value(name).array


def sample_inputs(layer, options, shape=(5, 6, 8, 3), filters=FILTERS, kernel=KERNEL, dtype=np.float32, seed=0):
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
    rng, pixels = np.random.default_rng(seed), int(np.prod(shape[:3]))
    for name, value, least in (("filters", filters, 1), ("kernel", min(kernel), 1),
                               ("classes (the last number of shape)", shape[3], 2 if layer in COSTS else 1),
                               ("pixels of shape", pixels, 2 if layer == "batch_norm" else 1)):
        if value < least:
            raise ValueError(f"{layer}: {name}={value} must be at least {least}")
    if layer == "max_pool2d" and (shape[1] % options.size or shape[2] % options.size):
        raise ValueError(f"max_pool2d: height and width of shape={shape} must be multiples of {options.size}")
    if layer == "conv2d" and options.padding == "valid" and (kernel[0] > shape[1] or kernel[1] > shape[2]):
        raise ValueError(f"conv2d: a kernel of {kernel[0]} x {kernel[1]} does not fit into shape={shape}; pad by same")
    sides = dict(zip(("N", "H", "W", "C", "kh", "kw", "O", "NHW"), (*shape, *kernel, filters, pixels), strict=True))
    inputs = {}
    for name, axes in INPUTS[layer].items():
        size = [sides[axis] for axis in axes.split()]
        if name == "labels":
            inputs[name] = rng.integers(0, sides["C"], size)
        elif name == "mask":
            inputs[name] = (rng.random(size) < options.keep_prob).astype(np.uint8)
        else:
            inputs[name] = rng.standard_normal(size).astype(dtype)
    if layer in COSTS:
        return {**inputs, "x": 4 * inputs["x"]}
    if layer == "max_pool2d":
        inputs["x"] = np.round(2 * inputs["x"]) / 2         # so that some tie
    if layer == "relu":
        inputs["x"][rng.random(shape) < 1 / 16] = 0         # where the slope is a convention
    y = LayerTrace(layer, inputs, options, DOUBLE).computed("y").value.array
    return {**inputs, "dy": rng.standard_normal(y.shape).astype(dtype)}
