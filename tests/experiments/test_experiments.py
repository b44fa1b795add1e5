"""The experiments: what they train, and what their table and page say of it."""

import csv
import json
import statistics

import numpy as np
import pytest
import refusals
from browser import Page
from experimenting import SMALL, run
from PIL import Image
from runs import rows_of, train_main

import run_predict
from stemnet_ref.data.training import discover
from stemnet_ref.experiments import table
from stemnet_ref.experiments.variants import of_sweep, of_table_3, with_one_gap
from stemnet_ref.training import checkpoint
from stemnet_ref.training.settings import Settings


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
    for column, title in table.ROWS:
        best = []
        for seed in range(3):
            own = max(rows_of(out / f"keep_prob-0.5-seed{seed}"),
                      key=lambda row: (float(row["f1_pooled"]), -float(row["val_loss"])))
            best.append(float(own[column]))
        mean, std = map(float, lines[title].split(" | ")[0].split(" ± "))
        assert (mean, std) == pytest.approx((statistics.mean(best), statistics.stdev(best)), abs=0.00051), title
        assert best == [float(row[column]) for row in rows[:3]]


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
    (["--masks", "x"], ("--frames: missing beside --masks",)),
    (["--frames", "nowhere", "--masks", "x"], ("nowhere",)),
])
def test_refusals(tmp_path, capsys, argv, culprits):
    out = tmp_path / "out"
    refusals.check(capsys, run(*argv, "--out", out), *culprits)
    assert not list(out.glob("*/model.npz"))


@pytest.mark.parametrize(("options", "culprits"), [
    (["--vary", "crop=0,512"], ("512 x 512", "smaller --crop")),
    (["--vary", "validation=0.2,0.4", "--crop", "16"], ("--validation 0.4", "on other frames than --validation 0.2"))])
def test_variants_that_do_not_fit_the_frames_stop_it_before_the_first_step(tmp_path, movie, count_steps, capsys,
                                                                           options, culprits):
    argv = [*movie, *SMALL[:4], "--gap", "1", "--channels", "1", *options, "--out", tmp_path / "out"]
    refusals.check(capsys, run(*argv), *culprits)
    assert count_steps == []


def test_the_backend_is_said_first_and_the_warnings_of_every_run(tmp_path, movie, no_figures, capsys):
    assert run(*movie, *SMALL, "--seeds", "1", "--channels", "1", "--vary", "class_weight=2,1e-6", "--out",
               tmp_path / "out", "--backend", "plain") == 0
    first, second = capsys.readouterr().out.split("\n2 of 2: ")
    assert first.startswith(f"--class-weight varied: 2 runs, backend plain, writing to {tmp_path / 'out'}\n1 of 2: ")
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


@pytest.mark.parametrize("neighbours", ["frames", "copies"])
def test_a_network_trained_on_copies_predicts_from_copies(tmp_path, pair, no_figures, neighbours):
    frames, masks = pair
    run_folder, names = tmp_path / "run", sorted(path.name for path in frames.iterdir())
    assert train_main("--frames", frames, "--masks", masks, *refusals.SMALL, "--channels", "3", "--neighbours",
                      neighbours, "--out", run_folder) == 0
    heat = []
    for part in ("as they are", "others dark"):
        assert refusals.script(run_predict.main, run_folder, frames, "--out", tmp_path / part) == 0
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
