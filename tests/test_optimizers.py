"""Optimizers against their equations written out, their TensorFlow forms, decay."""

import itertools
import math

import numpy as np
import pytest
from checkers import SEED
from hypothesis import given
from hypothesis import strategies as st

from stemnet_ref import StemNet
from stemnet_ref.cost import Cost
from stemnet_ref.optimizers import SGD, Adam, Momentum, Rates, adam, staircase

SHAPES = {"a.weight": (3, 2), "a.bias": (2,)}


def some(seed):
    """Return parameters, and a list of six gradients."""
    rng = np.random.default_rng(seed)
    return ({name: rng.standard_normal(shape) for name, shape in SHAPES.items()},
            [{name: rng.standard_normal(shape) for name, shape in SHAPES.items()} for _ in range(6)])


def trained(optimizer, parameters, gradients, rates=None):
    """Return the parameters after the steps, as one vector."""
    parameters = {name: array.copy() for name, array in parameters.items()}
    for step, gradient in enumerate(gradients):
        if rates is not None:
            optimizer.learning_rate = rates[step]
        optimizer.update(parameters, gradient)
    return np.concatenate([array.ravel() for array in parameters.values()])


@pytest.mark.equation("9", "10", "11", "15", "16")
@given(SEED, st.floats(1e-4, 1))
def test_sgd_goes_down_the_gradient(seed, rate):
    parameters, (gradient, *_) = some(seed)
    moved = trained(SGD(rate), parameters, [gradient])
    start, slope = (np.concatenate([each[name].ravel() for name in SHAPES]) for each in (parameters, gradient))
    np.testing.assert_allclose(moved, start - rate * slope)                                     # eq. 10, 11, 15, 16
    assert slope @ (moved - start) == pytest.approx(-rate * np.sum(slope ** 2))   # eq. 9: dC = -eta |grad|^2


@pytest.mark.equation("12", "13", "14")
@pytest.mark.parametrize("cost", ["weighted_cross_entropy", "cross_entropy", "quadratic"])
@given(SEED)
def test_gradient_of_a_mini_batch_is_the_mean_of_its_examples(cost, seed):
    """Eq. 14: the network's gradient over m examples is 1/m of the sum of theirs; over all n of them, eq. 12.

    (The Dice cost is a ratio of sums over the batch, no mean of costs.)
    """
    rng = np.random.default_rng(seed)
    network = StemNet(1, 2, 2, kernel=3, dtype=np.float64, seed=1)
    cost = Cost(cost, (1.0, 2.0 if cost == "weighted_cross_entropy" else 1.0))
    x, labels = rng.standard_normal((4, 4, 6, 1)), rng.integers(0, 2, (4, 4, 6))

    def gradients(rows):
        z, cache = network.forward(x[rows])
        return network.backward(cost.backward(cost.forward(z, labels[rows])[1], labels[rows]), cache)

    each = [gradients([row]) for row in range(4)]
    for rows in ([0, 1, 2, 3], [3, 1], [2]):                # the whole set, and mini-batches X_1 .. X_m of it
        for name, gradient in gradients(rows).items():
            np.testing.assert_allclose(gradient, sum(each[row][name] for row in rows) / len(rows), atol=1e-12)
    pairs = list(itertools.combinations(range(4), 2))       # eq. 13: over all draws of m = 2, the mean is exact
    for name, gradient in gradients(range(4)).items():
        drawn = [(each[a][name] + each[b][name]) / 2 for a, b in pairs]
        np.testing.assert_allclose(sum(drawn) / len(pairs), gradient, atol=1e-12)


@pytest.mark.equation("28", "29")
@given(SEED, st.floats(0, 0.99), st.lists(st.floats(1e-3, 1), min_size=6, max_size=6))
def test_momentum_is_equations_28_and_29(seed, mu, rates):
    parameters, gradients = some(seed)
    w, v = parameters["a.weight"][0, 0], 0.0
    for rate, gradient in zip(rates, gradients, strict=True):
        v = mu * v - rate * gradient["a.weight"][0, 0]
        w = w + v
    assert trained(Momentum(0.1, mu), parameters, gradients, rates)[0] == pytest.approx(w)


