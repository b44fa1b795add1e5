"""Mistakes that verify does not know are seen, and not called by another's name."""

from copy import copy
from importlib.util import find_spec

import numpy as np
import pytest
from verifying import only_costs_and_gradients, small_golden, torch_tensors

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis import formats, observations
from stemnet_ref.verify.diagnosis.search import diagnose

if find_spec("torch"):          # else conftest.py leaves these tests out
    import torch
    from torch.nn import functional

    from stemnet_ref.verify.twins import torch_twin as twin

pytestmark = pytest.mark.torch


def squared_logits(patch):
    patch.setattr(twin, "cost", lambda z, y, w: functional.cross_entropy(z * z, y, w, reduction="none").mean())


def hinge(patch):
    patch.setattr(twin, "cost", lambda z, y, w: (w[y] * functional.relu(1 - (2 * y - 1) * (z[:, 1] - z[:, 0]))).mean())


def own_masks(patch):
    torch.manual_seed(0)
    plain = twin.ConvBlock.forward
    patch.setattr(twin.ConvBlock, "forward", lambda self, x, mask, keep_prob, keep: plain(
        self, x, torch.rand(mask.shape) < keep_prob, keep_prob, keep))


def signs_of_gradients(patch):
    plain = twin.make_optimizer

    def make(training, model):
        optimizer = plain(training, model)
        step = optimizer.step
        optimizer.step = lambda: ([w.grad.sign_().mul_(0.01) for w in model.parameters()], step())
        return optimizer

    patch.setattr(twin, "make_optimizer", make)


def mish(patch):
    patch.setattr(functional, "relu", functional.mish)


def smallest_pool(patch):
    plain = functional.max_pool2d
    patch.setattr(functional, "max_pool2d", lambda x, size: -plain(-x, size))


def padded_by_ones(patch):
    plain = functional.conv2d
    patch.setattr(functional, "conv2d", lambda x, w, *rest: plain(x, w, *rest) if w.shape[2] == 1 or x.shape[2] < 5 else
                  plain(functional.pad(x, (2, 2, 2, 2), value=1.0), w))


def warm(patch):
    patch.setattr(twin, "cost", lambda z, y, w: functional.cross_entropy(z / 2, y, w, reduction="none").mean())


UNLISTED = (squared_logits, hinge, own_masks, signs_of_gradients, mish, smallest_pool, padded_by_ones,
            warm)


@pytest.mark.parametrize(("mistake", "what"), [
    *((mistake, "all") for mistake in UNLISTED),
    *((mistake, "costs, gradients and parameters") for mistake in (squared_logits, signs_of_gradients, smallest_pool)),
    *((mistake, "costs") for mistake in (squared_logits, signs_of_gradients, padded_by_ones))])
def test_a_mistake_that_is_not_known_is_seen_and_not_called_another(mistake, what):
    made = small_golden()
    with pytest.MonkeyPatch.context() as patch:
        mistake(patch)
        given = torch_tensors(made)
    if what != "all":
        given = only_costs_and_gradients(given)
    if what == "costs":
        given = {key: array for key, array in given.items() if key.endswith("cost")}
    report = diagnose(compare(made, given))
    assert not report.agrees
    assert report.conventions == {}, report.diagnoses


def test_costs_alone_agree_or_are_called_unclear():
    made = small_golden()
    given = {key: array for key, array in torch_tensors(made).items() if key.endswith("cost")}
    assert diagnose(compare(made, given)).agrees
    rounded = {key: np.float64(array) for key, array in given.items()}       # as loss.item() gives them
    assert diagnose(compare(made, rounded)).agrees
    given["5/cost"] = given["5/cost"] * np.float32(1.5)
    report = diagnose(compare(made, given))
    assert [row.verdict for row in report.rows] == ["agrees"] * 4 + ["unclear"]
    assert not report.agrees


@pytest.mark.parametrize("change", [lambda cost: 3.7 * cost, lambda cost: cost + 0.3, np.exp],
                         ids=["3.7", "+ 0.3", "exp"])
