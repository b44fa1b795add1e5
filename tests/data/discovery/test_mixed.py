"""Masks that lie among the frames of one folder are told by their names, and never taken for frames."""

import glob
import shlex
from pathlib import Path

import pytest
from PIL import Image
from refusals import SMALL, check, script

import run_predict
import run_train
from stemnet_ref.data import preprocess
from stemnet_ref.data.discovery.mixed import masks_among


@pytest.mark.parametrize(("frame", "mask"), [
    ("t1.png", "t1_mask.png"), ("t1.png", "t1_seg.png"), ("t1.png", "t1_label.tif"), ("t1.tif", "t1_cp_masks.png"),
    ("t1.png", "t1-mask.png"), ("t1.png", "mask_t1.png"), ("img_001.png", "mask_001.png"), ("frame.png", "mask.png"),
    ("a_raw.png", "a_seg.png"), ("t1.png", "t1mask.png"), ("wt 3.png", "wt 3 Mask.png"),
    ("t1_ch0.png", "t1_mask_ch0.png")])
def test_masks_are_known_by_their_names(frame, mask):
    files = [Path("d") / frame, Path("d") / mask]
    assert masks_among(files) == {files[1]: files[0]}


@pytest.mark.parametrize("names", [
    ["t1.png", "t2.png"], ["t1_mask.png", "t2_mask.png"], ["wt_1.png", "gt_1.png"], ["dapi_1.png", "label_1.png"],
    ["t1.png", "t2_mask.png"], ["e/t1.png", "f/t1_mask.png"], ["masking_1.png", "1.png"]])
def test_other_names_are_no_masks_of_frames(names):
    assert masks_among([Path("d") / name for name in names]) == {}


def mix(pair, name):
    """Move the masks among the frames under other names; return the folder."""
    for path in pair[1].iterdir():
        path.rename(pair[0] / name.format(path.stem))
    return pair[0]


def patterns(error):
    """Return the patterns that a message names, as a shell would take them."""
    return [word for word in shlex.split(error[error.index("name the frames by"):].replace(",", " ")) if "/" in word]


@pytest.mark.parametrize("name", ["{}_mask.png", "{}_cp_masks.png", "mask_{}.png", "{}-seg.png"])
def test_the_message_names_patterns_that_work(tmp_path, pair, capsys, no_figures, name):
    folder = mix(pair, name)
    for options in ((), ("--masks", folder)):
        status = script(run_train.main, "--frames", folder, *options, *SMALL, "--out", tmp_path / "x")
        check(capsys, status, f"--frames {folder}: holds frames and masks", "t_01.png with " + name.format("t_01"))
    script(run_train.main, "--frames", folder, "--out", tmp_path / "x")
    frames, masks = patterns(capsys.readouterr().err)
    assert len(glob.glob(frames)) == len(glob.glob(masks)) == 6
    assert script(run_train.main, "--frames", frames, "--masks", masks, *SMALL, "--out", tmp_path / "out") == 0
    check(capsys, script(run_train.main, "--frames", frames, "--masks", folder, "--out", tmp_path / "x"),
          f"--masks {folder}: holds frames and masks")


def test_frames_whose_names_end_in_letters_have_a_pattern_too(tmp_path, capsys):
    for name in ("a.png", "b.png", "a_mask.png", "b_mask.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    check(capsys, script(run_train.main, "--frames", tmp_path, "--out", tmp_path / "x"), f"'{tmp_path}/*[!k].png'",
          f"'{tmp_path}/*_mask.png'")
    for name in ("k.png", "k_mask.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    check(capsys, script(run_train.main, "--frames", tmp_path, "--out", tmp_path / "x"),
          "move the masks into a folder of their own")


def test_masks_are_not_segmented(tmp_path, pair, trained, capsys):
    folder = mix(pair, "{}_seg.png")
    out = tmp_path / "out"
    for frames in (folder, folder / "*.png"):
        check(capsys, script(run_predict.main, trained, frames, "--out", out), f"FRAMES {frames}: holds frames and")
    check(capsys, script(preprocess.main, folder, out), f"RAW {folder}: holds frames and masks")
    assert not out.exists()
    assert script(run_predict.main, trained, folder / "t_02.png", "--out", out) == 0
    assert [path.name for path in out.glob("*_mask.png")] == ["t_02_mask.png"]
