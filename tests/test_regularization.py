"""L1 and L2 against eq. 50-55."""

import numpy as np
import pytest
from checkers import SEED, assert_gradient
from hypothesis import given
from hypothesis import strategies as st

from stemnet_ref.optimizers import SGD
from stemnet_ref.regularization import add_penalty, add_penalty_gradients


def some(seed):
    """Return parameters and gradients."""
    rng = np.random.default_rng(seed)
    return [{"a.weight": rng.standard_normal((3, 2)), "a.bias": rng.standard_normal(2)} for _ in range(2)]


def test_the_penalty_is_of_the_weights_alone():
    parameters = {"a.weight": np.array([3.0, -4.0, 0.0]), "a.scale": np.array([5.0]), "a.bias": np.array([7.0])}
    assert add_penalty(1.0, parameters, 0.4, 0.2, 2) == pytest.approx(1 + 0.4 / 2 * 7 + 0.2 / 4 * 25)
    gradients = {name: np.ones_like(array) for name, array in parameters.items()}
    add_penalty_gradients(gradients, parameters, 0.4, 0.2, 2)
    np.testing.assert_allclose(gradients["a.weight"], [1 + 0.2 + 0.1 * 3, 1 - 0.2 - 0.1 * 4, 1])
    assert gradients["a.scale"] == gradients["a.bias"] == 1


@pytest.mark.equation("50", "51", "52", "53", "54")
@given(SEED, st.floats(0, 2), st.floats(0, 2), st.integers(1, 9))
def test_penalty_and_its_gradient(seed, l1, l2, examples):
    parameters, gradients = some(seed)
    parameters["a.weight"] += np.copysign(0.01, parameters["a.weight"])             # |w| has no slope at 0
    w, b = parameters["a.weight"], parameters["a.bias"]
    expected = l1 / examples * np.sum(abs(w)) + l2 / (2 * examples) * np.sum(w ** 2)                # eq. 51-52
    assert add_penalty(0.0, parameters, l1, l2, examples) == pytest.approx(expected)

    with_penalty = {name: array.copy() for name, array in gradients.items()}
    add_penalty_gradients(with_penalty, parameters, l1, l2, examples)
    np.testing.assert_array_equal(with_penalty["a.bias"], gradients["a.bias"])                      # eq. 54
    assert_gradient(                                                                                # eq. 50, 53
        lambda w: add_penalty(np.vdot(gradients["a.weight"], w), {"a.weight": w, "a.bias": b}, l1, l2, examples), w,
        with_penalty["a.weight"])


@pytest.mark.equation("53", "55")
@given(SEED, st.floats(0.01, 0.5), st.floats(0, 2))
def test_l2_is_a_decay_of_the_weights(seed, rate, l2):
    parameters, gradients = some(seed)
    w = parameters["a.weight"].copy()
    with_penalty = {name: array.copy() for name, array in gradients.items()}
    add_penalty_gradients(with_penalty, parameters, 0, l2, 4)
    SGD(rate).update(parameters, with_penalty)
    np.testing.assert_allclose(parameters["a.weight"], (1 - rate * l2 / 4) * w - rate * gradients["a.weight"])
