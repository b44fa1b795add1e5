"""check, for a layer of one's own."""

import numpy as np
import pytest

from stemnet_ref.layers import batch_norm, conv2d, dense, dice, dropout, max_pool2d, relu, sigmoid, softmax
from stemnet_ref.layers import weighted_cross_entropy as cross_entropy
from stemnet_ref.verify import check
from stemnet_ref.verify.expected.layer import Options, sample_inputs

RNG = np.random.default_rng(0)


def conv(x, weight):
    return conv2d.forward(x, weight)


def conv_gradients(dy, x, weight):
    return conv2d.backward(dy, x, weight)


def soft(x):
    return x / (1 + np.exp(-x))


def soft_gradient(dy, x):
    s = 1 / (1 + np.exp(-x))
    return dy * (s + x * s * (1 - s))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_reference_s_layers_agree_with_themselves(dtype):
    o = Options()
    for layer, forward, backward in (
            ("conv2d", conv, conv_gradients),
            ("relu", relu.forward, lambda dy, x: relu.backward(dy, relu.forward(x))),
            ("sigmoid", sigmoid.forward, lambda dy, x: sigmoid.backward(dy, sigmoid.forward(x))),
            ("softmax", softmax.forward, lambda dy, x: softmax.backward(dy, softmax.forward(x))),
            ("dense", dense.forward, lambda dy, x, weight, b: dense.backward(dy, x, weight)),
            ("max_pool2d", lambda x: max_pool2d.forward(x)[0],
             lambda dy, x: max_pool2d.backward(dy, max_pool2d.forward(x)[1])),
            ("dropout", lambda x, mask: dropout.forward(x, mask, o.keep_prob),
             lambda dy, x, mask: dropout.backward(dy, mask, o.keep_prob)),
            ("dice", lambda x, labels: dice.forward(softmax.forward(x), labels),
             lambda x, labels: softmax.backward(dice.backward(softmax.forward(x), labels), softmax.forward(x))),
            ("batch_norm", lambda *inputs: batch_norm.forward(*inputs, o.epsilon)[0],
             lambda dy, x, scale, shift: batch_norm.backward(dy, x, scale, *batch_norm.forward(
                 x, scale, shift, o.epsilon)[1:], o.epsilon))):
        check(forward, backward, layer=layer, dtype=dtype)


def test_a_wrong_layer_is_named_with_the_table():
    with pytest.raises(AssertionError, match="The kernel is flipped") as raised:
        check(lambda x, weight: conv2d.forward(x, weight[::-1, ::-1]), conv_gradients, layer="conv2d")
    assert "DEPARTS FIRST" in str(raised.value)
    with pytest.raises(AssertionError, match=r"1\.001 times the reference's") as raised:
        check(conv, lambda dy, x, weight: (conv_gradients(dy, x, weight)[0], 1.001 * conv_gradients(dy, x, weight)[1]),
              layer="conv2d")
    assert "dweight the first" in str(raised.value)
    check(conv, lambda dy, x, weight: (conv_gradients(dy, x, weight)[0], None), layer="conv2d")     # left out


def test_forward_alone():
    check(conv, layer="conv2d")
    with pytest.raises(AssertionError, match="y "):
        check(lambda x, weight: conv(x, weight) + 1e-3, layer="conv2d")


def test_a_cost():
    o = Options(class_weights=(1.0, 2.0, 3.0))
    inputs = sample_inputs("weighted_cross_entropy", o)

    def cost(z, labels):
        return cross_entropy.forward(z, labels, o.class_weights)[0]

    def gradient(z, labels):
        return cross_entropy.backward(softmax.forward(z), labels, o.class_weights)

    check(cost, gradient, inputs, "weighted_cross_entropy", o)
    with pytest.raises(AssertionError, match="divided by the sum of the pixels' weights"):
        check(lambda z, labels: cost(z, labels) * labels.size / np.take(o.class_weights, labels).sum(), gradient,
              inputs, "weighted_cross_entropy", o)
    check(cost, gradient, {"x": inputs["x"].astype(np.float64), "labels": inputs["labels"]})


