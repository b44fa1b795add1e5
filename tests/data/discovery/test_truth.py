"""Gold truth that holds only some of a frame's cells: replaced by silver truth, or left out, and told."""

import csv
import re

import numpy as np
import pytest
from PIL import Image
from refusals import SMALL, check, script

import run_predict
import run_train
from stemnet_ref.data import preprocess
from stemnet_ref.data.discovery.truth import complete
from stemnet_ref.data.frames import Frame
from stemnet_ref.data.pairing import find_pairs

CELLS = 10              # of each frame, in two rows
PARTIAL = (2, 4)        # frames whose gold truth holds one cell
WHOLE = 5               # the frame whose gold truth holds all


def cells(count=CELLS, size=8):
    """Return a mask with the first so many cells, numbered."""
    mask = np.zeros((48, 96), np.uint16)
    for number in range(count):
        top, left = 8 + 20 * (number // 5), 4 + 18 * (number % 5)
        mask[top:top + size, left:left + size] = number + 1
    return mask


def save(mask, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


@pytest.fixture
def gold_set(tmp_path):
    """A sequence of 8 frames with markers of all: gold truth of three, silver truth of the second half."""
    root = tmp_path / "set"
    rng = np.random.default_rng(0)
    for t in range(8):
        save((100 * (cells() > 0) + rng.integers(0, 50, (48, 96))).astype(np.uint8), root / "01" / f"t{t:03d}.tif")
        save(cells(size=4), root / "01_GT" / "TRA" / f"man_track{t:03d}.tif")
        if t in (*PARTIAL, WHOLE):
            save(cells(1 if t in PARTIAL else CELLS), root / "01_GT" / "SEG" / f"man_seg{t:03d}.tif")
        if t >= 4:
            save(cells(), root / "01_ST" / "SEG" / f"man_seg{t:03d}.tif")
    return root


def kinds(masks):
    return [mask and mask.path.parent.parent.name for mask in masks]


def test_silver_truth_stands_in_for_partial_gold_truth(gold_set):
    lines = []
    _, masks = find_pairs(gold_set, None, lines.append)
    assert kinds(masks) == [None, None, None, None, "01_ST", "01_GT", "01_ST", "01_ST"]
    assert [mask.name for mask in masks if mask][:2] == ["01_ST_SEG_man_seg004", "01_GT_SEG_man_seg005"]
    first, markers = gold_set / "01_GT/SEG/man_seg002.tif", gold_set / "01_GT/TRA/man_track002.tif"
    assert lines == [f"note: 2 of 3 gold masks hold only some of the frame's cells (the first, {first}: 1 of the 10 "
                     f"cells marked in {markers}); silver truth is taken in place of 1, 1 without silver truth left "
                     "out, the frames seen as neighbours only"]


def test_silver_truth_tells_where_there_are_no_markers(gold_set):
    for path in (gold_set / "01_GT" / "TRA").iterdir():
        path.unlink()
    lines = []
    _, masks = find_pairs(gold_set, None, lines.append)
    assert kinds(masks) == [None, None, "01_GT", None, "01_ST", "01_GT", "01_ST", "01_ST"]
    assert "1 of 3 gold masks holds only some" in lines[0]
    assert "1 of the 10 cells in " in lines[0]
    assert re.search("nothing tells whether 1 gold mask .the first, .*. holds all cells", lines[1])


@pytest.mark.parametrize(("drawn", "of", "whole"), [(9, 10, True), (8, 10, False), (8, 9, False), (1, 2, False),
                                                    (1, 1, True), (0, 0, True)])
def test_how_many_cells_make_a_mask_complete(tmp_path, drawn, of, whole):
    gold = tmp_path / "01_GT" / "SEG" / "man_seg000.tif"
    save(cells(drawn), gold)
    save(cells(of, size=4), tmp_path / "01_GT" / "TRA" / "man_track000.tif")
    save(cells(of), tmp_path / "01_ST" / "SEG" / "man_seg000.tif")
    (mask,) = complete([Frame(gold, None, "man_seg000", "man_seg#", 0, (0,))])
    assert (mask.path == gold) == whole


def test_cells_are_counted_where_they_are_not_numbered(tmp_path):
    gold = tmp_path / "01_GT" / "SEG" / "man_seg000.tif"
    save((cells(6) > 0).astype(np.uint8), gold)
    save((cells(size=4) > 0).astype(np.uint8), tmp_path / "01_GT" / "TRA" / "man_track000.tif")
    save(cells(), tmp_path / "01_ST" / "SEG" / "man_seg000.tif")
    lines = []
    complete([Frame(gold, None, "man_seg000", "man_seg#", 0, (0,))], lines.append)
    assert "6 of the 10 cells marked in" in lines[0]


def test_a_neighbour_that_only_reaches_into_a_marker_is_no_cell_of_its_own(tmp_path):
    gold = tmp_path / "01_GT" / "SEG" / "man_seg000.tif"
    drawn = cells(9)
    drawn[8:16, 60:77] = 4                          # the fourth cell, drawn 3 pixels wide into the marker of the fifth
    drawn[drawn == 5] = 0
    drawn[8:16, 76:79] = 4
    save(drawn, gold)
    save(cells(), tmp_path / "01_GT" / "TRA" / "man_track000.tif")
    save(cells(), tmp_path / "01_ST" / "SEG" / "man_seg000.tif")
    lines = []
    complete([Frame(gold, None, "man_seg000", "man_seg#", 0, (0,))], lines.append)
    assert "8 of the 10 cells marked in" in lines[0]


def test_partial_truth_is_neither_trained_on_nor_measured_by(tmp_path, gold_set, trained, no_figures, capsys):
    out = tmp_path / "out"
    assert script(run_train.main, "--frames", gold_set, *SMALL, "--gap", "1", "--out", out) == 0
    told = capsys.readouterr().out
    assert "2 of 3 gold masks hold only some" in told
    assert "4 without a mask, seen as neighbours only" in told
    assert script(run_predict.main, trained, gold_set, "--masks", gold_set, "--out", tmp_path / "all") == 0
    assert "2 of 3 gold masks hold only some" in capsys.readouterr().out
    with open(tmp_path / "all" / "metrics.csv") as file:
        assert [row["frame"] for row in csv.DictReader(file)][:4] == ["t004", "t005", "t006", "t007"]
    assert script(preprocess.main, gold_set, tmp_path / "ready", "--size", "48") == 0
    assert "2 of 3 gold masks hold only some" in capsys.readouterr().out
    assert len(list((tmp_path / "ready" / "masks").iterdir())) == 4


def test_gold_truth_that_is_named_is_looked_at_too(tmp_path, gold_set, trained, capsys):
    gold = gold_set / "01_GT" / "SEG"
    lines = []
    _, masks = find_pairs(gold_set / "01", gold, lines.append, sparse=True)
    assert kinds(masks) == [None, None, None, None, "01_ST", "01_GT", None, None]
    assert any("2 of 3 gold masks hold only some" in line for line in lines)
    frame = gold_set / "01" / "t002.tif"
    check(capsys, script(run_predict.main, trained, frame, "--masks", gold, "--out", tmp_path / "x"),
          "1 of 1 gold mask holds only some")


def test_a_set_of_nothing_but_partial_truth_is_refused(tmp_path, gold_set, capsys):
    for path in (gold_set / "01_ST" / "SEG").iterdir():
        path.unlink()
    (gold_set / "01_GT" / "SEG" / f"man_seg{WHOLE:03d}.tif").unlink()
    check(capsys, script(run_train.main, "--frames", gold_set, "--out", tmp_path / "x"),
          "2 of 2 gold masks hold only some", "man_seg002.tif: 1 of the 10 cells", "silver truth", "--masks")


def test_markers_that_cannot_be_used_are_named(tmp_path, gold_set, capsys):
    markers = gold_set / "01_GT" / "TRA" / "man_track002.tif"
    save(cells()[:40], markers)
    check(capsys, script(run_train.main, "--frames", gold_set, "--out", tmp_path / "x"), markers, "40 x 96",
          "man_seg002.tif 48 x 96")
    markers.write_bytes(b"II*\0")
    check(capsys, script(run_train.main, "--frames", gold_set, "--out", tmp_path / "x"), markers)
    assert script(preprocess.main, gold_set, tmp_path / "ready", "--size", "48") == 0     # names what it cannot read
