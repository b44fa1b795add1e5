"""What training says of data and predictions that look wrong, and goes on."""

import json

import numpy as np
import pytest
from PIL import Image
from runs import SMALL, rows_of, train_main

from stemnet_ref import StemNet
from stemnet_ref.cost import Cost
from stemnet_ref.metrics import Counts
from stemnet_ref.training import checkpoint
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.validation import warn_of_one_class


@pytest.mark.parametrize(("bias", "warning"), [
    ([1, 0], "as background; if that stays so, try --logits linear"),
    ([0, 1], "as cell; if that stays so, try --logits linear"), (None, None)])
def test_one_class_for_a_whole_validation_set_is_warned_of(tmp_path, movie, no_figures, capsys, monkeypatch, bias,
                                                           warning):
    """Of a network that stays as it is; None lets it choose the larger of two features."""
    make, backward = StemNet.__init__, StemNet.backward

    def with_bias(self, *arguments, **keywords):
        make(self, *arguments, **keywords)
        weight = self.parameters["output.weight"]
        weight[:] = 0 if bias else np.eye(2)
        self.parameters["output.bias"][:] = bias or 0

    monkeypatch.setattr(StemNet, "__init__", with_bias)
    monkeypatch.setattr(StemNet, "backward", lambda self, dz, cache: {
        name: 0 * gradient for name, gradient in backward(self, dz, cache).items()})
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "a", "--preset", "listing") == 0
    printed = capsys.readouterr().out
    assert ("every validation pixel" in printed) == (warning is not None)
    if warning:
        assert f"warning: every validation pixel is predicted {warning}" in printed
        for advice in ("--scaling standard", f"a {'higher' if bias[0] else 'lower'} --class-weight (now 2)",
                       "a lower --learning-rate (now 0.1)"):
            assert advice in printed


@pytest.mark.parametrize(("given", "weight", "rate"), [
    ({}, "2", "0.15"), ({"class_weight": "0.5,20"}, "0.5,20", "0.15"), ({"class_weight_form": "listing"}, "2", "0.15"),
    ({"class_weight": "ratio"}, "ratio, which gives 1,3", "0.15"), ({"optimizer": "adam"}, "2", "0.001"),
    ({"class_weight": 1.25, "learning_rate": 0.1234567}, "1.25", "0.1234567")])
def test_the_advice_names_the_values_of_options_as_they_were_given(given, weight, rate):
    settings, lines = Settings(**given), []
    cost = Cost.of(settings.resolved([(25, 100)]))
    warn_of_one_class(Counts(0, 0, 75, 25), settings, cost, lines.append)
    assert lines == ["warning: every validation pixel is predicted as background; if that stays so, try a higher "
                     f"--class-weight (now {weight}), or a lower --learning-rate (now {rate})"]


def test_the_gap_is_spoken_of_where_it_has_no_effect(tmp_path, movie, no_figures, capsys):
    for folder in (movie[1], movie[3]):
        for number in (10, 11, 12):
            (folder / f"t_{number}.png").rename(folder / f"u_{number}.png")
    options = [*movie, *SMALL, "--epochs", "1", "--out"]
    assert train_main(*options, tmp_path / "a", "--gap", "2") == 0
    assert "note: --gap has no effect" in capsys.readouterr().out
    assert train_main(*options, tmp_path / "b") == 0
    assert "--gap" not in capsys.readouterr().out


def test_a_validation_set_without_a_cell_is_warned_of_and_best_goes_by_the_cost(tmp_path, movie, no_figures, capsys,
                                                                                monkeypatch):
    for number in (11, 12):
        Image.new("L", (48, 40)).save(movie[3] / f"t_{number}.png")
    costs = iter([0.5, 0.3, 0.4])
    finish = Run._finish_epoch
    monkeypatch.setattr(Run, "_finish_epoch", lambda *arguments: {**finish(*arguments), "val_loss": next(costs)})
    assert train_main(*movie, *SMALL, "--epochs", "3", "--out", tmp_path / "out") == 0
    assert "warning: no validation mask holds a cell" in capsys.readouterr().out
    assert [row["f1_pooled"] for row in rows_of(tmp_path / "out")] == ["0.0"] * 3
    best = checkpoint.load(tmp_path / "out" / "best.npz").progress
    assert (best["epoch"], best["best_cost"]) == (2, 0.3)


def test_a_validation_set_without_background_is_warned_of(tmp_path, movie, no_figures, capsys):
    for number in (11, 12):
        Image.new("L", (48, 40), 1).save(movie[3] / f"t_{number}.png")
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    assert "warning: no validation mask holds background" in capsys.readouterr().out


def test_masks_that_are_nearly_all_cell_are_warned_of(tmp_path, movie, no_figures, capsys):
    for path in movie[3].iterdir():
        Image.fromarray((np.arange(40 * 48).reshape(40, 48) > 20).astype(np.uint8)).save(path)
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "cell pixels: 98.9% of the training masks" in printed
    assert "are --frames and --masks swapped" in printed


def test_the_frames_to_validate_on_and_a_pairing_by_number_are_shown(tmp_path, movie, no_figures, capsys):
    for path in movie[3].iterdir():
        path.rename(path.with_name(f"m{int(path.stem[2:])}.png"))
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "validated on t_11 to t_12" in printed
    assert "paired by their numbers, from t_01 with m1 to t_12 with m12" in printed
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["validation_frames"] == ["t_11", "t_12"]
    assert len(config["training_frames"]) == 9
