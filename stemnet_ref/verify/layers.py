"""Single layers, forward and backward, under every convention: what `verify layer` and `check` compare with.

A layer takes inputs by name and gives outputs by name: y, and dx, dweight and so on for a given dy; the costs give cost
and dz. Names and layouts are those of `stemnet_ref.layers`.
"""

from dataclasses import dataclass

import numpy as np

from ..layers import batch_norm, dice, quadratic, sigmoid, softmax
from . import costs
from . import operations as op
from .compare import Comparison, unit_of
from .rounding import Value, Way, bilinear, total


@dataclass(frozen=True)
class Options:
    """What a layer is told besides its inputs; each takes those that concern it.

    Attributes
    ----------
    padding : {"same", "valid"}
    stride : int
        Of the transposed convolution.
    size : int
        Side of the pooling window, in pixels.
    keep_prob : float
        In (0, 1].
    epsilon : float
        Of the batch normalisation, above 0.
    class_weights : tuple of float
        One a class; without them 1, 2, 3 and so on.

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
        """Return the weights of so many classes."""
        weights = tuple(self.class_weights) or tuple(float(1 + each) for each in range(classes))
        if len(weights) != classes:
            raise ValueError(f"class_weights={self.class_weights!r}: there are {classes} classes")
        return weights


def _conv2d(v, o, way):
    return {"y": lambda: op.conv2d(v["x"], v["weight"], way, o.padding),
            "dx": lambda: op.conv2d_input(v["dy"], v["weight"], way, o.padding),
            "dweight": lambda: op.conv2d_weight(v["dy"], v["x"], v["weight"].array.shape, way, o.padding)}


def _conv_transpose2d(v, o, way):
    def gradient(which):
        return lambda: op.conv_transpose2d_gradients(v["dy"], v["x"], v["weight"], way, o.stride, o.padding)[which]()

    return {"y": lambda: op.conv_transpose2d(v["x"], v["weight"], way, o.stride, o.padding),
            "dx": gradient(0), "dweight": gradient(1)}


def _bias(v, o, way):
    return {"y": lambda: op.bias(v["x"], v["b"], way), "dx": lambda: v["dy"],
            "db": lambda: op.bias_gradient(v["dy"], way)}


def _relu(v, o, way):
    return {"y": lambda: op.relu(v["x"]), "dx": lambda: op.relu_gradient(v["dy"], op.relu(v["x"]))}


def _sigmoid(v, o, way):
    y = sigmoid.forward(v["x"].array)
    near = way.result_unit * (4 + abs(v["x"].array))
    return {"y": lambda: Value(y, near * y + way.tiny),
            "dx": lambda: Value(v["dy"].array * y * (1 - y), 3 * near * y * abs(v["dy"].array) + way.tiny)}


def _dense(v, o, way):
    def product(a, b):
        return bilinear(np.matmul, a, b, len(b.array), way)

    return {"y": lambda: op.bias(product(v["x"], v["weight"]), v["b"], way),
            "dx": lambda: product(v["dy"], v["weight"].map(np.transpose)),
            "dweight": lambda: product(v["x"].map(np.transpose), v["dy"]),
            "db": lambda: total(v["dy"], (0,), way)}


def _max_pool2d(v, o, way):
    return {"y": lambda: op.max_pool2d(v["x"], way, o.size),
            "dx": lambda: op.max_pool2d_gradient(v["dy"], v["x"], way, o.size)}


def _dropout(v, o, way):
    mask = v["mask"].array
    return {"y": lambda: op.dropout(v["x"], mask, o.keep_prob, way),
            "dx": lambda: op.dropout(v["dy"], mask, o.keep_prob, way)}


def _concat(v, o, way):
    def gradient(which):
        return lambda: op.concat_gradients(v["dy"], v["a"].array.shape[-1], way)[which]

    return {"y": lambda: op.concat(v["a"], v["b"], way), "da": gradient(0), "db": gradient(1)}


def _softmax(v, o, way):
    def dx():
        p, dy = costs.softmax(v["x"], way), v["dy"].array
        size = p.array * (abs(dy) + (p.array * abs(dy)).sum(-1, keepdims=True))
        slack = p.error * abs(dy) + p.array * (p.error * abs(dy)).sum(-1, keepdims=True) \
            + p.error * abs((p.array * dy).sum(-1, keepdims=True))
        return Value(softmax.backward(dy, p.array), slack + way.roundings(dy.shape[-1] + 3) * size + way.tiny)

    return {"y": lambda: costs.softmax(v["x"], way), "dx": dx}


def _weighted_cross_entropy(v, o, way):
    arguments = v["x"], v["labels"].array.astype(np.int64), o.weights(v["x"].array.shape[-1]), "eq60", way
    return {"cost": lambda: costs.cross_entropy(*arguments), "dx": lambda: costs.cross_entropy_gradient(*arguments)}


def _of_probabilities(layer, slope):
    """Return a cost of probabilities as one of logits; `slope` bounds its second derivative by p, times pixels."""
    def outputs(v, o, way):
        p, labels = costs.softmax(v["x"], way), v["labels"].array.astype(np.int64)
        dp = layer.backward(p.array, labels)

        def cost():
            size = abs(dp) * p.error
            return Value(np.array(layer.forward(p.array, labels)),
                         np.array(size.sum() + 4 * way.roundings(labels.size) * (abs(dp) * p.array).sum()
                                  + 4 * way.result_unit))

        def dx():
            bend = slope * (p.error.mean() + p.error) / labels.size
            rounding = way.roundings(labels.size) * abs(dp)
            each = p.array * (abs(dp) + (p.array * abs(dp)).sum(-1, keepdims=True))
            through = p.error * (abs(dp) + abs(dp).max(-1, keepdims=True))
            return Value(softmax.backward(dp, p.array),
                         through + p.array * (bend + rounding).sum(-1, keepdims=True) * 2
                         + way.roundings(dp.shape[-1] + 3) * each + way.tiny)

        return {"cost": cost, "dx": dx}

    return outputs


def _batch_norm(v, o, way):
    x, scale, shift = (v[name].array for name in ("x", "scale", "shift"))
    y, mean, variance = batch_norm.forward(x, scale, shift, o.epsilon)
    axes, n = (0, 1, 2), x[..., 0].size
    deviation = np.sqrt(variance + o.epsilon)
    unit = way.roundings(n)
    centred = abs(x) + abs(mean)                        # what cancels in x - mean, in deviations
    z = centred / deviation
    slack = unit * (z + abs(x - mean) / deviation * (1 + np.mean(z ** 2, axes)))

    def gradients(which):
        dy = v["dy"].array
        found = batch_norm.backward(dy, x, scale, mean, variance, o.epsilon)[which]
        sums = abs(dy).sum(axes), (abs(dy) * z).sum(axes)
        uncertain = (abs(dy) * slack).sum(axes)
        if which == 0:
            size = abs(dy) + (sums[0] + z * sums[1]) / n
            error = abs(scale) / deviation * (4 * unit * size * (1 + np.mean(z ** 2, axes))
                                              + (slack * sums[1] + z * uncertain) / n)
        else:
            error = unit * sums[2 - which] + (uncertain if which == 1 else 0)
        return Value(found, error + way.tiny)

    return {"y": lambda: Value(y, abs(scale) * slack + way.result_unit * (abs(y) + abs(shift)) * 2 + way.tiny),
            "dx": lambda: gradients(0), "dscale": lambda: gradients(1), "dshift": lambda: gradients(2)}


def draw(layer, options, shape=(2, 6, 8, 3), filters=4, kernel=(5, 5), dtype=np.float32, seed=0):
    """Return random inputs of a layer by name, for x of `shape`, and a random dy.

    Parameters
    ----------
    layer : str
    options : Options
    shape : tuple of int
        (N, H, W, C); a dense layer sees N*H*W rows of C, a cost C classes.
    filters : int
        Channels out; of a concatenation, those of the second input.
    kernel : tuple of int
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
    values = {name: Value(array.astype(np.float64)) for name, array in inputs.items()}
    inputs["dy"] = normal(*LAYERS[layer](values, options, Way(0.0))["y"]().array.shape)
    return inputs


