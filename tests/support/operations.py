"""Calls of every operation, with how large a rounding error of each may become: the one list of them.

A row of OPERATIONS is one call: its arguments, in float64, and how large a rounding error may become. What an operation
returns in float32 and in float64 may differ from the plain result by `terms` roundings of the `magnitude`, which is the
plain operation on the absolute values of its arguments unless the row gives it.
"""

from typing import NamedTuple

import numpy as np
from places import arrays

from stemnet_ref import layers
from stemnet_ref.layers.block import Saved
from stemnet_ref.optimizers import Rates


class Row(NamedTuple):
    """One call of an operation."""

    operation: str                  # layer.function
    arguments: object               # rng -> the tuple of arguments
    terms: object                   # of the sums: a number, or one for each result; 0 where results must be equal
    magnitude: object = None        # the arguments -> the results' magnitudes


def normal(*shapes):
    return lambda rng: tuple(rng.standard_normal(shape) for shape in shapes)


def more(make, *last):
    """Return the arguments that `make` makes, and some that are always the same."""
    return lambda rng: (*make(rng), *last)


def probabilities(rng):
    p = rng.uniform(0.05, 1, (2, 6, 5, 3))
    return p / p.sum(axis=-1, keepdims=True)


def labelled(rng):
    return probabilities(rng), rng.integers(0, 3, (2, 6, 5))


def pooled(rng, c=5):
    x = rng.standard_normal((2, 4, 6, c))
    return rng.standard_normal((2, 2, 3, c)), layers.max_pool2d.forward(x)[1]


def masked(rng):
    return rng.standard_normal((2, 3, 4, 5)), rng.uniform(size=(2, 3, 4, 5)) < 0.7


def normalised(rng):
    x, dy = rng.standard_normal((2, 2, 4, 6, 3))
    return dy, x, rng.standard_normal(3), x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2)), 0.1


def of_batch_norm(x, scale, shift, epsilon, statistics=None):
    mean, variance = statistics or (x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2)))
    y = abs(scale) * (abs(x) + abs(mean)) / np.sqrt(variance + epsilon) + abs(shift)
    return y, abs(x).mean(axis=(0, 1, 2)) + abs(mean), variance + mean ** 2


def of_batch_norm_back(dy, x, scale, mean, variance, epsilon):
    std = np.sqrt(variance + epsilon)
    xhat, pixels = (abs(x) + abs(mean)) / std, x.size // x.shape[3]
    dshift, dscale = abs(dy).sum(axis=(0, 1, 2)), (abs(dy) * xhat).sum(axis=(0, 1, 2))
    return abs(scale) / std * (abs(dy) + dshift / pixels + xhat * dscale / pixels), dscale, dshift


def updated(slots, *numbers):
    """Return the arguments of an optimizer's equations."""
    def make(rng):
        w, g = rng.standard_normal((2, 70))
        return w, g, *(rng.uniform(0.5, 2, 70) for _ in range(slots)), Rates(0.1, 0.2), *numbers

    return make


def of_update(w, g, *rest):
    """Return magnitudes of what an optimizer changes, w, g and the averages, whatever its form."""
    averages = [abs(each) + abs(g) + g * g for each in rest if isinstance(each, np.ndarray)]
    return abs(w) + sum(averages) + abs(g), abs(g), *averages


