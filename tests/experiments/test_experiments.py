"""The experiments: what they train, their table, and that they go on where they were."""

import csv
import json
import os
import statistics

import numpy as np
import pytest
import refusals
from browser import Page
from PIL import Image
from runs import rows_of, train_main

import run_predict
from stemnet_ref.data.training import discover
from stemnet_ref.experiments import __main__ as experiments
from stemnet_ref.experiments import page, table
from stemnet_ref.experiments.variants import of_sweep, of_table_3, with_one_gap
from stemnet_ref.program import cli
from stemnet_ref.training import checkpoint
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import Steps

SMALL = ["--levels", "2", "--features", "2", "--crop", "16", "--crops-per-frame", "2", "--epochs", "2", "--gap", "3"]


def run(*argv):
    return refusals.script(experiments.main, "table3", *argv)


@pytest.fixture
def no_figures(no_figures, monkeypatch):
    """Leave out the runs' figures, and put white pixels in place of the experiment's."""
    def blank(*arguments):
        Image.new("L", (1, 1), 255).save(arguments[-1])

    monkeypatch.setattr(page, "plot", blank)
    monkeypatch.setattr(page, "plot_compared", blank)


@pytest.fixture
def count_steps(monkeypatch):
    """A list that gets the number of every step of training."""
    steps, original = [], Steps.run

    def counted(self, batch, step):
        steps.append(step)
        return original(self, batch, step)

    monkeypatch.setattr(Steps, "run", counted)
    return steps


def settings_in(folder):
    return json.loads((folder / "config.json").read_text())


def test_it_trains_the_networks_of_table_3_alike_and_writes_the_table(tmp_path, movie, capsys):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--epochs", "1", "--seeds", "2", "--seed", "4", "--fake", "--out", out) == 0
    assert (out / "table3.md").read_text() in capsys.readouterr().out
    names = ("network1-table1", "network5-table1", "network5-table2", "network5-copies")
    configs = {(name, seed): settings_in(out / f"{name}-seed{seed}") for name in names for seed in (4, 5)}
    for (name, seed), config in configs.items():
        assert config["seed"] == seed
        assert config["channels"] == (1 if name == "network1-table1" else 5)
        assert config["learning_rate"] == (0.1 if name == "network5-table2" else 0.15)
        assert config["neighbours"] == ("copies" if name == "network5-copies" else "frames")
        assert checkpoint.load(out / f"{name}-seed{seed}" / "model.npz").progress["step"] == \
            checkpoint.load(out / "network1-table1-seed4" / "model.npz").progress["step"]
    for what in ("training_frames", "validation_frames"):
        assert len({json.dumps(config[what]) for config in configs.values()}) == 1
    parsed = Page(out / "report.html")
    parsed.check_alone()
    assert len(parsed.references) == 8
    for line in (out / "table3.md").read_text().splitlines()[2:]:
        if not line.startswith("|"):
            continue
        for cell in line.strip("| ").split(" | "):
            assert cell in parsed.text.replace("\xa0", " "), cell


