"""Every backward pass against finite differences: every element, float64, random dy; NumPy's and the kernels'."""

import numpy as np
import pytest
from checkers import SEED, all_different, assert_gradient, away_from_zero
from hypothesis import assume, given
from hypothesis import strategies as st
from places import PLACES, on

from stemnet_ref.layers import (
    batch_norm,
    bias,
    concat,
    conv2d,
    conv_block,
    conv_transpose2d,
    conv_transpose_block,
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
@PLACES
@given(SEED, COUNT, st.integers(1, 6), st.integers(1, 6), COUNT, COUNT, st.integers(1, 5), st.integers(1, 5), PADDING)
def test_conv2d(place, seed, n, h, w, c, o, kh, kw, padding):
    layer = on(place, conv2d)
    if padding == "valid":
        h, w = h + kh - 1, w + kw - 1
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    dy = rng.standard_normal(layer.forward(x, weight, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, padding)
    assert_gradient(lambda x: layer.forward(x, weight, padding), x, dx, dy)
    assert_gradient(lambda w: layer.forward(x, w, padding), weight, dweight, dy)


@PLACES
@given(SEED, st.integers(1, 2), COUNT, SIZE, COUNT, st.integers(0, 2), COUNT, st.integers(1, 4),
       st.sampled_from([0.5, 0.75, 1]))
def test_conv_block(place, seed, n, h, w, ca, cb, o, k, keep_prob):
    layer, rng = on(place, conv_block), np.random.default_rng(seed)
    a, second, weight = (rng.standard_normal(shape) for shape in ((n, h, w, ca), (n, h, w, cb), (k, k, ca + cb, o)))
    b, key = rng.standard_normal(o), (seed, 3, 1)
    x = (a, second) if cb else a
    y = layer.forward(x, weight, b, keep_prob, key)
    z = conv_block.conv2d.forward(np.concatenate((a, second), axis=3), weight)
    z = dropout.forward(z, dropout.draw_mask(z.shape, keep_prob, *key), keep_prob) + b
    np.testing.assert_allclose(y, np.maximum(z, 0), rtol=1e-12, atol=1e-12)         # the plain layers
    assume(abs(z).min() > 1e-3)                             # no ReLU nearer to its kink than a difference reaches
    dy = rng.standard_normal(y.shape)
    dx, dweight, db = layer.backward(dy, x, y, weight, keep_prob, key)
    assert_gradient(lambda w: layer.forward(x, w, b, keep_prob, key), weight, dweight, dy)
    assert_gradient(lambda b: layer.forward(x, weight, b, keep_prob, key), b, db, dy)
    da, dsecond = dx if cb else (dx, None)
    assert_gradient(lambda a: layer.forward((a, second) if cb else a, weight, b, keep_prob, key), a,
                    np.ascontiguousarray(da), dy)
    if cb:
        assert_gradient(lambda s: layer.forward((a, s), weight, b, keep_prob, key), second,
                        np.ascontiguousarray(dsecond), dy)
    assert layer.backward(dy, x, y, weight, keep_prob, key, False)[0] is None


@pytest.mark.equation("34", "36")
@PLACES
@given(SEED, st.integers(1, 2), SIZE, SIZE, COUNT, COUNT, st.integers(1, 4), st.integers(1, 4), COUNT, PADDING)
def test_conv_transpose2d(place, seed, n, h, w, c, o, kh, kw, stride, padding):
    layer = on(place, conv_transpose2d)
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, o, c))
    dy = rng.standard_normal(layer.forward(x, weight, stride, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, stride, padding)
    assert_gradient(lambda x: layer.forward(x, weight, stride, padding), x, dx, dy)
    assert_gradient(lambda w: layer.forward(x, w, stride, padding), weight, dweight, dy)


@PLACES
@given(SEED, st.integers(1, 2), SIZE, SIZE, COUNT, COUNT, st.integers(1, 4), st.integers(1, 3))
def test_conv_transpose_block(place, seed, n, h, w, c, o, k, stride):
    layer, rng = on(place, conv_transpose_block), np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((k, k, o, c)), rng.standard_normal(o)
    y = layer.forward(x, weight, b, stride)
    z = conv_transpose2d.forward(x, weight, stride) + b
    np.testing.assert_allclose(y, np.maximum(z, 0), rtol=1e-12, atol=1e-12)
    assume(abs(z).min() > 1e-3)                             # no ReLU nearer to its kink than a difference reaches
    dy = rng.standard_normal(y.shape)
    dx, dweight, db = layer.backward(dy, x, y, weight, stride)
    assert_gradient(lambda x: layer.forward(x, weight, b, stride), x, dx, dy)
    assert_gradient(lambda w: layer.forward(x, w, b, stride), weight, dweight, dy)
    assert_gradient(lambda b: layer.forward(x, weight, b, stride), b, db, dy)


@pytest.mark.equation("35", "49")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, SIZE)
def test_bias(place, seed, n, h, w, c):
    layer = on(place, bias)
    rng = np.random.default_rng(seed)
    x, dy, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c)), rng.standard_normal(c)
    dx, db = layer.backward(dy)
    assert_gradient(lambda x: layer.forward(x, b), x, dx, dy)
    assert_gradient(lambda b: layer.forward(x, b), b, db, dy)