@pytest.mark.parametrize(("size", "batch", "float64"), [
    ((8, 8), 1, False), ((16, 16), 2, False), ((16, 16), 2, True)])
@pytest.mark.parametrize("gradients", ["none", "NaN"])
def test_a_value_that_is_estimated_from_one_number_is_no_explanation(change, size, batch, float64, gradients):
    """Some penalty, or some factor, makes any cost of any other; gradients that are not finite cannot contradict it."""
    made = small_golden(size, batch, float64=float64)
    given = {key: each for key, each in torch_tensors(made).items() if key.startswith("1/")}
    given["1/cost"] = change(given["1/cost"])
    for key in [each for each in given if each[2:6] in ("back", "grad", "para")]:
        if gradients == "NaN" and "parameter" not in key:
            given[key] = np.full_like(given[key], np.nan)
        else:
            del given[key]
    report = diagnose(compare(made, given))
    assert report.first.key == "1/cost"
    assert report.conventions == {}


@pytest.mark.parametrize(("asked", "used"), [("adam", "sgd"), ("adam", "momentum"), ("sgd", "adam")])
def test_another_optimizer_is_not_called_what_makes_bounds_wide(asked, used):
    """Adam divides gradients that are clipped to almost nothing by its epsilon, and rounding may change all of that."""
    made = small_golden(optimizer=asked)
    settings = {name: small_golden(optimizer=used).training[name] for name in (
        "optimizer", "momentum", "momentum_form", "adam_form", "beta1", "beta2", "epsilon")}
    other = copy(made)
    other.training = {**made.training, **settings}
    given = torch_tensors(other)
    report = diagnose(compare(made, given))
    assert report.first.parts[:2] == (1, "parameter")
    assert report.conventions == {}
    assert report.diagnoses[0].endswith(observations.OF_UPDATE)


def test_a_format_is_looked_for_once_in_a_step_and_first_in_few_of_its_tensors(monkeypatch):
    made, asked = small_golden(), []
    with pytest.MonkeyPatch.context() as patch:
        mish(patch)
        given = torch_tensors(made)
    nearness = formats._nearness

    def observed(search, name, row, beside):
        comparison, looked_at = search.comparison, set()
        distance, judged = comparison.distance, comparison.judged
        comparison.distance = lambda key, trace: looked_at.add(key) or distance(key, trace)
        comparison.judged = lambda keys, *more: looked_at.update(keys) or judged(keys, *more)
        try:
            return nearness(search, name, row, beside)
        finally:
            del comparison.distance, comparison.judged
            asked.append((name, row.parts.step, beside, len(looked_at)))

    monkeypatch.setattr(formats, "_nearness", observed)
    assert not diagnose(compare(made, given)).conventions
    alone = [each for each in asked if not each[2]]
    assert len({each[:3] for each in alone}) == len(alone) > 0
    assert 0 < max(each[3] for each in alone) <= formats.SAMPLED


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_a_dead_network_is_not_called_what_would_kill_it(seed, monkeypatch):
    """All ReLUs are 0, so that every pixel has the same logits, as with frames that are scaled otherwise."""
    made = small_golden((8, 8), 1, 1, seed, levels=1, features=1, channels=1, keep_prob=1.0)
    monkeypatch.setattr(functional, "relu", lambda x: 0 * x)
    given = {key: array for key, array in torch_tensors(made).items() if key in (
        "1/forward/logits", "1/backward/logits", "1/cost") or key.startswith("1/gradient/")}
    report = diagnose(compare(made, given))
    assert report.first.key == "1/forward/logits"
    assert not report.conventions


def test_maps_that_are_the_same_in_all_pixels_have_no_different_numbers():
    made = small_golden((8, 12), 2, 1)
    given = {"1/forward/logits": np.broadcast_to(np.float32([0.1, 0.2]), (2, 8, 12, 2)),
             "1/gradient/down0.conv.weight": np.zeros((5, 5, 3, 2), np.float32),
             "1/gradient/down1.conv.bias": np.float32([0, 1, 1, 2]), "1/cost": np.float32(0.5)}
    found = compare(made, given)
    assert [found.distinct(key) for key in given] == [0, 0, 2, 1]
