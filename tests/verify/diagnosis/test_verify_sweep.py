"""The sweep of tests/sweeps in little: two of its implementations agree, and what it plants is named, or not known."""

from importlib.util import find_spec

import pytest

from stemnet_ref.verify.compare import compare

if find_spec("torch"):          # else conftest.py leaves these tests out
    from catalogue import pairs, singles
    from claims import ALTERNATIVE
    from judging import verdict_of
    from run import made, outcomes, trained
    from table import table

    from stemnet_ref.verify.diagnosis import observations, search
    from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS, sentence
    from stemnet_ref.verify.expected.rounding import Held
    from stemnet_ref.verify.report import Report, Row

pytestmark = pytest.mark.torch

NAMED = ("input: frames / 255", "convolution: kernel flipped", "convolution: kernel flipped in two layers",
         "convolution: kernel flipped on the way up, NumPy", "dropout: not rescaled", "dropout: bias before dropout",
         "activation: missing after the transposed convolutions", "pooling: average pooling, NumPy",
         "upsampling: memory read as (kh, kw, in, out)", "skip: swapped", "skip: concatenation swapped, NumPy",
         "cost: divided by the weights", "cost: 1 + w", "cost: logarithm to base 2", "cost: focal, gamma 2",
         "cost: weights 1 and 5", "cost: divided by the weights 1 and 5", "cost: summed without weights",
         "labels: shifted up and left", "rate: decays after every step", "optimizer: Nesterov",
         "optimizer: Adam, epsilon 1e-7", "weight decay: decoupled", "precision: float32 in float64, NumPy",
         "rate: half from step 3 on", "cost: no softmax", "weight decay: in the cost, of biases too",
         "optimizer: Adam, beta1 0.85 and beta2 0.97", "optimizer: biases at a third of the rate, Adam",
         "optimizer: frozen: the biases", "gradients: of biases missing, in gradients",
         "weight decay: in the cost, 2.0 times, and in the optimizer", "weight decay: twice",
         "weight decay: twice, Adam",
         "weight decay: of 0.05 that nobody asked for", "rate: computed in float32",
         "activation: ReLU before bias, after the transposed convolutions alone")
WITHOUT_MAPS = ("cost: cells alone", "skip: detached at one level", "frozen: of the output layer missing",
                "activation: ReLU before bias, after the transposed convolutions too")
UNKNOWN = ("input: a pixel to the right", "labels: dilated", "padding: one more above", "activation: |x|",
           "activation: logits: sigmoid", "pooling: smallest", "skip: of the other image", "cost: Dice",
           "gradients: one element wrong, saved after")


@pytest.mark.parametrize("implementation", ["torch", "numpy"])
@pytest.mark.parametrize("settings", [
    {}, {"float64": True}, {"preset": "listing"}, {"optimizer": "sgd", "keep_prob": 1.0},
    {"optimizer": "adam", "l2": 0.1}, {"optimizer": "adam", "adam_form": "tensorflow", "float64": True}])
def test_both_implementations_agree(implementation, settings):
    golden = made((16, 24), tuple(settings.items()))
    rows = compare(golden, trained(golden, implementation)).rows
    assert len(rows) == 234
    assert {row.verdict for row in rows} == {"agrees"}


@pytest.mark.parametrize("name", NAMED + UNKNOWN)
def test_planted_alone(name):
    for outcome in outcomes(singles()[name], ["all"]):
        assert outcome.shown
        assert outcome.first_right
        assert outcome.verdict == ("right" if name in NAMED else "unknown"), outcome


@pytest.mark.parametrize("name", WITHOUT_MAPS)
def test_planted_alone_and_seen_in_gradients(name):
    for outcome in outcomes(singles()[name], ["training"]):
        assert outcome.verdict == "right", outcome


def test_another_explanation_is_said_beside():
    both = pairs()["dropout: dropout after ReLU & rate: does not decay"]
    assert [each.verdict for each in outcomes(both, ["training"])] == ["among"]     # as bias before dropout
    assert [each.verdict for each in outcomes(both._replace(right=frozenset({frozenset({"gelu"})})), ["training"])] == [
        "false"]


def test_what_explains_one_layer_as_well_is_said_beside():
    """Of what ReLUs and pooling give, dropout after the last ReLU is as if there were none in its layer."""
    outcome, = outcomes(singles()["dropout: dropout after ReLU in one layer"], ["relu"])
    assert outcome.verdict == "among"
    assert outcome.named == "dropout_ignored in up0"
    assert f"{ALTERNATIVE}: In up0 alone, the dropout comes after the ReLU" in outcome.said


