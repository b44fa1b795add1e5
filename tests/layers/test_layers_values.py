"""Forward values: against plain loops and the equations, in float32 within the rounding bound; and bad arguments."""

import naive
import numpy as np
import pytest
from checkers import SEED, assert_gradient, assert_within_rounding
from hypothesis import given
from hypothesis import strategies as st

from stemnet_ref import layers
from stemnet_ref.layers import (
    batch_norm,
    bias,
    concat,
    conv2d,
    conv_transpose2d,
    dense,
    dice,
    dropout,
    max_pool2d,
    perceptron,
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)

SMALL = st.integers(1, 3)
PADDING = st.sampled_from(["same", "valid"])


@given(SEED, st.integers(1, 2), st.integers(1, 7), st.integers(1, 7), SMALL, SMALL, st.integers(1, 5),
       st.integers(1, 5), PADDING)
def test_conv2d_equals_the_loops(seed, n, h, w, c, o, kh, kw, padding):
    if padding == "valid":
        h, w = h + kh - 1, w + kw - 1
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    y = conv2d.forward(x, weight, padding)
    dy = rng.standard_normal(y.shape)
    actual = y, *conv2d.backward(dy, x, weight, padding)
    expected = conv2d.loops(x, weight, padding), *conv2d.loops_backward(dy, x, weight, padding)
    for ours, by_loops in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, by_loops, rtol=1e-12, atol=1e-12)


def test_conv2d_does_not_flip_its_kernel():
    x, weight = np.zeros((1, 5, 5, 1)), np.arange(9.0).reshape(3, 3, 1, 1)
    x[0, 2, 2] = 1
    y = conv2d.forward(x, weight)
    assert y[0, 1, 1, 0] == 8                   # the pixel is below and to the right: the kernel's last element
    np.testing.assert_array_equal(y[0, 1:4, 1:4, 0], weight[::-1, ::-1, 0, 0])


def test_conv2d_pads_an_even_kernel_after():
    x, weight = np.arange(1.0, 5).reshape(1, 1, 4, 1), np.array([1.0, 10]).reshape(1, 2, 1, 1)
    np.testing.assert_array_equal(conv2d.forward(x, weight)[0, 0, :, 0], [21, 32, 43, 4])


@given(SEED, st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), SMALL, SMALL, st.integers(1, 4),
       st.integers(1, 4), SMALL, PADDING)
def test_conv_transpose2d_equals_the_loops(seed, n, h, w, c, o, kh, kw, stride, padding):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, o, c))
    np.testing.assert_allclose(conv_transpose2d.forward(x, weight, stride, padding),
                               naive.conv_transpose2d(x, weight, stride, padding), rtol=1e-12, atol=1e-12)


@given(SEED, st.integers(1, 2), SMALL, SMALL, SMALL, SMALL)
def test_max_pool2d_equals_the_loops_and_the_first_wins_a_tie(seed, n, h, w, c, size):
    x = np.random.default_rng(seed).integers(0, 3, (n, size * h, size * w, c)).astype(float)      # many ties
    y, argmax = max_pool2d.forward(x, size)
    wanted_y, wanted_argmax = naive.max_pool2d(x, size)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(argmax, wanted_argmax)
    assert argmax.dtype == np.uint8


def test_max_pool2d_lets_nan_through():
    for place in np.ndindex(2, 2):
        x = np.zeros((1, 2, 2, 1))
        x[0, place[0], place[1], 0] = np.nan
        assert np.isnan(max_pool2d.forward(x)[0]).all()


def test_conv2d_in_float32_stays_within_the_rounding_bound():
    rng = np.random.default_rng(3)
    x, weight = rng.standard_normal((2, 20, 24, 16)), rng.standard_normal((5, 5, 16, 8))
    dy = rng.standard_normal((2, 20, 24, 8))
    x32, weight32, dy32 = x.astype(np.float32), weight.astype(np.float32), dy.astype(np.float32)
    x, weight, dy = x32.astype(float), weight32.astype(float), dy32.astype(float)      # what float32 really holds
    got = (conv2d.forward(x32, weight32), *conv2d.backward(dy32, x32, weight32))
    exact = (conv2d.forward(x, weight), *conv2d.backward(dy, x, weight))
    magnitude = (conv2d.forward(abs(x), abs(weight)), *conv2d.backward(abs(dy), abs(x), abs(weight)))
    for g, e, m, terms in zip(got, exact, magnitude, (25 * 16, 25 * 8, 2 * 20 * 24), strict=True):
        assert_within_rounding(g, e, m, terms)