@given(SEED, st.floats(0, 0.99), st.lists(st.floats(1e-3, 1), min_size=6, max_size=6))
def test_momentum_in_tensorflows_form(seed, mu, rates):
    parameters, gradients = some(seed)
    w, v = parameters["a.weight"][0, 0], 0.0
    for rate, gradient in zip(rates, gradients, strict=True):
        v = mu * v + gradient["a.weight"][0, 0]
        w = w - rate * v
    assert trained(Momentum(0.1, mu, "tensorflow"), parameters, gradients, rates)[0] == pytest.approx(w)


def test_the_forms_of_momentum_agree_only_while_the_learning_rate_is_constant():
    parameters, gradients = some(7)
    constant = [trained(Momentum(0.1, 0.5, form), parameters, gradients) for form in ("thesis", "tensorflow")]
    np.testing.assert_allclose(*constant, rtol=1e-12)
    decaying = [trained(Momentum(0.1, 0.5, form), parameters, gradients, [0.1 * 0.5 ** step for step in range(6)])
                for form in ("thesis", "tensorflow")]
    assert np.max(abs(decaying[0] - decaying[1])) > 1e-3


@pytest.mark.equation("17", "18", "19", "20", "21", "23", "24", "25", "26", "27")
@given(SEED, st.floats(0, 0.99), st.floats(0, 0.9999), st.floats(1e-10, 1e-2))
def test_adam_is_equations_17_to_27_with_the_root(seed, beta1, beta2, epsilon):
    parameters, gradients = some(seed)
    theta, m, v = parameters["a.weight"][0, 0], 0.0, 0.0                            # eq. 17-18
    for t, gradient in enumerate(gradients, 1):                                     # eq. 19-20
        g = gradient["a.weight"][0, 0]                                              # eq. 21
        m = beta1 * m + (1 - beta1) * g                                             # eq. 23
        v = beta2 * v + (1 - beta2) * g ** 2                                        # eq. 24
        m_hat, v_hat = m / (1 - beta1 ** t), v / (1 - beta2 ** t)                   # eq. 25-26
        theta -= 0.01 * m_hat / (math.sqrt(v_hat) + epsilon)                        # eq. 27
    assert trained(Adam(0.01, beta1, beta2, epsilon), parameters, gradients)[0] == pytest.approx(theta)


@pytest.mark.equation("22")
@given(SEED, st.floats(0, 0.99), st.floats(0, 0.9999), st.floats(1e-10, 1e-2))
def test_adam_in_tensorflows_form_uses_equation_22(seed, beta1, beta2, epsilon):
    parameters, gradients = some(seed)
    theta, m, v = parameters["a.weight"][0, 0], 0.0, 0.0
    for t, gradient in enumerate(gradients, 1):
        g = gradient["a.weight"][0, 0]
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g ** 2
        theta -= 0.01 * math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) * m / (math.sqrt(v) + epsilon)
    optimizer = Adam(0.01, beta1, beta2, epsilon, form="tensorflow")
    assert trained(optimizer, parameters, gradients)[0] == pytest.approx(theta)


@pytest.mark.equation("27")
def test_equation_27_as_printed_depends_on_the_scale_of_the_cost_and_adam_does_not():
    parameters, gradients = some(8)
    start = np.concatenate([array.ravel() for array in parameters.values()])

    def printed(gradients):
        theta, m, v = start.copy(), 0.0, 0.0
        for t, gradient in enumerate(gradients, 1):
            g = np.concatenate([array.ravel() for array in gradient.values()])
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g ** 2
            theta -= 0.01 * (m / (1 - 0.9 ** t)) / (v / (1 - 0.999 ** t) + 1e-8)
        return theta

    scaled = [{name: array / 100 for name, array in gradient.items()} for gradient in gradients]
    np.testing.assert_allclose(trained(Adam(0.01), parameters, scaled), trained(Adam(0.01), parameters, gradients),
                               rtol=1e-5)
    assert np.median(abs(printed(scaled) - start) / abs(printed(gradients) - start)) == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: Momentum(0.1, 0.9), lambda: Adam(0.1)])
