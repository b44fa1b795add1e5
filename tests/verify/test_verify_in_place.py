"""check of layers that work in place, keep a state, or draw random numbers; and finite differences."""

import numpy as np
import pytest
from in_place_layers import (
    batch_norm_in_place,
    bias_in_place,
    dropout_in_place,
    relu_in_place,
    sigmoid_in_place,
    softmax_in_place,
)
from numpy_layers import RIGHT, backward_of, conv2d_dx, correlate, square_inputs, through_softmax

from stemnet_ref.verify import check
from stemnet_ref.verify.calls import call


class Kept:
    """A batch normalisation in place, which keeps a copy of x for its backward pass."""

    def forward(self, x, scale, shift):
        self.x = x.copy()
        return batch_norm_in_place(x, scale, shift)

    def backward(self, dy, x, scale, shift):
        return backward_of("batch_norm")(dy, self.x, scale, shift)


KEPT = Kept()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "forward", "backward"), [
    ("relu", relu_in_place, backward_of("relu")), ("dropout", dropout_in_place, backward_of("dropout")),
    ("bias", bias_in_place, backward_of("bias")), ("batch_norm", KEPT.forward, KEPT.backward),
    ("sigmoid", sigmoid_in_place, lambda dy, y: dy * y * (1 - y)),             # x is y by then
    ("softmax", softmax_in_place, lambda dy, y: through_softmax(dy, y))])
def test_a_right_layer_in_place_agrees_with_a_note(layer, forward, backward, dtype, capsys):
    inputs = square_inputs(layer, dtype)
    before = {name: array.copy() for name, array in inputs.items()}
    report = check(forward, backward, inputs, layer)
    assert report.agrees
    assert len(report.notes) == 1
    assert "forward changes x in place, and agrees" in report.notes[0]
    assert "check: forward changes x in place" in capsys.readouterr().err
    assert all(np.array_equal(inputs[name], before[name]) for name in inputs)   # what the user gave is as it was


@pytest.mark.torch
@pytest.mark.parametrize("gradients", [False, True])
def test_layers_of_pytorch_in_place(gradients):
    import torch
    from torch.nn import functional

    x = torch.randn(2, 4, 4, 3)
    mask = (torch.rand(2, 4, 4, 3) < 0.75).float()
    right = check(lambda x: functional.relu(x, inplace=True), lambda dy, x: dy * (x > 0), {"x": x}, "relu")
    assert "x in place" in right.notes[0]
    assert check(lambda x, mask: x.mul_(mask).div_(0.75), lambda dy, x, mask: dy * mask / 0.75,
                 {"x": x, "mask": mask}, "dropout").notes
    with pytest.raises(AssertionError, match=r"y is \|x\|; right is max"):
        check(lambda x: x.abs_(), lambda dy, x: dy * (x > 0), {"x": x}, "relu")
    leaf = x.clone().requires_grad_(gradients)
    assert not check(lambda x: functional.relu(x), None, {"x": leaf}, "relu").notes


def absolute(x):
    return np.abs(x, out=x)


def halving(x, weight):
    weight *= 0.5
    return correlate(x, weight)


def halving_after(x, weight):
    y = correlate(x, weight)
    weight *= 0.5
    return y


def relu_gradient_in_place(dy, x):
    dy *= x > 0
    return dy


def flip_mask(x, mask):
    y = x * mask / np.float32(0.75)
    mask[...] = 1
    return y


@pytest.mark.parametrize(("layer", "forward", "backward", "words"), [
    ("relu", absolute, None, "y is |x|"),
    ("conv2d", halving, None, "y is half of what it should be"),
    ("conv2d", halving, None, "1. forward changes weight in place"),
    ("conv2d", halving_after, backward_of("conv2d"), "1. forward changes weight in place"),
    ("relu", RIGHT["relu"][0], relu_gradient_in_place, "1. backward changes dy in place"),
    ("dropout", flip_mask, backward_of("dropout"), "1. forward changes mask in place"),
])
def test_what_must_not_be_changed_is_named(layer, forward, backward, words):
    with pytest.raises(AssertionError) as raised:
        check(forward, backward, square_inputs(layer), layer)
    assert words in str(raised.value)
    assert "agrees:" not in str(raised.value)


def test_an_output_that_is_the_input_is_not_changed_by_later_calls():
    memory = np.empty((5, 6, 8, 3), np.float32)

    def forward(x):
        return np.maximum(x, 0, out=memory)                    # one buffer for all calls

    def backward(dy, x):
        return np.multiply(dy, x > 0, out=memory)

    assert not check(forward, backward, layer="relu").notes


class Stateful:
    """A dropout that draws its own mask, or a layer that remembers."""

    def __init__(self):
        self.calls, self.rng = 0, np.random.default_rng(0)

    def counting(self, x):
        self.calls += 1
        return np.maximum(x, 0) * self.calls

    def drawing(self, x, mask):
        return x * (self.rng.random(x.shape) < 0.75).astype(x.dtype) / np.float32(0.75)


