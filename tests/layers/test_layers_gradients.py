"""Every backward pass of the plain layers against finite differences in float64 with a random dy.

Many shapes are checked along random directions, and one element by element; the backends are compared with the plain
layers in backends/test_operations.py.
"""

import numpy as np
import pytest
from checkers import all_different, away_from_zero, gradient_cases
from hypothesis import assume
from hypothesis import strategies as st

from stemnet_ref.layers import (
    batch_norm,
    bias,
    block,
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
@gradient_cases(n=(COUNT, 2), h=(st.integers(1, 6), 3), w=(st.integers(1, 6), 4), c=(COUNT, 2), o=(COUNT, 3),
                kh=(st.integers(1, 5), 3), kw=(st.integers(1, 5), 2), padding=(PADDING, "same"))
def test_conv2d(check, seed, n, h, w, c, o, kh, kw, padding):
    layer = conv2d
    if padding == "valid":
        h, w = h + kh - 1, w + kw - 1
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    dy = rng.standard_normal(layer.forward(x, weight, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, padding)
    check(lambda x: layer.forward(x, weight, padding), x, dx, dy)
    check(lambda w: layer.forward(x, w, padding), weight, dweight, dy, name="dweight")


@pytest.mark.equation("56", "57", "58")
@gradient_cases(kind=(st.sampled_from(["conv", "deconv"]), "conv"), n=(COUNT, 2), h=(COUNT, 2), w=(SIZE, 3),
                ca=(COUNT, 2), cb=(st.integers(0, 2), 1), o=(COUNT, 3), k=(st.integers(1, 4), 3),
                activation=(st.sampled_from(["relu", "sigmoid", "linear"]), "relu"), scaled=(st.booleans(), True),
                keep_prob=(st.sampled_from([0.5, 0.75, 1]), 0.75))
def test_block(check, seed, kind, n, h, w, ca, cb, o, k, activation, scaled, keep_prob):
    rng = np.random.default_rng(seed)
    inputs = tuple(rng.standard_normal((n, h, w, channels)) for channels in ((ca, cb) if cb else (ca,)))
    weight = rng.standard_normal((k, k, ca + cb, o) if kind == "conv" else (k, k, o, ca + cb))
    b, scale = rng.standard_normal(o), rng.standard_normal(o) if scaled else None
    chosen = {"kind": kind, "keep_prob": keep_prob, "key": (seed, 3, 1)}
    z, saved = block.forward(inputs, weight, b, activation="linear", scale=scale, **chosen)
    assume(not scaled or saved.variance.min() > 0.3)        # else the third derivative is large
    if activation == "relu":            # whose inputs are dropped, and 0, or not as near to it as a difference reaches
        assume(abs(z[z != 0]).min(initial=1) > 1e-3)

    def forward(inputs=inputs, weight=weight, b=b, scale=scale):
        return block.forward(inputs, weight, b, activation=activation, scale=scale, **chosen)

    y, saved = forward()
    dy = rng.standard_normal(y.shape)
    dinputs, dweight, db, dscale = block.backward(dy, saved, weight, scale)
    check(lambda w: forward(weight=w)[0], weight, dweight, dy, name="dweight")
    check(lambda b: forward(b=b)[0], b, db, dy, name="db")
    for at, (x, dx) in enumerate(zip(inputs, dinputs, strict=True)):
        check(lambda x, at=at: forward((*inputs[:at], x, *inputs[at + 1:]))[0], x, dx, dy)
    if scaled:
        check(lambda s: forward(scale=s)[0], scale, dscale, dy, name="dscale")


@pytest.mark.equation("34", "36")
@gradient_cases(n=(st.integers(1, 2), 2), h=(SIZE, 2), w=(SIZE, 3), c=(COUNT, 2), o=(COUNT, 3),
                kh=(st.integers(1, 4), 3), kw=(st.integers(1, 4), 2), stride=(COUNT, 2), padding=(PADDING, "same"))
def test_conv_transpose2d(check, seed, n, h, w, c, o, kh, kw, stride, padding):
    layer = conv_transpose2d
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, o, c))
    dy = rng.standard_normal(layer.forward(x, weight, stride, padding).shape)
    dx, dweight = layer.backward(dy, x, weight, stride, padding)
    check(lambda x: layer.forward(x, weight, stride, padding), x, dx, dy)
    check(lambda w: layer.forward(x, w, stride, padding), weight, dweight, dy, name="dweight")


@pytest.mark.equation("35", "49")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3))
def test_bias(check, seed, n, h, w, c):
    layer = bias
    rng = np.random.default_rng(seed)
    x, dy, b = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c)), rng.standard_normal(c)
    dx, db = layer.backward(dy)
    check(lambda x: layer.forward(x, b), x, dx, dy)
    check(lambda b: layer.forward(x, b), b, db, dy, name="db")