@given(SEED)
@pytest.mark.equation("1")
def test_perceptron_is_a_threshold(seed):
    rng = np.random.default_rng(seed)
    x, weight, b = rng.integers(0, 2, (6, 4)).astype(float), rng.standard_normal((4, 3)), rng.standard_normal(3)
    y = perceptron.forward(x, weight, b)
    for n, j in np.ndindex(6, 3):
        assert y[n, j] == (1 if sum(weight[i, j] * x[n, i] for i in range(4)) + b[j] > 0 else 0)


@pytest.mark.equation("1")
def test_perceptron_computes_nand_and_is_0_on_the_threshold():
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(perceptron.forward(x, np.full((2, 1), -2.0), np.array([3.0]))[:, 0], [1, 1, 1, 0])
    assert perceptron.forward(np.ones((1, 1)), np.ones((1, 1)), -np.ones(1)) == 0


@pytest.mark.equation("2")
def test_sigmoid_values_and_no_overflow():
    x = np.array([-1000.0, -2, 0, 2, 1000])
    np.testing.assert_allclose(sigmoid.forward(x), [0, 1 / (1 + np.e ** 2), 0.5, 1 / (1 + np.e ** -2), 1], rtol=1e-14)
    assert sigmoid.forward(x.astype(np.float32)).dtype == np.float32


@pytest.mark.equation("37")
def test_relu_values():
    np.testing.assert_array_equal(relu.forward(np.array([-2.0, -0.0, 0, 3])), [0, 0, 0, 3])
    np.testing.assert_array_equal(relu.backward(np.ones(3), np.array([0.0, 0, 3])), [0, 0, 1])      # 0 at x = 0
    assert np.isnan(relu.forward(np.array([np.nan])))


@pytest.mark.equation("8")
def test_softmax_sums_to_one_and_does_not_overflow():
    z = np.array([[1000.0, 1001, 1002], [-1000, -1000, -1000]])
    e = np.exp([0.0, 1, 2])
    np.testing.assert_allclose(softmax.forward(z), [e / e.sum(), [1 / 3] * 3], rtol=1e-14)


@pytest.mark.equation("5")
@given(SEED)
def test_cross_entropy_of_two_classes_is_equation_5(seed):
    rng = np.random.default_rng(seed)
    z, y = rng.standard_normal((2, 3, 3, 2)), rng.integers(0, 2, (2, 3, 3))
    cost, p = weighted_cross_entropy.forward(z, y, (1, 1))
    terms = y * np.log(p[..., 1]) + (1 - y) * np.log(1 - p[..., 1])         # one bracket around both
    assert cost == pytest.approx(-np.mean(terms), rel=1e-12)


@pytest.mark.equation("60")
@given(SEED, st.floats(0.1, 10))
def test_weighted_cross_entropy_is_equation_60_and_a_mean_over_pixels(seed, w):
    rng = np.random.default_rng(seed)
    z, y = rng.standard_normal((2, 3, 3, 2)), rng.integers(0, 2, (2, 3, 3))
    cost, p = weighted_cross_entropy.forward(z, y, (1, w))
    terms = w * y * np.log(p[..., 1]) + (1 - y) * np.log(1 - p[..., 1])
    assert cost == pytest.approx(-np.sum(terms) / y.size, rel=1e-12)


@given(SEED, st.floats(0.1, 10))
def test_weights_of_pixels_are_added_to_those_of_classes(seed, w):
    rng = np.random.default_rng(seed)
    z, y, v = rng.standard_normal((2, 3, 4, 2)), rng.integers(0, 2, (2, 3, 4)), rng.uniform(0, 5, (2, 3, 4))
    cost, p = weighted_cross_entropy.forward(z, y, (1, w), v)
    by_hand = -np.mean((np.where(y, w, 1) + v) * np.log(np.where(y, p[..., 1], p[..., 0])))
    assert cost == pytest.approx(by_hand, rel=1e-12)
    assert cost == pytest.approx(weighted_cross_entropy.forward(z, y, (1, w))[0]
                                 + weighted_cross_entropy.forward(z, y, (0, 0), v)[0], rel=1e-12)


