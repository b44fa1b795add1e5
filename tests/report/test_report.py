"""The page of a run: what it says, that it needs nothing else, and that a browser shows it."""

import json
import os
import re
import shlex
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from browser import Page, chromium
from pictures import drawing, sequence
from PIL import Image
from runs import SMALL, rows_of, train_main

import run_train
from stemnet_ref import metrics
from stemnet_ref.backends import choose
from stemnet_ref.predict import cell_probability, logits
from stemnet_ref.report import figures, markup
from stemnet_ref.report import page as report
from stemnet_ref.training import checkpoint, validation
from stemnet_ref.training.run import Run
from stemnet_ref.training.saved import resolve
from stemnet_ref.training.settings import Settings


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The folder of a run of three epochs."""
    place = tmp_path_factory.mktemp("report")
    frames, masks = sequence(place / "movie", 12)
    folder = place / "a & <b>"
    with drawing():
        assert train_main("--frames", frames, "--masks", masks, *SMALL, "--epochs", "3", "--augment", "--crop", "0",
                          "--out", folder) == 0
    return folder


def best_of(rows):
    return max(rows, key=lambda row: (float(row["f1_pooled"]), -float(row["val_loss"])))


def test_it_tells_the_run_and_needs_nothing_else(out):
    page = Page(out / "report.html")
    page.check_alone()
    assert len(page.references) == len(report.PICTURES)
    assert "a & <b>" in page.text
    best = best_of(rows_of(out))
    for name in report.TABLE_3:
        assert f"{float(best[name]):.3g}" in page.text, name
    assert f"Validation after epoch {best['epoch']}," in page.text
    assert f"{int(best['fp']):,} (" in page.text
    assert "0.000157" in page.text                              # the thesis's, for scale


def test_its_command_begins_the_same_run_again(out):
    config = json.loads((out / "config.json").read_text())
    *_, command = (line for line in Page(out / "report.html").text.splitlines() if "run_train.py" in line)
    script, *words = shlex.split(command.strip())[1:]
    assert script == "run_train.py"
    settings, frames, masks, _ = resolve(vars(run_train.options().parse_args([*words, "--out", "x"])))
    assert settings.as_dict() == {name: config[name] for name in settings.as_dict()}
    assert (frames, masks) == (config["frames"], config["masks"])


@pytest.mark.parametrize("options", [
    {"preset": "listing", "gap": 3, "channels": 5}, {"optimizer": "adam"}, {"optimizer": "adam", "learning_rate": 0.15},
    {"class_weight": "0.5,20", "augment": True, "crop": None, "seed": 7}, {"preset": "thesis-table2", "l1": 0.5},
    {"normalisation": "batch", "activation": "sigmoid", "cost": "dice"}])
def test_the_command_of_any_settings_gives_these_settings(options):
    settings = Settings.from_options(options)
    config = {"frames": None, "masks": None, "device": "cpu", "precision": "fp32", **settings.as_dict()}
    words = shlex.split(report.command(config))[2:]
    assert words[-2:] == ["--backend", "cpu"]
    on_gpu = report.command({**config, "device": "NVIDIA H200", "precision": "tf32"})
    assert on_gpu.endswith("--backend cuda --precision tf32")
    assert resolve(vars(run_train.options().parse_args([*words, "--out", "x"])))[0] == settings


def test_every_setting_is_shown_and_what_was_changed_is_bold(out):
    page = (out / "report.html").read_text()
    for field in fields(Settings):
        assert f">{field.name}</th>" in page or f">{field.name} *</th>" in page
    assert '<tr class="changed"><th scope="row">augment *</th><td>yes</td>' in page
    assert '<tr><th scope="row">rotation</th><td>0.0</td>' in page
    assert '<tr><th scope="row">batch_size</th><td>1</td>' in page


def test_names_are_shown_as_in_lines():
    """A name could else turn the direction of reading, or colour a terminal that shows the page's source."""
    assert markup.escape("a\x1b[2J\u202eb<") == "a\\x1b[2J\\u202eb&lt;"


def test_a_folder_whose_name_is_not_unicode_has_a_report_too(tmp_path, movie):
    out = tmp_path / os.fsdecode(b"a\xffb")
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", out) == 0
    assert r"a\xffb" in Page(out / "report.html").text


def test_the_pictures_say_of_which_epoch_they_are_and_what_they_show(out):
    page, rows = (out / "report.html").read_text(), rows_of(out)
    best = best_of(rows)["epoch"]
    assert len(re.findall(f"<figcaption>[^<]*after epoch {best}", page)) == 3           # predictions, ROC, maps
    assert f"After epoch 3: training {float(rows[-1]['train_loss']):.3g}, " in page
    assert not re.search(r'alt="[^"]{0,20}"', page)


