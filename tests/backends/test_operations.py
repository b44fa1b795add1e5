"""Every operation of every backend against the plain one in float64: the one list of these comparisons.

A row of OPERATIONS is one call: its arguments, in float64, and how large a rounding error may become. What an operation
returns in float32 and in float64 may differ from the plain result by `terms` roundings of the `magnitude`, which is the
plain operation on the absolute values of its arguments unless the row gives it.
"""

import inspect
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from places import PLACES, arrays, cpu, emulator, module_at, on

from stemnet_ref import layers, metrics, optimizers, regularization
from stemnet_ref.layers.block import Saved
from stemnet_ref.optimizers import Rates

MODULES = {**{name: getattr(layers, name) for name in layers.__all__}, "metrics": metrics, "optimizers": optimizers,
           "regularization": regularization}
# Its result is of another kind on a device; test_kernels.py takes steps of training with it
APART = "regularization.add_penalty",
SIGNATURES = {f"{name}.{key}": inspect.signature(function).parameters for name, module in MODULES.items()
              for key, function in vars(module).items() if name != "perceptron" and inspect.isfunction(function)
              and (hasattr(function, "__wrapped__") or key in ("forward", "backward"))}


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


def probabilities(rng, shape=(2, 6, 5, 3)):
    p = rng.uniform(0.05, 1, shape)
    return p / p.sum(axis=-1, keepdims=True)


def labelled(rng):
    return probabilities(rng), rng.integers(0, 3, (2, 6, 5))


def pooled(rng):
    x = rng.standard_normal((2, 4, 6, 5))
    return rng.standard_normal((2, 2, 3, 5)), layers.max_pool2d.forward(x)[1]


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
        z = layers.block.forward(*_absolute((inputs, weight, b)), kind=kind, activation="linear")[0]
        return (10 * (z + 1), z.mean(axis=(0, 1, 2)), (z ** 2).mean(axis=(0, 1, 2))) if scaled else 2 * z

    def large_back(dy, saved, weight, scale, needs_dx):
        saved = saved._replace(activation="linear", keep_prob=1.0)
        dinputs, dweight, db, _ = layers.block.backward(*_absolute((dy, saved, weight)))
        factor = 20 if scaled else 2
        return tuple(factor * each for each in (*dinputs, dweight, db, db))

    return [Row("block.forward", forward, k * k * c + 8, large),
            Row("block.backward", backward, sides[0] * out[0] * out[1] + k * k * max(c, o) + 8, large_back)]


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
    Row("max_pool2d.backward", pooled, 0),
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
]


def compare(row, module, dtype):
    """Assert that a module's operation returns what the plain one does, within its roundings in a dtype."""
    arguments = row.arguments(np.random.default_rng(0))
    there, named = _called(row, _cast(arguments, dtype))
    exact, exact_named = _called(row, _cast(arguments, dtype, np.float64))
    name, function = row.operation.split(".")
    plain = getattr(MODULES[name], function)
    got, want = (_results(operation(*each, **keywords), each)
                 for operation, each, keywords in ((getattr(module, function), there, named),
                                                   (plain, exact, exact_named)))
    if row.magnitude:
        large = _results(row.magnitude(*_cast(arguments, np.float64)), None)
    else:
        size, size_named = _called(row, _absolute(arguments))
        large = _results(plain(*size, **size_named), size)
    terms = row.terms if isinstance(row.terms, tuple) else (row.terms,) * len(want)
    assert len(got) == len(want)
    for number, (ours, right, count) in enumerate(zip(got, want, terms, strict=True)):
        if right is None:
            assert ours is None
            continue
        ours, right = np.asarray(ours), np.asarray(right)
        assert ours.shape == right.shape
        of_arguments = right.dtype == np.float64 and name != "metrics"          # else a dtype that is always the same
        assert ours.ndim == 0 or ours.dtype == (dtype if of_arguments else right.dtype)
        allowed = 2 * count * np.finfo(dtype).eps * np.asarray(large[number]) if count else 0
        error = abs(ours - right.astype(float))
        beyond = np.max(error - allowed)                            # NaN, too, is beyond
        assert beyond <= 0, (
            f"{row.operation}, result {number}: the worst error is {np.max(error)}, where {np.max(allowed)} is "
            "allowed; the plain operation may be the wrong one of the two")


def _called(row, arguments):
    """Return the arguments by position and by name; a dict among them holds those by name of a block."""
    if row.operation != "block.forward":
        return arguments, {}
    *first, options, scale = arguments
    return tuple(first), {**options, "scale": scale}


