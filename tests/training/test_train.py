"""Training: what is written, learned and kept, and how it stops in good order."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from pictures import stack
from PIL import Image
from refusals import script
from runs import ROOT, SMALL, rows_of, train_main

import run_predict
import run_train
from stemnet_ref.data import training
from stemnet_ref.errors import InputError
from stemnet_ref.metrics import COLUMNS
from stemnet_ref.storage import files
from stemnet_ref.training import checkpoint, step, validation
from stemnet_ref.training.run import Diverged, Run
from stemnet_ref.training.settings import PRESETS, Settings


@pytest.mark.drawn
def test_a_run_writes_what_the_design_names(tmp_path, movie, capsys):
    out = tmp_path / "out"
    assert train_main(*movie, *SMALL, "--channels", "5", "--out", out) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["channels"] == 5
    assert config["seed"] == 5
    assert config["device"] == "cpu"
    assert config["version"]
    rows = rows_of(out)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["learning_rate"]) == pytest.approx(0.15 * 0.95 ** 2)
    for name in ("loss", "accuracy", "precision_recall", "f1", "error_rate", "false_white", "white_pixel_accuracy",
                 "predictions", "maps", "roc", "pieces"):
        picture = np.asarray(Image.open(out / "figures" / f"{name}.png").convert("RGB"))
        assert picture.std() > 5, f"{name}.png is blank"
    printed = capsys.readouterr().out
    assert "8 to train on, 2 to validate on, 2 between them left out" in printed
    assert "note: --gap 2 was chosen, because 5, " in printed
    assert f"{float(rows[2]['val_loss']):.4f}" in printed
    for name in ("model.npz", "best.npz"):
        model = checkpoint.load(out / name)
        assert model.settings["channels"] == 5
    assert checkpoint.load(out / "model.npz").progress["epoch"] == 3
    assert {path.name for path in out.iterdir()} == {"config.json", "metrics.csv", "model.npz", "best.npz", "figures",
                                                   "roc.csv", "validation.csv", "report.html"}


def test_metrics_are_those_of_the_saved_model(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--out", out, "--gap", "1")
    assert script(run_predict.main, out / "model.npz", movie[1], "--masks", movie[3], "--out", tmp_path / "p") == 0
    with open(tmp_path / "p" / "metrics.csv") as file:
        table = {row["frame"]: row for row in csv.DictReader(file)}
    row = rows_of(out)[-1]
    for name in ("precision", "recall", "f1", "error_rate_percent", "false_white_pixels", "false_white_fraction",
                 "white_pixel_accuracy"):
        assert float(row[name]) == pytest.approx(np.mean([float(table[f"t_{n}"][name]) for n in (11, 12)]))


def test_validation_csv_is_what_prediction_measures_with_the_best_model(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--out", out, "--gap", "1", "--keep-prob", "1")
    assert script(run_predict.main, out, movie[1], "--masks", movie[3], "--out", tmp_path / "p") == 0
    tables = []
    for path in (out / "validation.csv", tmp_path / "p" / "metrics.csv"):
        with open(path) as file:
            tables.append({row["frame"]: row for row in csv.DictReader(file)})
    actual, expected = tables
    assert list(actual) == ["t_11", "t_12", "mean", "pooled"]
    for frame in ("t_11", "t_12"):
        assert actual[frame] == expected[frame]
    best = max(rows_of(out), key=lambda row: (float(row["f1_pooled"]), -float(row["val_loss"])))
    assert float(actual["mean"]["f1"]) == float(best["f1"])
    assert float(actual["pooled"]["f1"]) == float(best["f1_pooled"])


def test_training_learns_bright_discs(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert train_main(*movie, "--levels", "2", "--features", "4", "--crop", "32", "--epochs", "15", "--keep-prob", "1",
                      "--learning-rate", "0.1", "--out", out) == 0
    f1 = [float(row["f1_pooled"]) for row in rows_of(out)]
    assert max(f1) > 0.9
    assert f1[-1] > f1[0]
    assert checkpoint.load(out / "best.npz").progress["best_f1"] == max(f1)


def test_statistics_that_are_not_finite_are_not_saved(tmp_path, movie, no_figures):
    settings = Settings.from_options({"levels": 2, "features": 2, "crop": 16, "epochs": 1, "normalisation": "batch"})
    run = Run(settings, movie[1], movie[3], tmp_path / "out", log=lambda line: None)
    run.open_folder()
    run.save("model.npz")
    before = (tmp_path / "out" / "model.npz").read_bytes()
    run.network.statistics["down0.conv.variance"][0] = np.inf
    with pytest.raises(Diverged, match=r"statistic down0\.conv\.variance is not finite"):
        run.save("model.npz")
    assert (tmp_path / "out" / "model.npz").read_bytes() == before


def test_the_settings_are_written_once(tmp_path, movie, no_figures, monkeypatch):
    written, write = [], files.write_json
    monkeypatch.setattr(files, "write_json", lambda path, *rest: written.append(path.name) or write(path, *rest))
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    assert written == ["config.json"]


def test_another_seed_gives_another_model(tmp_path, movie, no_figures):
    for seed in ("1", "2"):
        train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / seed, "--seed", seed)
    a, b = (checkpoint.load(tmp_path / seed / "model.npz").network.parameters for seed in ("1", "2"))
    assert all(np.any(a[name] != b[name]) for name in a)


# Trains as the script does, but draws nothing: in so many threads, however few cores there are, which share small bands
TRAINED = """
import os, sys
from stemnet_ref.backends.cpu import conv2d, jobs, threads
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings
threads.count = lambda: int(os.environ["OPENBLAS_NUM_THREADS"])
conv2d.BAND_BYTES, jobs.bands.__defaults__ = 1 << 12, (1 << 8,)
settings = Settings.from_options({"levels": 3, "features": 8, "epochs": 1, "crop": 32, "crops_per_frame": 2})
Run(settings, *sys.argv[1:]).train()
"""


def test_runs_give_equal_files_whatever_the_number_of_threads(tmp_path, movie):
    found = set()
    for name, threads in (("a", "1"), ("b", "2"), ("c", "2"), ("d", "3")):
        subprocess.run([sys.executable, "-c", TRAINED, movie[1], movie[3], tmp_path / name], cwd=ROOT, check=True,
                       capture_output=True, env={**os.environ, "OPENBLAS_NUM_THREADS": threads})
        found.add((tmp_path / name / "model.npz").read_bytes())
    assert len(found) == 1


def test_a_diverging_cost_stops_and_keeps_the_last_good_model(tmp_path, movie, no_figures, capsys, monkeypatch):
    out = tmp_path / "out"
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", out) == 0
    good = (out / "model.npz").read_bytes()
    capsys.readouterr()
    take = step.training_step

    def diverging(network, optimizer, x, *rest):
        with np.errstate(over="ignore"):
            network.parameters["output.weight"] *= np.float32(1e30)         # as too large a step does
        return take(network, optimizer, x, *rest)

    monkeypatch.setattr(step, "training_step", diverging)
    assert train_main("--resume", "--out", out, "--epochs", "2") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "training has diverged" in error
    assert "with a lower --learning-rate" in error
    assert "holds the last good model" in error
    assert (out / "model.npz").read_bytes() == good


@pytest.mark.parametrize("when", ["last step", "stopped"])
def test_an_update_that_overflows_is_never_saved(tmp_path, movie, capsys, monkeypatch, when):
    """The cost is taken before the update, so that the last step of an epoch can spoil the model unseen."""
    frames, masks = movie[1], movie[3]
    settings = Settings.from_options({"levels": 2, "features": 2, "crop": 16, "epochs": 1})
    Run(settings, frames, masks, tmp_path / "out", log=print).train()
    good = (tmp_path / "out" / "model.npz").read_bytes()
    take = step.training_step

    def spoiling(network, *rest):
        result = take(network, *rest)
        network.parameters["output.weight"][:] = np.inf
        return result

    monkeypatch.setattr(step, "training_step", spoiling)
    resumed = Run(replace(settings, epochs=2), frames, masks, tmp_path / "out", log=print, resume=True)
    plan = training.plan_epoch
    monkeypatch.setattr(training, "plan_epoch", lambda *arguments: plan(*arguments)[:1])
    stops = iter([False, when == "stopped"])
    with pytest.raises(InputError, match=r"training has diverged .* holds the last good model"):
        resumed.train(stop=lambda: next(stops))
    assert (tmp_path / "out" / "model.npz").read_bytes() == good
    checkpoint.load(tmp_path / "out" / "model.npz")


def test_a_prediction_that_is_not_finite_ends_the_run(tmp_path, movie, no_figures, capsys, monkeypatch):
    monkeypatch.setattr(validation, "logits", lambda network, scaling, window: np.full((40, 48, 2), np.inf))
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"(epoch 1): the prediction of {movie[1] / 't_11.png'} is not finite; begin a new run" in error
    assert not (tmp_path / "out" / "model.npz").exists()


def test_an_absurd_learning_rate_ends_in_one_line(tmp_path, movie, capsys):
    assert train_main(*movie, *SMALL, "--learning-rate", "1000", "--l2", "1000", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "training has diverged" in error


def test_the_lines_that_go_on_name_the_script_as_it_was_called(tmp_path, movie, no_figures, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["elsewhere/run_train.py"])
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    assert f"next: python elsewhere/run_predict.py {tmp_path / 'out'} YOUR_FRAMES" in capsys.readouterr().out


def test_a_second_run_takes_a_new_folder_and_leaves_the_first_alone(tmp_path, movie, no_figures, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert train_main(*movie, *SMALL, "--epochs", "1") == 0
    assert (tmp_path / "runs" / "network1" / "model.npz").exists()
    assert (tmp_path / "runs" / "network1-2" / "model.npz").exists()
    assert train_main(*movie, *SMALL, "--out", "runs/network1") == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["best.npz", "metrics.csv", "figures"])
def test_a_strangers_files_in_out_are_left_alone(tmp_path, movie, capsys, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious")
    assert train_main(*movie, *SMALL, "--out", tmp_path / "out") == 2
    assert f"{name} there would be overwritten" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.parametrize("where", ["stack", "glob"])
def test_training_on_16_bit_frames_in_a_stack_and_through_globs(tmp_path, movie, no_figures, where):
    frames, masks = (sorted(folder.iterdir()) for folder in (movie[1], movie[3]))
    for kind, files_, factor in (("frames", frames, 257), ("masks", masks, 1)):
        pages = [np.asarray(Image.open(path)).astype(np.uint16) * np.uint16(factor) for path in files_]
        stack(tmp_path / f"{kind}.tif", pages)
    paths = {"stack": ["--frames", tmp_path / "frames.tif", "--masks", tmp_path / "masks.tif"],
             "glob": ["--frames", f"{movie[1]}/t_*.png", "--masks", f"{movie[3]}/*"]}[where]
    assert train_main(*paths, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "plain") == 0
    got, plain = (checkpoint.load(tmp_path / name).network.parameters for name in ("out", "plain"))
    for name in plain:          # float32: 16-bit values are divided by 257, and scaled in another order
        np.testing.assert_allclose(got[name], plain[name], rtol=1e-3, atol=1e-5)


def test_presets_are_the_tables_and_the_listing():
    thesis, table2, listing = (Settings.from_options({"preset": name, "crop": None}) for name in PRESETS)
    assert (thesis.learning_rate, thesis.decay_rate, thesis.momentum, thesis.keep_prob) == (0.15, 0.95, 0.2, 0.75)
    assert thesis.class_weights == (1, 2)
    assert {k: v for k, v in table2.as_dict().items() if getattr(thesis, k) != v} == {
        "preset": "thesis-table2", "learning_rate": 0.1}
    assert listing.class_weights == (1, 3)
    assert {k: v for k, v in listing.as_dict().items() if getattr(thesis, k) != v} == {
        "preset": "listing", "learning_rate": 0.1, "levels": 7, "logits": "relu", "init": "listing",
        "scaling": "minus127", "momentum_form": "tensorflow", "adam_form": "tensorflow", "class_weight_form": "listing"}
    assert Settings(optimizer="adam").learning_rate == 0.001
    assert Settings(optimizer="adam", learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_made_in_python_are_those_of_the_options(preset):
    made = Settings(preset=preset)
    assert made == Settings.from_options({"preset": preset})
    assert Settings(**made.as_dict()) == replace(made) == made
    other = {"levels": 3, "learning_rate": 0.15, "optimizer": "adam"}           # given: in place of the preset's
    assert made.as_dict() | other == Settings(preset=preset, **other).as_dict() == replace(made, **other).as_dict()
    with pytest.raises(TypeError, match="rate is no setting"):
        Settings(preset=preset, rate=0.1)
    with pytest.raises(InputError, match="--preset table2: must be one of"):
        Settings(preset="table2")


def test_the_help_names_the_defaults_that_hold():
    thesis = Settings.from_options({}).as_dict()
    described = {action.dest: action.help for action in run_train.options()._actions}
    for name in Settings.__dataclass_fields__:
        shown = described[name].rpartition("default: ")[2].rstrip(")").split("; ")[0]
        if name in ("augment", "sparse_masks"):
            assert (shown, thesis[name]) == ("no", False)
        elif thesis[name] is not None:                                              # else said in words
            assert shown == str(thesis[name]).removesuffix(".0"), name


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")

    def half(file):
        file.write(b"new")
        raise OSError(28, os.strerror(28))

    with pytest.raises(InputError, match="No space left"):
        files.write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["model.npz"]