def test_pictures_and_roc_are_of_the_best_model_also_after_a_resume(tmp_path, movie, monkeypatch, capsys):
    """The second of three epochs is made the best one; a second run is resumed after it."""
    drawn, finish, plot_roc = [], Run._finish_epoch, figures.plot_roc
    monkeypatch.setattr(Run, "_finish_epoch", lambda run, *rest: {**finish(run, *rest), "f1_pooled":
                                                                  (0.5, 0.9, 0.1)[run.progress.epoch - 1]})
    monkeypatch.setattr(figures, "plot_predictions", lambda examples, path: drawn.append(examples))
    monkeypatch.setattr(figures, "plot_maps", lambda maps, path: drawn.append(maps))
    monkeypatch.setattr(figures, "plot_roc", lambda rows, area, path: (drawn.append((rows, area)),
                                                                       plot_roc(rows, area, path)))
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert train_main(*movie, *SMALL, "--out", whole) == 0
    assert len(drawn) == 6                                      # not again after the third epoch
    assert train_main(*movie, *SMALL, "--epochs", "2", "--out", part) == 0
    assert train_main("--resume", "--out", part, "--epochs", "3") == 0
    best = checkpoint.load(whole / "best.npz")
    best.network.to(choose("cpu"))
    assert best.progress["epoch"] == 2
    scores, frames, masks = metrics.Scores(), *([np.asarray(Image.open(folder / f"t_{number}.png")) for number in
                                                 (11, 12)] for folder in (movie[1], movie[3]))
    found = [logits(best.network, best.scaling, [frame]) for frame in frames]
    for z, mask in zip(found, masks, strict=True):
        scores.add(z.argmax(axis=-1), z, mask > 0)
    for examples, maps, (roc, area) in (drawn[3:6], drawn[9:12], drawn[12:15]):
        for (_, pixels, _, cell), frame, z in zip(examples, frames, found, strict=True):
            np.testing.assert_array_equal(pixels, frame)
            np.testing.assert_array_equal(cell, cell_probability(z))
        np.testing.assert_allclose(maps["output"][0], found[0], rtol=1e-4, atol=1e-4)
        assert [list(row.values()) for row in roc] == scores.roc.points()
        assert area == pytest.approx(scores.roc.area())
    with monkeypatch.context() as broken:
        broken.setattr(validation, "logits", lambda *arguments: np.full((40, 48, 2), np.nan))
        assert train_main("--resume", "--out", part) == 0
    assert "is without pictures of the best model: the prediction of " in capsys.readouterr().out
    (part / "best.npz").unlink()
    assert train_main("--resume", "--out", part) == 0
    assert "warning: report.html is without pictures of the best model" in capsys.readouterr().out
    assert not (part / "figures" / "roc.png").exists()


@pytest.mark.parametrize("cells", [0, 3])
def test_the_marker_of_the_roc_is_at_one_half(monkeypatch, tmp_path, cells):
    """The last point above a margin of 0 is the one that the masks are made with."""
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    margins = [np.inf, 5.0, 2.0, 0.5, -0.5, -2.0, -5.0]
    rows = [{"false_positive_rate": place / 6, "true_positive_rate": min(1, place / 4), "margin": margin}
            for place, margin in enumerate(margins)]
    if not cells:                                               # nothing is called cell
        rows = [rows[0], *rows[4:]]
    figures.plot_roc(rows, 0.75, tmp_path / "roc.png")
    for axes in drawn[0].axes:
        marker = next(line for line in axes.lines if line.get_marker() == "o")
        assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (cells / 6, cells / 4)


def test_a_browser_shows_it(out, tmp_path):
    page = tmp_path / "report.html"
    page.write_bytes((out / "report.html").read_bytes())         # without the folder that it came from
    chromium(tmp_path, "--window-size=1200,3000", f"--screenshot={tmp_path / 'page.png'}", page.as_uri())
    shown = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert shown.shape == (3000, 1200, 3)
    for colour in ((0, 114, 178), (213, 94, 0)):             # of the curves
        assert np.sum(np.all(abs(shown - colour) < 50, axis=2)) > 100      # thin lines, made smaller


def test_it_takes_a_fifth_of_the_time_at_most_and_misses_neither_the_last_epoch_nor_a_stop(monkeypatch):
    clock, written = [100.0], []

    def write(self, run):
        written.append(run.progress.epoch)
        clock[0] += 2.0

    monkeypatch.setattr(report.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(report.Report, "_write", write)
    run = SimpleNamespace(rows=[], progress=SimpleNamespace(), settings=SimpleNamespace(epochs=8))
    page = report.Report()
    for epoch in range(1, 8):
        clock[0] += 3.0
        run.progress.epoch = epoch
        run.rows.append({})
        page.keep_up(run)
    assert written == [1, 4, 7]
    run.rows.append({})
    run.progress.epoch = 8
    page.keep_up(run)
    page.catch_up(run)
    assert written == [1, 4, 7, 8]
    run.rows.append({})
    page.catch_up(run)
    assert len(written) == 5
