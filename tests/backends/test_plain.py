"""Training with --backend plain goes through every plain layer, and agrees with the CPU's backend."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from stemnet_ref import backends, layers
from stemnet_ref.backends.buffers import Buffers
from stemnet_ref.cost import COSTS
from stemnet_ref.network import StemNet
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import Objective, make_optimizer, training_step

THESIS, OTHERS = Settings(), {"normalisation": "batch", "activation": "sigmoid"}
USED = {                                    # function: the settings under which training calls it
    "conv2d.forward": THESIS, "conv2d.backward_input": THESIS, "conv2d.backward_weight": THESIS,
    "conv_transpose2d.forward": THESIS, "conv_transpose2d.backward": THESIS, "bias.forward": THESIS,
    "bias.backward": THESIS, "relu.forward": THESIS, "relu.backward": THESIS, "max_pool2d.forward": THESIS,
    "max_pool2d.backward": THESIS, "concat.forward": THESIS, "concat.backward": THESIS, "dropout.forward": THESIS,
    "dropout.backward": THESIS, "dropout.draw_mask": THESIS, "block.forward": THESIS, "block.backward": THESIS,
    "weighted_cross_entropy.forward": THESIS, "weighted_cross_entropy.backward": THESIS,
    "softmax.forward": Settings(cost="dice"), "softmax.backward": Settings(cost="dice"),
    "dice.forward": Settings(cost="dice"), "dice.backward": Settings(cost="dice"),
    "quadratic.forward": Settings(cost="quadratic"), "quadratic.backward": Settings(cost="quadratic"),
    "sigmoid.forward": Settings(**OTHERS), "sigmoid.backward": Settings(**OTHERS),
    "batch_norm.forward": Settings(**OTHERS), "batch_norm.backward": Settings(**OTHERS),
    "batch_norm.average": Settings(**OTHERS)}


def train(settings, backend="plain"):
    """Return costs, parameters and running statistics of three steps of training a tiny network."""
    network = StemNet(3, levels=3, features=2, kernel=3, logits=settings.logits, activation=settings.activation,
                      normalisation=settings.normalisation, dtype=np.float64).to(backends.choose(backend))
    optimizer, rng, costs = make_optimizer(settings), np.random.default_rng(0), []
    for step in range(3):
        x, labels = rng.standard_normal((2, 16, 16, 3)), rng.integers(0, 2, (2, 16, 16))
        costs.append(training_step(network, optimizer, Buffers(x, labels), Objective.of(settings, 10), step)[0])
    return np.concatenate([costs, network.parameters.buffer, network.statistics.buffer])


def wrong(result):
    """Return a result with a fault in it, in its first array."""
    if result is None:                                      # the gradient of an input, which nobody asks for
        return None
    if isinstance(result, tuple):
        return (wrong(result[0]), *result[1:])
    return ~result if np.asarray(result).dtype == bool else result * 1.01


@pytest.mark.parametrize("name", USED)
def test_training_notices_a_fault_in_every_plain_layer(name, monkeypatch):
    right, (module, function) = train(USED[name]), name.split(".")
    layer = getattr(layers, module)
    correct = getattr(layer, function)
    if function == "average":
        monkeypatch.setattr(layer, function, lambda running, of_batch, rate: correct(running, of_batch, rate / 2))
    else:
        monkeypatch.setattr(layer, function, lambda *arguments, **named: wrong(correct(*arguments, **named)))
    assert np.max(abs(train(USED[name]) - right)) > 1e-6


def test_every_function_of_the_networks_layers_is_among_them():
    of_network = {f"{name}.{function}" for name in layers.__all__ if name not in ("dense", "perceptron")
                  for function, found in vars(getattr(layers, name)).items()
                  if hasattr(found, "__wrapped__") or function in ("forward", "backward")}
    assert of_network - {"conv2d.backward"} == {*USED}          # backward is made of backward_input and _weight


@pytest.mark.parametrize("settings", [*{id(each): each for each in USED.values()}.values(), Settings(logits="relu"),
                                      Settings(keep_prob=1.0)], ids=lambda each: f"{each.cost}-{each.normalisation}")
def test_the_backend_of_the_cpu_trains_to_the_same_numbers(settings):
    np.testing.assert_allclose(train(settings, "cpu"), train(settings), rtol=1e-9, atol=1e-11)


def test_the_layers_of_the_costs_are_those_of_the_backend(monkeypatch):
    """A cost that a backend computes fast would be of no use where the plain one is taken."""
    backend, called = backends.choose("cpu"), []
    for layer in ("softmax", "dice", "quadratic", "weighted_cross_entropy"):
        functions = {way: lambda *arguments, of=(layer, way): called.append(of) or getattr(
            getattr(layers, of[0]), of[1])(*arguments) for way in ("forward", "backward")}
        monkeypatch.setattr(backend.layers, layer, SimpleNamespace(**functions))
    for cost in COSTS:
        train(Settings(cost=cost), "cpu")
    assert len({*called}) == 8                              # forward and backward of each of the four


@pytest.mark.parametrize(("name", "limits"), [("plain", [(1, "blas")]), ("cpu", [])])
def test_a_run_with_plain_layers_lets_blas_use_one_thread(name, limits, pair, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(backends, "threadpool_limits", lambda *limit: taken.append(limit) or nullcontext())
    Run(Settings(levels=2, features=2, crop=16, epochs=1), *pair, tmp_path / "out", backend=name).train()
    assert taken == limits
