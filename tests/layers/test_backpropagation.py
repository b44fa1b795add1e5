"""The thesis's derivation of backpropagation (section 7.5), step by step, on two dense layers with sigmoids."""

import numpy as np
import pytest
from checkers import SEED, assert_gradient
from hypothesis import given

from stemnet_ref.layers import dense, sigmoid


def two_layers(seed):
    """Return inputs a0, weights, biases, truth, and every z and a of the forward pass, for one example."""
    rng = np.random.default_rng(seed)
    a0, truth = rng.standard_normal((1, 3)), rng.random((1, 2))
    w1, b1, w2, b2 = (rng.standard_normal(shape) for shape in ((3, 4), (4,), (4, 2), (2,)))
    z1 = dense.forward(a0, w1, b1)
    a1 = sigmoid.forward(z1)
    z2 = dense.forward(a1, w2, b2)
    return a0, w1, b1, w2, b2, truth, z1, a1, z2, sigmoid.forward(z2)


def cost(a0, w1, b1, w2, b2, truth):
    """Return |truth - a2|^2 / 2, the quadratic cost of one example."""
    a2 = sigmoid.forward(dense.forward(sigmoid.forward(dense.forward(a0, w1, b1)), w2, b2))
    return np.sum((truth - a2) ** 2) / 2


def sigmoid_slope(z):
    e = np.exp(-z)
    return e / (1 + e) ** 2


@pytest.mark.equation("30", "42", "46", "48")
@given(SEED)
def test_weighted_input_in_components(seed):
    a0, w1, b1, w2, b2, _, z1, _, z2, _ = two_layers(seed)
    for j in range(4):
        assert z1[0, j] == pytest.approx(sum(w1[k, j] * a0[0, k] for k in range(3)) + b1[j])            # eq. 30
    for k in range(2):
        assert z2[0, k] == pytest.approx(sum(w2[j, k] * sigmoid.forward(z1[0, j]) for j in range(4)) + b2[k])   # eq. 42
    weight_slope = dense.backward(np.ones((1, 1)), a0, w1[:, :1])
    np.testing.assert_allclose(weight_slope[1], a0.T)                                                   # eq. 46
    np.testing.assert_allclose(weight_slope[2], 1)                                                      # eq. 48


@pytest.mark.equation("31", "32", "33", "38", "39", "40")
@given(SEED)
def test_error_of_the_output_layer(seed):
    *_, truth, _, _, z2, a2 = two_layers(seed)
    dc_da = a2 - truth
    delta = sigmoid.backward(dc_da, a2)                                                         # eq. 33: matrix form
    for j in range(2):
        assert delta[0, j] == pytest.approx(dc_da[0, j] * sigmoid_slope(z2[0, j]))              # eq. 32, 40
        da_dz = [sigmoid_slope(z2[0, j]) if k == j else 0 for k in range(2)]
        assert delta[0, j] == pytest.approx(sum(dc_da[0, k] * da_dz[k] for k in range(2)))      # eq. 38, and so 39
    assert_gradient(lambda z: np.sum((truth - sigmoid.forward(z)) ** 2) / 2, z2, delta)         # eq. 31: delta = dC/dz


@pytest.mark.equation("34", "41", "43", "44")
@given(SEED)
def test_error_of_a_hidden_layer(seed):
    _, _, _, w2, b2, truth, z1, a1, _, a2 = two_layers(seed)
    delta2 = sigmoid.backward(a2 - truth, a2)
    da1, _, _ = dense.backward(delta2, a1, w2)
    delta1 = sigmoid.backward(da1, a1)                                                          # eq. 34
    for j in range(4):
        slopes = [w2[j, k] * sigmoid_slope(z1[0, j]) for k in range(2)]                         # eq. 43: dz2_k / dz1_j
        assert delta1[0, j] == pytest.approx(sum(slopes[k] * delta2[0, k] for k in range(2)))   # eq. 41, 44
    assert_gradient(lambda z: np.sum((truth - sigmoid.forward(dense.forward(sigmoid.forward(z), w2, b2))) ** 2) / 2,
                    z1, delta1)


@pytest.mark.equation("35", "36", "45", "47", "49")
@given(SEED)
def test_gradients_of_weights_and_biases(seed):
    a0, w1, b1, w2, b2, truth, _, a1, _, a2 = two_layers(seed)
    delta2 = sigmoid.backward(a2 - truth, a2)
    da1, dw2, db2 = dense.backward(delta2, a1, w2)
    delta1 = sigmoid.backward(da1, a1)
    _, dw1, db1 = dense.backward(delta1, a0, w1)
    for k, j in np.ndindex(4, 2):
        assert dw2[k, j] == pytest.approx(a1[0, k] * delta2[0, j])                              # eq. 36, 45, 47
    np.testing.assert_allclose(db1, delta1[0])                                                  # eq. 35, 49
    for at, gradient in ((1, dw1), (2, db1), (3, dw2), (4, db2)):
        def of_one(value, at=at):
            return cost(*(value if i == at else each for i, each in enumerate((a0, w1, b1, w2, b2, truth))))
        assert_gradient(of_one, (a0, w1, b1, w2, b2)[at], gradient)
