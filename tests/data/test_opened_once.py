"""A training run and data.check open each file for its header once, and decode it once while memory lasts."""

import sys
from collections import Counter

import numpy as np
import pytest
import tifffile
from pictures import sequence
from PIL import Image
from refusals import script
from runs import SMALL, train_main

from stemnet_ref.data import check, dataset
from stemnet_ref.report import figures

EVERYTHING = "--channels", "3", "--paste", "1", "--border-weight", "5", "--scaling", "median-image", "--on-cells", "0.5"
opened = None               # the paths that are opened, while somebody counts


def count(event, arguments):
    if event == "open" and opened is not None:
        opened.append(str(arguments[0]))


sys.addaudithook(count)


@pytest.fixture
def opens():
    """Count how often each file is opened."""
    global opened
    opened = []
    yield lambda folder: Counter(path for path in opened if path.startswith(str(folder)))
    opened = None


def movie(folder, kind):
    """Write frames and masks as files of a kind, and return their folders."""
    folders = sequence(folder / "movie", 12)
    for each in folders if kind != "png" else ():
        pixels = [np.asarray(Image.open(path)) for path in sorted(each.iterdir())]
        for path in sorted(each.iterdir()):
            path.unlink()
            if kind == "tif":
                tifffile.imwrite(path.with_suffix(".tif"), pixels.pop(0))
        if kind == "stack":
            tifffile.imwrite(each / "t.tif", np.stack(pixels), photometric="minisblack")
    opened.clear()
    return folders


@pytest.mark.parametrize("options", [(), ("--border-weight", "5"), EVERYTHING],
                         ids=["default", "borders", "everything"])
@pytest.mark.parametrize("kind", ["png", "tif", "stack"])
def test_a_run_opens_each_file_for_its_header_once_and_decodes_it_once(tmp_path, no_figures, opens, kind, options):
    frames, masks = movie(tmp_path, kind)
    assert train_main("--frames", frames, "--masks", masks, *SMALL, "--epochs", "2", *options, "--out",
                      tmp_path / "out") == 0
    times = opens(tmp_path / "movie")
    left_out = {f"{masks}/t_{number:02d}.{kind}" for number in (9, 10)}       # of the gap: only the header is read
    assert {path: number for path, number in times.items() if path not in left_out and number != (
        1 if kind == "stack" else 2)} == {}
    assert len(times) == (2 if kind == "stack" else 24)


@pytest.mark.parametrize("kind", ["png", "tif", "stack"])
def test_the_check_opens_each_file_for_its_header_once_and_decodes_it_once(tmp_path, monkeypatch, opens, kind):
    frames, masks = movie(tmp_path, kind)
    decodings = []
    for name in ("read_frame", "read_mask"):
        read = getattr(dataset, name)
        monkeypatch.setattr(dataset, name, lambda frame, *rest, read=read: (
            decodings.append(frame) or read(frame, *rest)))
    monkeypatch.setattr(figures, "plot_sheet", lambda found, *rest, **named: [
        (found.pixels(index), found.classes(index)) for index in range(12)])
    assert script(check.main, frames, masks, "--out", tmp_path / "s.png") == 0
    assert set(Counter(decodings).values()) == {1}
    assert len(decodings) == 24
    assert set(opens(tmp_path / "movie").values()) == {1 if kind == "stack" else 2}
