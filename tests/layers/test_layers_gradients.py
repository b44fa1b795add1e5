"""Every backward pass against finite differences in float64 with a random dy: over many shapes along random directions,
and over one shape element by element; NumPy's and the kernels'."""

import numpy as np
import pytest
from checkers import all_different, away_from_zero, gradient_cases
from hypothesis import assume
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
@gradient_cases(n=(COUNT, 2), h=(st.integers(1, 6), 3), w=(st.integers(1, 6), 4), c=(COUNT, 2), o=(COUNT, 3),
                kh=(st.integers(1, 5), 3), kw=(st.integers(1, 5), 2), padding=(PADDING, "same"))
def test_conv2d(place, check, seed, n, h, w, c, o, kh, kw, padding):
    layer = on(place, conv2d)
    if padding == "valid":
        h, w = h + kh - 1, w + kw - 1
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    dy = rng.standard_normal(layer.forward(x, weight, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, padding)
    check(lambda x: layer.forward(x, weight, padding), x, dx, dy)
    check(lambda w: layer.forward(x, w, padding), weight, dweight, dy)


@PLACES
@gradient_cases(n=(st.integers(1, 2), 2), h=(COUNT, 2), w=(SIZE, 3), ca=(COUNT, 2), cb=(st.integers(0, 2), 1),
                o=(COUNT, 3), k=(st.integers(1, 4), 3), keep_prob=(st.sampled_from([0.5, 0.75, 1]), 0.75))
def test_conv_block(place, check, seed, n, h, w, ca, cb, o, k, keep_prob):
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
    check(lambda w: layer.forward(x, w, b, keep_prob, key), weight, dweight, dy)
    check(lambda b: layer.forward(x, weight, b, keep_prob, key), b, db, dy)
    da, dsecond = dx if cb else (dx, None)
    check(lambda a: layer.forward((a, second) if cb else a, weight, b, keep_prob, key), a,
          np.ascontiguousarray(da), dy)
    if cb:
        check(lambda s: layer.forward((a, s), weight, b, keep_prob, key), second,
              np.ascontiguousarray(dsecond), dy)
    assert layer.backward(dy, x, y, weight, keep_prob, key, False)[0] is None


@pytest.mark.equation("34", "36")
@PLACES
@gradient_cases(n=(st.integers(1, 2), 2), h=(SIZE, 2), w=(SIZE, 3), c=(COUNT, 2), o=(COUNT, 3),
                kh=(st.integers(1, 4), 3), kw=(st.integers(1, 4), 2), stride=(COUNT, 2), padding=(PADDING, "same"))
def test_conv_transpose2d(place, check, seed, n, h, w, c, o, kh, kw, stride, padding):
    layer = on(place, conv_transpose2d)
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, o, c))
    dy = rng.standard_normal(layer.forward(x, weight, stride, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, stride, padding)
    check(lambda x: layer.forward(x, weight, stride, padding), x, dx, dy)
    check(lambda w: layer.forward(x, w, stride, padding), weight, dweight, dy)


@PLACES
@gradient_cases(n=(st.integers(1, 2), 2), h=(SIZE, 2), w=(SIZE, 3), c=(COUNT, 2), o=(COUNT, 3),
                k=(st.integers(1, 4), 2), stride=(st.integers(1, 3), 2))
def test_conv_transpose_block(place, check, seed, n, h, w, c, o, k, stride):
    layer, rng = on(place, conv_transpose_block), np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((k, k, o, c)), rng.standard_normal(o)
    y = layer.forward(x, weight, b, stride)
    z = conv_transpose2d.forward(x, weight, stride) + b
    np.testing.assert_allclose(y, np.maximum(z, 0), rtol=1e-12, atol=1e-12)
    assume(abs(z).min() > 1e-3)                             # no ReLU nearer to its kink than a difference reaches
    dy = rng.standard_normal(y.shape)
    dx, dweight, db = layer.backward(dy, x, y, weight, stride)
    check(lambda x: layer.forward(x, weight, b, stride), x, dx, dy)
    check(lambda w: layer.forward(x, w, b, stride), weight, dweight, dy)
    check(lambda b: layer.forward(x, weight, b, stride), b, db, dy)


@pytest.mark.equation("35", "49")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3))
def test_bias(place, check, seed, n, h, w, c):
    layer = on(place, bias)
    rng = np.random.default_rng(seed)
    x, dy, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c)), rng.standard_normal(c)
    dx, db = layer.backward(dy)
    check(lambda x: layer.forward(x, b), x, dx, dy)
    check(lambda b: layer.forward(x, b), b, db, dy)


