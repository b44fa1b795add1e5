"""Where the reference's own numbers mean nothing, verify accuses nobody, and counts nothing as agreement."""

from types import SimpleNamespace

import numpy as np
import pytest
from verifying import SMALL, small_golden

from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden
from stemnet_ref.verify.compare import Comparison, compare
from stemnet_ref.verify.coverage import NOTHING, lacking
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.difference import measure
from stemnet_ref.verify.expected.rounding import SINGLE, Computed, Value
from stemnet_ref.verify.golden import keys
from stemnet_ref.verify.report import lines


@pytest.fixture(scope="module")
def diverging():
    """Return a golden file whose second step overflows in float32, and its own tensors."""
    settings = Settings.from_options(SMALL)
    object.__setattr__(settings, "learning_rate", 1e12)      # the option takes no such rate
    with np.errstate(all="ignore"):
        made = golden.from_seed(settings, (16, 16), 2, 5, 2, np.float32, 5)
    return made, {key: made.arrays[key] for key in keys(made)}


def test_a_right_run_that_overflows_agrees_in_what_says_something(diverging):
    report = diagnose(compare(*diverging))
    nothing = [row for row in report.rows if row.verdict == NOTHING]
    assert report.agrees
    assert nothing[0].key == "2/cost"
    assert len(nothing) > 50
    text = "\n".join(lines(report))
    assert f"agrees: {len(report.rows) - len(nothing) - 17} of " in text       # 17: the input, and what it begins with
    assert f"note: {len(nothing)} tensors, 2/cost the first, say nothing" in text


@pytest.mark.parametrize("garbage", [0.0, 1.0, -3e38, np.inf, np.nan])
def test_garbage_after_an_overflow_neither_departs_nor_agrees(diverging, garbage):
    made, given = diverging
    before = {key: array for key, array in given.items() if key[0] not in "345"}
    later = {key: np.full_like(array, garbage) for key, array in given.items() if key[0] == "3"}
    rows = compare(made, {**before, **later}).rows
    assert {row.verdict for row in rows if row.parts.step == 3 and row.parts.kind != "parameter"} == {NOTHING}
    of_update = [row for row in rows if row.parts.step == 3 and row.parts.kind == "parameter"]
    assert NOTHING in {row.verdict for row in of_update}
    # where the parameter was finite before, it has to follow from the gradient that is given
    assert all(np.isfinite(before[row.parts.at_step(2)]).all() for row in of_update if row.verdict == "departs")
    assert {row.verdict for row in rows if row.parts.step in (0, 1)} == {"agrees"}


def test_what_departs_before_an_overflow_departs(diverging):
    made, given = diverging
    given = {**given, "1/gradient/up1.conv.weight": given["1/gradient/up1.conv.weight"] * np.float32(1.01)}
    report = diagnose(compare(made, given))
    assert report.first.key == "1/gradient/up1.conv.weight"
    assert report.conventions == {}


def test_nothing_is_no_agreement(diverging):
    made, given = diverging
    nothing = [key for key in given if key[0] in "345"]
    report = diagnose(compare(made, {key: given[key] for key in nothing}))
    assert not report.agrees
    assert "cannot tell: no tensor says anything" in lines(report)
    some = diagnose(compare(made, {key: given[key] for key in (*nothing, "1/cost")}))
    assert some.agrees
    assert "no gradient was compared" in lacking(some)


def test_numbers_beyond_the_format_mean_nothing_and_the_others_count():
    expected, bound = np.array([1.0, 2.0, 1e39]), np.full(3, 1e-6)

    def of(actual, overflown=False):
        found = measure(np.array(actual), expected, bound, 0.0, 0.0, 2e37, overflown)
        return found.share > 1, found.meaningless

    with np.errstate(all="ignore"):
        assert of([1, 2, 1e39]) == (False, False)
        assert of([1, 2, np.inf]) == (False, True)
        assert of([1, 2, 7]) == (False, True)
        assert of([1, 3, np.inf]) == (True, True)
        assert of([1, np.nan, np.inf]) == (True, True)
        assert of([1, np.nan, 1e39], overflown=True) == (False, True)


@pytest.mark.parametrize(("size", "seeds"), [((1, 1), range(3)), ((2, 2), range(40))])
def test_a_golden_file_of_equal_logits_is_finite(size, seeds):
    """Of one pixel all logits are equal, and where all ReLUs are 0."""
    for seed in seeds:
        made = small_golden(size, 1, 1, seed, channels=1, features=1, levels=1, preset="listing")
        assert all(np.isfinite(array).all() for array in made.arrays.values())


@pytest.mark.parametrize(("key", "actual", "verdict"), [
    ("1/gradient/output.weight", 1e-3, "agrees"), ("1/gradient/output.weight", 0.5, NOTHING),
    ("1/gradient/output.weight", 5.0, "departs"), ("2/gradient/output.weight", 1e-3, "agrees"),
    ("2/gradient/output.weight", 0.5, "unclear"), ("2/gradient/output.weight", 5.0, "unclear")])
def test_what_rounding_has_left_no_digit(key, actual, verdict):
    """0.001 is expected, give or take 1; the parameters before step 2 are not given."""
    trace = SimpleNamespace(unit=SINGLE, conventions=frozenset(), spread=False, under=lambda conventions: trace,
                            forget=id, forget_given=id, spread_out=lambda: trace,
                            computed=lambda key: Computed(Value(np.full(9, 1e-3), np.ones(9)), frozenset()))
    comparison = Comparison(trace, [key], {key: np.full(9, actual, np.float32)}, {key: np.full(9, 1e-3)})
    assert [row.verdict for row in comparison.rows] == [verdict]