@pytest.mark.equation("37")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, SIZE)
def test_relu(place, seed, n, h, w, c):
    layer = on(place, relu)
    rng = np.random.default_rng(seed)
    x, dy = away_from_zero(rng, (n, h, w, c)), rng.standard_normal((n, h, w, c))
    assert_gradient(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("2")
@PLACES
@given(SEED, SIZE, SIZE)
def test_sigmoid(place, seed, n, d):
    layer = on(place, sigmoid)
    rng = np.random.default_rng(seed)
    x, dy = 3 * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    assert_gradient(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("30", "34", "35", "36")
@PLACES
@given(SEED, SIZE, SIZE, SIZE)
def test_dense(place, seed, n, d, m):
    layer = on(place, dense)
    rng = np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, d)), rng.standard_normal((d, m)), rng.standard_normal(m)
    dy = rng.standard_normal((n, m))
    dx, dweight, db = layer.backward(dy, x, weight)
    assert_gradient(lambda x: layer.forward(x, weight, b), x, dx, dy)
    assert_gradient(lambda w: layer.forward(x, w, b), weight, dweight, dy)
    assert_gradient(lambda b: layer.forward(x, weight, b), b, db, dy)


@PLACES
@given(SEED, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_max_pool2d(place, seed, n, h, w, c, size):
    layer = on(place, max_pool2d)
    rng = np.random.default_rng(seed)
    x, dy = all_different(rng, (n, size * h, size * w, c)), rng.standard_normal((n, h, w, c))
    _, won = layer.forward(x, size)
    assert_gradient(lambda x: layer.forward(x, size)[0], x, layer.backward(dy, won, size), dy)
    other = rng.standard_normal(x.shape)
    np.testing.assert_array_equal(layer.backward(dy, won, size, other.copy()), other + layer.backward(dy, won, size))


@PLACES
@given(SEED, COUNT, SIZE, SIZE, SIZE, st.floats(0.05, 1))
def test_dropout(place, seed, n, h, w, c, keep_prob):
    layer = on(place, dropout)
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    mask = layer.draw_mask(x.shape, keep_prob, seed, 3, 1)
    assert_gradient(lambda x: layer.forward(x, mask, keep_prob), x, layer.backward(dy, mask, keep_prob), dy)


@PLACES
@given(SEED, COUNT, SIZE, SIZE, SIZE, SIZE)
def test_concat(place, seed, n, h, w, ca, cb):
    layer = on(place, concat)
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, h, w, ca)), rng.standard_normal((n, h, w, cb))
    dy = rng.standard_normal((n, h, w, ca + cb))
    da, db = layer.backward(dy, ca)
    assert_gradient(lambda a: layer.forward(a, b), a, da, dy)
    assert_gradient(lambda b: layer.forward(a, b), b, db, dy)


@pytest.mark.equation("8", "38")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4))
def test_softmax(place, seed, n, h, w, k):
    layer = on(place, softmax)
    rng = np.random.default_rng(seed)
    z, dp = 2 * rng.standard_normal((n, h, w, k)), rng.standard_normal((n, h, w, k))
    assert_gradient(layer.forward, z, layer.backward(dp, layer.forward(z)), dp)


def probabilities_and_labels(seed, n, h, w, k):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 0.95, (n, h, w, k)), rng.integers(0, k, (n, h, w)), rng


@pytest.mark.equation("5", "60")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4), st.booleans())
def test_weighted_cross_entropy(place, seed, n, h, w, k, pixels_too):
    layer = on(place, weighted_cross_entropy)
    _, labels, rng = probabilities_and_labels(seed, n, h, w, k)
    z, weights = 2 * rng.standard_normal((n, h, w, k)), [rng.uniform(0.5, 3, k)]
    weights += [rng.uniform(0, 5, (n, h, w))] if pixels_too else []
    _, p = layer.forward(z, labels, *weights)
    assert_gradient(lambda z: layer.forward(z, labels, *weights)[0], z, layer.backward(p, labels, *weights))


@pytest.mark.equation("3-cost", "4")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, st.integers(1, 4))
def test_quadratic(place, seed, n, h, w, k):
    layer = on(place, quadratic)
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    assert_gradient(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("6", "7")
@PLACES
@given(SEED, COUNT, SIZE, SIZE, st.integers(2, 4))
def test_dice(place, seed, n, h, w, k):
    layer = on(place, dice)
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    assert_gradient(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("56", "57", "58")
@PLACES
@given(SEED, COUNT, SIZE, st.integers(2, 4), COUNT)
def test_batch_norm(place, seed, n, h, w, c):
    layer = on(place, batch_norm)
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    scale, shift = rng.standard_normal(c), rng.standard_normal(c)
    epsilon = 0.1           # large: with two equal pixels and a small one the third derivative, and so the
    #                         finite difference's own error, grows without bound
    _, mean, variance = layer.forward(x, scale, shift, epsilon)
    dx, dscale, dshift = layer.backward(dy, x, scale, mean, variance, epsilon)
    assert_gradient(lambda x: layer.forward(x, scale, shift, epsilon)[0], x, dx, dy)
    assert_gradient(lambda s: layer.forward(x, s, shift, epsilon)[0], scale, dscale, dy)
    assert_gradient(lambda s: layer.forward(x, scale, s, epsilon)[0], shift, dshift, dy)