@pytest.mark.equation("37")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3))
def test_relu(place, check, seed, n, h, w, c):
    layer = on(place, relu)
    rng = np.random.default_rng(seed)
    x, dy = away_from_zero(rng, (n, h, w, c)), rng.standard_normal((n, h, w, c))
    check(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("2")
@PLACES
@gradient_cases(n=(SIZE, 3), d=(SIZE, 4))
def test_sigmoid(place, check, seed, n, d):
    layer = on(place, sigmoid)
    rng = np.random.default_rng(seed)
    x, dy = 3 * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    check(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("30", "34", "35", "36")
@PLACES
@gradient_cases(n=(SIZE, 2), d=(SIZE, 3), m=(SIZE, 4))
def test_dense(place, check, seed, n, d, m):
    layer = on(place, dense)
    rng = np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, d)), rng.standard_normal((d, m)), rng.standard_normal(m)
    dy = rng.standard_normal((n, m))
    dx, dweight, db = layer.backward(dy, x, weight)
    check(lambda x: layer.forward(x, weight, b), x, dx, dy)
    check(lambda w: layer.forward(x, w, b), weight, dweight, dy)
    check(lambda b: layer.forward(x, weight, b), b, db, dy)


@PLACES
@gradient_cases(n=(COUNT, 2), h=(COUNT, 2), w=(COUNT, 3), c=(COUNT, 2), size=(COUNT, 2))
def test_max_pool2d(place, check, seed, n, h, w, c, size):
    layer = on(place, max_pool2d)
    rng = np.random.default_rng(seed)
    x, dy = all_different(rng, (n, size * h, size * w, c)), rng.standard_normal((n, h, w, c))
    _, won = layer.forward(x, size)
    check(lambda x: layer.forward(x, size)[0], x, layer.backward(dy, won, size), dy)
    other = rng.standard_normal(x.shape)
    np.testing.assert_array_equal(layer.backward(dy, won, size, other.copy()), other + layer.backward(dy, won, size))


@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3), keep_prob=(st.floats(0.05, 1), 0.5))
def test_dropout(place, check, seed, n, h, w, c, keep_prob):
    layer = on(place, dropout)
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    mask = layer.draw_mask(x.shape, keep_prob, seed, 3, 1)
    check(lambda x: layer.forward(x, mask, keep_prob), x, layer.backward(dy, mask, keep_prob), dy)


@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), ca=(SIZE, 2), cb=(SIZE, 3))
def test_concat(place, check, seed, n, h, w, ca, cb):
    layer = on(place, concat)
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, h, w, ca)), rng.standard_normal((n, h, w, cb))
    dy = rng.standard_normal((n, h, w, ca + cb))
    da, db = layer.backward(dy, ca)
    check(lambda a: layer.forward(a, b), a, da, dy)
    check(lambda b: layer.forward(a, b), b, db, dy)


@pytest.mark.equation("8", "38")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3))
def test_softmax(place, check, seed, n, h, w, k):
    layer = on(place, softmax)
    rng = np.random.default_rng(seed)
    z, dp = 2 * rng.standard_normal((n, h, w, k)), rng.standard_normal((n, h, w, k))
    check(layer.forward, z, layer.backward(dp, layer.forward(z)), dp)


def probabilities_and_labels(seed, n, h, w, k):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 0.95, (n, h, w, k)), rng.integers(0, k, (n, h, w)), rng


@pytest.mark.equation("5", "60")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3), pixels_too=(st.booleans(), True))
def test_weighted_cross_entropy(place, check, seed, n, h, w, k, pixels_too):
    layer = on(place, weighted_cross_entropy)
    _, labels, rng = probabilities_and_labels(seed, n, h, w, k)
    z, weights = 2 * rng.standard_normal((n, h, w, k)), [rng.uniform(0.5, 3, k)]
    weights += [rng.uniform(0, 5, (n, h, w))] if pixels_too else []
    _, p = layer.forward(z, labels, *weights)
    check(lambda z: layer.forward(z, labels, *weights)[0], z, layer.backward(p, labels, *weights))


@pytest.mark.equation("3-cost", "4")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3))
def test_quadratic(place, check, seed, n, h, w, k):
    layer = on(place, quadratic)
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    check(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("6", "7")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(2, 4), 3))
def test_dice(place, check, seed, n, h, w, k):
    layer = on(place, dice)
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    check(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("56", "57", "58")
@PLACES
@gradient_cases(n=(COUNT, 2), h=(SIZE, 3), w=(st.integers(2, 4), 2), c=(COUNT, 2))
def test_batch_norm(place, check, seed, n, h, w, c):
    layer = on(place, batch_norm)
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    scale, shift = rng.standard_normal(c), rng.standard_normal(c)
    epsilon = 0.1           # large: with two equal pixels and a small one the third derivative, and so the
    #                         finite difference's own error, grows without bound
    _, mean, variance = layer.forward(x, scale, shift, epsilon)
    dx, dscale, dshift = layer.backward(dy, x, scale, mean, variance, epsilon)
    check(lambda x: layer.forward(x, scale, shift, epsilon)[0], x, dx, dy)
    check(lambda s: layer.forward(x, s, shift, epsilon)[0], scale, dscale, dy)
    check(lambda s: layer.forward(x, scale, s, epsilon)[0], shift, dshift, dy)