def test_the_table_holds_mean_and_deviation_of_the_best_epochs(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--seeds", "3", "--vary", "keep_prob=0.5,1", "--channels", "1", "--out", out) == 0
    with open(out / "table3.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == ["keep-prob 0.5"] * 3 + ["keep-prob 1"] * 3
    lines = dict(line.strip("| ").split(" | ", 1) for line in (out / "table3.md").read_text().splitlines()
                 if " | " in line)
    for column, title, digits in table.ROWS:
        best = []
        for seed in range(3):
            own = max(rows_of(out / f"keep_prob-0.5-seed{seed}"),
                      key=lambda row: (float(row["f1_pooled"]), -float(row["val_loss"])))
            best.append(float(own[column]))
        cell = f"{statistics.mean(best):.{digits}f} ± {statistics.stdev(best):.{digits}f}"
        assert lines[title].split(" | ")[0] == cell, title
        assert best == [float(row[column]) for row in rows[:3]]


def test_the_same_command_goes_on_and_repeats_nothing(tmp_path, movie, no_figures, count_steps, monkeypatch, capsys):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert run(*movie, *SMALL, "--seeds", "1", "--out", whole) == 0
    everything = list(count_steps)
    count_steps.clear()

    class StopAfter:
        """Asks to stop once a number of steps is done."""

        def __init__(self):
            self.stop = lambda: len(count_steps) >= len(everything) // 2

        def __enter__(self):
            return self.stop

        def __exit__(self, *error):
            return None

    with monkeypatch.context() as patched:
        patched.setattr(experiments.cli, "StopRequest", StopAfter)
        assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 130
    assert "stopped, and saved; go on with: python -m stemnet_ref.experiments table3" in capsys.readouterr().out
    assert 0 < len(count_steps) < len(everything)
    assert "Network1, Table 1" in Page(out / "report.html").text        # of what was done
    assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 0
    assert count_steps == everything
    for model in whole.glob("*/model.npz"):
        assert (out / model.relative_to(whole)).read_bytes() == model.read_bytes()
    del count_steps[:]
    assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 0
    assert count_steps == []
    assert (out / "table3.md").read_bytes() == (whole / "table3.md").read_bytes()
    assert run(*movie, *SMALL, "--seeds", "2", "--out", out) == 0       # another seed of each
    assert len(count_steps) == len(everything)
    del count_steps[:]
    capsys.readouterr()
    assert run(*movie, *SMALL, "--seeds", "1", "--epochs", "3", "--out", out) == 0      # another epoch of each
    assert "note: 3 other runs in" in capsys.readouterr().out                        # of the other seed
    assert len(count_steps) == len(everything) // 2
    for name in ("table3.csv", "table3.md"):
        assert (out / name).read_bytes() != (whole / name).read_bytes()
    assert "3 of 3 epochs" in (out / "network1-table1-seed0" / "report.html").read_text()


def test_a_run_that_diverges_is_told_and_not_tried_again(tmp_path, movie, no_figures, count_steps, capsys):
    out = tmp_path / "out"
    argv = [*movie, *SMALL, "--seeds", "1", "--learning-rate", "0.05", "--vary", "l2=0,1000000", "--channels", "1",
            "--out", out]
    assert run(*argv) == 0
    printed = capsys.readouterr().out
    assert "training has diverged at step" in printed
    line = next(line for line in printed.splitlines() if line.startswith("| runs (seeds)"))
    assert line == "| runs (seeds) | 1 | 0, 1 diverged |"
    del count_steps[:]
    assert run(*argv) == 0
    assert count_steps == []
    assert "had diverged" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "rates"), [
    ({}, (0.15, 0.15, 0.1)), ({"learning_rate": 0.06}, (0.06, 0.06, 0.04)),
    ({"optimizer": "adam"}, (0.001, 0.001, 0.000666667)),
    ({"optimizer": "sgd", "learning_rate": 0.3}, (0.3, 0.3, 0.2))])
def test_the_rate_of_table_2_keeps_its_share(given, rates):
    assert tuple(variant.settings.learning_rate for variant in of_table_3(given)) == rates


@pytest.mark.parametrize(("argv", "culprits"), [
    (["--vary", "colour=1,2"], ("--vary colour=1,2", "cannot be varied")),
    (["--vary", "seed=1,2"], ("--vary seed", "cannot be varied")),
    (["--vary", "augment=1,2"], ("--vary augment", "cannot be varied")),
    (["--vary", "levels"], ("--vary levels", "NAME=A,B")),
    (["--vary", "levels=3"], ("--vary levels=3", "two values")),
    (["--vary", "levels=3,3"], ("--vary levels=3,3", "3 stands there twice")),
    (["--vary", "keep_prob=1,1.0"], ("--vary keep_prob=1,1.0", "1 stands there twice")),
    (["--seed", "-1"], ("--seed -1", "must be from 0")),
    (["--vary", "levels=3,x"], ("--levels", "x")),
    (["--vary", "levels=3,-1"], ("--levels -1",)),
    (["--vary", "levels=2,3", "--levels", "4"], ("--levels", "is varied")),
    (["--vary", "levels=2,3", "--fake"], ("--fake", "--vary")),
    (["--channels", "3"], ("--channels", "leave it out")),
    (["--seeds", "0"], ("--seeds 0", "must be from 1")),
    (["--masks", "x"], ("--masks", "--frames is missing")),
    (["--frames", "nowhere", "--masks", "x"], ("nowhere",)),
])
def test_refusals(tmp_path, capsys, argv, culprits):
    out = tmp_path / "out"
    refusals.check(capsys, run(*argv, "--out", out), *culprits)
    assert not list(out.glob("*/model.npz"))


