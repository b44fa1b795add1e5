"""The outputs of single layers, each with its rounding bound, under every convention.

A layer takes inputs by name and gives outputs by name: y, and dx, dweight and so on for a given dy; the costs give cost
and dx. Names and layouts are those of `stemnet_ref.layers`. Each function takes the inputs by name as Values, the
options and the assumptions, and returns a function for each output.
"""

import numpy as np

from ...layers import batch_norm, dice, quadratic, sigmoid, softmax
from . import costs
from . import operations as op
from .rounding import Assumptions, Value, bilinear, total
from .trace import Computed


def _conv2d(v, o, assumed):
    return {"y": lambda: op.conv2d(v["x"], v["weight"], assumed, o.padding),
            "dx": lambda: op.conv2d_input(v["dy"], v["weight"], assumed, o.padding),
            "dweight": lambda: op.conv2d_weight(v["dy"], v["x"], v["weight"].array.shape, assumed, o.padding)}


def _conv_transpose2d(v, o, assumed):
    def gradient(which):
        return lambda: op.conv_transpose2d_gradients(v["dy"], v["x"], v["weight"], assumed, o.stride,
                                                     o.padding)[which]()

    return {"y": lambda: op.conv_transpose2d(v["x"], v["weight"], assumed, o.stride, o.padding),
            "dx": gradient(0), "dweight": gradient(1)}


def _bias(v, o, assumed):
    return {"y": lambda: op.add(v["x"], v["b"], assumed), "dx": lambda: v["dy"],
            "db": lambda: op.bias_gradient(v["dy"], assumed)}


def _relu(v, o, assumed):
    return {"y": lambda: op.relu(v["x"]), "dx": lambda: op.relu_gradient(v["dy"], op.relu(v["x"]))}


def _sigmoid(v, o, assumed):
    y = sigmoid.forward(v["x"].array)
    near = assumed.result_unit() * (4 + abs(v["x"].array))
    return {"y": lambda: Value(y, near * y + assumed.smallest()),
            "dx": lambda: Value(v["dy"].array * y * (1 - y), 3 * near * y * abs(v["dy"].array) + assumed.smallest())}


def _dense(v, o, assumed):
    def product(a, b):
        return bilinear(np.matmul, a, b, len(b.array), assumed)

    return {"y": lambda: op.add(product(v["x"], v["weight"]), v["b"], assumed),
            "dx": lambda: product(v["dy"], v["weight"].map(np.transpose)),
            "dweight": lambda: product(v["x"].map(np.transpose), v["dy"]),
            "db": lambda: total(v["dy"], (0,), assumed)}


def _max_pool2d(v, o, assumed):
    return {"y": lambda: op.max_pool2d(v["x"], assumed, o.size),
            "dx": lambda: op.max_pool2d_gradient(v["dy"], v["x"], assumed, o.size)}


def _dropout(v, o, assumed):
    mask = v["mask"].array
    return {"y": lambda: op.dropout(v["x"], mask, o.keep_prob, assumed),
            "dx": lambda: op.dropout(v["dy"], mask, o.keep_prob, assumed)}


def _concat(v, o, assumed):
    def gradient(which):
        return lambda: op.concat_gradients(v["dy"], v["a"].array.shape[-1], assumed)[which]

    return {"y": lambda: op.concat(v["a"], v["b"], assumed), "da": gradient(0), "db": gradient(1)}


def _softmax(v, o, assumed):
    def dx():
        p, dy = costs.softmax(v["x"], assumed), v["dy"].array
        size = p.array * (abs(dy) + (p.array * abs(dy)).sum(-1, keepdims=True))
        slack = p.error * abs(dy) + p.array * (p.error * abs(dy)).sum(-1, keepdims=True) \
            + p.error * abs((p.array * dy).sum(-1, keepdims=True))
        rounding = assumed.roundings(dy.shape[-1] + 3) * size
        return Value(softmax.backward(dy, p.array), slack + rounding + assumed.smallest())

    return {"y": lambda: costs.softmax(v["x"], assumed), "dx": dx}


def _weighted_cross_entropy(v, o, assumed):
    arguments = v["x"], v["labels"].array.astype(np.int64), o.weights(v["x"].array.shape[-1]), "eq60", assumed
    return {"cost": lambda: costs.cross_entropy(*arguments), "dx": lambda: costs.cross_entropy_gradient(*arguments)}


