"""Every backward pass against finite differences: every element, float64, random dy."""

import numpy as np
import pytest
from checkers import SEED, all_different, assert_gradient, away_from_zero
from hypothesis import given
from hypothesis import strategies as st

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
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)

SIZE = st.integers(1, 4)
COUNT = st.integers(1, 3)
PADDING = st.sampled_from(["same", "valid"])


@pytest.mark.equation("34", "36", "41", "44", "47")
@given(SEED, COUNT, st.integers(1, 6), st.integers(1, 6), COUNT, COUNT, st.integers(1, 5), st.integers(1, 5), PADDING)
def test_conv2d(seed, n, h, w, c, o, kh, kw, padding):
    if padding == "valid":
        h, w = h + kh - 1, w + kw - 1
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    dy = rng.standard_normal(conv2d.forward(x, weight, padding).shape)
    dx, dweight = conv2d.backward(dy, x, weight, padding)
    assert_gradient(lambda x: conv2d.forward(x, weight, padding), x, dx, dy)
    assert_gradient(lambda w: conv2d.forward(x, w, padding), weight, dweight, dy)


@pytest.mark.equation("34", "36")
@given(SEED, st.integers(1, 2), SIZE, SIZE, COUNT, COUNT, st.integers(1, 4), st.integers(1, 4), COUNT, PADDING)
def test_conv_transpose2d(seed, n, h, w, c, o, kh, kw, stride, padding):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, o, c))
    dy = rng.standard_normal(conv_transpose2d.forward(x, weight, stride, padding).shape)
    dx, dweight = conv_transpose2d.backward(dy, x, weight, stride, padding)
    assert_gradient(lambda x: conv_transpose2d.forward(x, weight, stride, padding), x, dx, dy)
    assert_gradient(lambda w: conv_transpose2d.forward(x, w, stride, padding), weight, dweight, dy)


@pytest.mark.equation("35", "49")
@given(SEED, COUNT, SIZE, SIZE, SIZE)
def test_bias(seed, n, h, w, c):
    rng = np.random.default_rng(seed)
    x, dy, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c)), rng.standard_normal(c)
    dx, db = bias.backward(dy)
    assert_gradient(lambda x: bias.forward(x, b), x, dx, dy)
    assert_gradient(lambda b: bias.forward(x, b), b, db, dy)


@pytest.mark.equation("37")
@given(SEED, COUNT, SIZE, SIZE, SIZE)
def test_relu(seed, n, h, w, c):
    rng = np.random.default_rng(seed)
    x, dy = away_from_zero(rng, (n, h, w, c)), rng.standard_normal((n, h, w, c))
    assert_gradient(relu.forward, x, relu.backward(dy, relu.forward(x)), dy)


@pytest.mark.equation("2")
@given(SEED, SIZE, SIZE)
def test_sigmoid(seed, n, d):
    rng = np.random.default_rng(seed)
    x, dy = 3 * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    assert_gradient(sigmoid.forward, x, sigmoid.backward(dy, sigmoid.forward(x)), dy)


@pytest.mark.equation("30", "34", "35", "36")
@given(SEED, SIZE, SIZE, SIZE)
def test_dense(seed, n, d, m):
    rng = np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, d)), rng.standard_normal((d, m)), rng.standard_normal(m)
    dy = rng.standard_normal((n, m))
    dx, dweight, db = dense.backward(dy, x, weight)
    assert_gradient(lambda x: dense.forward(x, weight, b), x, dx, dy)
    assert_gradient(lambda w: dense.forward(x, w, b), weight, dweight, dy)
    assert_gradient(lambda b: dense.forward(x, weight, b), b, db, dy)


@given(SEED, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_max_pool2d(seed, n, h, w, c, size):
    rng = np.random.default_rng(seed)
    x, dy = all_different(rng, (n, size * h, size * w, c)), rng.standard_normal((n, h, w, c))
    _, won = max_pool2d.forward(x, size)
    assert_gradient(lambda x: max_pool2d.forward(x, size)[0], x, max_pool2d.backward(dy, won, size), dy)


@given(SEED, COUNT, SIZE, SIZE, SIZE, st.floats(0.05, 1))
def test_dropout(seed, n, h, w, c, keep_prob):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    mask = dropout.draw_mask(x.shape, keep_prob, seed, 3, 1)
    assert_gradient(lambda x: dropout.forward(x, mask, keep_prob), x, dropout.backward(dy, mask, keep_prob), dy)


@given(SEED, COUNT, SIZE, SIZE, SIZE, SIZE)
def test_concat(seed, n, h, w, ca, cb):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, h, w, ca)), rng.standard_normal((n, h, w, cb))
    dy = rng.standard_normal((n, h, w, ca + cb))
    da, db = concat.backward(dy, ca)
    assert_gradient(lambda a: concat.forward(a, b), a, da, dy)
    assert_gradient(lambda b: concat.forward(a, b), b, db, dy)


@pytest.mark.equation("8", "38")
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4))
def test_softmax(seed, n, h, w, k):
    rng = np.random.default_rng(seed)
    z, dp = 2 * rng.standard_normal((n, h, w, k)), rng.standard_normal((n, h, w, k))
    assert_gradient(softmax.forward, z, softmax.backward(dp, softmax.forward(z)), dp)


def probabilities_and_labels(seed, n, h, w, k):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 0.95, (n, h, w, k)), rng.integers(0, k, (n, h, w)), rng


@pytest.mark.equation("5", "60")
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4))
def test_weighted_cross_entropy(seed, n, h, w, k):
    _, labels, rng = probabilities_and_labels(seed, n, h, w, k)
    z, weights = 2 * rng.standard_normal((n, h, w, k)), rng.uniform(0.5, 3, k)
    _, p = weighted_cross_entropy.forward(z, labels, weights)
    assert_gradient(lambda z: weighted_cross_entropy.forward(z, labels, weights)[0], z,
                    weighted_cross_entropy.backward(p, labels, weights))


@pytest.mark.equation("3-cost", "4")
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4))
def test_quadratic(seed, n, h, w, k):
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    assert_gradient(lambda p: quadratic.forward(p, labels), p, quadratic.backward(p, labels))


@pytest.mark.equation("6", "7")
@given(SEED, COUNT, SIZE, SIZE, st.integers(2, 4))
def test_dice(seed, n, h, w, k):
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    assert_gradient(lambda p: dice.forward(p, labels), p, dice.backward(p, labels))


@pytest.mark.equation("56", "57", "58")
@given(SEED, COUNT, SIZE, st.integers(2, 4), COUNT)
def test_batch_norm(seed, n, h, w, c):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    scale, shift = rng.standard_normal(c), rng.standard_normal(c)
    epsilon = 0.1           # large: with two equal pixels and a small one the third derivative, and so the
    #                         finite difference's own error, grows without bound
    _, mean, variance = batch_norm.forward(x, scale, shift, epsilon)
    dx, dscale, dshift = batch_norm.backward(dy, x, scale, mean, variance, epsilon)
    assert_gradient(lambda x: batch_norm.forward(x, scale, shift, epsilon)[0], x, dx, dy)
    assert_gradient(lambda s: batch_norm.forward(x, s, shift, epsilon)[0], scale, dscale, dy)
    assert_gradient(lambda s: batch_norm.forward(x, scale, s, epsilon)[0], shift, dshift, dy)
