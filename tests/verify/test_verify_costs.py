"""Golden files of runs with other costs and penalties: they hold what the run does, or are refused."""

import json

import numpy as np
import pytest
import refusals
from verifying import run, small_golden, torch_tensors, write_files

import run_train
from stemnet_ref.cost import OF_PROBABILITIES, Cost
from stemnet_ref.layers import softmax
from stemnet_ref.verify import golden
from stemnet_ref.verify.compare import compare


def train(out, pair, *options):
    """Train a small network on a pair of folders, frames and masks."""
    assert refusals.script(run_train.main, "--frames", pair[0], "--masks", pair[1], *refusals.SMALL, "--out", out,
                           *options) == 0


def export(model, pair, path, *options):
    """Return the exit status of exporting a trained model's golden file."""
    return run("export", "--model", model, "--frames", pair[0], "--masks", pair[1], "--size", "8", "--steps", "1",
               "--out", path, *options)


@pytest.mark.parametrize("cost", ["cross_entropy", *OF_PROBABILITIES])
def test_the_cost_is_that_of_the_run(cost, tmp_path, pair, no_figures):
    train(tmp_path / "run", pair, "--cost", cost)
    assert export(tmp_path / "run", pair, tmp_path / "golden.npz") == 0
    made = golden.read(tmp_path / "golden.npz")
    assert made.training["cost"] == cost
    assert made.class_weights.tolist() == [1, 1]
    z = made.arrays["1/forward/logits"].astype(np.float64)
    np.testing.assert_allclose(made.arrays["1/cost"], Cost(cost).forward(z, made.labels)[0], rtol=1e-6)
    np.testing.assert_allclose(made.arrays["1/backward/logits"], Cost(cost).backward(softmax.forward(z), made.labels),
                               rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("options", "words"), [
    (["--l1", "0.5"], "--model: it was trained with --l1 0.5, which golden files do not hold"),
    (["--border-weight", "2"], "--border-weight 2.0, which golden files do not hold"),
    (["--activation", "sigmoid"], "--activation sigmoid, which"), (["--normalisation", "batch"], "--normalisation"),
])
def test_what_no_golden_file_holds_is_refused(options, words, tmp_path, pair, no_figures, capsys):
    train(tmp_path / "run", pair, *options)
    capsys.readouterr()
    assert export(tmp_path / "run", pair, tmp_path / "golden.npz") == 2
    text = capsys.readouterr().err
    assert words in text
    assert text.count("\n") == 1
    assert not (tmp_path / "golden.npz").exists()


def test_the_weight_decay_is_lambda_over_n(tmp_path, pair, no_figures):
    train(tmp_path / "run", pair, "--l2", "0.5")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert export(tmp_path / "run", pair, tmp_path / "golden.npz") == 0
    assert golden.read(tmp_path / "golden.npz").training["weight_decay"] == 0.5 / len(config["training_frames"])
    assert export(tmp_path / "run", pair, tmp_path / "golden.npz", "--weight-decay", "0.25") == 0
    assert golden.read(tmp_path / "golden.npz").training["weight_decay"] == 0.25


def test_class_weights_are_those_of_the_cost_in_both_forms():
    for form, weights in (("eq60", [1, 3]), ("listing", [1, 4])):
        made = small_golden(class_weight_form=form, class_weight=3.0)
        assert made.class_weights.tolist() == weights
        cost, _ = Cost("weighted_cross_entropy", tuple(weights)).forward(
            made.arrays["1/forward/logits"].astype(np.float64), made.labels)
        np.testing.assert_allclose(made.arrays["1/cost"], cost, rtol=1e-6)


def test_files_without_a_cost_are_of_the_weighted_cross_entropy(tmp_path):
    files = write_files(tmp_path)
    with np.load(files[0]) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    del about["training"]["cost"]
    np.savez(files[0], **{**arrays, "about": np.array(json.dumps(about))})
    assert golden.read(files[0]).training["cost"] == "weighted_cross_entropy"
    assert run("compare", *files) == 0
    about["training"]["cost"] = "focal"
    np.savez(files[0], **{**arrays, "about": np.array(json.dumps(about))})
    assert run("compare", *files) == 2


@pytest.mark.torch
@pytest.mark.parametrize("cost", OF_PROBABILITIES)
@pytest.mark.parametrize("float64", [False, True])
def test_pytorch_agrees(cost, float64):
    made = small_golden(cost=cost, float64=float64, steps=2)
    given = torch_tensors(made)
    assert not [row.key for row in compare(made, given).rows if row.verdict != "agrees"]
    given["1/cost"] = given["1/cost"] * 1.001
    departing = [row.key for row in compare(made, given).rows if row.verdict == "departs"]
    assert departing == ["1/cost"]
