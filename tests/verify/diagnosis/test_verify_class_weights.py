"""Other class weights in the cost are named with their values, and told from a factor where numbers tell them apart."""

import re

import numpy as np
import pytest
from verifying import SMALL, small_golden

from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden
from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.search import diagnose

VIEWS = {"all": "", "training": r"/(cost|gradient|parameter)", "script": r"^1/(\w+/logits|cost|gradient)"}
GRADIENTS = r"^1/gradient/"
OR = "Or, which these numbers cannot tell apart: "


def said_of(made, other, pattern=VIEWS["script"]):
    """Return the names and the beginnings of the sentences where the numbers are those of another golden file."""
    given = {key: other.arrays[key] for key in golden.keys(made) if re.search(pattern, key)}
    report = diagnose(compare(made, given))
    return [*report.conventions], [said.partition(";")[0] for said in report.diagnoses]


def weighted(weights):
    return f"ackground and cell have the class weights {weights}"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("weights", "value", "settings"), [
    ("1,5", "1 and 5", {}), ("3,5", "3 and 5", {}), ("1,0.3", "1 and 0.3", {"float64": True}),
    ("1,2.71828", "1 and 2.7183", {"optimizer": "adam"})])
def test_the_weights_are_estimated(weights, value, settings, view):
    made, other = small_golden(**settings), small_golden(class_weight=weights, **settings)
    assert said_of(made, other, VIEWS[view]) == (["weights_other"], ["B" + weighted(value)])


def test_both_weights_times_a_number_are_a_factor_on_the_cost():
    made, other = small_golden(), small_golden(class_weight="2.5,5")
    assert said_of(made, other) == (["cost_times"], ["The cost and its gradients are 2.5 times as large"])
    names, _ = said_of(made, other, GRADIENTS)             # of which no cost is given
    assert names == []


def test_a_divisor_is_named_where_it_says_why_both_weights_are_others():
    made = small_golden()
    pixels = np.array([1, 5])[made.labels].sum()
    settings = {"class_weight": ",".join(repr(float(weight * made.labels.size / pixels)) for weight in (1, 5))}
    names, said = said_of(made, small_golden(**settings))
    assert names == ["cost_over_weights", "weights_other"]
    assert said[1] == "B" + weighted("1 and 5")
    assert said[2].startswith(f"{OR}B{weighted('')}")


@pytest.mark.parametrize(("label", "weights", "value", "factor"), [
    (1, "1,5", "1 and 5", "2.5"), (0, "1.3,2", "1.3 and 2", "1.3"), (0, "1,5", "", "")])
def test_pixels_of_one_class_do_not_tell_its_weight_from_a_factor(label, weights, value, factor):
    plain = small_golden()
    made, other = (golden.compute(
        Settings.from_options({**SMALL, "class_weight": each}), plain.parameters, plain.frames, plain.input,
        np.full_like(plain.labels, label), plain.scaling, 2, 2, {"seed": 1}) for each in ("1,2", weights))
    expected = ["B" + weighted(value), f"{OR}The cost and its gradients are {factor} times as large"] if value else []
    assert said_of(made, other)[1] == expected


@pytest.mark.parametrize("cost", ["dice", "quadratic"])
def test_a_cost_without_weights_has_no_others(cost):
    names, _ = said_of(small_golden(cost=cost), small_golden(class_weight="1,5"))
    assert not [name for name in names if "weight" in name]