def test_central_differences():
    check(soft, soft_gradient, {"x": RNG.standard_normal((3, 4))})
    check(conv, conv_gradients, {"x": RNG.standard_normal((1, 4, 5, 2)), "weight": RNG.standard_normal((3, 3, 2, 2))})


@pytest.mark.parametrize("seed", range(20))
def test_central_differences_see_one_wrong_element(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4))
    wrong = np.ones((3, 4))
    wrong[rng.integers(3), rng.integers(4)] += 1e-5
    with pytest.raises(AssertionError, match="finite difference"):
        check(soft, lambda dy, x: wrong * soft_gradient(dy, x) + 1e-7 * (wrong != 1), {"x": x})


@pytest.mark.torch
def test_tensors_that_require_gradients():
    import torch
    from torch.nn import functional

    def forward(x, weight):
        return functional.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), padding="same").permute(0, 2, 3, 1)

    def backward(dy, x, weight):
        return torch.autograd.grad(forward(x, weight), (x, weight), dy)

    inputs = {"x": torch.randn(2, 8, 8, 3, requires_grad=True), "weight": torch.randn(3, 3, 3, 4, requires_grad=True)}
    check(forward, backward, inputs, "conv2d")
    with pytest.raises(AssertionError, match="bfloat16"):
        check(lambda x, weight: forward(x.bfloat16(), weight.bfloat16()), None, inputs, "conv2d")


@pytest.mark.parametrize(("arguments", "words"), [
    ({"layer": "conv3d"}, "layer='conv3d' must be one of conv2d"),
    ({}, "without layer= it needs inputs="),
    ({"inputs": {"x": np.ones(3)}}, "and backward"),
    ({"inputs": {"x": np.ones((3, 3), np.float32)}, "backward": soft_gradient}, "x is float32"),
    ({"inputs": {"x": np.ones(3)}, "backward": lambda dy, x: (dy, dy)}, "returned 2 gradients; it must return 1, dx"),
])
def test_arguments_that_cannot_be_used(arguments, words):
    with pytest.raises(ValueError, match=words):
        check(soft, **arguments)


def test_a_gradient_of_another_shape():
    with pytest.raises(AssertionError, match=r"dx has shape \(1,\); x has \(3,\)"):
        check(soft, lambda dy, x: dy[:1], {"x": np.ones(3)})


@pytest.mark.parametrize(("forward", "layer", "words"), [
    (lambda x, weight: conv(x, weight).transpose(0, 3, 1, 2), "conv2d", "y has shape"),
    (lambda x, weight: conv(x, weight)[:, 1:], "conv2d", "y has shape"),
    (lambda x, weight: conv(x, weight).sum(), "conv2d", r"y has shape \(\)"),
    (lambda x: np.ones(1, np.float32), "relu", r"y has shape \(1,\)"),
    (lambda x, labels: x[..., 0], "weighted_cross_entropy", "cost has shape"),
])
def test_a_result_of_another_shape(forward, layer, words):
    with pytest.raises(AssertionError, match=words):
        check(forward, layer=layer)


@pytest.mark.parametrize(("inputs", "words"), [
    ({"input": np.ones((1, 4, 4, 2))}, "inputs are input; relu takes x"),
    ({"x": np.ones((1, 4, 4, 2), int)}, "no input is a floating-point array"),
    ({"x": np.ones((1, 4, 4, 2), np.float16)}, "x is float16; give float32"),
])
def test_inputs_that_the_layer_does_not_take(inputs, words):
    with pytest.raises(ValueError, match=words):
        check(relu.forward, None, inputs, "relu")


@pytest.mark.parametrize("options", [{"padding": "SAME"}, {"stride": 0}, {"keep_prob": 0.0}, {"epsilon": -1.0},
                                     {"size": 0}])
def test_options_outside_their_range(options):
    with pytest.raises(ValueError, match="must be"):
        Options(**options)


@pytest.mark.torch
def test_central_differences_of_a_function_of_pytorch():
    import torch

    x = torch.randn(3, 2, dtype=torch.float64)
    check(lambda x: x.exp(), lambda dy, x: dy * x.exp(), {"x": x})
    with pytest.raises(AssertionError, match="finite difference"):
        check(lambda x: x.exp(), lambda dy, x: dy * x, {"x": x})