def test_state_goes_on_where_it_was(make):
    parameters, gradients = some(9)
    whole = make()
    expected = trained(whole, parameters, gradients)
    first, second = make(), make()
    halfway = {name: array.copy() for name, array in parameters.items()}
    for gradient in gradients[:3]:
        first.update(halfway, gradient)
    second.load_state(first.state())
    np.testing.assert_array_equal(trained(second, halfway, gradients[3:]), expected)


def test_state_of_another_optimizer_is_refused():
    parameters, gradients = some(10)
    adam = Adam(0.1)
    adam.update(parameters, gradients[0])
    with pytest.raises(ValueError, match="another optimizer"):
        Momentum(0.1).load_state(adam.state())


def test_update_is_in_place_and_keeps_float32():
    parameters = {"a.weight": np.ones(3, np.float32)}
    array = parameters["a.weight"]
    for optimizer in (SGD(0.1), Momentum(0.1), Adam(0.1)):
        optimizer.update(parameters, {"a.weight": np.ones(3, np.float32)})
    assert parameters["a.weight"] is array
    assert array.dtype == np.float32
    assert (array < 0.8).all()


@pytest.mark.parametrize(("parameters", "gradients", "culprit"), [
    ({"a": np.ones(2)}, {"b": np.ones(2)}, "a is in one only"),
    ({"a": np.ones(2)}, {"a": np.ones(3)}, r"a has shape \(2,\)"),
])
def test_update_names_what_does_not_fit_and_changes_nothing(parameters, gradients, culprit):
    with pytest.raises(ValueError, match=culprit):
        SGD(0.1).update(parameters, gradients)
    np.testing.assert_array_equal(parameters["a"], 1)
    adam = Adam(0.1)
    with pytest.raises(ValueError, match=culprit):
        adam.update(parameters, gradients)
    assert adam.t == 0


@pytest.mark.parametrize(("make", "culprit"), [
    (lambda: SGD(0), "learning_rate=0"), (lambda: Momentum(0.1, 1), "momentum=1"),
    (lambda: Momentum(0.1, form="nesterov"), "nesterov"), (lambda: Adam(0.1, beta1=1), "beta1=1"),
    (lambda: Adam(0.1, beta2=-1), "beta2=-1"), (lambda: Adam(0.1, epsilon=0), "epsilon=0"),
    (lambda: Adam(0.1, form="amsgrad"), "amsgrad"), (lambda: staircase(0.1, 0, 1), "decay_rate=0"),
])
def test_bad_hyperparameters_are_named(make, culprit):
    with pytest.raises(ValueError, match=culprit):
        make()


def test_staircase_decays_once_an_epoch():
    assert [staircase(0.15, 0.95, epoch) for epoch in range(3)] == pytest.approx([0.15, 0.1425, 0.135375])


def test_in_float32_adams_averages_are_not_biased_by_the_rounding_of_their_decay():
    """b2 v + (1-b2) g^2 as printed would be 1.3e-5 too large: 0.999 and 0.001, each rounded, do not add up to 1."""
    rng = np.random.default_rng(11)
    w, m, v = np.zeros((3, 500), np.float32)
    exact = np.zeros(500)
    for _ in range(5000):
        g = rng.standard_normal(500).astype(np.float32)
        adam(w, g, m, v, Rates(0.001), 0.9, 0.999, 1e-8)
        exact = 0.999 * exact + 0.001 * np.square(g, dtype=float)
    assert abs(np.mean(v / exact) - 1) < 2e-6
