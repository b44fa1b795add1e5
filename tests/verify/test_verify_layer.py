"""check and the forward pass: what is named, and what a backward pass is for a forward pass that is wrong."""

import numpy as np
import pytest
from backward_mistakes import MISTAKES
from numpy_layers import (
    EPSILON,
    PIXELS,
    RIGHT,
    backward_of,
    conv2d_dx,
    correlate,
    normalised,
    softmax,
    square_inputs,
    std,
)

from stemnet_ref.verify import Options, check
from stemnet_ref.verify.expected.layer import sample_inputs

SHORT_FORMATS = "float16|TF32"


def said_of(forward, backward, layer, dtype=np.float32):
    """Return the message of `check` for a layer that is wrong."""
    with pytest.raises(AssertionError) as raised:
        check(forward, backward, square_inputs(layer, dtype), layer)
    return str(raised.value)


def batch_norm(inverse):
    """Return a batch normalisation whose 1 / std is a function of variance and number of pixels."""
    def forward(x, scale, shift):
        return (scale * (x - x.mean(PIXELS)) * inverse(x.var(PIXELS), x[..., 0].size) + shift).astype(x.dtype)
    return forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("inverse", "words"), [
    (lambda v, n: (v + 1e-5) ** -0.5, ["epsilon of the batch normalisation is 1e-05"]),
    (lambda v, n: (v + 1e-6) ** -0.5, ["epsilon of the batch normalisation is 1e-06"]),
    (lambda v, n: (v + 0.1) ** -0.5, ["epsilon of the batch normalisation is 0.1"]),
    (lambda v, n: (v + 3e-4) ** -0.5, ["epsilon of the batch normalisation is 0.0003"]),
    (lambda v, n: v ** -0.5, ["he epsilon of the batch normalisation is 0"]),
    (lambda v, n: 1 / (v ** 0.5 + EPSILON), ["outside the root"]),
    (lambda v, n: (v - EPSILON) ** -0.5, ["is subtracted"]),
    (lambda v, n: (v * n / (n - 1) + EPSILON) ** -0.5, ["by the unbiased variance"]),
    (lambda v, n: (v * n / (n - 1) + 1e-5) ** -0.5, ["by the unbiased variance", "is 1e-05"]),
    (lambda v, n: 1 / ((v * n / (n - 1)) ** 0.5 + EPSILON), ["by the unbiased variance", "outside the root"]),
    (lambda v, n: (v + EPSILON) ** -0.5 * 1.0005, ["nothing known here explains y"]),
    (lambda v, n: (v * 1.0003 + EPSILON) ** -0.5, []),
])
def test_batch_normalisation_is_named_rightly_and_never_a_short_format(inverse, words, dtype):
    said = said_of(batch_norm(inverse), backward_of("batch_norm"), "batch_norm", dtype)
    assert all(each in said for each in words), said
    assert not any(each in said for each in SHORT_FORMATS.split("|")), said
    assert "dx and dscale are the reference's: they do not fit" in said or "does not fit this forward pass" in said


@pytest.mark.torch
@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_batch_normalisation_of_pytorch_with_its_own_gradients(epsilon):
    import torch
    from torch.nn import functional

    def forward(x, scale, shift):
        return functional.batch_norm(torch.as_tensor(x).movedim(-1, 1), None, None, torch.as_tensor(scale),
                                     torch.as_tensor(shift), training=True, eps=epsilon).movedim(1, -1)

    def backward(dy, *inputs):
        leaves = [torch.tensor(each, requires_grad=True) for each in inputs]
        return torch.autograd.grad(forward(*leaves), leaves, torch.as_tensor(dy))

    said = said_of(forward, backward, "batch_norm")
    assert f"The epsilon of the batch normalisation is {epsilon:g}" in said
    assert "  2. " not in said                                  # the gradients follow


def test_a_forward_convention_that_the_gradients_follow():
    said = said_of(lambda x, w: correlate(x, w[::-1, ::-1]), lambda dy, x, w: (
        conv2d_dx(dy, x, w[::-1, ::-1]), RIGHT["conv2d"][1]["dweight"](dy, x, w)[::-1, ::-1]), "conv2d")
    assert "1. The kernel is flipped" in said
    assert "  2. " not in said


