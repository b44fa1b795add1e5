"""What rounding can do: of equal terms, in the reference's own sums, and before numbers cancel."""

import numpy as np
import pytest
from verifying import only_costs_and_gradients, small_golden

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import LAYERS, Options
from stemnet_ref.verify.expected.rounding import DOUBLE, SINGLE, Assumptions, exact
from stemnet_ref.verify.expected.sums import alike, total
from stemnet_ref.verify.golden import keys


def one_after_the_other(terms, dtype):
    """Return the sums over all axes but the last in a format, each term added to the sum of those before."""
    return np.add.accumulate(terms.reshape(-1, terms.shape[-1]).astype(dtype), 0)[-1].astype(np.float64)


@pytest.mark.parametrize(("terms", "roundings"), [(1, 1), (9, 9), (16, 16), (25, 20), (10000, 400)])
def test_the_bound_of_a_sum_is_the_smaller_of_the_two(terms, roundings):
    assert Assumptions(SINGLE).roundings(terms) == pytest.approx((SINGLE + DOUBLE) * (roundings + 2), rel=1e-12)


@pytest.mark.parametrize("unit", [SINGLE, DOUBLE])
def test_in_float64_the_reference_rounds_as_much(unit):
    assert Assumptions(unit).roundoff() == unit + DOUBLE
    assert Assumptions(unit).roundings(9) == pytest.approx(11 * (unit + DOUBLE), rel=1e-12)


@pytest.mark.parametrize(("unit", "dtype"), [(SINGLE, np.float32), (DOUBLE, np.float64)])
def test_equal_terms_are_rounded_alike(unit, dtype):
    """Ten thousand times 0.1, added one after the other: more than independent roundings would come to."""
    terms, assumed = np.full((2, 50, 100, 1), dtype(0.1), np.float64), Assumptions(unit)
    sums = total(exact(terms), assumed)
    wrong = abs(one_after_the_other(terms, dtype) - terms[0, 0, 0, 0] * 10000)
    assert wrong > assumed.roundings(10000) * sums.array
    assert wrong < sums.error
    assert abs(sums.array - terms[0, 0, 0, 0] * 10000) < 16 * DOUBLE * sums.array


def test_different_terms_are_rounded_independently():
    assumed, terms = Assumptions(SINGLE), np.random.default_rng(0).standard_normal((2, 50, 100, 3))
    sums = total(exact(terms), assumed)
    bound = assumed.roundings(10000) * abs(terms).sum((0, 1, 2))
    assert (sums.error < 1.2 * bound).all()
    assert (abs(one_after_the_other(terms, np.float32) - sums.array) < 0.1 * sums.error).all()


def test_alike_counts_what_is_lost():
    """Numbers that are too small to be rounded by u S count less; zeros do not count; half of them equal, a quarter."""
    assumed, n = Assumptions(SINGLE), 1000
    rows = np.stack([np.ones(n), np.zeros(n), np.arange(n) % 2 / 2, np.linspace(1, 2, n),
                     np.where(np.arange(n), 1e-12, 1.0)], -1)
    found = alike(rows.reshape(1, 10, 100, 5), assumed)
    np.testing.assert_allclose(found[:3], [1, 0, 0.25])
    assert found[3] < 2 / n
    assert found[4] < 2 / n


def test_what_is_uncertain_in_equal_terms_adds_up():
    assumed, terms = Assumptions(SINGLE), exact(np.full((1, 10, 10, 1), 0.5)).uncertain(np.full((1, 10, 10, 1), 1e-3))
    assert total(terms, assumed).error == pytest.approx(0.1, rel=1e-3)
    terms = exact(np.linspace(1, 2, 100).reshape(1, 10, 10, 1)).uncertain(np.full((1, 10, 10, 1), 1e-3))
    assert total(terms, assumed).error == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("gradient", ["dweight", "db"])
def test_what_follows_from_parameters_adds_up_over_pixels(gradient):
    """Weights that are wrong together, and arrays that are not negative: the errors of all pixels have one sign."""
    x, dy = np.random.default_rng(0).random((2, 1, 10, 10, 3))
    weight, wrong, assumed = np.ones((5, 5, 3, 3)), np.full((5, 5, 3, 3), 1e-3), Assumptions(SINGLE)

    def value(layer, output, **given):
        return LAYERS[layer](given.get, Options(), assumed)[output]()

    def of(weight):
        """Return a gradient that follows from a weight."""
        y, dx = (value("conv2d", each, x=exact(x), weight=weight, dy=exact(dy)) for each in ("y", "dx"))
        return value("bias", "db", dy=dx) if gradient == "db" else value("conv2d", "dweight", x=y, weight=weight,
                                                                         dy=exact(dy))

    uncertain = exact(weight).uncertain(wrong)
    moved = abs(of(exact(weight + wrong)).array - of(exact(weight)).array)
    assert (moved > 5 * of(uncertain).error).all()
    assert (moved < of(uncertain._replace(shared=wrong)).error).all()


@pytest.mark.parametrize("shown", [lambda given: given, only_costs_and_gradients], ids=["all", "training"])
@pytest.mark.parametrize("options", [{"features": 1}, {"optimizer": "adam"}, {"preset": "listing", "optimizer": "sgd"}],
                         ids=str)
def test_a_file_in_float64_agrees_with_itself(options, shown):
    """Also where the memory lies in another order, in which NumPy adds in another order."""
    made = small_golden((30, 20), levels=2, channels=5, seed=184, float64=True, **options)
    given = {key: made.arrays[key].copy("F") for key in keys(made) if key in made.arrays}
    report = diagnose(compare(made, shown(given)))
    assert report.agrees, report.diagnoses
    assert max(row.share for row in report.rows) < 0.5


@pytest.mark.torch
def test_a_network_whose_relus_are_all_0_agrees_in_float64():
    """From the second step on all pixels have the same two logits."""
    from verifying import torch_tensors

    made = small_golden((30, 20), 2, 2, 184, channels=5, levels=2, features=1, optimizer="sgd", float64=True)
    report = diagnose(compare(made, torch_tensors(made)))
    assert report.agrees, report.diagnoses
    assert max(row.share for row in report.rows) < 0.5
