"""The sweep's implementation in Keras: it agrees, and what is planted in it is named, or not known."""

from importlib.util import find_spec

import pytest

from stemnet_ref.verify.compare import compare

if find_spec("keras"):          # else conftest.py leaves these tests out
    from catalogue import singles
    from run import made, outcomes, trained

    from stemnet_ref.verify.diagnosis import search
    from stemnet_ref.verify.diagnosis.search import diagnose

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:__array__")]  # Keras's, of NumPy 2

NAMED = ("frozen: trainable=False: the output layer, Keras", "cost: from_logits=False on logits, Keras",
         "padding: symmetric, Keras", "dropout: SpatialDropout2D, Keras", "activation: LeakyReLU by its default, Keras",
         "optimizer: AdamW by its default, 0.004, Keras", "rate: staircase=False, Keras",
         "weight decay: kernel_regularizer of lambda, Keras", "frozen: trainable=False: the biases, Keras",
         "weight decay: kernel_regularizer beside the decay, Keras",
         "cost: from_logits=False on logits, one-hot, Keras", "cost: CategoricalFocalCrossentropy, Keras")
UNKNOWN = ("optimizer: Ftrl, Keras",)


@pytest.mark.parametrize("settings", [
    {}, {"optimizer": "sgd", "keep_prob": 1.0, "l2": 0.1}, {"optimizer": "adam", "adam_form": "tensorflow"}])
def test_keras_agrees(settings):
    golden = made((16, 24), tuple(settings.items()))
    rows = compare(golden, trained(golden, "keras")).rows
    assert len(rows) == 234
    assert {row.verdict for row in rows} == {"agrees"}


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd", "l2": 0.1}, {
    "optimizer": "adam", "adam_form": "tensorflow"}])
def test_keras_has_constants_in_float32(settings):
    golden = made((16, 24), (("float64", True), *settings.items()))
    assert diagnose(compare(golden, trained(golden, "keras"))).conventions == {"keras_in_float32": None}


@pytest.mark.parametrize("name", NAMED + UNKNOWN)
def test_planted_in_keras(name, monkeypatch):
    monkeypatch.setitem(search.WORK, "two", 1e7)
    outcome, = outcomes(singles()[name], ["training"])
    assert outcome.shown
    assert outcome.first_right
    assert outcome.verdict == ("right" if name in NAMED else "unknown"), outcome
