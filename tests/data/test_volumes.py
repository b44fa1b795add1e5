"""Sets of the Cell Tracking Challenge in three dimensions: a slice of frames and truth, or the maximum, is taken."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from refusals import SMALL, check, script

import run_predict
import run_train
from stemnet_ref.data import check as check_data
from stemnet_ref.data import preprocess
from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.data.frames import describe_pages, find
from stemnet_ref.data.images import read_frame, read_size, read_values
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError
from stemnet_ref.training import checkpoint

SLICES = 5


def mask(part, cells=3):
    """Return a mask of a slice, with cells that are one pixel wider in each slice; none in the first."""
    pixels = np.zeros((40, 48), np.uint16)
    for number in range(cells if part else 0):
        pixels[6:14 + part, 4 + 15 * number:10 + 15 * number + part] = number + 1
    return pixels


def write(path, *slices):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.stack(slices) if len(slices) > 1 else slices[0], photometric="minisblack")


@pytest.fixture
def volumes(tmp_path):
    """A sequence of six volumes; gold truth of slice 2 of one frame, partial of another; silver volumes of most."""
    root = tmp_path / "Fluo-N3DH-Sample"
    for t in range(6):
        parts = [mask(part) for part in range(SLICES)]
        write(root / "01" / f"t{t:03d}.tif", *[(50 * (each > 0) + 10 * part + t).astype(np.uint8)
                                               for part, each in enumerate(parts)])
        write(root / "01_GT" / "TRA" / f"man_track{t:03d}.tif", *parts)
        if t != 3:
            write(root / "01_ST" / "SEG" / f"man_seg{t:03d}.tif", *parts)
    write(root / "01_GT" / "SEG" / "man_seg_001_002.tif", mask(2))
    write(root / "01_GT" / "SEG" / "man_seg_004_002.tif", mask(2, cells=1))
    return root


def test_a_slice_is_chosen_in_words_that_say_what_the_set_holds(tmp_path, volumes, trained, capsys):
    for main, given in ((run_train.main, ("--frames", volumes)), (run_predict.main, (trained, volumes))):
        check(capsys, script(main, *given, "--out", tmp_path / "x"), "t000.tif: holds 5 slices", "--z 0 to 4",
              "--z max")
        check(capsys, script(main, *given, "--z", "5", "--out", tmp_path / "x"), "--z 5", "t000.tif holds 5 slices; it "
              "must be 0 to 4")


@pytest.mark.parametrize("z", [0, 2, 4, "max"])
def test_frames_and_truth_are_of_one_slice(volumes, z):
    lines = []
    frames, masks = find_pairs(volumes, None, lines.append, selection=Selection(z=z))
    assert [(frame.sequence, frame.number) for frame in frames] == [("t#", t) for t in range(6)]
    of_gold = [each and each.path.parent.parent.name == "01_GT" for each in masks]
    assert of_gold == [False, z == 2, False, None, False, False]
    part = SLICES - 1 if z == "max" else z              # the widest is the last
    for t, (frame, each) in enumerate(zip(frames, masks, strict=True)):
        assert read_frame(frame).min() == 10 * part + t
        if each:
            np.testing.assert_array_equal(read_values(each), mask(part))
    assert any("1 of 2 gold masks holds only some" in line and "man_seg_004_002.tif: 1 of the 3" in line
               for line in lines) == (z == 2)


def test_truth_of_other_slices_alone_is_named(tmp_path, volumes, capsys):
    for path in (volumes / "01_ST" / "SEG").iterdir():
        path.unlink()
    for z in ("3", "max"):
        check(capsys, script(run_train.main, "--frames", volumes, "--z", z, "--out", tmp_path / "x"),
              f"truth of the slices 2 alone; choose one of them by --z, not {z}")
    (volumes / "01_GT" / "TRA" / "man_track004.tif").unlink()
    lines = []
    _, masks = find_pairs(volumes, None, lines.append, selection=Selection(z=2))
    assert [bool(each) for each in masks] == [False, True, False, False, True, False]
    assert "nothing tells whether 1 gold mask (the first, " in lines[-1]


def test_pages_that_the_file_calls_time_points_are_none_of_slices(tmp_path):
    (tmp_path / "01").mkdir()
    for name, axes in (("t000.tif", "TYX"), ("t001.tif", "ZYX")):
        tifffile.imwrite(tmp_path / "01" / name, np.zeros((3, 8, 8), np.uint8), imagej=True, metadata={"axes": axes})
    assert len(find(tmp_path / "01" / "t000.tif", "--frames")) == 3
    assert len(find(tmp_path / "01" / "t001.tif", "--frames", selection=Selection(z=1))) == 1


def test_slices_are_not_taken_for_times(tmp_path, volumes, trained, capsys):
    write(volumes / "01_GT" / "SEG" / "man_seg_001_003.tif", mask(3))
    given = volumes / "01", "--masks", volumes / "01_GT" / "SEG", "--z", "2"
    for main, first in ((run_train.main, ("--frames",)), (run_predict.main, (trained,))):
        check(capsys, script(main, *first, *given, "--sparse-masks", "--out", tmp_path / "x"),
              "holds truth of single slices, such as man_seg_001_002.tif", "--z 2")
    _, masks = find_pairs(volumes / "01", volumes / "01_ST" / "SEG", sparse=True, selection=Selection(z=2))
    assert [bool(each) for each in masks] == [t != 3 for t in range(6)]
    np.testing.assert_array_equal(read_values(masks[0]), mask(2))


def test_slices_of_a_set_are_no_time_points(tmp_path, volumes, trained, capsys):
    for masks in ((), ("--masks", volumes), ("--masks", volumes / "01_ST" / "SEG")):
        for main, given in ((run_train.main, ("--frames", volumes)), (run_predict.main, (trained, volumes))):
            check(capsys, script(main, *given, *masks, "--z", "time", "--sparse-masks", "--out", tmp_path / "x"),
                  "--z time: ", "t000.tif is one time point of a set of the Cell Tracking Challenge")
            script(main, *given, *masks, "--out", tmp_path / "x")
            assert "--z time" not in capsys.readouterr().err
    moved = (volumes / "01" / "t000.tif").rename(tmp_path / "movie.tif")
    assert len(find(moved, "--frames")) == SLICES


def test_a_slice_is_trained_on_and_segmented(tmp_path, volumes, no_figures, capsys):
    out, results = tmp_path / "out", tmp_path / "results"
    assert script(run_train.main, "--frames", volumes, "--z", "2", *SMALL, "--gap", "1", "--out", out) == 0
    assert checkpoint.load(out).settings["z"] == 2
    assert script(run_predict.main, out, volumes, "--masks", volumes, "--z", "2", "--results", "challenge",
                  "--out", results) == 0
    written = sorted(path.name for path in (results / "01_RES").iterdir())
    assert written == [f"mask{t:03d}.tif" for t in range(6)]


@pytest.fixture
def undescribed(tmp_path):
    """Folders of four frames and of their masks, each a file of five pages that does not say what they are."""
    rng = np.random.default_rng(0)
    for t in range(4):
        write(tmp_path / "frames" / f"t{t:03d}.tif", *rng.integers(0, 255, (SLICES, 40, 48)).astype(np.uint8))
        write(tmp_path / "masks" / f"t{t:03d}.tif", *[mask(part) for part in range(SLICES)])
    return tmp_path / "frames", tmp_path / "masks"


def test_a_choice_of_slices_says_what_pages_are(undescribed):
    frames, masks = undescribed
    data = [tifffile.imread(path) for path in sorted(frames.iterdir())]
    for z in (0, 3, "max"):
        found, of_found = find_pairs(frames, masks, selection=Selection(z=z))
        assert [(frame.sequence, frame.number) for frame in found] == [("t#", t) for t in range(4)]
        for volume, frame, each in zip(data, found, of_found, strict=True):
            np.testing.assert_array_equal(read_frame(frame), volume.max(axis=0) if z == "max" else volume[z])
            np.testing.assert_array_equal(read_values(each), mask(SLICES - 1 if z == "max" else z))
    with pytest.raises(InputError, match=r"--z 5: .* holds 5 slices"):
        find(frames, "--frames", selection=Selection(z=5))
    assert len(find(frames / "t000.tif", "--frames", selection=Selection(z="max"))) == 1
    assert len(find(frames, "--frames")) == 20


def test_masks_of_time_points_stay_so_where_a_slice_of_frames_is_chosen(tmp_path, undescribed):
    parts = [mask(part) for part in range(4)]
    write(tmp_path / "m.tif", *parts)
    hyperstack = np.zeros((4, 3, 40, 48), np.uint8)
    tifffile.imwrite(tmp_path / "f.tif", hyperstack, imagej=True, metadata={"axes": "TZYX"})
    (undescribed[0] / "t000.tif").rename(undescribed[0] / "t004.tif")
    for frames in (tmp_path / "f.tif", undescribed[0]):
        _, masks = find_pairs(frames, tmp_path / "m.tif", selection=Selection(z=1))
        for expected, each in zip(parts, masks, strict=True):
            np.testing.assert_array_equal(read_values(each), expected)


def test_pages_that_may_be_slices_are_told_of(tmp_path, undescribed, capsys):
    frames, masks = undescribed
    said = ("note: each of 4 files holds 5 pages, taken for time points of 4 sequences; if they are slices, choose by "
            "--z\n")
    assert script(check_data.main, frames, masks, "--out", tmp_path / "c.png") == 0
    assert said in capsys.readouterr().out
    assert script(check_data.main, frames, masks, "--z", "2", "--out", tmp_path / "z.png", "--gap", "1") == 0
    assert "taken for time points" not in capsys.readouterr().out
    assert script(preprocess.main, frames, tmp_path / "p", "--size", "40") == 0
    assert said in capsys.readouterr().out
    lines = []
    describe_pages(find(frames / "t000.tif", "--frames"), lines.append)             # a time-lapse in a file
    for path in frames.iterdir():
        path.rename(path.with_name(path.name.translate(str.maketrans("0123", "abcd"))))
    describe_pages(find(frames, "--frames"), lines.append)                          # in files that nothing counts
    assert lines == []


def test_no_first_page_stands_for_a_file_of_which_no_plane_is_chosen(tmp_path, undescribed):
    frames, _ = undescribed
    tifffile.imwrite(frames / "t001.tif", np.zeros((4, 3, 40, 48), np.uint8), photometric="minisblack")
    found = find(frames, "--frames", lenient=True, selection=Selection(z=3))
    assert len(found) == 4
    with pytest.raises(InputError, match=r"t001\.tif: its axes 4 \(Q\) x 3 \(Q\) are not"):
        read_frame(found[1])
    with pytest.raises(InputError, match=r"t000\.tif: holds several planes, and none of them is chosen"):
        read_size(replace(found[0], planes=()))             # as a volume of markers would be for a mask of one plane


def test_no_preview_stands_for_the_page_behind_it(tmp_path):
    data = np.arange(48, dtype=np.uint8).reshape(6, 8)
    with tifffile.TiffWriter(tmp_path / "f.tif") as writer:
        writer.write(data[::2, ::2], subfiletype=1, metadata=None, contiguous=False)
        writer.write(data, metadata=None, contiguous=False)
    frame, = find(tmp_path / "f.tif", "--frames")
    assert read_size(frame) == (6, 8)
    np.testing.assert_array_equal(read_frame(frame), data)