COSTS = ("weighted_cross_entropy", "dice", "quadratic")
LAYERS = {"conv2d": _conv2d, "conv_transpose2d": _conv_transpose2d, "bias": _bias, "relu": _relu, "sigmoid": _sigmoid,
          "dense": _dense, "max_pool2d": _max_pool2d, "dropout": _dropout, "concat": _concat, "softmax": _softmax,
          "weighted_cross_entropy": _weighted_cross_entropy, "dice": _of_probabilities(dice, 8.0),
          "quadratic": _of_probabilities(quadratic, 2.0), "batch_norm": _batch_norm}


class LayerTrace:
    """The outputs of one layer, computed when asked for, as `trace.Trace` does it for a network."""

    def __init__(self, layer, inputs, options, way):
        values = {name: Value(np.asarray(array, np.float64)) for name, array in inputs.items()}
        self.way, self.outputs, self._known = way, LAYERS[layer](values, options, way), {}

    def computed(self, key):
        """Return an output."""
        if key not in self._known:
            self.way.consulted.clear()
            self._known[key] = self.outputs[key](), frozenset(self.way.consulted)
        return self._known[key][0]

    def consulted(self, key):
        """Return the names of the conventions that could change an output that has been computed."""
        return self._known[key][1]

    def forget(self, step):
        """Keep all: a layer has no steps."""


def compare_layer(layer, inputs, given, options=None):
    """Return the `compare.Report` on what an implementation made of a layer's inputs.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    inputs : dict of str to ndarray
    given : dict of str to ndarray
        Its outputs.
    options : Options, optional
    """
    options = options or Options()

    def make(way):
        return LayerTrace(layer, inputs, options, way)

    return Comparison(make, list(given), given, {}, {}, unit_of([*inputs.values(), *given.values()])).run()
