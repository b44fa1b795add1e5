"""Sets in the layout of the Cell Tracking Challenge: found, trained on, segmented, and written back."""

import csv
import json
import shutil

import numpy as np
import pytest
from pictures import stack
from PIL import Image
from refusals import SMALL, check, contents, script

import run_predict
import run_train
from stemnet_ref import sample
from stemnet_ref.data import preprocess
from stemnet_ref.data.discovery import challenge
from stemnet_ref.data.frames import find
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError
from stemnet_ref.pictures import number_cells
from stemnet_ref.training import checkpoint


@pytest.fixture
def challenge_set(tmp_path):
    """Two sequences cut from the sample: silver truth of most frames, gold truth of some."""
    root = tmp_path / "BF-C2DL-Sample"
    for name, field, count in (("01", 1, 8), ("02", 2, 5)):
        for part in (name, f"{name}_GT/SEG", f"{name}_ST/SEG", f"{name}_GT/TRA"):
            (root / part).mkdir(parents=True)
        for t in range(count):
            stem = f"t98g_field{field}_{t + 1:02d}.png"
            frame, mask = (np.asarray(Image.open(folder / stem))[:96, :96] for folder in (sample.FRAMES, sample.MASKS))
            Image.fromarray(frame).save(root / name / f"t{t:03d}.tif")
            cell = (mask > 0).astype(np.uint16)
            if t != 3:
                Image.fromarray(cell * np.uint16(2)).save(root / f"{name}_ST" / "SEG" / f"man_seg{t:03d}.tif")
            if t in (2, 5):
                Image.fromarray(cell * np.uint16(300)).save(root / f"{name}_GT" / "SEG" / f"man_seg{t:03d}.tif")
            Image.fromarray(cell).save(root / f"{name}_GT" / "TRA" / f"man_track{t:03d}.tif")
    return root


def test_gold_truth_before_silver_and_none_where_there_is_neither(challenge_set):
    frames, masks = find_pairs(challenge_set, None)
    assert [frame.sequence for frame in frames] == ["01/t#"] * 8 + ["02/t#"] * 5
    names = [mask and f"{mask.path.parent.parent.name}/{mask.path.name}" for mask in masks]
    assert names[:8] == ["01_ST/man_seg000.tif", "01_ST/man_seg001.tif", "01_GT/man_seg002.tif", None,
                         "01_ST/man_seg004.tif", "01_GT/man_seg005.tif", "01_ST/man_seg006.tif", "01_ST/man_seg007.tif"]
    assert names[8:] == ["02_ST/man_seg000.tif", "02_ST/man_seg001.tif", "02_GT/man_seg002.tif", None,
                         "02_ST/man_seg004.tif"]
    assert find_pairs(challenge_set, challenge_set) == (frames, masks)
    one, of_one = find_pairs(challenge_set / "02", None)
    assert [frame.path for frame in one] == [frame.path for frame in frames[8:]]
    assert [mask and mask.path for mask in of_one] == [mask and mask.path for mask in masks[8:]]


@pytest.mark.parametrize("silver", [True, False])
def test_markers_that_are_cut_off_do_not_make_gold_truth_whole(challenge_set, silver):
    root, told = challenge_set, []
    gold, markers = (root / "01_GT" / part for part in ("SEG/man_seg002.tif", "TRA/man_track002.tif"))
    one = np.asarray(Image.open(gold)).copy()
    one[40:] = 0
    Image.fromarray(one).save(gold)
    markers.write_bytes(markers.read_bytes()[:-200])
    if not silver:
        (root / "01_ST" / "SEG" / "man_seg002.tif").unlink()
    with pytest.raises(InputError, match="man_track002"):
        find_pairs(root, None)
    _, masks = find_pairs(root, None, told.append, lenient=True)
    assert (masks[2] and masks[2].path.parent.parent.name) == ("01_ST" if silver else None)
    assert any(line.startswith(f"warning: {markers}") for line in told)


def test_other_masks_can_be_named(challenge_set):
    _, masks = find_pairs(challenge_set / "01", challenge_set / "01_ST" / "SEG", sparse=True)
    assert [mask is None for mask in masks] == [t == 3 for t in range(8)]
    assert {mask.path.parent.parent.name for mask in masks if mask} == {"01_ST"}


def test_a_folder_of_another_layout_is_none(tmp_path, challenge_set):
    assert challenge.sequences(challenge_set / "01_ST" / "SEG") == []
    lonely = tmp_path / "05"
    lonely.mkdir()
    Image.new("L", (8, 8)).save(lonely / "t000.tif")                        # no truth beside it
    assert challenge.sequences(lonely) == []
    assert len(find(lonely, "--frames")) == 1


