"""What is said of numbers that no convention explains: that first, and a cause only as a question that they allow."""

import re

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis import search
from stemnet_ref.verify.diagnosis.observations import NOT_FOUND, NOT_KNOWN
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.rounding import FORMATS

DROPOUT = "1/forward/down0.dropout"


def said_of(key, change, *others):
    """Return what is said where one tensor is changed, and only it and others are given."""
    made = small_golden()
    array = made.arrays[key].copy()
    report = diagnose(compare(made, {**{other: made.arrays[other] for other in others}, key: change(array)}))
    assert report.conventions == {}
    assert report.first.key == key
    said, = report.diagnoses
    assert said.startswith(f"{key}: {NOT_KNOWN}")
    return said


@pytest.mark.parametrize(("change", "asked"), [
    (lambda x: np.where(np.arange(x.size).reshape(x.shape) % 3, x, 0), True),           # more is dropped
    (lambda x: x * (1 + np.arange(x.size).reshape(x.shape) / x.size), False),           # nothing more is
    (lambda x: np.where(np.arange(x.size).reshape(x.shape) % 3, x * np.float32(1.5), 0), False)])
def test_another_mask_is_asked_for_only_where_it_would_explain_the_numbers(change, asked):
    said = said_of(DROPOUT, lambda x: change(x).astype(x.dtype), "1/forward/down0.conv")
    assert ("is the mask another?" in said) == asked


def test_a_factor_is_said_and_no_cause():
    assert said_of(DROPOUT, lambda x: x * np.float32(1.25), "1/forward/down0.conv").endswith(
        "but the numbers are 1.25 times the reference's.")


def test_beside_what_is_seen_it_is_said_that_not_all_conventions_were_tried(monkeypatch):
    monkeypatch.setitem(search.WORK, "one", -1)
    made = small_golden()
    report = diagnose(compare(made, {"1/forward/down0.conv": made.arrays["1/forward/down0.conv"],
                                     DROPOUT: made.arrays[DROPOUT] * np.float32(1.25)}))
    assert report.diagnoses == (f"{DROPOUT}: {NOT_FOUND}, but the numbers are 1.25 times the reference's.",)


def test_numbers_that_are_0_are_not_called_a_multiple():
    assert said_of(DROPOUT, np.zeros_like, "1/forward/down0.conv").endswith("but all its numbers are 0.")


def test_numbers_that_are_not_finite_are_counted():
    def change(x):
        x.flat[:3] = np.nan
        return x

    assert "3 numbers are NaN or infinite" in said_of("1/forward/down0.conv", change, "input")


@pytest.mark.parametrize(("key", "change", "said"), [
    ("3/parameter/up0.conv.weight", lambda w, before: before, "it is what it was before the step"),
    ("3/parameter/up0.conv.bias", lambda w, before: before, "it is what it was before the step"),
    ("1/parameter/up0.conv.weight", lambda w, before: 2 * before - w, "the step goes up the gradient"),
    ("1/parameter/up0.conv.weight", lambda w, before: w.astype(np.float16).astype(w.dtype), "rounded to float16"),
    ("1/parameter/up0.conv.weight", lambda w, before: np.float32(FORMATS["bfloat16"].cut(w)), "rounded to bfloat16")])
def test_what_a_parameter_is_beside_the_one_before(key, change, said):
    before = small_golden().arrays[f"{int(key[0]) - 1}{key[1:]}"]
    others = [other for other in small_golden().arrays if "0" < other[0] <= key[0] and "ward/" not in other]
    assert said in said_of(key, lambda w: change(w, before), *others)


def test_gradients_that_are_infinite_in_every_step_are_not_called_saved_without_a_copy():
    made = small_golden()
    given = {key: np.full_like(each, np.inf) if "/gradient/" in key else each
             for key, each in made.arrays.items() if "0/" not in key and "ward/" not in key and "/" in key}
    report = diagnose(compare(made, given))
    assert not report.agrees
    assert report.conventions == {}
    assert "copy" not in " ".join(report.diagnoses)


def test_gradients_that_are_0_while_parameters_change_were_zeroed():
    made = small_golden()
    given = {key: 0 * each if "/gradient/" in key else each for key, each in made.arrays.items() if "/" in key}
    report = diagnose(compare(made, given))
    assert report.conventions == {}
    assert "saved after zero_grad()" in report.diagnoses[0]


