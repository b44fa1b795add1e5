"""The order of frames in their sequences, gaps, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pictures import made, sequence, touch

from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.data.discovery.sequences import describe_gaps, describe_sequences, gaps, time_indices, window_indices
from stemnet_ref.data.frames import Frame, find, find_neighbours
from stemnet_ref.errors import InputError


def timed(*minutes):
    return [Frame(Path(f"{m}.png"), None, f"at{m}min", "at#", round(m * 60 * 10 ** 6), (m,), True) for m in minutes]


def test_times_that_are_a_little_late_are_neighbours():
    frames = timed(0, 10.2, 20, 30.1, 40.4, 50)
    assert time_indices(frames) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(window_indices(frames, 3), [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5],
                                                              [4, 5, 5]])
    assert describe_gaps(frames) is None


def test_two_pictures_of_nearly_one_time_are_no_step():
    assert time_indices(timed(0, 10, 20.2, 20.4, 30.3, 40, 40.2)) == [0, 1, 2, 3, 4, 5, 6]


def test_a_missing_time_is_named_by_the_frames_around_it():
    frames = timed(0, 10, 30, 40, 50)
    np.testing.assert_array_equal(window_indices(frames, 3)[1], [0, 1, 1])
    assert describe_gaps(frames) == "1 frame missing in sequence at#: 1 between at10min and at30min"


def test_gaps_of_many_sequences_take_one_line():
    wells = [frame for well in range(30) for frame in made(1, 2, 4, sequence=f"w{well}_#")]
    assert describe_gaps(wells + made(1, 2, 3)) == (
        "1 frame number missing in sequence w0_#, # being the number: 3; 29 more sequences with gaps")


@pytest.mark.parametrize("far", [300_000_000, 10 ** 15, 10 ** 29])
def test_numbers_far_apart_take_no_memory(far):
    assert gaps(made(1, 2, far)) == [("s", far - 3, f"3 to {far - 1}")]
    assert gaps(made(1, far)) == []
    np.testing.assert_array_equal(window_indices(made(1, 2, far), 5)[2], [2, 2, 2, 2, 2])


def test_gaps_are_told_as_ranges():
    assert gaps(made(1, 2, 4, 8, 20, 21, 22)) == [("s", 15, "3, 5, 6, 7, 9 to 19")]
    assert gaps(made(0, 5, 10, 35, 45, 50)) == [("s", 5, "15 to 30, 40")]


@given(st.lists(st.integers(0, 60), min_size=2, max_size=30, unique=True))
def test_gaps_count_what_is_missing(numbers):
    numbers = sorted({*numbers, 100, 101, 102} | {*range(200, 230)})            # the step is 1
    (_, count, _), = gaps(made(*numbers))
    assert count == numbers[-1] - numbers[0] + 1 - len(numbers)


def test_many_frames_with_a_wide_window_are_quick():
    windows = window_indices(made(*range(10_000)), 99)
    np.testing.assert_array_equal(windows[5000], range(4951, 5050))


def test_sequences_shorter_than_the_window_are_warned_of():
    lines = []
    describe_sequences(made(1, 2, 3, 4, 5) + made(1, 2, sequence="z") + made(1, sequence="y"), 5, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("warning: 2 of 3 sequences have fewer frames than the network sees at once, 5: y has 1;")
    assert "--pattern" in lines[0]
    assert "--channels 1" in lines[0]
    describe_sequences(made(1, 2, 3, 4, 5), 5, lines.append)
    describe_sequences(made(1), 1, lines.append)
    assert len(lines) == 1


def test_numbers_that_rise_together_are_told(tmp_path):
    lines = []
    names = [f"{{}}/img_{at:04d}_2017-03-04_{9 + at:02d}-00-17.png" for at in range(5)]
    describe_sequences(find(touch(tmp_path / "a", *(name.format(".") for name in names)), ""), 5, lines.append)
    assert lines == ["note: the numbers in place of # in sequence img_#_# are read as one frame number; if that is "
                     "wrong, give --pattern"]
    wells = touch(tmp_path / "b", *(name.format(f"w{well}") for well in range(30) for name in names))
    describe_sequences(find(str(wells / "*" / "*.png"), ""), 5, lines.append)
    assert lines[1:] == [lines[0].replace("img_#_#", "w0/img_#_# and 29 more")]


@pytest.mark.parametrize(("names", "words"), [
    (["exp1_z0", "exp1_z1"], "z in sequence exp1_z#"),
    (["a_XY01", "a_XY02", "b_XY1", "b_XY2"], "XY in sequence a_XY# and"),
    (["a_slice 1", "a_slice 2"], "slice in sequence a_slice #"), (["a_1", "a_2"], None), (["z1_t1", "z1_t2"], None),
    (["z1"], None), (["C-1", "C-2"], None)])
def test_a_frame_number_that_may_count_something_else_is_told(tmp_path, names, words):
    lines = []
    describe_sequences(find(touch(tmp_path, *(f"{name}.png" for name in names)), ""), 1, lines.append)
    assert len(lines) == (words is not None)
    if words:
        assert lines[0].startswith(f"note: the number after {words}")


def test_files_of_other_sequences_do_not_matter_to_a_single_one(tmp_path):
    frames, _ = sequence(tmp_path, 5)
    tifffile.imwrite(frames / "overview.tif", np.zeros((3, 8, 8), np.uint8), imagej=True, metadata={"axes": "CYX"})
    (frames / "map_1.tif").write_bytes(b"II*\0")
    touch(frames, "w_1.png", "w_01.png")                                    # a number twice
    for lenient in (False, True):
        chosen, around = find_neighbours(frames / "t_03.png", "FRAMES", 5, lenient=lenient)
        assert [frame.number for frame in chosen] == [3]
        assert [frame.number for frame in around] == [1, 2, 3, 4, 5]
    pattern = Selection(pattern="t_{t}.png")
    assert len(find_neighbours(frames / "t_03.png", "FRAMES", 5, pattern)[1]) == 5
    touch(frames, "t_3.png")
    with pytest.raises(InputError, match="both frame 3 of sequence t_#"):
        find_neighbours(frames / "t_01.png", "FRAMES", 5)


def test_a_hidden_file_alone_is_its_own_neighbour(tmp_path):
    (frame,), around = find_neighbours(touch(tmp_path, ".t1.png") / ".t1.png", "FRAMES", 5)
    assert around == [frame]


def described(folder, *names):
    lines = []
    describe_sequences(find(touch(folder, *names), ""), 1, lines.append)
    return lines


def test_numbers_that_are_taken_to_vary_by_chance_are_told(tmp_path):
    line, = described(tmp_path, *(f"t{at}_37.{at * 7 % 3}C.png" for at in range(9)))
    assert line.startswith("note: the numbers in place of ? in sequence t#_37.?C are taken to vary by chance")
    assert "--pattern" in line


def test_sequences_that_take_turns_without_a_common_number_are_warned_of(tmp_path):
    line, = described(tmp_path / "turns", *(f"img_{at}_{'ab'[at % 2]}.png" for at in range(6)))
    assert line.startswith("warning: no two of 2 sequences have a frame number in common, and their frames take turns")
    assert line.endswith("img_#_a, img_#_b")
    assert described(tmp_path / "after", *(f"img_{at}_{'ab'[at // 3]}.png" for at in range(6))) == []
    assert described(tmp_path / "both", *(f"img_{at}_{each}.png" for at in range(6) for each in "ab")) == []