def test_weighted_cross_entropy_of_far_logits_is_finite():
    z = np.array([[[[500.0, -500]]]])
    cost, p = weighted_cross_entropy.forward(z, np.array([[[1]]]), (1, 2))
    assert cost == 2000
    np.testing.assert_array_equal(weighted_cross_entropy.backward(p, np.array([[[1]]]), (1, 2)), [[[[2, -2]]]])


@pytest.mark.equation("3-cost", "4")
def test_quadratic_value():
    p, y = np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), np.array([[[0, 1]]])
    assert quadratic.forward(p, y) == pytest.approx(((0.25 ** 2 + 0.25 ** 2) / 2 + (0.5 ** 2 + 0.5 ** 2) / 2) / 2)


@pytest.mark.equation("6", "7")
def test_dice_value():
    p, y = np.array([[[[0.75, 0.25], [0.5, 0.5], [0, 1]]]]), np.array([[[0, 1, 1]]])
    assert dice.forward(p, y) == pytest.approx(1 - 2 * 1.5 / (1.75 + 2))
    sets = np.array([[[[0.0, 1], [0, 1], [1, 0], [1, 0]]]])                  # |p| = 2, |y| = 3, |p and y| = 1
    assert dice.forward(sets, np.array([[[1, 0, 1, 1]]])) == pytest.approx(1 - 2 / 5)


def test_dice_sums_in_float64():
    p, y = softmax.forward(np.random.default_rng(0).standard_normal((1, 64, 64, 2), np.float32)), np.tri(64, dtype=int)
    assert dice.forward(p, y[None]) == pytest.approx(dice.forward(p.astype(float), y[None]), rel=1e-14)


def test_dice_of_two_empty_sets_is_agreement():
    p, y = np.array([[[[1.0, 0]]]]), np.array([[[0]]])
    assert dice.forward(p, y) == 0
    np.testing.assert_array_equal(dice.backward(p, y), 0)