def _of_probabilities(layer, slope):
    """Return a cost of probabilities as one of logits; `slope` bounds its second derivative by p, times pixels."""
    def outputs(v, o, assumed):
        p, labels = costs.softmax(v["x"], assumed), v["labels"].array.astype(np.int64)
        dp = layer.backward(p.array, labels)

        def cost():
            size = abs(dp) * p.error
            return Value(np.array(layer.forward(p.array, labels)),
                         np.array(size.sum() + 4 * assumed.roundings(labels.size) * (abs(dp) * p.array).sum()
                                  + 4 * assumed.result_unit()))

        def dx():
            bend = slope * (p.error.mean() + p.error) / labels.size
            rounding = assumed.roundings(labels.size) * abs(dp)
            each = p.array * (abs(dp) + (p.array * abs(dp)).sum(-1, keepdims=True))
            through = p.error * (abs(dp) + abs(dp).max(-1, keepdims=True))
            return Value(softmax.backward(dp, p.array),
                         through + p.array * (bend + rounding).sum(-1, keepdims=True) * 2
                         + assumed.roundings(dp.shape[-1] + 3) * each + assumed.smallest())

        return {"cost": cost, "dx": dx}

    return outputs


def _batch_norm(v, o, assumed):
    x, scale, shift = (v[name].array for name in ("x", "scale", "shift"))
    y, mean, variance = batch_norm.forward(x, scale, shift, o.epsilon)
    axes, n = (0, 1, 2), x[..., 0].size
    std = np.sqrt(variance + o.epsilon)
    unit = assumed.roundings(n)
    centred = abs(x) + abs(mean)                        # what cancels in x - mean
    z = centred / std
    slack = unit * (z + abs(x - mean) / std * (1 + np.mean(z ** 2, axes)))

    def gradients(which):
        dy = v["dy"].array
        found = batch_norm.backward(dy, x, scale, mean, variance, o.epsilon)[which]
        sums = abs(dy).sum(axes), (abs(dy) * z).sum(axes)
        uncertain = (abs(dy) * slack).sum(axes)
        if which == 0:
            size = abs(dy) + (sums[0] + z * sums[1]) / n
            error = abs(scale) / std * (4 * unit * size * (1 + np.mean(z ** 2, axes))
                                              + (slack * sums[1] + z * uncertain) / n)
        else:
            error = unit * sums[2 - which] + (uncertain if which == 1 else 0)
        return Value(found, error + assumed.smallest())

    error = abs(scale) * slack + assumed.result_unit() * (abs(y) + abs(shift)) * 2 + assumed.smallest()
    return {"y": lambda: Value(y, error), "dx": lambda: gradients(0), "dscale": lambda: gradients(1),
            "dshift": lambda: gradients(2)}


COSTS = ("weighted_cross_entropy", "dice", "quadratic")
LAYERS = {"conv2d": _conv2d, "conv_transpose2d": _conv_transpose2d, "bias": _bias, "relu": _relu, "sigmoid": _sigmoid,
          "dense": _dense, "max_pool2d": _max_pool2d, "dropout": _dropout, "concat": _concat, "softmax": _softmax,
          "weighted_cross_entropy": _weighted_cross_entropy, "dice": _of_probabilities(dice, 8.0),
          "quadratic": _of_probabilities(quadratic, 2.0), "batch_norm": _batch_norm}


class LayerTrace:
    """The outputs of one layer, computed when asked for, as `trace.Trace` does it for a network.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    inputs : dict of str to ndarray
        Inputs by name, dy among them.
    options : verify.layers.Options
    unit, conventions
        The same as for `Assumptions`.
    """

    def __init__(self, layer, inputs, options, unit, conventions=frozenset()):
        self.values = {name: Value(np.asarray(array, np.float64)) for name, array in inputs.items()}
        self.layer, self.options, self.unit, self.conventions, self._known = layer, options, unit, conventions, {}

    def computed(self, key):
        """Return an output, and what was consulted for it: a Computed."""
        if key not in self._known:
            consulted = set()
            assumed = Assumptions(self.unit, self.conventions, consulted=consulted)
            value = LAYERS[self.layer](self.values, self.options, assumed)[key]()
            self._known[key] = Computed(value, frozenset(consulted))
        return self._known[key]

    def forget(self, step):
        """Keep all: a layer has no steps."""