def block(kind, activation="relu", pair=False, scaled=False, keep_prob=1.0, sides=(2, 5, 6), c=8, o=4,
          needs_dx=True):
    """Return a row for the block's forward pass and one for its backward pass."""
    k = 3 if kind == "conv" else 2
    out = tuple(side * (1 if kind == "conv" else 2) for side in sides[1:])
    options = {"kind": kind, "activation": activation, "keep_prob": keep_prob, "key": (3, 1, 2)}

    def forward(rng):
        inputs = tuple(rng.standard_normal((*sides, channels)) for channels in ((c // 4, c - c // 4) if pair else (c,)))
        weight = rng.standard_normal((k, k, c, o) if kind == "conv" else (k, k, o, c))
        return inputs, weight, rng.standard_normal(o), options, rng.standard_normal(o) if scaled else None

    def backward(rng):
        inputs, weight, _, _, scale = forward(rng)
        z = rng.standard_normal((sides[0], *out, o))
        y = {"relu": np.maximum(z, 0), "sigmoid": 1 / (1 + np.exp(-z)), "linear": z}[activation]
        of_norm = (z, z.mean(axis=(0, 1, 2)), z.var(axis=(0, 1, 2))) if scaled else ()
        return rng.standard_normal(y.shape), Saved(inputs, y, *options.values(), *of_norm), weight, scale, needs_dx

    # of all that is multiplied and added on the way the largest, with the slope of batch normalisation
    def large(inputs, weight, b, options, scale):
        z = layers.block.forward(*absolute((inputs, weight, b)), kind=kind, activation="linear")[0]
        return (10 * (z + 1), z.mean(axis=(0, 1, 2)), (z ** 2).mean(axis=(0, 1, 2))) if scaled else 2 * z

    def large_back(dy, saved, weight, scale, needs_dx):
        saved = saved._replace(activation="linear", keep_prob=1.0)
        dinputs, dweight, db, _ = layers.block.backward(*absolute((dy, saved, weight)))
        factor = 20 if scaled else 2
        return tuple(factor * each for each in (*dinputs, dweight, db, db))

    return [Row("block.forward", forward, k * k * c + 8, large),
            Row("block.backward", backward, sides[0] * out[0] * out[1] + k * k * max(c, o) + 8, large_back)]


def convert(value, change):
    """Return arguments with `change` applied to each float64 array in them, and with copies of other arrays."""
    if isinstance(value, dict):
        return {name: convert(each, change) for name, each in value.items()}
    if isinstance(value, tuple):
        made = [convert(each, change) for each in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if not isinstance(value, np.ndarray):
        return value
    return change(value) if value.dtype == np.float64 else value.copy()


def absolute(value):
    """Return arguments with the absolute values of their arrays."""
    return convert(value, abs)


OPERATIONS = [
    *(Row("conv2d.forward", more(normal((2, 7, 9, c), (k, k, c, o)), padding), k * k * c + 1)
      for k, c, o, padding in ((5, 3, 4, "same"), (1, 8, 2, "same"), (4, 8, 16, "valid"))),
    *(Row("conv2d.backward", more(normal((2, 7, 9, o), (2, 7, 9, c), (k, k, c, o)), "same"), (k * k * o + 1, 127))
      for k, c, o in ((5, 3, 4), (1, 8, 2))),
    Row("conv2d.backward", more(normal((2, 5, 7, 4), (2, 7, 9, 3), (3, 3, 3, 4)), "valid"), (37, 71)),
    *(Row("conv2d.backward_input", more(normal((2, 5, 7, 4), (k, k, 3, 4)), padding), 4 * k * k + 1)
      for k, padding in ((3, "valid"), (4, "same"))),
    Row("conv2d.backward_weight", more(normal((2, 7, 9, 4), (2, 7, 9, 3)), (5, 5, 3, 4), "same"), 127),
    *(Row("conv_transpose2d.forward", more(normal((2, 4, 5, c), (k, k, o, c)), stride, padding), k * k * c + 1)
      for k, c, o, stride, padding in ((2, 8, 4, 2, "same"), (3, 3, 4, 2, "valid"), (1, 2, 3, 3, "same"))),
    Row("conv_transpose2d.backward", more(normal((2, 8, 10, 4), (2, 4, 5, 8), (2, 2, 4, 8)), 2, "same"), (17, 41)),
    Row("conv_transpose2d.backward", more(normal((2, 9, 11, 4), (2, 4, 5, 3), (3, 3, 4, 3)), 2, "valid"), (37, 41)),
    Row("bias.forward", normal((2, 4, 5, 3), (3,)), 1),
    Row("bias.backward", normal((2, 20, 31, 3)), 2 * 20 * 31),
    Row("relu.forward", normal((2, 4, 5, 3)), 0),
    Row("relu.backward", lambda rng: (rng.standard_normal((2, 4, 5)), rng.standard_normal((2, 4, 5)).clip(0)), 0),
    Row("sigmoid.forward", normal((2, 4, 5)), 8, lambda x: 1 + 0 * x),
    Row("sigmoid.backward", lambda rng: (rng.standard_normal((4, 5)), rng.uniform(0, 1, (4, 5))), 4,
        lambda dy, y: abs(dy)),
    Row("max_pool2d.forward", normal((2, 4, 6, 5)), 0),
    Row("max_pool2d.forward", lambda rng: (rng.integers(0, 3, (1, 6, 9, 2)) / 2, 3), 0),        # many ties
    Row("max_pool2d.forward", lambda rng: (rng.integers(0, 3, (2, 6, 9, 8)) / 2, 3), 0),
    Row("max_pool2d.backward", pooled, 0),
    Row("max_pool2d.backward", lambda rng: (*pooled(rng, 12), 2, rng.standard_normal((2, 4, 6, 12))), 1,
        lambda dy, argmax, size, add_to: abs(layers.max_pool2d.backward(dy, argmax)) + abs(add_to)),
    Row("max_pool2d.backward", lambda rng: (*pooled(rng), 2, rng.standard_normal((2, 4, 6, 5))), 1,
        lambda dy, argmax, size, add_to: abs(layers.max_pool2d.backward(dy, argmax)) + abs(add_to)),
    *(Row("dropout.draw_mask", lambda rng, shape=shape, keep=keep: (shape, keep, 5, 3, 1), 0)
      for shape, keep in (((3, 50), 0.75), ((7,), 1.0))),
    Row("dropout.forward", more(masked, 0.7), 2),
    Row("dropout.backward", more(masked, 0.7), 2),
    Row("concat.forward", normal((2, 3, 4, 2), (2, 3, 4, 5)), 0),
    Row("concat.backward", more(normal((2, 3, 4, 7)), 2), 0),
    Row("softmax.forward", normal((2, 3, 4, 3)), 16, lambda z: 1 + 0 * z),
    Row("softmax.backward", lambda rng: (rng.standard_normal((2, 6, 5, 3)), probabilities(rng)), 8,
        lambda dp, p: p * (abs(dp) + (abs(dp) * p).sum(axis=-1, keepdims=True))),
    *(Row("weighted_cross_entropy.forward", lambda rng, pixels=pixels: (
        rng.standard_normal((2, 6, 5, 3)), rng.integers(0, 3, (2, 6, 5)), (1.0, 2.0, 0.5),
        rng.uniform(0, 5, (2, 6, 5)) if pixels else None), 16,
        lambda z, labels, weights, pixels: (70.0, np.ones(z.shape))) for pixels in (False, True)),
    *(Row("weighted_cross_entropy.backward", lambda rng, pixels=pixels: (
        *labelled(rng), (1.0, 2.0, 0.5), rng.uniform(0, 5, (2, 6, 5)) if pixels else None), 4,
        lambda p, labels, weights, pixels: 7 / 60 + 0 * p) for pixels in (False, True)),
    Row("dice.forward", labelled, 8, lambda p, labels: 1.0),
    Row("dice.backward", labelled, 8, lambda p, labels: 4 / 60 + 0 * p),
    Row("quadratic.forward", labelled, 8, lambda p, labels: 1.0),
    Row("quadratic.backward", labelled, 4, lambda p, labels: 1 / 60 + 0 * p),
    Row("dense.forward", normal((5, 7), (7, 3), (3,)), 9),
    Row("dense.backward", normal((5, 3), (5, 7), (7, 3)), (5, 7, 7)),
    Row("batch_norm.forward", more(normal((2, 4, 6, 3), (3,), (3,)), 0.1), 30, of_batch_norm),
    Row("batch_norm.forward", lambda rng: (*normal((2, 4, 6, 3), (3,), (3,))(rng), 0.1,
                                           (rng.standard_normal(3), rng.uniform(0.5, 2, 3))), 10, of_batch_norm),
    Row("batch_norm.backward", normalised, 30, of_batch_norm_back),
    Row("batch_norm.average", more(normal((3,), (3,)), 0.1), 4),
    Row("metrics.outcomes", lambda rng: (rng.integers(0, 4, (2, 9, 9, 3)) / 4, rng.integers(0, 3, (2, 9, 9))), 0),
    Row("optimizers.sgd", updated(0), 3, of_update),
    *(Row("optimizers.momentum", updated(1, 0.3, form), 4, of_update) for form in ("thesis", "tensorflow")),
    Row("optimizers.adam", updated(2, 0.9, 0.99, 1e-3), 8, of_update),
    Row("regularization.add_penalty_gradients", lambda rng: (
        *({f"a.{kind}": rng.integers(-2, 3, 70) * 0.7 for kind in ("weight", "scale", "bias")} for _ in range(2)),
        0.3, 0.2, 4), 4,                                            # some weights are 0, where |w| has no slope
        lambda *arguments: [abs(each) + 1 for each in arrays(arguments)]),
    *block("conv"), *block("conv", pair=True, keep_prob=0.75), *block("deconv"), *block("conv", "sigmoid"),
    *block("conv", needs_dx=False), *block("conv", "sigmoid", needs_dx=False), *block("deconv", pair=True),
    *block("conv", "linear"), *block("deconv", "sigmoid"), *block("conv", scaled=True, pair=True, keep_prob=0.75),
    *block("conv", sides=(1, 3, 3), c=72, o=20, keep_prob=0.75),
    *block("conv", sides=(2, 13, 7), c=16, o=16, pair=True, keep_prob=0.75),        # three rows of Winograd's tiles
]