def test_frames_without_truth_are_neighbours_only(tmp_path, challenge_set, no_figures, capsys):
    out = tmp_path / "out"
    assert script(run_train.main, "--frames", challenge_set, "--channels", "3", *SMALL, "--out", out) == 0
    assert ("13 frames of 2 sequences: 7 to train on, 4 to validate on, 2 without a mask, seen as neighbours only"
            in capsys.readouterr().out)
    config = json.loads((out / "config.json").read_text())
    assert config["training_frames"] == [f"01_t{t:03d}" for t in (0, 1, 2, 4, 5, 6, 7)]
    assert config["validation_frames"] == [f"02_t{t:03d}" for t in (0, 1, 2, 4)]
    assert config["masks"] is None
    assert script(run_train.main, "--resume", "--epochs", "2", "--out", out) == 0
    moved = challenge_set.rename(tmp_path / "moved")
    assert script(run_train.main, "--resume", "--epochs", "3", "--out", out) == 2
    assert "no longer at" in capsys.readouterr().err
    assert script(run_train.main, "--resume", "--epochs", "3", "--frames", moved, "--out", out) == 0


def test_results_are_written_as_the_evaluation_reads_them(tmp_path, challenge_set, trained, capsys):
    before = contents(challenge_set)
    assert script(run_predict.main, trained, challenge_set, "--masks", challenge_set, "--results", "challenge",
                  "--out", tmp_path / "res") == 0
    written = contents(tmp_path / "res")
    assert {str(path) for path in written} == {
        "metrics.csv", "roc.csv",
        *(f"01_RES/mask{t:03d}.tif" for t in range(8)), *(f"02_RES/mask{t:03d}.tif" for t in range(5))}
    assert script(run_predict.main, trained, challenge_set, "--out", tmp_path / "pictures") == 0
    for name, t in (("01", 0), ("02", 4)):
        result = Image.open(tmp_path / "res" / f"{name}_RES" / f"mask{t:03d}.tif")
        assert result.mode == "I;16"
        cells = np.asarray(result)
        np.testing.assert_array_equal(cells > 0, np.asarray(Image.open(
            tmp_path / "pictures" / f"{name}_t{t:03d}_mask.png")) > 0)
    with open(tmp_path / "res" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows][:4] == ["01_t000", "01_t001", "01_t002", "01_t004"]       # those with truth
    assert contents(challenge_set) == before


def test_cells_are_numbered_where_they_are_connected():
    mask = np.zeros((6, 8), bool)
    mask[0, 0] = mask[1, 1] = mask[4:, 3:5] = mask[0, 6:] = True
    cells = number_cells(mask, "t000.tif")
    assert cells.dtype == np.uint16
    np.testing.assert_array_equal(cells > 0, mask)
    assert cells[0, 0] == cells[1, 1]
    assert len({int(cells[at]) for at in ((0, 0), (4, 3), (0, 7))}) == cells.max() == 3


def test_more_cells_than_16_bits_number_are_refused():
    mask = np.zeros((600, 600), bool)
    mask[::2, ::2] = True
    with pytest.raises(ValueError, match="90000 cells are more than 16 bits can number"):
        number_cells(mask, "t000.tif")


def test_numbers_keep_their_digits_after_preprocessing(tmp_path, challenge_set, trained):
    for t in range(5):
        (challenge_set / "02" / f"t{t:03d}.tif").rename(challenge_set / "02" / f"t{t + 997:04d}.tif")
        for kind in ("GT", "ST"):
            path = challenge_set / f"02_{kind}" / "SEG" / f"man_seg{t:03d}.tif"
            if path.exists():
                path.rename(path.with_name(f"man_seg{t + 997:04d}.tif"))
    ready = tmp_path / "ready"
    assert script(preprocess.main, challenge_set, ready, "--size", "64") == 0
    assert len(list((ready / "masks").iterdir())) == 11                     # the set brings its truth
    names = {f"02_RES/mask{t:04d}.tif" for t in range(997, 1002)} | {f"01_RES/mask{t:03d}.tif" for t in range(8)}
    for frames in (ready / "frames", challenge_set):
        assert script(run_predict.main, trained, frames, "--results", "challenge", "--out", tmp_path / "res") == 0
        assert {str(path) for path in contents(tmp_path / "res")} == names
        shutil.rmtree(tmp_path / "res")


def test_results_are_written_over_nothing(tmp_path, challenge_set, trained, capsys):
    shutil.copytree(challenge_set, tmp_path / "twice" / "a")
    shutil.copytree(challenge_set, tmp_path / "twice" / "b")
    status = script(run_predict.main, trained, str(tmp_path / "twice" / "*" / "01" / "*.tif"), "--results", "challenge",
                    "--out", tmp_path / "res")
    check(capsys, status, "would both be written as", "mask000.tif")
    (tmp_path / "res" / "01_RES").mkdir(parents=True)
    (tmp_path / "res" / "01_RES" / "mask000.tif").write_bytes(b"another program's")
    before = contents(tmp_path / "res")
    status = script(run_predict.main, trained, challenge_set, "--results", "challenge", "--out", tmp_path / "res")
    check(capsys, status, "01_RES holds results already")
    assert contents(tmp_path / "res") == before


