"""check of layers as they are used: what forward leaves of x, how functions are called, and NaN."""

import numpy as np
import pytest
from in_place_layers import batch_norm_in_place, sigmoid_in_place, softmax_in_place
from numpy_layers import RIGHT, backward_of, sigmoid, softmax, square_inputs

from stemnet_ref.verify import check

X = {"x": np.linspace(-3.0, 3.0, 13)}


def squared(x):
    x *= x
    return x


def exponents_in_place(x):
    np.exp(x, out=x)
    return x / x.sum(-1, keepdims=True)


@pytest.mark.parametrize(("forward", "backward", "inputs", "layer"), [
    (sigmoid_in_place, backward_of("sigmoid"), None, "sigmoid"),
    (exponents_in_place, backward_of("softmax"), None, "softmax"),
    (softmax_in_place, backward_of("softmax"), None, "softmax"),
    (batch_norm_in_place, backward_of("batch_norm"), None, "batch_norm"),
    (squared, lambda dy, x: 2 * dy * x, X, None),
])
def test_a_backward_pass_that_needs_the_x_that_forward_destroys_is_wrong(forward, backward, inputs, layer):
    with pytest.raises(AssertionError, match="backward needs x as it was before forward, which changes x") as raised:
        check(forward, backward, inputs, layer)
    assert "and agrees" not in str(raised.value)
    assert "note: forward changes x in place." in str(raised.value)


class Remembered:
    """A square in place that remembers x itself."""

    def forward(self, x):
        self.x = x
        return squared(x)

    def backward(self, dy, x):
        return 2 * dy * self.x


def test_a_remembered_x_that_was_changed_is_named_as_the_cause():
    layer = Remembered()
    with pytest.raises(AssertionError, match="x in place, and backward gives the gradient at") as raised:
        check(layer.forward, layer.backward, X)
    assert "and agrees" not in str(raised.value)


def test_a_shift_of_x_that_changes_no_gradient_agrees():
    def forward(x):
        x -= x.max(-1, keepdims=True)
        return softmax(x)

    assert check(forward, backward_of("softmax"), layer="softmax").agrees


def test_the_note_follows_the_verdict():
    with pytest.raises(AssertionError, match=r"note: forward changes x in place\.") as raised:
        check(lambda x: np.multiply(x, 2, out=x), RIGHT["relu"][1]["dx"], layer="relu")
    assert "and agrees" not in str(raised.value)


# numbers that are not finite

@pytest.mark.parametrize("forward", [lambda x: x * np.nan, lambda x: np.where(x > 0, x, np.nan).astype(x.dtype)])
def test_a_backward_pass_of_nan_is_not_said_to_be_right(forward):
    with pytest.raises(AssertionError, match=r"y has [0-9]+ numbers that are NaN or infinite") as raised:
        check(forward, lambda dy, x: dy * 7, layer="relu")
    assert "is right for this forward pass is unknown: finite differences cannot judge dx" in str(raised.value)
    assert "is right for this forward pass, as" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("forward", "x", "unknown"), [
    (lambda x: x * np.nan, X["x"], 13), (np.sqrt, np.linspace(0.0, 1.0, 5), 1),
    (np.log, np.array([1.0, 1e-5, 2.0]), 1)])
def test_differences_that_are_not_finite_judge_nothing(forward, x, unknown):
    with pytest.raises(AssertionError, match=f"cannot judge dx: {unknown} of {len(x)} are not finite"):
        check(forward, lambda dy, x: {np.sqrt: dy / 2 / np.sqrt(x), np.log: dy / x}.get(forward, 7 * dy), {"x": x})


# how functions are called

@pytest.mark.parametrize(("forward", "backward", "inputs", "layer", "words"), [
    (np.tanh, lambda dy, x: dy, (X["x"],), None, 'inputs= is a tuple; give a dict of arrays by name, such as {"x": x}'),
    (dict, None, None, "relu", "forward is the class dict; give a function, or an object made of the class"),
    (np.ones(3), None, None, "relu", "forward is a ndarray; give a function"),
    (lambda x: object(), None, None, "relu", "forward must return arrays; it returned object"),
    (lambda x: None, None, None, "relu", "forward returned None; it must return y"),
    (lambda x: [], None, None, "relu", "forward returned None; it must return y"),
    (RIGHT["relu"][0], lambda x: x, None, "relu", "check calls backward(dy, x); dy comes first; docs/check.md"),
    (lambda x: (x ** 2).sum(), lambda dy, x: 2 * x * dy, X, None,
     "check calls backward(x); there is no dy, for the result of forward is one number; docs/check.md"),
    (lambda x, w: x, None, None, "relu", "forward takes other arguments (missing a required argument: 'w')"),
])
def test_a_call_that_cannot_be_is_refused_with_the_remedy(forward, backward, inputs, layer, words):
    with pytest.raises(ValueError, match="check: ") as raised:
        check(forward, backward, inputs, layer)
    assert words in str(raised.value)


def test_an_error_within_a_function_is_its_own():
    def forward(x):
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        check(forward, layer="relu")


@pytest.mark.parametrize(("db", "words"), [
    (lambda dy: dy.sum((0, 1, 2), keepdims=True), "drop the axes of length 1 (keepdims=False)"),
    (lambda dy: dy.sum(0), "summed over the axes 0, 1 it is the right one; sum over these too"),
    (lambda dy: dy, "summed over the axes 0, 1, 2 it is the right one"),
    (lambda dy: dy.sum((1, 2)), "summed over the axes 0 it is the right one"),
])
def test_a_gradient_of_another_shape_has_a_remedy(db, words):
    with pytest.raises(AssertionError, match=r"db has shape .*; b has \(3,\)") as raised:
        check(RIGHT["bias"][0], lambda dy, x, b: (dy, db(dy)), layer="bias")
    assert words in str(raised.value)


@pytest.mark.torch
def test_layers_in_place_on_leaves():
    import torch
    from torch import nn

    x = torch.randn(2, 4, 4, 3, requires_grad=True)
    for forward in (nn.ReLU(inplace=True), torch.relu_):
        assert "x in place" in check(forward, lambda dy, x: dy * (x > 0), {"x": x}, "relu").notes[0]

    def backward(dy, x):
        x.relu().backward(dy)
        return x.grad

    assert check(nn.ReLU(), backward, {"x": x}, "relu").agrees


# sigmoids

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("forward", "backward"), [
    (lambda x: (np.tanh(x / 2) + 1) / 2, lambda dy, x: dy * (1 - np.tanh(x / 2) ** 2) / 4),
    (lambda x: 1 - 1 / (1 + np.exp(x)), lambda dy, x: dy * sigmoid(x) * (1 - sigmoid(x))),
    (sigmoid, RIGHT["sigmoid"][1]["dx"]),
])
def test_right_ways_to_write_a_sigmoid(forward, backward, dtype):
    inputs = square_inputs("sigmoid", dtype)
    inputs["x"] *= 8                                            # far below 0 the digits cancel
    assert check(forward, backward, inputs, "sigmoid").agrees
    with pytest.raises(AssertionError, match="y the first"):
        check(lambda x: forward(x) * dtype(1 + 1e-4), backward, inputs, "sigmoid")
    with pytest.raises(AssertionError, match="dx the first"):
        check(forward, lambda dy, x: backward(dy, x) * dtype(1 + 1e-4), inputs, "sigmoid")