@pytest.mark.parametrize("name", ["bias: twice", "gradients: of one bias by the mean, saved before"])
def test_a_wide_bound_or_one_bias_is_no_convention(name):
    for outcome in outcomes(singles()[name], ["training"]):
        assert outcome.verdict == "unknown", outcome


@pytest.mark.parametrize("name", ["optimizer: RMSprop", "optimizer: Nadam",
                                  "optimizer: Adam, first average alone corrected"])
def test_a_factor_in_one_step_is_no_rate(name, monkeypatch):
    """Any step is the reference's by some factor: a rate is named, or asked for, if it explains the others as well."""
    monkeypatch.setitem(search.WORK, "two", 1e7)
    for outcome in outcomes(singles()[name], ["all"]):
        assert outcome.verdict == "unknown", outcome


@pytest.mark.parametrize(("name", "view", "verdict"), [
    ("precision: autocast to torch.bfloat16", "training", "right"),
    ("precision: activations in torch.float16", "script", "unknown"),
    ("gradients: gradients in float16", "training", "unknown")])
def test_short_formats(name, view, verdict, monkeypatch):
    monkeypatch.setitem(search.WORK, "two", 1e7)
    assert [outcome.verdict for outcome in outcomes(singles()[name], [view])] == [verdict]


def test_a_factor_of_the_cost_has_more_than_one_cause():
    """With two images and two classes a mean over the images again is a mean over the classes."""
    for outcome in outcomes(singles()["cost: divided by the images once more"], ["all"]):
        assert outcome.verdict == "among", outcome
        assert ALTERNATIVE in outcome.said


def test_planted_beside_another():
    outcome, = outcomes(pairs()["convolution: rows and columns exchanged & skip: swapped"], ["all"])
    assert outcome.verdict == "right"


@pytest.mark.parametrize("optimizer", ["momentum", "sgd", "adam"])
def test_parameters_of_the_step_before_are_seen(optimizer):
    for outcome in outcomes(singles()[f"bookkeeping: parameters saved before the step, {optimizer}"], ["training"]):
        assert "saved before optimizer.step()" in outcome.said, outcome


@pytest.mark.parametrize(("name", "said"), [
    ("bookkeeping: initial parameters saved without a copy", "saved without a copy"),
    ("bookkeeping: all saved as float16", "rounded to float16"),
    ("frozen: gradients saved after they were zeroed", "the gradients saved after zero_grad()")])
def test_what_is_saved_wrongly_is_seen(name, said):
    for outcome in outcomes(singles()[name], ["all"]):
        assert outcome.verdict == "unknown", outcome
        assert said in outcome.said


def test_the_catalogue_is_large():
    assert len(singles()) > 400
    assert len(pairs()) > 50
    assert {name for each in singles().values() for name in each.changes} == {"torch", "numpy", "keras"}


def test_the_table_counts():
    outcome, = outcomes(singles()["skip: swapped"], ["script"])
    lines = table([outcome, *(outcome._replace(verdict=each) for each in ("false", "among", "undetected")),
                   outcome._replace(verdict="timeout", first_right=False), outcome._replace(shown=False)])
    assert lines[0].split(" | ")[2:] == ["shown", "in time", "detected", "first right", "named rightly",
                                         "right among others", "unknown", "falsely named |"]
    assert lines[2] == "| script | listed | 5 | 4 | 3 | 4 | 1 | 1 | 0 | 1 |"


def test_what_takes_too_long_is_shown_only_if_it_changes_what_is_given():
    planted = singles()["optimizer: no momentum"]
    assert {(each.view, each.shown, each.verdict) for each in outcomes(planted, ["script", "training"], 1e-6)} == {
        ("script", False, "timeout"), ("training", True, "timeout")}


def judged(planted, *said, others=()):
    """Return the verdict on a report with sentences of some Held, of Held beside others, and sentences as they are."""
    held = [each for each in said if isinstance(each, Held)]
    settings = {"momentum_form": "thesis", "adam_form": "kingma"}
    conventions = {each.name: [*(each.layers or ()), *(each.steps or ())] or None for each in held}
    texts = [sentence(each, settings) if isinstance(each, Held) else each for each in said]
    texts += [f"{ALTERNATIVE}: {sentence(each, settings)}" for each in others]
    row = Row("1/cost", 1.0, 1.0, 1.0, 10.0, "departs")
    return verdict_of(planted, Report((row,), (), conventions, tuple(texts)), True)