@pytest.mark.equation("37")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3))
def test_relu(check, seed, n, h, w, c):
    layer = relu
    rng = np.random.default_rng(seed)
    x, dy = away_from_zero(rng, (n, h, w, c)), rng.standard_normal((n, h, w, c))
    check(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("2")
@gradient_cases(n=(SIZE, 3), d=(SIZE, 4))
def test_sigmoid(check, seed, n, d):
    layer = sigmoid
    rng = np.random.default_rng(seed)
    x, dy = 3 * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    check(layer.forward, x, layer.backward(dy, layer.forward(x)), dy)


@pytest.mark.equation("30", "34", "35", "36")
@gradient_cases(n=(SIZE, 2), d=(SIZE, 3), m=(SIZE, 4))
def test_dense(check, seed, n, d, m):
    layer = dense
    rng = np.random.default_rng(seed)
    x, weight, b = rng.standard_normal((n, d)), rng.standard_normal((d, m)), rng.standard_normal(m)
    dy = rng.standard_normal((n, m))
    dx, dweight, db = layer.backward(dy, x, weight)
    check(lambda x: layer.forward(x, weight, b), x, dx, dy)
    check(lambda w: layer.forward(x, w, b), weight, dweight, dy, name="dweight")
    check(lambda b: layer.forward(x, weight, b), b, db, dy, name="db")


@gradient_cases(n=(COUNT, 2), h=(COUNT, 2), w=(COUNT, 3), c=(COUNT, 2), size=(COUNT, 2))
def test_max_pool2d(check, seed, n, h, w, c, size):
    layer = max_pool2d
    rng = np.random.default_rng(seed)
    x, dy = all_different(rng, (n, size * h, size * w, c)), rng.standard_normal((n, h, w, c))
    _, argmax = layer.forward(x, size)
    check(lambda x: layer.forward(x, size)[0], x, layer.backward(dy, argmax, size), dy)
    other = rng.standard_normal(x.shape)
    np.testing.assert_array_equal(layer.backward(dy, argmax, size, other.copy()),
                                  other + layer.backward(dy, argmax, size))


@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), c=(SIZE, 3), keep_prob=(st.floats(0.05, 1), 0.5))
def test_dropout(check, seed, n, h, w, c, keep_prob):
    layer = dropout
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    mask = layer.draw_mask(x.shape, keep_prob, seed, 3, 1)
    check(lambda x: layer.forward(x, mask, keep_prob), x, layer.backward(dy, mask, keep_prob), dy)


@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), ca=(SIZE, 2), cb=(SIZE, 3))
def test_concat(check, seed, n, h, w, ca, cb):
    layer = concat
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, h, w, ca)), rng.standard_normal((n, h, w, cb))
    dy = rng.standard_normal((n, h, w, ca + cb))
    da, db = layer.backward(dy, ca)
    check(lambda a: layer.forward(a, b), a, da, dy, name="da")
    check(lambda b: layer.forward(a, b), b, db, dy, name="db")


@pytest.mark.equation("8", "38")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3))
def test_softmax(check, seed, n, h, w, k):
    layer = softmax
    rng = np.random.default_rng(seed)
    z, dp = 2 * rng.standard_normal((n, h, w, k)), rng.standard_normal((n, h, w, k))
    check(layer.forward, z, layer.backward(dp, layer.forward(z)), dp)


def probabilities_and_labels(seed, n, h, w, k):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 0.95, (n, h, w, k)), rng.integers(0, k, (n, h, w)), rng


@pytest.mark.equation("5", "60")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3), pixels_too=(st.booleans(), True))
def test_weighted_cross_entropy(check, seed, n, h, w, k, pixels_too):
    layer = weighted_cross_entropy
    _, labels, rng = probabilities_and_labels(seed, n, h, w, k)
    z, weights = 2 * rng.standard_normal((n, h, w, k)), [rng.uniform(0.5, 3, k)]
    weights += [rng.uniform(0, 5, (n, h, w))] if pixels_too else []
    _, p = layer.forward(z, labels, *weights)
    check(lambda z: layer.forward(z, labels, *weights)[0], z, layer.backward(p, labels, *weights))


@pytest.mark.equation("3-cost", "4")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(1, 4), 3))
def test_quadratic(check, seed, n, h, w, k):
    layer = quadratic
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    check(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("6", "7")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 2), w=(SIZE, 3), k=(st.integers(2, 4), 3))
def test_dice(check, seed, n, h, w, k):
    layer = dice
    p, labels, _ = probabilities_and_labels(seed, n, h, w, k)
    check(lambda p: layer.forward(p, labels), p, layer.backward(p, labels))


@pytest.mark.equation("56", "57", "58")
@gradient_cases(n=(COUNT, 2), h=(SIZE, 3), w=(st.integers(2, 4), 2), c=(COUNT, 2))
def test_batch_norm(check, seed, n, h, w, c):
    layer = batch_norm
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((n, h, w, c)), rng.standard_normal((n, h, w, c))
    scale, shift = rng.standard_normal(c), rng.standard_normal(c)
    epsilon = 0.1           # large: with two equal pixels and a small one the third derivative, and so the
    #                         finite difference's own error, grows without bound
    _, mean, variance = layer.forward(x, scale, shift, epsilon)
    dx, dscale, dshift = layer.backward(dy, x, scale, mean, variance, epsilon)
    check(lambda x: layer.forward(x, scale, shift, epsilon)[0], x, dx, dy)
    check(lambda s: layer.forward(x, s, shift, epsilon)[0], scale, dscale, dy, name="dscale")
    check(lambda s: layer.forward(x, scale, s, epsilon)[0], shift, dshift, dy, name="dshift")