def test_gradients_that_are_0_beside_costs_of_a_training_were_zeroed():
    made = small_golden((8, 12), steps=3, levels=2)
    given = {key: 0 * each if "/gradient/" in key else each for key, each in made.arrays.items()
             if re.match("./(gradient|cost)", key)}
    report = diagnose(compare(made, given))
    assert report.conventions == {}
    assert "the costs are those of a training: were the gradients saved after zero_grad()" in report.diagnoses[0]
    given = {key: each for key, each in given.items() if key[0] == "1"}         # one cost says nothing of a training
    assert "without_gradient" in diagnose(compare(made, given)).conventions


@pytest.mark.parametrize("skipped", [False, True])
def test_a_first_update_that_is_skipped_is_not_called_saved_too_early(skipped):
    """Without dropout the parameters are the same; the costs say which it is."""
    made = small_golden((8, 12), steps=3, levels=2, keep_prob=1.0, optimizer="sgd", decay_rate=1.0)

    def earlier(key):
        return f"{max(int(key[0]) - 1, 0 if 'parameter' in key else 1)}{key[1:]}"

    given = {key: made.arrays[earlier(key) if skipped or "parameter" in key else key] for key in made.arrays
             if re.match("[1-9]/(parameter|cost)", key)}
    report = diagnose(compare(made, given))
    assert ("saved before optimizer.step()" in report.diagnoses[0]) == (not skipped)
    assert ("not_updated" in report.conventions) == skipped


def test_gradients_that_are_rightly_0_are_not_accused():
    """Behind ReLUs that are all 0, while other parameters change."""
    made = small_golden((8, 8), 1, 2, 2, levels=3, features=1)
    given = {key: each for key, each in made.arrays.items() if re.match(r"[1-9]/parameter/", key)
             or ("/gradient/" in key and not each.any())}
    assert sum("/gradient/" in key for key in given) > 9
    assert diagnose(compare(made, given)).agrees


def test_one_factor_on_all_gradients_is_said_though_the_first_has_few_numbers():
    made = small_golden(features=4)
    given = {key: 1024 * each if "/gradient/" in key else each for key, each in made.arrays.items()
             if key.startswith("1/") and "ward/" not in key}
    report = diagnose(compare(made, given))
    assert "1024 times the reference's" in report.diagnoses[0]


def test_a_format_is_said_only_of_numbers_that_agree_but_for_it():
    assert "rounded to" not in said_of(DROPOUT, lambda x: (x * x).astype(np.float16).astype(x.dtype),
                                       "1/forward/down0.conv")


def test_tensors_that_are_0_everywhere_have_not_been_saved_without_a_copy():
    made = small_golden()
    report = diagnose(compare(made, {key: np.zeros_like(each) for key, each in made.arrays.items() if "/" in key}))
    assert not report.agrees
    assert not any("copy" in each for each in report.diagnoses)


def test_more_tensors_are_asked_for_only_where_few_are_given():
    made = small_golden()
    report = diagnose(compare(made, {"1/cost": made.arrays["1/cost"] * np.float32(1.1)}))
    assert "Give more tensors" in report.diagnoses[0]
    changed = made.arrays["1/forward/down0.conv"].copy()
    changed[0, 0] += np.float32(0.1)
    for key, other in (("1/forward/down0.conv", changed), ("1/cost", made.arrays["1/cost"] + np.float32(0.1))):
        report = diagnose(compare(made, {**made.arrays, key: other}))
        assert not report.agrees
        assert not any("Give more tensors" in each for each in report.diagnoses)


@pytest.mark.parametrize(("name", "keys"), [("half", r"1/"), ("half", r"1/forward/.*(relu|pool)"), ("bfloat16", r"1/")])
def test_right_numbers_that_are_saved_in_a_short_format_are_not_called_its_arithmetic(name, keys):
    made = small_golden()
    report = diagnose(compare(made, {key: np.float32(FORMATS[name].cut(np.float64(each)))
                                     for key, each in made.arrays.items() if re.match(keys, key)}))
    assert report.conventions == {}
    assert report.diagnoses[0].startswith(f"{report.first.key}: {NOT_KNOWN}")
    assert "computed or saved in that format" in report.diagnoses[0]


@pytest.mark.parametrize("step", [2.0 ** -4, 2.0 ** -6])
def test_numbers_on_a_grid_show_no_format(step, monkeypatch):
    monkeypatch.setitem(search.WORK, "two", 1e7)
    made = small_golden()
    report = diagnose(compare(made, {key: np.float32(np.round(each / step) * step) if "/forward/" in key else each
                                     for key, each in made.arrays.items() if key[0] == "1"}))
    assert not report.agrees
    assert report.conventions == {}