def test_the_truth_of_another_set_is_refused(tmp_path, challenge_set, trained, capsys):
    other = tmp_path / "other"
    shutil.copytree(challenge_set, other)
    status = script(run_train.main, "--frames", challenge_set, "--masks", other, "--out", tmp_path / "x")
    check(capsys, status, f"--masks {other}: another set")
    status = script(run_predict.main, trained, challenge_set, "--masks", other, "--out", tmp_path / "x")
    check(capsys, status, f"--masks {other}: has no truth of 01_t000")


@pytest.mark.parametrize(("frames", "expected"), [
    (["a/t_01.png", "a/t_02.png", "b/t_01.png"],
     ["01_RES/mask001.tif", "01_RES/mask002.tif", "02_RES/mask001.tif"]),
])
def test_frames_of_other_layouts_have_results_too(tmp_path, trained, frames, expected):
    for name in frames:
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16)).save(tmp_path / "f" / name)
    assert script(run_predict.main, trained, str(tmp_path / "f" / "*" / "*.png"), "--results", "challenge",
                  "--out", tmp_path / "res") == 0
    assert sorted(str(path) for path in contents(tmp_path / "res")) == expected


def test_sets_that_cannot_be_used_are_named(tmp_path, challenge_set, trained, capsys):
    check(capsys, script(run_predict.main, trained, challenge_set, "--results", "ctc", "--out", tmp_path / "x"),
            "--results ctc: must be one of pictures, challenge")
    for kind in ("GT", "ST"):
        for name in ("01", "02"):
            for path in (challenge_set / f"{name}_{kind}" / "SEG").iterdir():
                path.unlink()
    check(capsys, script(run_train.main, "--frames", challenge_set, "--out", tmp_path / "x"), "without truth")
    check(capsys, script(run_train.main, "--frames", challenge_set / "01_GT" / "TRA", "--out", tmp_path / "x"),
            "--masks: missing beside --frames")


def test_a_frame_without_a_mask_names_the_option_for_it(tmp_path, pair, capsys):
    (pair[1] / "t_03.png").unlink()
    given = "--frames", pair[0], "--masks", pair[1], *SMALL
    check(capsys, script(run_train.main, *given, "--out", tmp_path / "x"), "t_03.png", "--sparse-masks")
    assert script(run_train.main, *given, "--sparse-masks", "--out", tmp_path / "x") == 0
    assert "1 without a mask" in capsys.readouterr().out
    assert checkpoint.load(tmp_path / "x").settings["sparse_masks"] is True
    Image.new("L", (48, 40)).save(pair[1] / "t_77.png")
    check(capsys, script(run_train.main, *given, "--sparse-masks", "--out", tmp_path / "y"),
          "6 frames and 6 masks; 1 mask is of a frame that was not given (the first, ", "t_77.png); if the pairs from "
          "t_01 with t_01 to t_06 with t_06 are right, name only the masks of these frames")


def test_pairs_are_named_where_pages_are_left_over(tmp_path, no_figures, capsys):
    rng = np.random.default_rng(0)
    stack(tmp_path / "movie.tif", rng.integers(0, 256, (20, 40, 48)).astype(np.uint8))
    masks = np.zeros((10, 40, 48), np.uint8)
    masks[:, 5:20, 5:20] = 1
    stack(tmp_path / "truth.tif", masks)
    given = "--frames", tmp_path / "movie.tif", "--masks", tmp_path / "truth.tif", *SMALL
    pairs = "from movie_0001 with truth_0001 to movie_0010 with truth_0010"
    check(capsys, script(run_train.main, *given, "--out", tmp_path / "x"), "no mask belongs to ", "page 11 and 9 more; "
          "give masks as files whose numbers are those of their pages, from 1", f"if the pairs {pairs} are right")
    assert script(run_train.main, *given, "--sparse-masks", "--out", tmp_path / "x") == 0
    assert f"note: frames and masks were paired by their names, {pairs}\n" in capsys.readouterr().out
    (tmp_path / "truth").mkdir()
    for page in range(10):
        Image.fromarray(masks[page]).save(tmp_path / "truth" / f"m{page + 11}.png")
    given = *given[:3], tmp_path / "truth", *SMALL
    assert script(run_train.main, *given, "--sparse-masks", "--out", tmp_path / "y") == 0
    assert "by their numbers, from movie_0011 with m11 to movie_0020 with m20" in capsys.readouterr().out


def test_results_of_frames_that_are_named_by_times_are_counted(tmp_path):
    for clock in ("09-00-00", "09-10-01", "09-30-00", "09-40-00", "09-50-00"):
        Image.new("L", (4, 4)).save(tmp_path / f"2017-03-04_{clock}.tif")
    paths = challenge.result_paths(tmp_path / "out", find(tmp_path, ""))
    assert [path.name for path in paths.values()] == [f"mask00{number}.tif" for number in (0, 1, 3, 4, 5)]
