"""The checkers must be able to fail: a fault is planted for each."""

import numpy as np
import pytest
from checkers import SEED, all_different, assert_gradient, assert_within_rounding, away_from_zero
from hypothesis import given

from stemnet_ref.layers import conv2d


@given(SEED)
def test_gradient_checker_accepts_a_right_gradient(seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 8))
    assert_gradient(np.square, x, 2 * x * dy, dy)


@given(SEED)
def test_gradient_checker_rejects_one_wrong_element(seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 8))
    wrong = 2 * x * dy
    wrong[rng.integers(8)] += 1e-4
    with pytest.raises(AssertionError, match="finite difference"):
        assert_gradient(np.square, x, wrong, dy)


@pytest.mark.parametrize("fault", ["flipped", "transposed", "scaled", "shifted"])
def test_gradient_checker_rejects_faults_of_a_convolution(fault):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((1, 4, 4, 2)), rng.standard_normal((3, 3, 2, 2))
    dy = rng.standard_normal((1, 4, 4, 2))
    _, dweight = conv2d.backward(dy, x, weight)
    assert_gradient(lambda w: conv2d.forward(x, w), weight, dweight, dy)
    wrong = {"flipped": dweight[::-1], "transposed": dweight.transpose(1, 0, 2, 3),
             "scaled": dweight * (1 + 1e-6), "shifted": np.roll(dweight, 1, axis=1)}[fault]
    with pytest.raises(AssertionError, match="finite difference"):
        assert_gradient(lambda w: conv2d.forward(x, w), weight, np.ascontiguousarray(wrong), dy)


def test_gradient_checker_refuses_float32_and_a_wrong_shape():
    x = np.ones(3)
    with pytest.raises(AssertionError):
        assert_gradient(np.square, x.astype(np.float32), 2 * x.astype(np.float32))
    with pytest.raises(AssertionError, match="shape"):
        assert_gradient(np.square, x, np.ones(4))


def test_rounding_checker_rejects_half_precision_and_accepts_float32():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 20, 30))
    exact, magnitude = a @ b.T, abs(a) @ abs(b).T
    assert_within_rounding(a.astype(np.float32) @ b.T.astype(np.float32), exact, magnitude, 32)
    half = (a.astype(np.float16).astype(np.float32) @ b.T.astype(np.float32))
    with pytest.raises(AssertionError, match="times the rounding bound"):
        assert_within_rounding(half, exact, magnitude, 32)


@given(SEED)
def test_inputs_are_spaced_wider_than_the_step(seed):
    rng = np.random.default_rng(seed)
    assert np.min(abs(away_from_zero(rng, (4, 5)))) >= 1e-3
    assert np.min(np.diff(np.sort(all_different(rng, (4, 5)), axis=None))) > 1e-3
