"""Runs that are stopped, killed and resumed: they end bit for bit as if nothing had happened, or are refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from runs import ROOT, SETTINGS, SMALL, rows_of, train_main

from stemnet_ref.data import fitting, split
from stemnet_ref.metrics import COLUMNS
from stemnet_ref.training import checkpoint
from stemnet_ref.training.run import Run
from stemnet_ref.training.saved import read_config
from stemnet_ref.training.settings import Settings


@pytest.mark.parametrize("options", [
    [], ["--optimizer", "adam"], ["--optimizer", "sgd", "--l2", "0.01", "--augment", "--batch-size", "3"],
    ["--cost", "dice", "--l1", "0.001", "--crop", "0"], ["--preset", "listing"], ["--preset", "thesis-table2"],
    ["--cost", "quadratic", "--momentum-form", "tensorflow"], ["--cost", "cross_entropy", "--init", "listing"],
    ["--optimizer", "adam", "--adam-form", "tensorflow", "--class-weight-form", "listing"],
    ["--augment", "--rotation", "180", "--elastic", "5", "--brightness", "0.3", "--contrast", "0.3", "--paste", "1",
     "--on-cells", "0.5", "--border-weight", "5", "--scaling", "median-image", "--crop", "32", "--crops-per-frame", "3",
     "--batch-size", "2", "--drop-background", "0.2"],
    ["--class-weight", "median-frequency", "--draw", "by-cells", "--scaling", "mean-image", "--learning-rate", "0.01"],
    ["--class-weight", "0.5,4"], ["--normalisation", "batch", "--optimizer", "adam"], ["--activation", "sigmoid"],
])
def test_two_runs_with_one_seed_give_equal_files_and_resume_goes_on_bit_for_bit(tmp_path, movie, no_figures, options):
    start = [*movie, *SMALL, "--crops-per-frame", "1", *options]
    assert train_main(*start, "--out", tmp_path / "a") == 0
    assert train_main(*start, "--out", tmp_path / "b") == 0
    assert train_main(*start, "--out", tmp_path / "c", "--epochs", "1") == 0
    assert train_main("--resume", "--out", tmp_path / "c", "--epochs", "2") == 0
    assert train_main("--resume", "--out", tmp_path / "c", "--epochs", "3") == 0        # past the planned number
    models = {(tmp_path / each / name).read_bytes() for each in "abc" for name in ("model.npz",)}
    assert len(models) == 1
    assert len(rows_of(tmp_path / "c")) == 3
    seconds = COLUMNS.index("seconds")
    tables = {tuple(tuple(v for i, v in enumerate(row.values()) if i != seconds) for row in rows_of(tmp_path / each))
              for each in "abc"}
    assert len(tables) == 1


VARIED = {"crop": 32, "crops_per_frame": 6, "batch_size": 3, "augment": True, "rotation": 180.0, "elastic": 5.0,
          "contrast": 0.3, "on_cells": 0.5, "paste": 1, "border_weight": 5.0, "sampling": "by-cells",
          "class_weight": "ratio", "learning_rate": 0.01, "optimizer": "adam"}


@pytest.mark.parametrize("options", [{}, VARIED], ids=["plain", "varied"])
def test_a_stop_after_any_step_resumes_bit_for_bit(tmp_path, movie, options):
    settings = Settings.from_options({**SETTINGS, "channels": 3, **options})
    frames, masks = movie[1], movie[3]
    whole = Run(settings, frames, masks, tmp_path / "whole", log=lambda line: None)
    assert whole.train() is True
    for steps in (0, 1, 7, 12, 20):
        out, asked = tmp_path / str(steps), []
        part = Run(settings, frames, masks, out, log=lambda line: None)
        assert part.train(stop=lambda: asked.append(1) or len(asked) > steps) is False      # noqa: B023
        resumed = Run(settings, frames, masks, out, resume=True, log=lambda line: None)
        assert resumed.progress == part.progress
        assert resumed.train() is True
        assert (tmp_path / "whole" / "model.npz").read_bytes() == (out / "model.npz").read_bytes()
        assert [row["train_loss"] for row in rows_of(tmp_path / "whole")] == [row["train_loss"] for row in rows_of(out)]


# Runs the script, which draws nothing, and kills it without notice at the given event, if it comes to that: a step
# of training, or a file about to be replaced.
KILLED = """
import os, signal, sys
from matplotlib.figure import Figure
from pictures import undrawn
import run_train
from stemnet_ref.program import cli
from stemnet_ref.training import step
events = int(sys.argv.pop(1))
sys.argv[0], Figure.savefig = "run_train.py", undrawn
def counted(function):
    def call(*arguments):
        global events
        events -= 1
        if events == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call
