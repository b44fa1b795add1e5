"""The work of a search is bounded, and what has not been tried for that reason is said."""

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis import observations, scopes, search
from stemnet_ref.verify.expected.rounding import DOUBLE, Held
from stemnet_ref.verify.expected.trace import Trace
from stemnet_ref.verify.golden import keys


def comparison(*names):
    """Compare the reference under conventions, costs, gradients and parameters of the first step, with itself."""
    made = small_golden()
    trace = Trace(made, unit=DOUBLE, conventions=frozenset(map(Held, names)))
    given = [key for key in made.arrays if key.startswith(("1/cost", "1/gradient", "1/parameter"))]
    return compare(made, {key: trace.value(key).array.astype(made.arrays[key].dtype) for key in given})


def test_without_work_nothing_is_named_and_this_is_said(monkeypatch):
    for kind in search.WORK:
        monkeypatch.setitem(search.WORK, kind, -1)
    report = search.diagnose(comparison("bias_missing"))
    assert not report.agrees
    assert report.conventions == {}
    assert report.diagnoses == (f"1/cost: {observations.HURRIED}",)


@pytest.mark.parametrize("kind", ["some layers", "two"])
def test_what_is_named_with_work_of_its_own_is_named_without_doubt(kind, monkeypatch):
    monkeypatch.setitem(search.WORK, kind, -1)
    report = search.diagnose(comparison("bias_missing"))
    assert report.conventions == {"bias_missing": None}
    assert len(report.diagnoses) == 1


def test_of_what_is_named_before_all_are_tried_this_is_said(monkeypatch):
    found = comparison("padding_reflect")
    before = found.trace.work.done
    assert search.diagnose(found).conventions == {"padding_reflect": None}
    monkeypatch.setitem(search.WORK, "one", (found.trace.work.done - before) * 3 / 4)
    report = search.diagnose(comparison("padding_reflect"))
    assert report.conventions == {"padding_reflect": None}
    assert report.diagnoses[1:] == (f"1/cost: {observations.OTHERS_LEFT}",)


def test_the_work_is_the_same_in_every_run():
    compared = [comparison("bias_missing") for _ in range(2)]
    begun = compared[0].trace.work.done
    for each in compared:
        search.diagnose(each)
    assert begun < compared[0].trace.work.done == compared[1].trace.work.done


def test_what_explains_less_than_everything_is_left_early():
    """A rate explains all steps; clipping explains the first one, and is held against no gradient, which agrees."""
    made = small_golden()
    rate = frozenset([Held("rate_factor", value=0.9)])
    trace = Trace(made, unit=DOUBLE, conventions=rate)
    found = compare(made, {key: trace.value(key).array.astype(made.arrays[key].dtype) for key in keys(made)
                           if key in made.arrays})
    norm = np.sqrt(sum(np.sum(trace.value(f"1/gradient/{name}").array ** 2) for name in made.parameters))
    clipped = frozenset([Held("gradients_clipped_by_norm", value=0.9 * norm)])
    before = {row.key: row for row in found.rows}

    def fit(more, whole):
        return scopes.fit(found, before, frozenset(), more, found.first, whole=whole)

    assert fit(rate, False) == fit(rate, True)
    assert fit(rate, False).whole
    assert fit(clipped, True) is None
    judged = [key for key, _, conventions, _ in found._rows if conventions == clipped]
    assert any("/parameter/" in key for key in judged)
    assert not any("/gradient/" in key for key in judged)
    explained = fit(clipped, False)
    assert explained.explained
    assert not explained.whole


def test_what_meets_one_number_by_chance_is_left_after_its_step():
    """A factor makes the cost of another padding of the reference's; the gradients say that it is none."""
    made = small_golden()
    trace = Trace(made, unit=DOUBLE, conventions=frozenset([Held("padding_reflect")]))
    given = [key for key in keys(made) if key in made.arrays and key[0] in "12345" and "ward/" not in key]
    found = compare(made, {key: trace.value(key).array.astype(made.arrays[key].dtype) for key in given})
    factor = float(found.actual["1/cost"] / made.arrays["1/cost"])
    more = frozenset([Held("cost_times", value=factor)])
    before = {row.key: row for row in found.rows}
    assert found.first.key == "1/cost"
    assert found.judge("1/cost", found.trace.under(more)).verdict == "agrees"

    def steps():
        return {int(key[0]) for key, _, conventions, _ in found._rows if conventions == more}

    assert scopes.fit(found, before, frozenset(), more, found.first, sure=False) is None
    assert steps() == {1, 2}                                # that of step 2 shows that the first step is over
    scopes.fit(found, before, frozenset(), more, found.first)
    assert steps() == {1, 2, 3, 4, 5}


def test_of_another_order_of_sums_it_is_said_that_not_all_was_tried_before(monkeypatch):
    """Noise of 1e-6 in a map is within the bound of sums whose rounding is spread, and beyond that of others."""
    made = small_golden()
    key = "1/forward/down1.conv"
    expected = Trace(made, made.arrays).computed(key).value.array
    noise = 1e-6 * abs(expected).max() * np.random.default_rng(0).standard_normal(expected.shape)
    given = {**made.arrays, key: np.float32(expected + noise)}
    given = {each: given[each] for each in ("1/forward/down0.pool", key)}
    for work, notes in ((search.WORK["one"], ()), (-1, (observations.SPREAD,))):
        monkeypatch.setitem(search.WORK, "one", work)
        found = compare(made, given)
        assert found.first.key == key
        report = search.diagnose(found)
        assert report.agrees
        assert report.notes == notes
