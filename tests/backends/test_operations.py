"""Every operation of every backend against the plain one in float64: the rows of OPERATIONS, and no other list."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from equations import chosen, stated
from operations import OPERATIONS, absolute, convert
from places import PLACES, arrays, cpu, emulator, module_at, on

from stemnet_ref import layers, metrics, optimizers, regularization
from stemnet_ref.backends.cpu import block, conv2d, dropout, jobs, winograd
from stemnet_ref.backends.cpu import optimizers as cpu_optimizers
from stemnet_ref.layers.block import Saved

MODULES = {**{name: getattr(layers, name) for name in layers.__all__}, "metrics": metrics, "optimizers": optimizers,
           "regularization": regularization}
# Its result is of another kind on a device; test_kernels.py takes steps of training with it
APART = "regularization.add_penalty",
SIGNATURES = {f"{name}.{key}": inspect.signature(function).parameters for name, module in MODULES.items()
              for key, function in vars(module).items() if name != "perceptron" and inspect.isfunction(function)
              and (hasattr(function, "__wrapped__") or key in ("forward", "backward"))}


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
        size, size_named = _called(row, absolute(arguments))
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


def _cast(arguments, dtype, then=None):
    """Return arguments with their floating-point arrays in a dtype, then in another if one is given, and copied."""
    return convert(arguments, lambda array: array.astype(dtype).astype(then or dtype))


def named(rows):
    """Return pytest's parameters for rows, each with a name of its own."""
    calls = [row.operation for row in rows]
    return [pytest.param(row, id=f"{row.operation}-{calls[:number].count(row.operation) + 1}")
            for number, row in enumerate(rows)]


def with_equations(parameters):
    """Return parameters of rows, each marked with the equations that the operation's module states."""
    return [pytest.param(*each.values, id=each.id, marks=pytest.mark.equation(*sorted(
        {name for number in stated(MODULES[each.values[0].operation.partition(".")[0]].__doc__)
         for name in chosen(str(number))}))) for each in parameters]


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
@pytest.mark.parametrize("row", with_equations(named(OPERATIONS)))
def test_an_operation_is_the_plain_one_within_rounding(place, row, dtype):
    compare(row, on(place, MODULES[row.operation.partition(".")[0]]), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("row", named(OPERATIONS))
@pytest.mark.parametrize("with_winograd", [False, True], ids=["direct", "winograd"])
def test_an_operation_divided_into_small_parts_is_the_plain_one(monkeypatch, row, dtype, with_winograd):
    """The CPU divides large arrays: here all are divided, into bands of a row, and blocks of 16 parameters."""
    divide_into_small_parts(monkeypatch, with_winograd)
    compare(row, on(cpu, MODULES[row.operation.partition(".")[0]]), dtype)


@pytest.mark.parametrize("with_winograd", [False, True], ids=["direct", "winograd"])
def test_a_mask_that_each_band_draws_from_its_beginning_is_noticed(monkeypatch, with_winograd):
    divide_into_small_parts(monkeypatch, with_winograd)
    right = dropout.draw_elements
    monkeypatch.setattr(dropout, "draw_elements", lambda start, *more: right(0, *more))
    for row in [row for row in OPERATIONS if row.operation.startswith("block.")][-2:]:
        with pytest.raises(AssertionError, match="worst error"):
            compare(row, block, np.float32)


def divide_into_small_parts(monkeypatch, with_winograd):
    for module, name, value in (
            (jobs, "ELEMENTS", 1), (conv2d, "BAND_BYTES", 1), (winograd, "MAX_ELEMENTS", 1), (block, "MAX_WHOLE", 1),
            (cpu_optimizers, "BLOCK", 16), (winograd, "MIN_TILES", 1 if with_winograd else 10 ** 9)):
        assert isinstance(getattr(module, name), int)
        monkeypatch.setattr(module, name, value)


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