@pytest.mark.equation("56", "57", "58")
def test_batch_norm_is_equations_56_to_58_and_takes_a_constant_channel():
    rng, epsilon = np.random.default_rng(4), 0.1            # as large as a variance, so that a wrong epsilon shows
    x = rng.standard_normal((3, 4, 5, 2)) * [0.5, 0] + [7, 9]
    scale, shift, dy = np.array([2.0, 1]), np.array([-1.0, 0.5]), rng.standard_normal(x.shape)

    def by_hand(x, scale):
        mean = sum(x.reshape(60, 2)) / 60                                       # eq. 57
        variance = sum((x.reshape(60, 2) - mean) ** 2) / 60                     # eq. 58
        return scale * (x - mean) / np.sqrt(variance + epsilon) + shift, mean, variance     # eq. 56: + for its -

    y, mean, variance = batch_norm.forward(x, scale, shift, epsilon)
    for got, expected in zip((y, mean, variance), by_hand(x, scale), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(y[..., 1], 0.5)       # sqrt(v - epsilon), as eq. 56 is printed, would be NaN here
    dx, dscale, _ = batch_norm.backward(dy, x, scale, mean, variance, epsilon)
    assert_gradient(lambda x: by_hand(x, scale)[0], x, dx, dy, atol=1e-8)
    assert_gradient(lambda scale: by_hand(x, scale)[0], scale, dscale, dy, atol=1e-8)


def test_batch_norm_in_float32_over_a_million_pixels():
    x = np.random.default_rng(0).standard_normal((1, 1024, 1024, 1), np.float32) + np.float32(100)
    y, mean, variance = batch_norm.forward(x, np.ones(1, np.float32), np.zeros(1, np.float32), 1e-5)
    assert mean[0] == pytest.approx(x.mean(dtype=float), rel=1e-6)
    assert variance[0] == pytest.approx(x.var(dtype=float), rel=1e-4)
    assert abs(y.mean(dtype=float)) < 1e-4


@given(SEED, st.integers(0, 2 ** 40), st.integers(0, 30), st.integers(1, 50))
def test_dropout_mask_is_the_documented_generator(seed, step, layer, size):
    words = [word for block in range(1, -(-size // 16) + 1)
             for word in naive.philox4x64((seed, layer), (block, step, 0, 0))]
    numbers = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)][:size]
    np.testing.assert_array_equal(dropout.draw_mask((size,), 0.3, seed, step, layer),
                                  np.array(numbers) < round(65536 * 0.3))


def test_dropout_masks_differ_by_seed_step_and_layer_and_keep_their_share():
    shape = (1, 64, 64, 16)
    masks = [dropout.draw_mask(shape, 0.75, *key) for key in ((1, 2, 3), (9, 2, 3), (1, 9, 3), (1, 2, 9))]
    for mask in masks:
        assert abs(mask.mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / mask.size)
    for other in masks[1:]:
        assert abs((masks[0] == other).mean() - 0.625) < 0.01          # 0.75^2 + 0.25^2: independent
    np.testing.assert_array_equal(masks[0], dropout.draw_mask(shape, 0.75, 1, 2, 3))
    assert dropout.draw_mask(shape, 1.0, 1, 2, 3).all()


def test_dropout_keeps_the_mean_and_equals_scaled_weights_at_test_time():
    rng = np.random.default_rng(5)
    x, weight = rng.standard_normal((1, 6, 6, 2)), rng.standard_normal((3, 3, 2, 4))
    mask = dropout.draw_mask((1, 6, 6, 4), 0.75, 0, 0, 0)
    inverted = dropout.forward(conv2d.forward(x, weight), mask, 0.75)
    section_8_1 = mask * conv2d.forward(x, weight / 0.75)                 # not inverted, weights w / keep_prob ...
    np.testing.assert_allclose(inverted, section_8_1, rtol=1e-12)
    scaled_down = 0.75 * (weight / 0.75)                                  # ... and scaled down for prediction
    np.testing.assert_allclose(conv2d.forward(x, weight), conv2d.forward(x, scaled_down))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_returns_the_dtype_it_was_given(dtype):
    rng = np.random.default_rng(6)
    x, labels = rng.standard_normal((1, 4, 4, 2)).astype(dtype), rng.integers(0, 2, (1, 4, 4))
    kernel, flat, vector = x[0, :, :, :, None][:2, :2, :, :], x.reshape(4, 8), x[0, 0, 0]
    square = kernel @ np.ones((1, 2), dtype)                                                    # (2, 2, 2, 2)
    p = softmax.forward(x)
    _, argmax = max_pool2d.forward(x)
    mask = dropout.draw_mask(x.shape, 0.5, 0, 0, 0)
    y, mean, variance = batch_norm.forward(x, vector, vector, 1e-3)
    results = [
        conv2d.forward(x, square), *conv2d.backward(x, x, square),
        conv_transpose2d.forward(x[:, :2, :2], square), *conv_transpose2d.backward(x, x[:, :2, :2], square),
        bias.forward(x, vector), *bias.backward(x), relu.forward(x), relu.backward(x, x), sigmoid.forward(x),
        sigmoid.backward(x, x), dense.forward(flat, flat.T, x[0, :4, 0, 0]),
        *dense.backward(flat @ flat.T, flat, flat.T),
        max_pool2d.forward(x)[0], max_pool2d.backward(x[:, :2, :2], argmax), dropout.forward(x, mask, 0.5),
        dropout.backward(x, mask, 0.5), concat.forward(x, x), *concat.backward(x, 1), p, softmax.backward(x, p),
        weighted_cross_entropy.forward(x, labels, (1, 2))[1], weighted_cross_entropy.backward(p, labels, (1, 2)),
        dice.backward(p, labels), quadratic.backward(p, labels), y, mean, variance,
        *batch_norm.backward(x, x, vector, mean, variance, 1e-3), perceptron.forward(flat, flat.T, x[0, :4, 0, 0]),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_every_layer_module_opens_with_its_equations():
    for name in layers.__all__:
        text = getattr(layers, name).__doc__
        assert "Forward" in text, f"layers/{name}.py"
        assert "eq." in text or "section" in text or name == "concat", f"layers/{name}.py"