def test_a_divergence_is_not_taken_for_that_of_another_experiment(tmp_path, movie, no_figures, capsys):
    certain = "--l2", "1000000"            # the weights grow a billionfold a step, whatever the sums' rounding
    out, argv = tmp_path / "out", [*movie, *SMALL, "--seeds", "1", *certain, "--learning-rate", "1000"]
    assert run(*argv, "--out", out) == 0
    assert "| runs (seeds) | 0, 1 diverged |" in capsys.readouterr().out
    refusals.check(capsys, run(*argv[:-1], "0.1", "--out", out), "--learning-rate 0.1", "has 1000")
    frame = sorted(movie[1].iterdir())[0]
    Image.fromarray(np.asarray(Image.open(frame))[::-1]).save(frame)
    refusals.check(capsys, run(*argv, "--out", out), "--frames", "not those of the run", "choose another --out")
    (out / "network1-table1-seed0" / "diverged.json").write_text("{")
    refusals.check(capsys, run(*argv, "--frames", movie[1], "--out", out), "--frames")


def test_what_lies_in_the_folder_is_not_overwritten(tmp_path, movie, no_figures, capsys):
    for name, make in (("run", lambda out: train_main(*movie, *refusals.SMALL, "--out", out)),
                       ("table", lambda out: run(*movie, *SMALL, "--seeds", "1", "--out", out)),
                       ("page", lambda out: (out.mkdir(), (out / "report.html").write_text("mine")))):
        out = tmp_path / name
        make(out)
        before = refusals.contents(out)
        capsys.readouterr()
        refusals.check(capsys, run(*movie, *SMALL, "--vary", "l2=0,1", "--out", out), f"--out {out}",
                       "choose another folder")
        assert refusals.contents(out) == before


@pytest.mark.parametrize(("options", "culprits"), [
    (["--vary", "crop=0,512"], ("512 x 512", "smaller --crop")),
    (["--vary", "validation=0.2,0.4", "--crop", "16"], ("--validation 0.4", "on other frames than --validation 0.2"))])
def test_variants_that_do_not_fit_the_frames_stop_it_before_the_first_step(tmp_path, movie, count_steps, capsys,
                                                                           options, culprits):
    argv = [*movie, *SMALL[:4], "--gap", "1", "--channels", "1", *options, "--out", tmp_path / "out"]
    refusals.check(capsys, run(*argv), *culprits)
    assert count_steps == []


def test_warnings_of_every_run_are_told(tmp_path, movie, no_figures, capsys):
    assert run(*movie, *SMALL, "--seeds", "1", "--channels", "1", "--vary", "class_weight=2,1e-6", "--out",
               tmp_path / "out") == 0
    first, second = capsys.readouterr().out.split("\n2 of 2: ")
    assert "validated on t_11 to t_12" in first
    assert "validated on t_11 to t_12" not in second
    assert "warning: every validation pixel is predicted as background" in second


