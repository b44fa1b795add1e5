"""The checkers must be able to fail: a fault is planted for each."""

import numpy as np
import pytest
from checkers import (
    SEED,
    all_different,
    assert_gradient,
    assert_gradient_along_directions,
    assert_within_rounding,
    away_from_zero,
    gradient_cases,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from stemnet_ref.layers import conv2d

CHECKS = pytest.mark.parametrize("check", [assert_gradient, assert_gradient_along_directions])


@CHECKS
@given(SEED)
def test_gradient_checker_accepts_a_right_gradient(check, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 8))
    check(np.square, x, 2 * x * dy, dy)


@CHECKS
@given(SEED)
def test_gradient_checker_rejects_one_wrong_element(check, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 8))
    wrong = 2 * x * dy
    wrong[rng.integers(8)] += 1e-4
    with pytest.raises(AssertionError, match="finite difference"):
        check(np.square, x, wrong, dy)


def test_directions_reject_two_errors_that_cancel_almost_always():
    """In seven of eight gradients: over the 25 shapes of a test they always do."""
    rejected = 0
    for seed in range(200):
        x, dy = np.random.default_rng(seed).standard_normal((2, 8))
        wrong = 2 * x * dy
        wrong[:2] += 1e-4, -1e-4
        try:
            assert_gradient_along_directions(np.square, x, wrong, dy)
        except AssertionError:
            rejected += 1
    assert 160 < rejected < 200


def test_cases_are_many_shapes_along_directions_and_one_element_by_element():
    seen = []

    @gradient_cases(n=(st.integers(1, 2), 7))
    def case(check, seed, n):
        seen.append((check, n))

    case()
    assert seen[0] == (assert_gradient, 7)
    assert {*seen[1:]} == {(assert_gradient_along_directions, 1), (assert_gradient_along_directions, 2)}


def test_a_shape_that_would_not_be_checked_element_by_element_is_noticed():
    @gradient_cases(n=(st.integers(1, 2), 7))
    def case(check, seed, n):
        assume(n != 7)

    with pytest.raises(AssertionError, match="break an assumption"):
        case()


@CHECKS
@pytest.mark.parametrize("fault", ["flipped", "transposed", "scaled", "shifted"])
def test_gradient_checker_rejects_faults_of_a_convolution(fault, check):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((1, 4, 4, 2)), rng.standard_normal((3, 3, 2, 2))
    dy = rng.standard_normal((1, 4, 4, 2))
    _, dweight = conv2d.backward(dy, x, weight)
    check(lambda w: conv2d.forward(x, w), weight, dweight, dy)
    wrong = {"flipped": dweight[::-1], "transposed": dweight.transpose(1, 0, 2, 3),
             "scaled": dweight * (1 + 1e-6), "shifted": np.roll(dweight, 1, axis=1)}[fault]
    with pytest.raises(AssertionError, match="finite difference"):
        check(lambda w: conv2d.forward(x, w), weight, np.ascontiguousarray(wrong), dy)


@CHECKS
def test_gradient_checker_refuses_float32_and_a_wrong_shape(check):
    x = np.ones(3)
    with pytest.raises(AssertionError, match="both must be float64"):
        check(np.square, x.astype(np.float32), 2 * x.astype(np.float32))
    with pytest.raises(AssertionError, match="shape"):
        check(np.square, x, np.ones(4))


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
