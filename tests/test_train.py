"""Training: what is written, resumed bit for bit, killed at any moment, repeatable, and stopped in good order."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import sequence, stack
from PIL import Image

import run_predict
import run_train
from stemnet_ref import checkpoint, cli, figures, files, step, train
from stemnet_ref.errors import InputError
from stemnet_ref.metrics import COLUMNS
from stemnet_ref.settings import PRESETS, Settings
from stemnet_ref.train import Run

ROOT = Path(__file__).parent.parent
SMALL = ["--levels", "2", "--features", "2", "--crop", "16", "--epochs", "3", "--seed", "5"]


def train_main(*argv):
    """Run the script in this process; return its exit status."""
    return cli.run("run_train.py", run_train.main, [str(each) for each in argv])


@pytest.fixture
def no_figures(monkeypatch):
    """Leave out the curves, where a test trains many times and does not look at them."""
    monkeypatch.setattr(figures, "draw_curves", lambda rows, folder: None)
    monkeypatch.setattr(figures, "draw_predictions", lambda examples, path: None)


@pytest.fixture
def movie(tmp_path):
    frames, masks = sequence(tmp_path / "movie", 12)
    return ["--frames", frames, "--masks", masks]


def rows_of(out):
    with open(out / "metrics.csv") as file:
        return list(csv.DictReader(file))


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
                 "predictions"):
        picture = np.asarray(Image.open(out / "figures" / f"{name}.png").convert("RGB"))
        assert picture.std() > 5, f"{name}.png is blank"
    printed = capsys.readouterr().out
    assert "5 to train on, 2 to validate on, 5 between them left out" in printed
    assert f"{float(rows[2]['val_loss']):.4f}" in printed
    for name in ("model.npz", "best.npz"):
        model = checkpoint.load(out / name)
        assert model.settings["channels"] == 5
    assert checkpoint.load(out / "model.npz").progress["epoch"] == 3
    assert {path.name for path in out.iterdir()} == {"config.json", "metrics.csv", "model.npz", "best.npz", "figures"}


def test_metrics_are_those_of_the_saved_model(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    train_main(*movie, *SMALL, "--out", out, "--gap", "1")
    assert cli.run("run_predict.py", run_predict.main, [str(each) for each in (
        out / "model.npz", movie[1], "--masks", movie[3], "--out", tmp_path / "p")]) == 0
    with open(tmp_path / "p" / "metrics.csv") as file:
        table = {row["frame"]: row for row in csv.DictReader(file)}
    row = rows_of(out)[-1]
    for name in ("precision", "recall", "f1", "error_rate_percent", "false_white_pixels", "false_white_fraction",
                 "white_pixel_accuracy"):
        assert float(row[name]) == pytest.approx(np.mean([float(table[f"t_{n}"][name]) for n in (11, 12)]))


def test_training_learns_bright_discs(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert train_main(*movie, "--levels", "2", "--features", "4", "--crop", "32", "--epochs", "15", "--keep-prob", "1",
                      "--learning-rate", "0.1", "--out", out) == 0
    f1 = [float(row["f1_pooled"]) for row in rows_of(out)]
    assert max(f1) > 0.9
    assert f1[-1] > f1[0]
    assert checkpoint.load(out / "best.npz").progress["best_f1"] == max(f1)


@pytest.mark.parametrize("options", [
    [], ["--optimizer", "adam"], ["--optimizer", "sgd", "--l2", "0.01", "--augment", "--batch-size", "3"],
    ["--cost", "dice", "--l1", "0.001", "--crop", "0"], ["--preset", "listing"], ["--preset", "thesis-table2"],
    ["--cost", "quadratic", "--momentum-form", "tensorflow"], ["--cost", "cross_entropy", "--init", "listing"],
    ["--optimizer", "adam", "--adam-form", "tensorflow", "--class-weight-form", "listing"],
])
def test_two_runs_with_one_seed_give_equal_files_and_resume_goes_on_bit_for_bit(tmp_path, movie, no_figures, options):
    start = [*movie, *SMALL, *options]
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


def test_another_seed_gives_another_model(tmp_path, movie, no_figures):
    for seed in ("1", "2"):
        train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / seed, "--seed", seed)
    a, b = (checkpoint.load(tmp_path / seed / "model.npz").network.parameters for seed in ("1", "2"))
    assert all(np.any(a[name] != b[name]) for name in a)


@pytest.mark.parametrize("steps", [1, 7, 12, 20])
def test_a_stop_after_any_step_resumes_bit_for_bit(tmp_path, movie, steps):
    settings = Settings.from_options({"levels": 2, "features": 2, "crop": 16, "epochs": 3, "channels": 3})
    frames, masks = movie[1], movie[3]
    whole = Run(settings, frames, masks, tmp_path / "whole", show=lambda line: None)
    assert whole.train() is True
    asked = []
    part = Run(settings, frames, masks, tmp_path / "part", show=lambda line: None)
    assert part.train(stop=lambda: asked.append(1) or len(asked) > steps) is False
    resumed = Run(settings, frames, masks, tmp_path / "part", resume=True, show=lambda line: None)
    assert resumed.step == part.step
    assert resumed.train() is True
    assert (tmp_path / "whole" / "model.npz").read_bytes() == (tmp_path / "part" / "model.npz").read_bytes()
    assert [row["train_loss"] for row in rows_of(tmp_path / "whole")] == [
        row["train_loss"] for row in rows_of(tmp_path / "part")]


def start_script(*options):
    return subprocess.Popen([sys.executable, "run_train.py", *map(str, options)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# Runs the script, and kills it without notice at the given event: a step of training, or a file about to be replaced.
KILLED = """
import os, signal, sys
import run_train
from stemnet_ref import cli, step
events = int(sys.argv.pop(1))
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