def test_a_forward_convention_that_the_gradients_do_not_follow():
    said = said_of(lambda x, w: correlate(x, w[::-1, ::-1]), backward_of("conv2d"), "conv2d")
    assert "1. The kernel is flipped" in said
    assert "2. dx and dweight are the reference's: they do not fit this forward pass." in said


def test_a_forward_convention_and_a_mistake_of_the_backward_pass():
    said = said_of(lambda x, w: correlate(x, w[::-1, ::-1]), lambda dy, x, w: (
        conv2d_dx(dy, x, w[::-1, ::-1]), RIGHT["conv2d"][1]["dweight"](dy, x, w)[::-1, ::-1] / len(x)), "conv2d")
    assert "1. The kernel is flipped" in said
    assert "2. dweight is the mean over the images" in said


@pytest.mark.parametrize(("backward", "words"), [
    (lambda dy, x: dy * np.sign(x), "The backward pass is right for this forward pass"),
    (lambda dy, x: dy * (x > 0), "The backward pass does not fit this forward pass: dx["),
])
def test_a_forward_pass_that_nothing_explains(backward, words):
    said = said_of(lambda x: abs(x) ** 1, backward, "relu")
    assert "y is |x|; right is max(x, 0)" in said
    assert words in said


@pytest.mark.parametrize(("forward", "layer", "words"), [
    (lambda x: -np.maximum(x, 0), "relu", "y has the wrong sign"),
    (lambda x: x.copy(), "relu", "There is no activation"),
    (lambda x, w: 0 * correlate(x, w), "conv2d", "y is 0 everywhere"),
    (lambda x, w: np.float32(0.7) * correlate(x, w), "conv2d", r"y is 0.7 times the reference's"),
    (lambda x: softmax(x)[..., ::-1], "softmax", "y is the right one with the order of axis 3 reversed"),
    (lambda x, y: RIGHT["quadratic"][0](x, y) * 2, "quadratic", "cost is twice what it should be"),
    (lambda x, y: RIGHT["quadratic"][0](x, y) * y.size, "quadratic", "cost is not divided by the number of pixels"),
    (lambda x, w: np.where(x[..., :4] > 1e9, 0, np.nan), "conv2d", "y has 960 numbers that are NaN"),
])
def test_simple_relations_of_a_forward_pass(forward, layer, words):
    assert words in said_of(forward, None, layer)


@pytest.mark.parametrize("layer", ["conv2d", "batch_norm", "sigmoid"])
def test_short_formats_show_in_the_low_bits(layer):
    def short(function):
        return lambda *inputs: tuple(np.asarray(each, np.float16).astype(np.float32) for each in function(*inputs))

    def forward(*inputs):
        return RIGHT[layer][0](*(each.astype(np.float16) for each in inputs)).astype(np.float32)

    assert "float16" in said_of(forward, None, layer)
    said = said_of(RIGHT[layer][0], short(backward_of(layer)), layer)
    assert "float16" in said
    assert "The forward pass is right, the fault is in the backward pass: dx departs" in said


@pytest.mark.parametrize(("layer", "arithmetic"), [("relu", False), ("conv2d", False), ("conv2d", True)])
def test_a_short_format_is_arithmetic_only_where_products_show_it(layer, arithmetic):
    def half(array, rounded=True):
        return array.astype(np.float16).astype(np.float32) if rounded else array

    said = said_of(lambda *inputs: half(RIGHT[layer][0](*(half(x, arithmetic) for x in inputs))), None, layer)
    assert ("Layers are done in half precision" in said) == arithmetic
    assert ("it was computed or saved in that format" in said) != arithmetic


@pytest.mark.parametrize("size", [1e-3, 3e-4, 4e-3])
@pytest.mark.parametrize("layer", ["conv2d", "sigmoid", "dense", "batch_norm", "softmax"])
def test_an_error_of_the_size_of_a_short_format_is_none(layer, size):
    rng = np.random.default_rng(0)

    def forward(*inputs):
        y = RIGHT[layer][0](*inputs)
        return (y * (1 + size * np.random.default_rng(y.size).standard_normal(y.shape))).astype(y.dtype)

    def backward(dy, *inputs):
        return tuple((each * (1 + size * rng.standard_normal(each.shape))).astype(each.dtype)
                     for each in backward_of(layer)(dy, *inputs))

    for said in (said_of(forward, None, layer), said_of(RIGHT[layer][0], backward, layer)):
        assert not any(each in said for each in SHORT_FORMATS.split("|")), said
        assert "nothing known here explains" in said


