"""What is said of what has been found."""

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify.compare import compare, compare_layer
from stemnet_ref.verify.diagnosis import scopes, wording
from stemnet_ref.verify.diagnosis.conventions import sentence
from stemnet_ref.verify.diagnosis.explanation import Finding
from stemnet_ref.verify.diagnosis.layer import diagnose_layer
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import LayerTrace, Options, sample_inputs
from stemnet_ref.verify.expected.rounding import DOUBLE, Held
from stemnet_ref.verify.expected.trace import Trace

FOREVER = 10 ** 9


def test_an_alternative_says_what_it_stands_for():
    flipped, before, after = Held("kernel_flipped"), Held("bias_before_dropout"), Held("dropout_after_relu")
    found, said = wording.of_findings([Finding("1/forward/logits", frozenset({flipped, before}),
                                               (frozenset({flipped, after}),))], {})
    assert list(found) == ["kernel_flipped", "bias_before_dropout"]
    assert len(said) == 3
    assert said[2].startswith("Or, which these numbers cannot tell apart, in place of \"The bias is added before the "
                              "dropout\": The dropout comes after the ReLU;")
    assert "kernel" not in said[2]


def test_an_alternative_in_one_layer_does_not_stand_for_what_is_found_in_others():
    findings = [Finding(f"1/forward/{layer}.relu", frozenset({Held("dropout_ignored", frozenset({layer}))}),
                        (frozenset({Held("dropout_after_relu", frozenset({layer}))}),) * (layer == "up0"))
                for layer in ("up1", "up0")]
    found, said = wording.of_findings(findings, {})
    assert found == {"dropout_ignored": ["up1", "up0"]}
    assert [each.partition(";")[0] for each in said] == [
        "In up1 and up0 alone, dropout is not applied",
        "Or, which these numbers cannot tell apart, in place of \"In up0 alone, dropout is not applied\": In up0 "
        "alone, the dropout comes after the ReLU"]


def test_an_alternative_to_two_conventions_takes_the_place_of_both():
    up0, up1 = frozenset({"up0"}), frozenset({"up1"})
    _, said = wording.of_findings([
        Finding("1/forward/up1.relu", frozenset({Held("dropout_ignored", up1)})),
        Finding("1/forward/up0.relu", frozenset({Held("dropout_ignored", up0), Held("elu", up0)}),
                (frozenset({Held("dropout_after_relu", up0)}),))], {})
    elu = sentence(Held("elu"), {}, "in up0 alone, ").partition(";")[0]
    assert said[-1].startswith("Or, which these numbers cannot tell apart, in place of \"In up0 alone, dropout is not "
                               f"applied\" and \"{elu}\": In up0 alone, the dropout comes after the ReLU;")


@pytest.mark.parametrize(("held", "words"), [
    ([Held("elu")], ""),
    ([Held("elu", frozenset({"down0"})), Held("elu", frozenset({"up0"}))], "in down0 and up0 alone, "),
    ([Held("elu", frozenset({"down0"})), Held("elu", frozenset({"up0"}), (3, FOREVER))],
     "in down0 alone and in up0 alone, from step 3 on, "),
    ([Held("elu", frozenset({"down0"})), Held("elu", None, (3, 3))], "in down0 alone and in step 3 alone, "),
    ([Held("elu", frozenset({"down0"})), Held("elu")], "")])
def test_every_scope_has_its_words(held, words):
    assert scopes.words(held) == words


@pytest.mark.parametrize(("name", "value", "words"), [
    ("rate_factor", 1.00003, "is 1.00003 times"), ("adam_beta2", 0.99996, "is 0.99996;"),
    ("adam_betas", (0.9, 0.999), "are 0.9 and 0.999;"), ("momentum_other", 0.1 + 0.2, "is 0.3;")])
def test_a_value_has_the_digits_that_tell_it_from_others(name, value, words):
    assert words in sentence(Held(name, value=value), {})


def test_a_beta_near_1_is_estimated():
    made = small_golden((8, 8), 1, 3, levels=2, optimizer="adam", float64=True)
    trace = Trace(made, unit=DOUBLE, conventions=frozenset({Held("adam_beta2", value=0.99998)}))
    given = {key: trace.computed(key).value.array for key in made.arrays
             if key.split("/")[1:2] in (["gradient"], ["parameter"], ["cost"]) and not key.startswith("0/")}
    report = diagnose(compare(made, given))
    assert list(report.conventions) == ["adam_beta2"]
    assert "beta2 is 0.99998;" in report.diagnoses[0]


@pytest.mark.parametrize(("layer", "shape", "kernel", "change"), [
    ("bias", (1, 4, 4, 3), (1, 1), lambda y: y.swapaxes(1, 2)),
    ("conv2d", (2, 5, 6, 4), (1, 1), None)], ids=["one image", "a kernel of one pixel"])
def test_what_is_the_same_is_no_alternative(layer, shape, kernel, change):
    inputs = sample_inputs(layer, Options(), shape, kernel=kernel)
    trace = LayerTrace(layer, inputs, Options(), DOUBLE)
    if change:
        given = {"y": change(trace.array("y"))}
    else:
        given = {"dx": trace.changed(weight=inputs["weight"].swapaxes(2, 3)).array("dx")}
    report = diagnose_layer(compare_layer(layer, inputs, {key: np.float32(each) for key, each in given.items()}))
    assert "Or, which" not in report.diagnoses[0], report.diagnoses
    assert "exchanged" in report.diagnoses[0] or "in the order (0, 2, 1, 3)" in report.diagnoses[0]


def test_one_number_is_and_two_are_not_finite():
    inputs = sample_inputs("relu", Options())
    y = LayerTrace("relu", inputs, Options(), DOUBLE).array("y").astype(np.float32)
    for count, words in ((1, "1 number that is NaN"), (2, "2 numbers that are NaN")):
        y.ravel()[:count] = np.nan
        assert words in diagnose_layer(compare_layer("relu", inputs, {"y": y})).diagnoses[0]