def test_killed_at_any_moment_and_resumed_equals_uninterrupted(tmp_path, movie):
    start = [*movie, *SMALL, "--epochs", "3", "--crops-per-frame", "1", "--out"]        # 9 steps, 11 files an epoch
    assert train_main(*start, tmp_path / "whole") == 0
    out, kills, random = tmp_path / "killed", 0, np.random.default_rng(0)
    for _ in range(60):
        saved = (out / "model.npz").exists()
        if saved:
            checkpoint.load(out / "model.npz")                              # whole, at whatever moment it was killed
        options = ["--resume", "--out", out] if saved else [*start, out]
        done = subprocess.run([sys.executable, "-c", KILLED, str(random.integers(5, 30)), *map(str, options)], cwd=ROOT,
                              capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    else:
        pytest.fail("no progress between kills")
    assert kills >= 3
    for name in ("model.npz", "best.npz"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [row["val_loss"] for row in rows_of(out)] == [row["val_loss"] for row in rows_of(tmp_path / "whole")]


def test_two_runs_on_several_threads_give_equal_files(tmp_path, movie):
    options = [*movie, "--levels", "3", "--features", "8", "--epochs", "1"]
    for name in ("a", "b"):
        subprocess.run([sys.executable, "run_train.py", *map(str, options), "--crop", "32", "--out", tmp_path / name],
                       cwd=ROOT, check=True, capture_output=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "2"})
    assert (tmp_path / "a" / "model.npz").read_bytes() == (tmp_path / "b" / "model.npz").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, movie, number):
    out = tmp_path / "out"
    with start_script(*movie, *SMALL, "--epochs", "1000", "--out", out) as process:
        deadline = time.monotonic() + 60
        while not (out / "model.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    again = f"python run_train.py --resume --out {out}"
    assert again in printed
    stopped = checkpoint.load(out / "model.npz").progress["step"]
    assert stopped > 0
    epoch = checkpoint.load(out / "model.npz").progress["epoch"]
    finish = subprocess.run([sys.executable, *again.split()[1:], "--epochs", str(epoch + 1)], cwd=ROOT,
                            capture_output=True, text=True, timeout=120)
    assert finish.returncode == 0, finish.stderr
    assert checkpoint.load(out / "model.npz").progress["step"] > stopped


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
    Run(settings, frames, masks, tmp_path / "out", show=print).train()
    good = (tmp_path / "out" / "model.npz").read_bytes()
    take = step.training_step

    def spoiling(network, *rest):
        result = take(network, *rest)
        network.parameters["output.weight"][:] = np.inf
        return result

    monkeypatch.setattr(step, "training_step", spoiling)
    resumed = Run(replace(settings, epochs=2), frames, masks, tmp_path / "out", show=print, resume=True)
    monkeypatch.setattr(resumed, "_plan", lambda epoch: plan(epoch)[:1])
    plan = Run._plan.__get__(resumed)
    stops = iter([False, when == "stopped"])
    with pytest.raises(InputError, match=r"training has diverged .* holds the last good model"):
        resumed.train(stop=lambda: next(stops))
    assert (tmp_path / "out" / "model.npz").read_bytes() == good
    checkpoint.load(tmp_path / "out" / "model.npz")


def test_an_absurd_learning_rate_ends_in_one_line(tmp_path, movie, capsys):
    assert train_main(*movie, *SMALL, "--learning-rate", "1000", "--l2", "1000", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "training has diverged" in error


def test_one_class_for_a_whole_validation_set_is_warned_of(tmp_path, movie, no_figures, capsys, monkeypatch):
    backward = train.StemNet.backward
    monkeypatch.setattr(train.StemNet, "backward", lambda self, dz, cache: {
        name: 0 * gradient for name, gradient in backward(self, dz, cache).items()})

    def set_bias(self, *arguments, **keywords):
        make(self, *arguments, **keywords)
        self.parameters["output.weight"][:] = 0
        self.parameters["output.bias"][:] = [1, 0]

    make = train.StemNet.__init__
    monkeypatch.setattr(train.StemNet, "__init__", set_bias)
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "a", "--preset", "listing") == 0
    printed = capsys.readouterr().out
    assert "warning: every validation pixel is predicted as background" in printed
    for advice in ("--logits linear", "--scaling standard", "--class-weight", "--learning-rate"):
        assert advice in printed


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
    refused("the path is empty", "--frames", "", "--masks", "")
    for folder in (here[1], here[3]):
        (folder / "t_13.png").unlink()
    assert train_main("--resume", "--out", out, "--epochs", "2", *here) == 0
    a, b = (checkpoint.load(path / "model.npz") for path in (out, tmp_path / "whole"))
    for name, array in a.network.parameters.items():
        np.testing.assert_array_equal(array, b.network.parameters[name])
    assert train_main("--resume", "--out", out, "--epochs", "3") == 0           # the new place is kept
    Image.fromarray(np.asarray(Image.open(frame))[::-1]).save(frame)
    assert train_main("--resume", "--out", out, "--epochs", "4") == 2           # changed where it is


def test_the_gap_is_spoken_of_where_it_has_no_effect(tmp_path, movie, no_figures, capsys):
    for folder in (movie[1], movie[3]):
        for number in (10, 11, 12):
            (folder / f"t_{number}.png").rename(folder / f"u_{number}.png")
    options = [*movie, *SMALL, "--epochs", "1", "--out"]
    assert train_main(*options, tmp_path / "a", "--gap", "2") == 0
    assert "note: --gap has no effect" in capsys.readouterr().out
    assert train_main(*options, tmp_path / "b") == 0
    assert "--gap" not in capsys.readouterr().out


def test_the_lines_that_go_on_name_the_script_as_it_was_called(tmp_path, movie, no_figures, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["elsewhere/run_train.py"])
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "out") == 0
    assert f"next: python elsewhere/run_predict.py {tmp_path / 'out'} YOUR_FRAMES" in capsys.readouterr().out


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
    assert (best["epoch"], best["best_val_loss"]) == (2, 0.3)


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
    for name in plain:
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
    assert Settings.from_options({"optimizer": "adam"}).learning_rate == 0.001
    assert Settings.from_options({"optimizer": "adam", "learning_rate": 0.5}).learning_rate == 0.5


def test_the_help_names_the_defaults_that_hold():
    thesis = Settings.from_options({}).as_dict()
    described = {action.dest: action.help for action in run_train.options()._actions}
    for name in Settings.__dataclass_fields__:
        shown = described[name].rpartition("(")[2].rstrip(")")
        if name == "augment":
            assert (shown, thesis[name]) == ("no", False)
        elif name not in ("crops_per_frame", "gap", "learning_rate"):           # computed, and said in words
            assert shown == str(thesis[name]).removesuffix(".0"), name


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