@pytest.mark.parametrize(("layer", "wrong", "words"), [
    ("dense", {"dweight": lambda dy, x, w, b: dy.T @ x}, "axes in the order (1, 0)"),
    ("dense", {"db": lambda dy, x, w, b: dy.sum(1)}, "db is the sum over the channels, axis 1"),
    ("bias", {"db": lambda dy, x, b: dy.sum((0, 2, 3))}, "db is the sum over the axes 0, 2, 3"),
    ("conv2d", {"dx": lambda dy, x, w: conv2d_dx(dy, x, w).transpose(0, 3, 1, 2)}, "axes in the order (0, 3, 1, 2)"),
    ("concat", {"da": lambda dy, a, b: dy[..., 3:], "db": lambda dy, a, b: dy[..., :3]},
     "it is the right db; backward returns da, db in this order"),
    ("batch_norm", {"dscale": lambda dy, x, g, b: (dy * normalised(x)).sum((0, 1, 3))},
     "dscale is the sum over the axes 0, 1, 3"),
    ("conv2d", {"dweight": lambda dy, x, w: np.ones(w.shape[::-1], np.float32)}, "are its axes in the order"),
])
def test_a_gradient_of_another_shape_says_what_it_is(layer, wrong, words):
    inputs = None if layer in ("dense", "conv2d", "concat") else square_inputs(layer)
    with pytest.raises(AssertionError, match="has shape") as raised:
        check(RIGHT[layer][0], backward_of(layer, **wrong), inputs, layer)
    assert words in str(raised.value)


@pytest.mark.parametrize(("layer", "forward", "words"), [
    ("conv2d", lambda x, w: correlate(x, w)[:, 1:-1, 1:-1], "with padding='valid' this one"),
    ("conv_transpose2d", lambda x, w: np.zeros((*x.shape[:3], 4), np.float32), "with stride=1 this one"),
    ("relu", lambda x: np.maximum(x, 0).transpose(0, 3, 1, 2), "the right one with its axes in the order (0, 3, 1, 2)"),
])
def test_an_output_of_another_shape_says_what_it_is(layer, forward, words):
    with pytest.raises(AssertionError, match="has shape") as raised:
        check(forward, None, square_inputs(layer), layer)
    assert words in str(raised.value)


def test_two_mistakes_are_two_sentences():
    said = said_of(*(RIGHT["batch_norm"][0], backward_of(
        "batch_norm", dx=lambda dy, x, g, b: dy * g / std(x),
        dscale=lambda dy, x, g, b: (dy * normalised(x)).mean(PIXELS))), "batch_norm")
    assert "dx lacks the terms through the mean and the variance" in said
    assert "dscale is the mean over all images and pixels" in said
    assert "  3. " not in said


FORWARD_MISTAKES = {
    "bias": {"y is x - b": lambda x, b: x - b, "added twice": lambda x, b: x + b + b},
    "relu": {"y is |x|": lambda x: abs(x) ** 1, "y is min(x, 0)": lambda x: np.minimum(x, 0)},
    "sigmoid": {"the sigmoid of -x": lambda x: 1 / (1 + np.exp(x)), "y is tanh(x)": np.tanh},
    "dense": {"has the weight transposed": lambda x, w, b: x @ w.T + b, "lacks the bias": lambda x, w, b: x @ w},
    "max_pool2d": {"the smallest of each": lambda x: np.minimum(np.minimum(x[:, ::2, ::2], x[:, 1::2, ::2]),
                                                               np.minimum(x[:, ::2, 1::2], x[:, 1::2, 1::2])),
                   "very other row and column is taken": lambda x: x[:, ::2, ::2]},
    "dropout": {"y is not masked": lambda x, m: x / np.float32(0.75),
                "y is divided by keep_prob twice": lambda x, m: x * m / np.float32(0.5625)},
    "softmax": {"over the columns, not": lambda x: softmax(x.swapaxes(2, 3)).swapaxes(2, 3),
                "is its logarithm": lambda x: np.log(softmax(x))},
    "batch_norm": {"over each image alone": lambda x, g, b: (g * (x - x.mean((1, 2), keepdims=True)) / np.sqrt(
                       x.var((1, 2), keepdims=True) + EPSILON) + b).astype(x.dtype),
                   "has scale and shift exchanged": lambda x, g, b: b * normalised(x) + g,
                   "lacks the shift": lambda x, g, b: g * normalised(x)},
    "quadratic": {"with a logarithm to base 2": lambda x, y: RIGHT["quadratic"][0](x, y) / np.log(2)},
}