@pytest.mark.parametrize(("name", "convention", "right", "wrong"), [
    ("rate: half", "rate_factor", 0.5, 0.7), ("optimizer: momentum 0.9", "momentum_other", 0.9, 0.3),
    ("optimizer: Adam, epsilon 1e-6", "adam_epsilon", 1e-6, 1e-3), ("cost: focal, gamma 2", "focal", 2.0, 5.0),
    ("cost: label smoothing of 0.1", "label_smoothing", 0.1, 0.2),
    ("optimizer: frozen: the biases", "not_updated", "biases", "weights"),
    ("gradients: clipped by value, 0.05, saved before", "gradients_clipped_by_value", 0.05, 0.06),
    ("optimizer: Adam, the betas of a GAN", "adam_betas", (0.5, 0.9), (0.5, 0.99)),
    ("labels: shifted up and left", "labels_shifted", "up and left", "up")])
def test_a_value_is_right_or_wrong(name, convention, right, wrong):
    planted = singles()[name]
    assert judged(planted, Held(convention, value=right)) == ("right", "")
    assert judged(planted, Held(convention, value=wrong))[0] == "false"
    both = pairs()["convolution: filters reshaped & rate: half"]
    if name == "rate: half":
        assert judged(planted, Held(convention, value=right * 1.0009))[0] == "right"
        assert judged(planted, Held(convention, value=right * 1.0021))[0] == "false"
        assert judged(both, Held("filters_reshaped"), Held(convention, value=right))[0] == "right"
        assert judged(both, Held("filters_reshaped"), Held(convention, value=wrong))[0] == "false"


def test_every_convention_with_a_value_has_one_in_the_catalogue():
    assert not [(name, each) for name, planted in singles().items() for each in frozenset().union(*planted.right)
                if each in CONVENTIONS and ("{value}" in CONVENTIONS[each].does) != (each in planted.values)]


@pytest.mark.parametrize(("layers", "steps", "verdict"), [
    (None, None, "right"), (("down0",), None, "false"), (None, ("from step 4 on",), "false")])
def test_where_one_of_a_pair_holds_is_judged(layers, steps, verdict):
    planted = pairs()["convolution: kernel flipped & upsampling: kernel flipped"]
    assert judged(planted, Held("kernel_flipped", layers, steps), Held("transposed_kernel_flipped"))[0] == verdict


def test_a_right_name_after_a_wrong_one_is_no_right_name():
    planted = singles()["skip: swapped"]
    assert judged(planted, Held("gelu"), others=[Held("concat_swapped")])[0] == "among"
    assert judged(planted, Held("concat_swapped"), others=[Held("gelu")])[0] == "right"
    assert judged(planted, Held("gelu"), others=[Held("elu")])[0] == "false"
    rate = singles()["rate: half"]
    assert judged(rate, Held("cost_summed"), others=[Held("rate_factor", value=0.5)])[0] == "among"
    assert judged(rate, Held("cost_summed"), others=[Held("rate_factor", value=0.7)])[0] == "false"


@pytest.mark.parametrize("hint", [
    "but the step goes up the gradient: it must be subtracted.",
    "but it is what it was before the step: does it require a gradient, and was it given to the optimizer?",
    "but the numbers are 3.1 times the reference's.", "but somebody has a new idea."])
def test_a_sentence_that_says_more_than_nothing_is_judged(hint):
    planted = singles()["skip: of the other image"]
    assert judged(planted, f"1/parameter/x: {observations.NOT_KNOWN}, {hint}")[0] == "false"
    for nothing in (observations.UNKNOWN, observations.HURRIED, observations.TOO_FEW,
                    observations.TOO_FEW + observations.MORE, observations.OTHERS_LEFT):
        assert judged(planted, f"1/parameter/x: {nothing}")[0] == "unknown"
    assert judged(singles()["optimizer: uphill"], "1/parameter/x: it goes up the gradient")[0] == "unknown"
    factor = f"1/parameter/x: {observations.NOT_KNOWN}, but the step is 1.9 times the reference's."
    assert judged(singles()["optimizer: RMSprop"], factor)[0] == "unknown"
    for name, verdict in (("optimizer: RMSprop", "false"), ("gradients: clipped by norm, 0.5, saved after", "unknown")):
        assert judged(singles()[name], f"{factor} Is the learning rate another, or the gradient clipped?")[0] == verdict


def test_a_right_run_is_accused_of_nothing():
    assert [each.verdict for each in outcomes(singles()["input: x * 255 / 255"], ["script"])
            if each.implementation != "keras"] == ["right"] * 2