@pytest.mark.parametrize(("layer", "name"), [("relu", "counting"), ("dropout", "drawing")])
def test_a_state_and_random_numbers_are_named(layer, name):
    with pytest.raises(AssertionError, match=r"1\. forward gives other numbers in a second call"):
        check(getattr(Stateful(), name), None, square_inputs(layer), layer)


def test_a_layer_may_keep_what_its_backward_pass_needs():
    kept = {}

    def forward(x, weight):
        kept.update(x=x, weight=weight)
        return correlate(x, weight)

    def backward(dy, x, weight):
        return conv2d_dx(dy, kept["x"], kept["weight"]), RIGHT["conv2d"][1]["dweight"](dy, kept["x"], weight)

    assert check(forward, backward, square_inputs("conv2d"), "conv2d").agrees


def test_of_several_results_the_first_is_taken():
    report = check(lambda x: (np.maximum(x, 0), x), None, layer="relu")
    assert report.notes == ("forward returned 2 results: the first is compared, and no other.",)


class Uncopied:
    """An array that cannot be copied."""

    def __array__(self, dtype=None, copy=None):
        return np.ones((1, 2, 2, 1), np.float32)

    def __deepcopy__(self, memory):
        raise TypeError("in use")


def test_an_array_that_cannot_be_copied_is_named():
    with pytest.raises(ValueError, match=r"x is a Uncopied, which cannot be copied \(in use\)"):
        check(lambda x: x, None, {"x": Uncopied()}, "relu")


def test_call_keeps_what_it_is_given_and_what_it_gets():
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    (y,), changed = call(lambda x: np.negative(x, out=x), {"x": x})
    np.testing.assert_array_equal(changed.pop("x"), y)
    assert not changed
    np.testing.assert_array_equal(y, -np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))
    assert not call(lambda x: x * np.nan, {"x": x * np.nan})[1]


# finite differences

GRID = {"x": np.linspace(-2.0, 2.0, 9)}     # 0 is among them


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_any_slope_at_a_kink_is_right(at_zero):
    report = check(lambda x: np.maximum(x, 0), lambda dy, x: dy * np.heaviside(x, at_zero), GRID)
    assert "x is at a kink of the function in 1 of 9 elements" in report.notes[0]


@pytest.mark.parametrize("shift", [1e-6, 3e-6, 5.0863e-6, 9e-6, 1.4e-5, -4e-6])
def test_a_kink_within_the_step_is_no_fault(shift):
    check(lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0), {"x": GRID["x"] + shift})


def test_a_slope_beyond_those_of_a_kink_is_wrong():
    with pytest.raises(AssertionError, match="here the function has a kink, with the finite differences"):
        check(lambda x: np.maximum(x, 0), lambda dy, x: dy * np.heaviside(x, 1.5), GRID)


def test_a_parabola_has_no_kink():
    assert not check(lambda x: x ** 2, lambda dy, x: 2 * x * dy, GRID).notes
    with pytest.raises(AssertionError, match="finite difference"):
        check(lambda x: x ** 2, lambda dy, x: 2 * x * dy + 1e-6 * (x == 0), GRID)


def test_finite_differences_in_place():
    report = check(relu_in_place, lambda dy, x: dy * (x > 0), GRID)
    assert "forward changes x in place" in report.notes[0]
    rng = np.random.default_rng(0)
    inputs = {"x": rng.standard_normal((1, 3, 3, 2)), "weight": rng.standard_normal((3, 3, 2, 2))}
    with pytest.raises(AssertionError, match=r"1\. forward changes weight in place"):
        check(halving_after, backward_of("conv2d"), inputs)
    with pytest.raises(ValueError, match="the result of forward is float32"):
        check(lambda x: np.tanh(x).astype(np.float32), lambda dy, x: dy, GRID)
    with pytest.raises(ValueError, match="backward returned None alone"):
        check(np.tanh, lambda dy, x: None, GRID)


@pytest.mark.parametrize(("gradient", "words"), [
    (lambda dy, x: 0 * x, "dx is 0 everywhere"), (lambda dy, x: -3 * dy * x ** 2, "dx is -1 times what it should be"),
    (lambda dy, x: dy * x ** 2, "dx is 0.333333 times what it should be"),
    (lambda dy, x: (3 * dy * x ** 2).T, "dx is the right one with its axes in the order (1, 0)"),
    (lambda dy, x: (3 * dy * x ** 2)[::-1], "dx is the right one with the order of axis 0 reversed"),
])
def test_finite_differences_say_how_a_gradient_departs(gradient, words):
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 3))}
    with pytest.raises(AssertionError, match="finite difference") as raised:
        check(lambda x: x ** 3, gradient, inputs)
    assert f"2. {words}" in str(raised.value)


class Immutable:
    """An array as JAX and TensorFlow have them: it gives its numbers, and none are set."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array.copy()


def test_arrays_that_do_not_change():
    x = Immutable(np.random.default_rng(0).standard_normal((2, 3, 3, 2)).astype(np.float32))
    report = check(lambda x: Immutable(np.maximum(x, 0)), lambda dy, x: Immutable(np.asarray(dy) * (np.asarray(x) > 0)),
                   {"x": x}, "relu")
    assert not report.notes