@pytest.mark.parametrize(("layer", "words"), [(layer, words) for layer in FORWARD_MISTAKES
                                              for words in FORWARD_MISTAKES[layer]])
def test_a_mistake_of_a_forward_pass_is_named(layer, words):
    said = said_of(FORWARD_MISTAKES[layer][words], None, layer)
    assert words in said
    assert "  2. " not in said


@pytest.mark.parametrize(("layer", "steps"), [("conv2d", 16), ("sigmoid", 256), ("dense", 16), ("batch_norm", 256)])
def test_a_grid_is_no_format(layer, steps):
    """Multiples of 1/16 have low bits that are 0, but no finer steps where numbers are small."""
    def rounded(*inputs):
        return tuple(np.round(each * steps) / steps for each in backward_of(layer)(*inputs))

    for said in (said_of(lambda *inputs: np.round(RIGHT[layer][0](*inputs) * steps) / steps, None, layer),
                 said_of(RIGHT[layer][0], rounded, layer)):
        assert "nothing known here explains" in said


def test_where_a_layer_departs():
    def forward(x, w):
        y = correlate(x, w)
        y[:, 0] = 0
        return y

    assert "nothing known here explains y; it departs only at 0 of axis 1, counted from 0." in said_of(
        forward, None, "conv2d")


def test_float32_where_float64_is_given_is_noted():
    report = check(lambda x: np.maximum(x, 0).astype(np.float32), None, dtype=np.float64, layer="relu")
    assert "returns float32 for inputs in float64" in report.notes[0]


def test_a_mistake_and_a_factor():
    said = said_of(RIGHT["conv2d"][0], backward_of(
        "conv2d", dx=lambda dy, x, w: np.float32(0.2) * correlate(dy, w.swapaxes(2, 3))), "conv2d")
    assert "Besides a factor of 0.2, dx uses the kernel unflipped" in said


@pytest.mark.parametrize(("flip", "words"), [
    (True, "dx fits a forward pass in which the odd row and column of \"same\" padding are before the image"),
    (False, "dx uses the kernel unflipped, and pads dy as x is padded")])
def test_even_kernels(flip, words):
    """The rows that "same" padding adds above x are added below dy."""
    def convolve(x, w):
        (kh, kw), (_, h, width, _) = w.shape[:2], x.shape
        x = np.pad(x, ((0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2), (0, 0)))
        return sum(x[:, a:a + h, b:b + width] @ w[a, b] for a in range(kh) for b in range(kw))

    inputs = sample_inputs("conv2d", Options(), kernel=(4, 4))
    inputs.pop("dy")
    with pytest.raises(AssertionError) as raised:
        check(convolve, lambda dy, x, w: (convolve(dy, (w[::-1, ::-1] if flip else w).swapaxes(2, 3)), None), inputs,
              "conv2d")
    assert words in str(raised.value)


@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3), (2, 3, 4, 5, 3)])
@pytest.mark.parametrize("layer", ["relu", "sigmoid", "softmax"])
def test_layers_that_take_arrays_of_any_shape(layer, shape):
    inputs = {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
    check(RIGHT[layer][0], backward_of(layer), inputs, layer)
    for forward, backward in ((lambda x: np.sin(RIGHT[layer][0](x)), None),
                              (RIGHT[layer][0], lambda dy, x: np.sin(RIGHT[layer][1]["dx"](dy, x)))):
        with pytest.raises(AssertionError, match="nothing known here explains"):
            check(forward, backward, inputs, layer)


@pytest.mark.parametrize(("layer", "gradient", "words"), [
    ("conv2d", lambda dy, x, w: correlate(dy, w.swapaxes(2, 3)), "dx uses the kernel unflipped"),
    ("max_pool2d", MISTAKES["max_pool2d", "dx"]["goes to the last of them"], "goes to the last of them")])
def test_a_mistake_of_the_backward_pass_beside_an_unknown_forward_pass(layer, gradient, words):
    said = said_of(lambda *inputs: np.sin(RIGHT[layer][0](*inputs)), backward_of(layer, dx=gradient), layer)
    assert "nothing known here explains y" in said
    assert "The backward pass does not fit this forward pass" in said
    assert words in said