def test_pairs_have_semicolons_between_them(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--seeds", "1", "--vary", "class_weight=0.5,20;3", "--out", out) == 0
    assert settings_in(out / "class_weight-0.5-20-seed0")["class_weight"] == "0.5,20"
    assert settings_in(out / "class_weight-3-seed0")["class_weight"] == 3


def test_the_page_tells_the_data_and_in_what_the_columns_differ(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--seeds", "1", "--learning-rate", "0.3", "--out", out) == 0
    text = " ".join(Page(out / "report.html").text.split())
    assert f"{movie[1]}, 7 frames for training and 2 for validation, 14 steps an epoch on cpu (fp32)" in text
    assert "learning_rate 0.3 0.3 0.2" in text
    assert "channels 1 5 5" in text
    assert "Error rate, percent of pixels 0.033 0.054 0.041" in text


def test_a_report_that_is_older_than_its_run_is_made_anew(tmp_path, movie, no_figures):
    out = tmp_path / "out"
    argv = [*movie, *SMALL, "--seeds", "1", "--vary", "keep_prob=0.5,1", "--out", out]
    assert run(*argv) == 0
    of_run = out / "keep_prob-1-seed0" / "report.html"
    right = of_run.read_bytes()
    of_run.write_bytes(right.replace(b"Table 3", b"Table 0"))
    os.utime(of_run, ns=(0, 0))
    assert run(*argv) == 0
    assert of_run.read_bytes() == right


def test_a_damaged_model_stops_it_before_the_first_step(tmp_path, movie, no_figures, count_steps, capsys):
    out = tmp_path / "out"
    argv = [*movie, *SMALL, "--seeds", "1", "--vary", "keep_prob=0.5,1", "--channels", "1", "--out", out]
    assert run(*argv) == 0
    model = out / "keep_prob-1-seed0" / "model.npz"
    with np.load(model) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "parameters/output.bias"}
    np.savez(model, **arrays)
    del count_steps[:]
    capsys.readouterr()
    refusals.check(capsys, run(*argv, "--epochs", "3"), model, "parameter output.bias is missing")
    assert count_steps == []


def test_fewer_epochs_than_there_are_are_refused(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 0
    capsys.readouterr()
    refusals.check(capsys, run(*movie, *SMALL, "--epochs", "1", "--seeds", "1", "--out", out), "--epochs 1", "has 2")


def test_a_folder_of_another_experiment_is_refused_and_stays_as_it_was(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 0
    before = refusals.contents(out)
    capsys.readouterr()
    refusals.check(capsys, run(*movie, *SMALL, "--crop", "32", "--seeds", "1", "--out", out), "--crop 32", "has 16")
    assert refusals.contents(out) == before


@pytest.mark.parametrize("neighbours", ["frames", "copies"])
def test_a_network_trained_on_copies_predicts_from_copies(tmp_path, pair, no_figures, neighbours):
    frames, masks = pair
    run_folder, names = tmp_path / "run", sorted(path.name for path in frames.iterdir())
    assert train_main("--frames", frames, "--masks", masks, *refusals.SMALL, "--channels", "3", "--neighbours",
                      neighbours, "--out", run_folder) == 0
    heat = []
    for part in ("as they are", "others dark"):
        assert cli.run("run_predict.py", run_predict.main,
                       [str(run_folder), str(frames), "--out", str(tmp_path / part)]) == 0
        heat.append((tmp_path / part / names[2].replace(".png", "_probability.png")).read_bytes())
        for name in names[:2] + names[3:]:
            Image.fromarray(np.zeros_like(np.asarray(Image.open(frames / name)))).save(frames / name)
    assert (heat[0] == heat[1]) == (neighbours == "copies")


def test_nothing_is_said_of_a_gap_that_nobody_gave(tmp_path, movie, no_figures, capsys):
    """Where whole sequences are kept for validation; runs of versions that set a gap there go on."""
    for folder in (movie[1], movie[3]):
        for path in sorted(folder.iterdir())[-4:]:
            path.rename(folder / path.name.replace("t", "u", 1))
    out = tmp_path / "out"
    argv = [*movie, *SMALL[:-2], "--vary", "channels=1,3", "--seeds", "1", "--out", out]
    assert run(*argv) == 0
    assert "--gap" not in capsys.readouterr().out
    path = out / "channels-1-seed0" / "model.npz"
    model = checkpoint.load(path)
    model.settings["gap"] = 3
    checkpoint.save(path, model, "0")
    assert run(*argv, "--epochs", "3") == 0
    assert checkpoint.load(path).settings["gap"] == 3
    capsys.readouterr()
    assert run(*argv[:-1], tmp_path / "other", "--gap", "2") == 0
    assert "note: --gap has no effect where whole sequences are kept" in capsys.readouterr().out


def test_all_networks_leave_the_gap_of_the_widest_window(movie):
    found, told = discover(Settings(), movie[1], movie[3], log=lambda line: None), []
    assert [each.settings.gap for each in with_one_gap(of_table_3({}), *found, told.append)] == [2, 2, 2]
    assert "--gap 2" in told.pop()
    swept = of_sweep({"channels": 1}, "channels", {"1": 1, "3": 3})
    assert [each.settings.gap for each in with_one_gap(swept, *found, told.append)] == [2, 2]
    assert "--gap 2" in told.pop()
    assert [each.settings.gap for each in with_one_gap(of_table_3({"gap": 0}), *found, told.append)] == [0, 0, 0]
    assert not told