os.replace, step.training_step = counted(os.replace), counted(step.training_step)
sys.exit(cli.run("run_train.py", run_train.main, sys.argv[1:]))
"""


def start_script(events, *options):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    return subprocess.Popen([sys.executable, "-c", KILLED, *map(str, (events, *options))], cwd=ROOT, text=True,
                            env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_at_any_moment_and_resumed_equals_uninterrupted(tmp_path, movie):
    start = [*movie, *SMALL, "--epochs", "3", "--crops-per-frame", "1", "--out"]        # 9 steps, 11 files a best epoch
    assert train_main(*start, tmp_path / "whole") == 0
    out, kills, random = tmp_path / "killed", 0, np.random.default_rng(0)
    for _ in range(60):
        saved = (out / "model.npz").exists()
        if saved:
            checkpoint.load(out / "model.npz")                              # whole, at whatever moment it was killed
        options = ["--resume", "--out", out] if saved else [*start, out]
        with start_script(random.integers(5, 30), *options) as process:
            _, error = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, error
        kills += 1
    else:
        pytest.fail("no progress between kills")
    assert kills >= 3
    for name in ("model.npz", "best.npz"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [row["val_loss"] for row in rows_of(out)] == [row["val_loss"] for row in rows_of(tmp_path / "whole")]


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    with start_script(0, *movie, *SMALL, "--epochs", "1000", "--out", out) as process:
        deadline = time.monotonic() + 60
        while not (out / "model.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)           # SIGTERM: test_exit_status.py
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    again = f"python run_train.py --resume --out {out}"
    assert again in printed
    stopped = checkpoint.load(out / "model.npz").progress["step"]
    assert stopped > 0
    epoch = checkpoint.load(out / "model.npz").progress["epoch"]
    assert train_main(*again.split()[2:], "--epochs", epoch + 1) == 0
    assert checkpoint.load(out / "model.npz").progress["step"] > stopped


def test_resume_loads_the_model_once_and_fits_no_scaling(tmp_path, movie, no_figures, monkeypatch):
    out, filled, fill = tmp_path / "out", [], checkpoint._fill
    assert train_main(*movie, *SMALL, "--epochs", "1", "--scaling", "mean-image", "--out", out) == 0
    monkeypatch.setattr(checkpoint, "_fill", lambda *found: filled.append(found[-1].name) or fill(*found))
    monkeypatch.setattr(fitting, "fit_scaling", lambda *arguments: pytest.fail("the scaling is the model's"))
    assert train_main("--resume", "--out", out, "--epochs", "2") == 0
    assert filled.count("model.npz") == 1


def test_resume_refuses_other_settings(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--epochs", "1", "--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    capsys.readouterr()
    for options, culprit in ((["--momentum", "0.9", "--epochs", "2"], "--momentum 0.9: the run in"),
                             (["--frames", "elsewhere"], "--frames")):
        assert train_main("--resume", "--out", out, *options) == 2
        error = capsys.readouterr().err
        assert culprit in error
        assert error.count("\n") == 1
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_the_gap_that_was_chosen_is_the_runs(tmp_path, movie, no_figures, capsys, monkeypatch):
    """However a later version would choose it."""
    start = [*movie, *SMALL, "--channels", "5"]
    assert train_main(*start, "--epochs", "2", "--out", tmp_path / "whole") == 0
    assert train_main(*start, "--epochs", "1", "--out", tmp_path / "part") == 0
    config = json.loads((tmp_path / "part" / "config.json").read_text())
    assert config["gap"] == checkpoint.load(tmp_path / "part" / "model.npz").settings["gap"] == 2
    assert re.search(r"gap \*</th><td>2</td>", (tmp_path / "part" / "report.html").read_text())
    monkeypatch.setattr(split, "choose_gap", lambda *arguments: 4)
    settings = Settings.from_options({**SETTINGS, "channels": 5})
    Run(settings, movie[1], movie[3], tmp_path / "part", resume=True, log=lambda line: None)
    assert train_main("--resume", "--out", tmp_path / "part", "--epochs", "2") == 0
    assert (tmp_path / "part" / "model.npz").read_bytes() == (tmp_path / "whole" / "model.npz").read_bytes()
    assert train_main("--resume", "--out", tmp_path / "part", "--epochs", "3", "--gap", "3") == 2
    assert "--gap 3: the run in" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_without_its_gap_goes_on(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert train_main(*movie, *SMALL, "--channels", "5", "--epochs", "1", "--out", out) == 0
    model = checkpoint.load(out / "model.npz")
    model.settings["gap"] = None
    checkpoint.save(out / "model.npz", model, "0")
    assert train_main("--resume", "--out", out, "--epochs", "2") == 0
    assert checkpoint.load(out / "model.npz").settings["gap"] == 2


def test_resume_goes_on_with_moved_data_and_refuses_other_data(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--epochs", "2", "--out", tmp_path / "whole")
    train_main(*movie, *SMALL, "--epochs", "1", "--out", out)
    (tmp_path / "movie").rename(tmp_path / "moved")
    here = ["--frames", tmp_path / "moved" / "frames", "--masks", tmp_path / "moved" / "masks"]
    capsys.readouterr()

    def refused(culprit, *options):
        before = (out / "model.npz").read_bytes()
        assert train_main("--resume", "--out", out, "--epochs", "2", *options) == 2
        error = capsys.readouterr().err
        assert culprit in error
        assert error.count("\n") == 1
        assert (out / "model.npz").read_bytes() == before

    refused(f"the frames of this run are no longer at {movie[1]}; say by --frames PATH")
    refused(f"the masks of this run are no longer at {movie[3]}; say by --masks PATH", *here[:2])
    frame, mask = here[1] / "t_02.png", here[3] / "t_02.png"
    for path, other, kind in ((frame, "t_03.png", "frames"), (mask, "t_03.png", "masks"),
                              (here[1] / "t_12.png", "t_11.png", "frames")):
        good, other = path.read_bytes(), path.with_name(other)
        path.write_bytes(other.read_bytes())
        refused(f"--{kind} {path.parent}: their pixels are not those", *here)
        path.write_bytes(good)
    for folder in (here[1], here[3]):
        (folder / "t_13.png").write_bytes((folder / "t_12.png").read_bytes())
    refused("not the frames that the run in", *here)
    refused("the value is empty", "--frames", "", "--masks", "")
    for folder in (here[1], here[3]):
        (folder / "t_13.png").unlink()
    assert train_main("--resume", "--out", out, "--epochs", "2", *here) == 0
    a, b = (checkpoint.load(path / "model.npz") for path in (out, tmp_path / "whole"))
    for name, array in a.network.parameters.items():
        np.testing.assert_array_equal(array, b.network.parameters[name])
    assert train_main("--resume", "--out", out, "--epochs", "3") == 0           # the new place is kept
    Image.fromarray(np.asarray(Image.open(frame))[::-1]).save(frame)
    assert train_main("--resume", "--out", out, "--epochs", "4") == 2           # changed where it is


def test_resume_of_a_complete_run_says_so_and_changes_nothing(tmp_path, movie, capsys):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--epochs", "1", "--out", out)
    before = (out / "model.npz").read_bytes()
    (out / "figures" / "loss.png").unlink()
    capsys.readouterr()
    assert train_main("--resume", "--out", out) == 0
    assert "has 1 epochs already" in capsys.readouterr().out
    assert (out / "model.npz").read_bytes() == before
    assert (out / "figures" / "loss.png").exists()


def test_a_run_of_an_earlier_version_with_other_names_goes_on_bit_for_bit(tmp_path, movie, no_figures):
    start = [*movie, *SMALL, "--draw", "by-cells", "--channels", "1", "--out"]
    assert train_main(*start, tmp_path / "whole", "--epochs", "2") == 0
    out = tmp_path / "out"
    assert train_main(*start, out, "--epochs", "1") == 0
    for name in ("model.npz", "best.npz"):
        with np.load(out / name) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays["about"]))
        about["settings"]["draw"] = about["settings"].pop("sampling")
        about["progress"]["best_val_loss"] = about["progress"].pop("best_cost")
        for added in ("channel_index", "z", "pattern"):
            del about["settings"][added]
        np.savez(out / name, **{**arrays, "about": np.array(json.dumps(about))})
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, "draw": config.pop("sampling")}))
    assert read_config(out)["sampling"] == "by-cells"
    assert train_main("--resume", "--out", out, "--epochs", "2", "--draw", "by-cells") == 0
    assert (out / "model.npz").read_bytes() == (tmp_path / "whole" / "model.npz").read_bytes()


def test_the_model_is_refused_by_resume_with_another_optimizer_state(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--epochs", "1", "--out", out)
    with np.load(out / "model.npz") as archive:
        arrays = {name.replace("optimizer/velocity", "optimizer/m"): archive[name] for name in archive.files}
    np.savez(out / "model.npz", **arrays)
    assert train_main("--resume", "--out", out, "--epochs", "2") == 2


def test_a_table_damaged_between_runs_is_named(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--epochs", "1", "--out", out)
    (out / "metrics.csv").write_text("epoch,seconds\n1,x\n")
    assert train_main("--resume", "--out", out, "--epochs", "2") == 2
    assert "metrics.csv" in capsys.readouterr().err