def _results(results, arguments):
    """Return what an operation returns, or else its arguments' arrays, as a list; of `Saved` only the statistics."""
    if results is None:
        return arrays(arguments)
    flat = []
    for each in results if isinstance(results, (tuple, list)) else (results,):
        flat += [each.mean, each.variance] if isinstance(each, Saved) else each if isinstance(each, tuple) else [each]
    return flat


def _cast(value, dtype, then=None):
    """Return arguments with their floating-point arrays in a dtype, and copied."""
    if isinstance(value, dict):
        return {name: _cast(each, dtype, then) for name, each in value.items()}
    if isinstance(value, tuple):
        made = [_cast(each, dtype, then) for each in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype != np.float64:
        return value.copy()
    return value.astype(dtype).astype(then or dtype)


def _absolute(value):
    """Return arguments with the absolute values of their arrays."""
    if isinstance(value, tuple):
        made = [_absolute(each) for each in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    return abs(value) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


def named(rows):
    """Return pytest's parameters for rows, each with a name of its own."""
    return [pytest.param(row, id=f"{row.operation}-{number}") for number, row in enumerate(rows)]


@PLACES
@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "foo"}, "kind='foo' must be one of conv, deconv"),
    ({"activation": "softmax"}, "activation='softmax' must be one of relu, sigmoid, linear"),
    ({"activation": "foo", "keep_prob": 0.5}, "activation='foo' must be"),
    ({"inputs": np.ones((2, 4, 4, 3))}, "inputs, of type .*, must be a tuple of one or two arrays"),
    ({"inputs": (np.ones((2, 4, 4, 1)),) * 3}, "inputs, 3 arrays, must be a tuple"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_a_block_refuses_what_it_has_no_code_for(place, change, message):
    arguments = {"inputs": (np.ones((2, 4, 4, 3)),), "weight": np.ones((2, 2, 3, 3)), "b": np.ones(3)}
    with pytest.raises(ValueError, match=message):
        on(place, layers.block).forward(**arguments | change)


@PLACES
@pytest.mark.parametrize("activation", ["relu", "linear", "sigmoid"])
def test_a_transposed_convolution_refuses_to_leave_its_input_out(place, activation):
    block, weight = on(place, layers.block), np.ones((2, 2, 3, 3))
    y, saved = block.forward((np.ones((2, 4, 4, 3)),), weight, np.ones(3), "deconv", activation)
    with pytest.raises(ValueError, match="needs_dx=False must be True with kind=\"deconv\""):
        block.backward(y, saved, weight, needs_dx=False)


@PLACES
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("row", named(OPERATIONS))
def test_an_operation_is_the_plain_one_within_rounding(place, row, dtype):
    compare(row, on(place, MODULES[row.operation.partition(".")[0]]), dtype)


def test_every_operation_has_a_row():
    assert {row.operation for row in OPERATIONS} == {*SIGNATURES} - {*APART}


@pytest.mark.parametrize("package", ["stemnet_ref.backends.cpu", "stemnet_ref.backends.cuda"])
@pytest.mark.parametrize("operation", SIGNATURES)
def test_a_backend_offers_the_operations_of_the_reference_under_their_signatures(package, operation):
    name, function = operation.split(".")
    ours = inspect.signature(getattr(module_at(package, MODULES[name]), function)).parameters
    actual, expected = ([(each, value.default) for each, value in parameters.items() if each != "layers"]
                        for parameters in (ours, SIGNATURES[operation]))
    assert actual == expected


@pytest.mark.parametrize("place", [cpu, emulator])
@pytest.mark.parametrize("row", named([next(row for row in OPERATIONS if row.operation == operation)
                                       for operation in SIGNATURES if operation not in APART]))
def test_a_fault_in_an_operation_of_a_backend_is_noticed(place, row):
    """The largest element of each result in turn is wrong by a hundredth; of a mask or an argmax it is another."""
    name, function = row.operation.split(".")
    right = getattr(on(place, MODULES[name]), function)
    for number in range(len(row.terms) if isinstance(row.terms, tuple) else 1):
        def wrong(*arguments, number=number, **named):
            results = _results(right(*arguments, **named), arguments)
            array = results[number] = np.array(results[number])
            at = np.unravel_index(np.argmax(abs(array)), array.shape)
            array[at] = not array[at] if array.dtype == bool else array[at] + (
                1 if array.dtype == np.uint8 else array[at] / 100)
            return tuple(results)

        with pytest.raises(AssertionError, match="worst error"):
            compare(row, SimpleNamespace(**{function: wrong}), np.float64)
