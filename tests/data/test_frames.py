"""Finding, numbering and pairing frames; five-frame windows; the split."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import made, sequence, stack, touch

from stemnet_ref.data.discovery.sequences import gaps, window_indices
from stemnet_ref.data.frames import Frame, find, find_neighbours
from stemnet_ref.data.pairing import mask_of, pair
from stemnet_ref.data.split import split
from stemnet_ref.errors import InputError
from stemnet_ref.training.settings import Settings


def test_numbers_are_sorted_as_numbers_and_name_the_sequence(tmp_path):
    touch(tmp_path, "frame2009_1_10.png", "frame2009_1_9.png", "frame2009_2_1.png", "frame2010_1_3.png")
    frames = find(tmp_path, "--frames")
    assert [frame.path.name for frame in frames] == ["frame2009_1_9.png", "frame2009_1_10.png", "frame2009_2_1.png",
                                                     "frame2010_1_3.png"]
    assert [(frame.sequence, frame.number) for frame in frames] == [
        ("frame2009_1_#", 9), ("frame2009_1_#", 10), ("frame2009_2_#", 1), ("frame2010_1_#", 3)]
    assert frames[0].numbers == (2009, 1, 9)


def test_the_frame_number_is_the_last_that_differs(tmp_path):
    touch(tmp_path, "t001_ch0.tif", "t002_ch0.tif", "t010_ch0.tif")
    assert [(frame.sequence, frame.number) for frame in find(tmp_path, "--frames")] == [
        ("t#_ch0", 1), ("t#_ch0", 2), ("t#_ch0", 10)]


@pytest.mark.parametrize(("names", "sequence", "numbers"), [
    (["frame2009_1_2.png", "frame2010_1_2.png"], "frame#_1_2", [2009, 2010]),
    ([f"frame2009_{n}_1.png" for n in (1, 2, 3)], "frame2009_#_1", [1, 2, 3])])
def test_the_only_number_that_differs_is_the_frames(tmp_path, names, sequence, numbers):
    frames = find(touch(tmp_path, *names), "--frames")
    assert [(frame.sequence, frame.number) for frame in frames] == [(sequence, number) for number in numbers]


def test_sequences_of_one_frame_each_stay_apart(tmp_path):
    frames = find(touch(tmp_path, "frame2009_1_2.png", "frame2010_1_3.png", "frame2011_1_1.png"), "--frames")
    assert [(frame.sequence, frame.number) for frame in frames] == [
        ("frame2009_1_#", 2), ("frame2010_1_#", 3), ("frame2011_1_#", 1)]


def test_folder_glob_file_and_stack(tmp_path):
    touch(tmp_path, "a1.png", "a2.TIF", "b1.tiff", ".hidden1.png", "notes.txt.png")
    (tmp_path / "readme.txt").write_text("no picture")
    stack(tmp_path / "movie.tif", [np.zeros((2, 2), np.uint16)] * 3)
    assert len(find(tmp_path, "--frames")) == 4 + 3
    assert len(find(str(tmp_path / "a*"), "--frames")) == 2
    assert len(find(tmp_path / "a1.png", "--frames")) == 1
    pages = find(tmp_path / "movie.tif", "--frames")
    assert [(frame.sequence, frame.number, frame.page, frame.name) for frame in pages] == [
        ("movie", 1, 0, "movie_0001"), ("movie", 2, 1, "movie_0002"), ("movie", 3, 2, "movie_0003")]


def test_glob_over_folders_keeps_their_sequences_apart(tmp_path):
    touch(tmp_path, "01/t000.png", "01/t001.png", "02/t000.png", "01_GT/SEG/man_seg000.png", "01_GT/SEG/man_seg001.png",
          "02_GT/SEG/man_seg000.png")
    frames = find(str(tmp_path / "0?/*.png"), "--frames")
    assert [(frame.sequence, frame.number, frame.name) for frame in frames] == [
        ("01/t#", 0, "01_t000"), ("01/t#", 1, "01_t001"), ("02/t#", 0, "02_t000")]
    masks = pair(frames, find(str(tmp_path / "0?_GT/SEG/*.png"), "--masks"))
    assert [mask.numbers for mask in masks] == [(1, 0), (1, 1), (2, 0)]


@given(st.permutations(range(6)))
def test_masks_are_paired_by_number_whatever_their_order(order):
    frames = made(*range(6))
    masks = [Frame(Path(f"m{n}.png"), None, f"m{n}", "m", n, (n,)) for n in order]
    assert [mask.number for mask in pair(frames, masks)] == list(range(6))


def test_pairing_by_all_numbers_by_name_and_by_frame_number(tmp_path):
    f, m = touch(tmp_path / "f", "frame2009_1_2.png", "frame2010_1_2.png"), touch(
        tmp_path / "m", "mask2010_1_2.png", "mask2009_1_2.png")
    assert [mask.path.name for mask in pair(find(f, ""), find(m, ""))] == ["mask2009_1_2.png", "mask2010_1_2.png"]
    f, m = touch(tmp_path / "f2", "ctrl_1.png", "drug_1.png"), touch(tmp_path / "m2", "drug_1.png", "ctrl_1.png")
    assert [mask.path.name for mask in pair(find(f, ""), find(m, ""))] == ["ctrl_1.png", "drug_1.png"]
    f = touch(tmp_path / "f4", "F_t3_phase.png", "G_t3_phase.png")
    m = touch(tmp_path / "m4", "G_t3_mask.png", "F_t3_mask.png")
    assert [mask.path.name for mask in pair(find(f, ""), find(m, ""))] == ["F_t3_mask.png", "G_t3_mask.png"]
    touch(tmp_path / "data", *(f"{group}/{kind}/t_{n}.png" for group in ("ctrl", "drug") for kind in ("f", "m")
                               for n in (1, 2)))
    frames, masks = (find(str(tmp_path / "data" / "*" / kind / "*.png"), "") for kind in ("f", "m"))
    assert [(f.path.parent.parent.name, f.number) for f in frames] == [
        (m.path.parent.parent.name, m.number) for m in pair(frames, masks)]
    f, m = touch(tmp_path / "f3", "exp7_t1.png", "exp7_t2.png"), touch(tmp_path / "m3", "mask02.png", "mask01.png")
    assert [mask.path.name for mask in pair(find(f, ""), find(m, ""))] == ["mask01.png", "mask02.png"]


def test_masks_numbered_from_0_are_not_paired_with_frames_from_1(tmp_path):
    f = touch(tmp_path / "f", *(f"t{n:02d}.png" for n in range(1, 5)))
    m = touch(tmp_path / "m", *(f"id_masks_{n:02d}.png" for n in range(4)))
    with pytest.raises(InputError, match=r"no mask belongs to .*t04\.png, no frame belongs to .*id_masks_00"):
        pair(find(f, ""), find(m, ""))


@pytest.mark.parametrize(("frames", "masks", "culprit"), [
    (["t1.png", "t2.png", "t3.png"], ["t1.png", "t3.png"], r"t2\.png"),
    (["t1.png"], ["t1.png", "t2.png"], r"1 frame and 2 masks; 1 mask is of a frame that was .*t2\.png"),
    (["a_1.png", "b_1.png"], ["c_1.png", "d_1.png"], r"a_1\.png and .*b_1\.png have the same numbers"),
])
def test_what_cannot_be_paired_is_named(tmp_path, frames, masks, culprit):
    frames, masks = touch(tmp_path / "frames", *frames), touch(tmp_path / "masks", *masks)
    with pytest.raises(InputError, match=culprit):
        pair(find(frames, "--frames"), find(masks, "--masks"))


def test_two_files_for_one_frame_are_refused(tmp_path):
    touch(tmp_path, "t1.png", "t01.png")
    with pytest.raises(InputError, match="both frame 1"):
        find(tmp_path, "--frames")


def test_windows_hold_the_real_neighbours_and_repeat_the_ends():
    np.testing.assert_array_equal(window_indices(made(1, 2, 3, 4), 5),
                                  [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3, 3, 3]])
    np.testing.assert_array_equal(window_indices(made(1, 2), 1), [[0], [1]])


def test_windows_do_not_cross_sequences():
    frames = made(1, 2) + made(3, 4, sequence="z")
    np.testing.assert_array_equal(window_indices(frames, 3), [[0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 3]])


def test_windows_over_a_hole_repeat_the_nearest_on_the_way():
    np.testing.assert_array_equal(window_indices(made(1, 2, 4, 5), 5)[1], [0, 0, 1, 1, 2])      # 0, 1, 2, 3, 4
    assert gaps(made(1, 2, 4, 5)) == [("s", 1, "3")]
    assert gaps(made(1, 2, 3)) == []


def test_windows_follow_the_sequences_own_step():
    np.testing.assert_array_equal(window_indices(made(0, 5, 10, 15), 3), [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]])
    assert gaps(made(0, 5, 10, 15)) == []


@given(st.lists(st.integers(0, 30), min_size=1, max_size=15, unique=True), st.sampled_from([1, 3, 5, 7]))
def test_windows_are_centred_and_in_order(numbers, channels):
    frames = made(*sorted(numbers))
    windows = window_indices(frames, channels)
    np.testing.assert_array_equal(windows[:, channels // 2], range(len(frames)))
    assert np.all(np.diff(windows, axis=1) >= 0)


def test_a_single_file_finds_its_neighbours_in_its_folder(tmp_path):
    frames, _ = sequence(tmp_path, 5)
    chosen, around = find_neighbours(frames / "t_03.png", "FRAMES", 5)
    assert [frame.number for frame in chosen] == [3]
    assert [frame.number for frame in around] == [1, 2, 3, 4, 5]
    assert chosen[0] == around[2]
    (frames / "other.png").write_text("a file beside it that is no picture does not matter")
    assert len(find_neighbours(frames / "t_03.png", "FRAMES", 5)[1]) == 5
    assert find_neighbours(frames / "t_03.png", "FRAMES", 1)[1] == find(frames / "t_03.png", "FRAMES")


def test_a_pipe_is_no_picture(tmp_path):
    pipe = tmp_path / "a.png"
    os.mkfifo(pipe)
    script = ("import sys; from stemnet_ref.data.frames import find; from stemnet_ref.errors import InputError\n"
              "try: find(sys.argv[1], '--frames', lenient=True)\nexcept InputError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", script, pipe], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"{pipe}: is a pipe or a device, not a file; ")


def parts_of(frames, validation, gap):
    """Return the indices of the training, the validation and the left-out frames, all of which have masks."""
    return split(frames, [True] * len(frames), Settings(validation=validation, gap=gap, channels=5))[:3]


def test_split_takes_whole_sequences_where_there_are_several():
    frames = made(*range(6)) + made(*range(3), sequence="t") + made(*range(2), sequence="u")
    training, validation, left_out = parts_of(frames, 0.2, 5)
    assert (list(training), list(validation), list(left_out)) == ([*range(9)], [9, 10], [])
    training, validation, _ = parts_of(frames, 0.9, 5)
    assert (len(training), len(validation)) == (6, 5)
    training, validation, _ = parts_of(made(*range(2)) + made(*range(100), sequence="t"), 0.2, 5)
    assert (len(training), list(validation)) == (100, [0, 1])


def test_split_of_one_sequence_leaves_a_gap_and_loses_nothing():
    training, validation, left_out = parts_of(made(*range(1, 11)), 0.2, 1)
    assert (list(training), list(left_out), list(validation)) == ([0, 1, 2, 3, 4, 5, 6], [7], [8, 9])


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 6))
def test_split_covers_every_frame_once(count, fraction, gap):
    frames = made(*range(count))
    if max(1, round(fraction * count)) + gap >= count:
        with pytest.raises(InputError, match="too short"):
            parts_of(frames, fraction, gap)
        return
    training, validation, left_out = parts_of(frames, fraction, gap)
    assert sorted([*training, *validation, *left_out]) == list(range(count))
    assert len(training)
    assert len(validation)
    assert len(left_out) == gap


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.sampled_from([1, 3, 5, 9]))
def test_the_gap_that_is_chosen_fits(count, fraction, channels):
    frames = made(*range(count))
    try:
        training, validation, _, gap, _ = split(frames, [True] * count,
                                                Settings(validation=fraction, channels=channels))
    except InputError:
        with pytest.raises(InputError, match="too short"):                  # the least gap leaves none
            parts_of(frames, fraction, channels // 2)
        return
    assert channels // 2 <= gap <= channels
    windows = window_indices(frames, channels)
    assert not set(windows[training].ravel()) & set(validation.tolist())
    if gap > channels // 2:
        assert 3 * len(training) >= 2 * count
    if gap < channels:                                                      # one more leaves less than two thirds
        assert 3 * (len(training) - 1) < 2 * count


def test_the_gap_that_is_chosen_is_said():
    def divided(count, channels, **options):
        settings = Settings.from_options({"channels": channels, **options})
        return split(made(*range(count)), [True] * count, settings)

    training, validation, left_out, gap, note = divided(10, 5)
    assert gap == 2
    assert (len(training), len(validation), len(left_out)) == (6, 2, 2)
    assert note == ("note: --gap 2 was chosen, because 5, the width of the network's window, would leave only 3 of 10 "
                    "frames to train on")
    assert [len(part) for part in divided(6, 5)[:3]] == [3, 1, 2]
    assert [len(part) for part in divided(30, 5)[:3]] == [20, 6, 4]
    assert divided(60, 5)[4] is divided(10, 1)[4] is divided(30, 5, gap=5)[4] is None
    with pytest.raises(InputError, match="no frame has a mask"):
        split(made(1, 2), [None, None], Settings())


def test_whole_sequences_need_no_gap():
    assert split(made(1, 2) + made(1, 2, sequence="t"), [True] * 4, Settings(channels=5)).gap == 5


@pytest.mark.parametrize("kind", ["folder", "hidden", "glob", "path"])
def test_nothing_found_is_named(tmp_path, kind):
    if kind == "hidden":
        touch(tmp_path, "._t1.png")
    where, culprit = {"folder": (tmp_path, "no PNG or TIFF"),
                      "hidden": (tmp_path, "no PNG or TIFF"),
                      "glob": (f"{tmp_path}/*.png", "no file matches"),
                      "path": (tmp_path / "absent", "no such file")}[kind]
    with pytest.raises(InputError, match=culprit) as error:
        find(where, "--frames")
    assert str(error.value).startswith("--frames ")


def test_an_empty_path_is_no_folder():
    with pytest.raises(InputError, match="--frames: the path is empty"):
        find("", "--frames")


def test_one_frame_finds_its_mask_in_a_folder_of_masks(tmp_path):
    frames, masks = sequence(tmp_path, 4)
    (frame,) = find(frames / "t_02.png", "")
    assert mask_of(frame, find(masks, "")).path == masks / "t_02.png"
    (masks / "t_02.png").unlink()
    with pytest.raises(InputError, match=r"none of the 3 masks .*t_02\.png"):
        mask_of(frame, find(masks, ""))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True), st.integers(1, 9))
def test_other_numbers_are_never_taken_for_the_same(numbers, shift):
    frames = made(*sorted(numbers), sequence="frame_1_")
    masks = made(*sorted(number + shift for number in numbers), sequence="mask_1_")
    with pytest.raises(InputError, match=r"no (mask|frame) belongs to"):
        pair(frames, masks)
