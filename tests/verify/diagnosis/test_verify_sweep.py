"""The sweep of tests/sweeps in little: two of its implementations agree, and what it plants is named, or not known."""

from importlib.util import find_spec

import pytest

from stemnet_ref.verify.compare import compare

if find_spec("torch"):          # else conftest.py leaves these tests out
    from catalogue import pairs, singles
    from judging import ALTERNATIVE
    from run import made, outcomes, trained
    from table import table

    from stemnet_ref.verify.diagnosis import pairs as two

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
    assert [each.verdict for each in outcomes(both, ["training"])] == ["right"]     # the same as bias before dropout
    assert [each.verdict for each in outcomes(both._replace(right=frozenset({frozenset({"gelu"})})), ["training"])] == [
        "false"]


@pytest.mark.parametrize("name", ["bias: twice", "gradients: of one bias by the mean, saved before"])
def test_a_wide_bound_or_one_bias_is_no_convention(name):
    for outcome in outcomes(singles()[name], ["training"]):
        assert outcome.verdict == "unknown", outcome


@pytest.mark.parametrize("name", ["optimizer: RMSprop", "optimizer: Nadam",
                                  "optimizer: Adam, first average alone corrected"])
def test_a_factor_in_one_step_is_no_rate(name, monkeypatch):
    """Any step is the reference's by some factor: a rate is named, or asked for, if it explains the others as well."""
    monkeypatch.setattr(two, "PAIRS", 150)
    for outcome in outcomes(singles()[name], ["all"]):
        assert outcome.verdict == "unknown", outcome


@pytest.mark.parametrize(("name", "view", "verdict"), [
    ("precision: autocast to torch.bfloat16", "training", "right"),
    ("precision: activations in torch.float16", "script", "unknown"),
    ("gradients: gradients in float16", "training", "unknown")])
def test_short_formats(name, view, verdict, monkeypatch):
    monkeypatch.setattr(two, "PAIRS", 50)
    assert [outcome.verdict for outcome in outcomes(singles()[name], [view])] == [verdict]


def test_a_factor_of_the_cost_has_more_than_one_cause():
    """With two images and two classes a mean over the images again is a mean over the classes."""
    for outcome in outcomes(singles()["cost: divided by the images once more"], ["all"]):
        assert outcome.verdict == "right", outcome
        assert ALTERNATIVE in outcome.said


def test_planted_beside_another():
    outcome, = outcomes(pairs()["convolution: rows and columns exchanged & skip: swapped"], ["all"])
    assert outcome.verdict == "right"


@pytest.mark.parametrize("optimizer", ["momentum", "sgd", "adam"])
def test_parameters_of_the_step_before_are_seen(optimizer):
    for outcome in outcomes(singles()[f"bookkeeping: parameters saved before the step, {optimizer}"], ["training"]):
        assert "saved before optimizer.step()" in outcome.said, outcome


def test_the_catalogue_is_large():
    assert len(singles()) > 400
    assert len(pairs()) > 50
    assert {name for each in singles().values() for name in each.changes} == {"torch", "numpy", "keras"}


def test_the_table_counts():
    outcome, = outcomes(singles()["skip: swapped"], ["script"])
    lines = table([outcome, outcome._replace(verdict="false"), outcome._replace(shown=False)])
    assert lines[1].split()[:8] == ["script", "listed", "2", "2", "2", "1", "0", "1"]


def test_a_right_run_is_accused_of_nothing():
    assert [each.verdict for each in outcomes(singles()["input: x * 255 / 255"], ["script"])
            if each.implementation != "keras"] == ["right"] * 2
