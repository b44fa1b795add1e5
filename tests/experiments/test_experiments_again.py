"""An experiment goes on where it was, repeats nothing, and takes no run for that of another experiment."""

import os
from contextlib import nullcontext

import numpy as np
import refusals
from browser import Page
from experimenting import SMALL, run
from PIL import Image
from runs import train_main

from stemnet_ref.experiments import __main__ as experiments


def test_the_same_command_goes_on_and_repeats_nothing(tmp_path, movie, no_figures, count_steps, monkeypatch, capsys):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert run(*movie, *SMALL, "--seeds", "1", "--out", whole) == 0
    everything = list(count_steps)
    count_steps.clear()

    with monkeypatch.context() as patched:
        patched.setattr(experiments.cli, "stop_request",
                        lambda: nullcontext(lambda: len(count_steps) >= len(everything) // 2))
        assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 130
    assert "stopped, and saved; go on with: python -m stemnet_ref.experiments table3" in capsys.readouterr().out
    assert 0 < len(count_steps) < len(everything)
    assert "Network1, Table 1" in Page(out / "report.html").text        # of what was done
    assert run(*movie, *SMALL, "--seeds", "1", "--out", out) == 0
    assert count_steps == everything
    models = [*whole.glob("*/model.npz")]
    assert len(models) == 3
    for model in models:
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
    assert "note: 3 other runs in" in capsys.readouterr().out                           # of the other seed
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
