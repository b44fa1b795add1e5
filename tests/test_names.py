"""What the names of files say: sequences, frame numbers and times, as microscopes and their programs write them."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_frames import made, touch

from stemnet_ref.data.frames import Frame, find
from stemnet_ref.data.names import read, read_by
from stemnet_ref.data.neighbours import describe_gaps, describe_sequences, gaps, time_indices, window_indices
from stemnet_ref.data.pairing import pair
from stemnet_ref.data.selection import Selection
from stemnet_ref.errors import InputError

HALF_HOUR = 1800 * 10 ** 6


def labels(template, **values):
    """Return the labels of all combinations of values, the last one running fastest."""
    return [template.format(**dict(zip(values, each, strict=True))) for each in product(*values.values())]


def sequences(names):
    """Return which labels each sequence holds, in the order of their numbers."""
    found = {}
    for name, label in sorted(zip(read(names), names, strict=True), key=lambda pair: (pair[0].sequence,
                                                                                    pair[0].number)):
        found.setdefault(name.sequence, []).append((name.number, label))
    assert all(len({number for number, _ in those}) == len(those) for those in found.values())
    return {sequence: [label for _, label in those] for sequence, those in found.items()}


CLOCKS = [f"{h:02d}-{m:02d}" for h in (9, 10, 11) for m in (0, 30)]
SCHEMES = {
    "Micro-Manager 1.4": (labels("img_{t:09d}_Phase_000", t=range(12)), ["img_#_Phase_000"]),
    "Micro-Manager 1.4, positions": (labels("Pos{p}/img_{t:09d}_Phase_000", p=(0, 1), t=range(12)),
                                     ["Pos0/img_#_Phase_000", "Pos1/img_#_Phase_000"]),
    "Micro-Manager 2": (labels("img_channel{c:03d}_position{p:03d}_time{t:09d}_z000", c=(0, 1), p=(0, 1), t=range(3)),
                        [f"img_channel00{c}_position00{p}_time#_z000" for c in (0, 1) for p in (0, 1)]),
    "Micro-Manager 2, slices": (labels("img_channel000_position000_time{t:09d}_z{z:03d}", z=range(3), t=range(3)),
                                [f"img_channel000_position000_time#_z00{z}" for z in range(3)]),
    "SlideBook": (labels("Capture 1_{t:03d}_0", t=range(12)), ["Capture 1_#_0"]),
    "SlideBook, T and C": (labels("Capture 1 - Position 2_XY16_Z0_T{t:02d}_C{c}", c=(0, 1), t=range(3)),
                           [f"Capture 1 - Position 2_XY16_Z0_T#_C{c}" for c in (0, 1)]),
    "objective at the end": (labels("t{t:03d}_20x", t=range(12)), ["t#_20x"]),
    "two objectives": (labels("{t:03d}_{x}x", x=(10, 20), t=range(3)), ["#_10x", "#_20x"]),
    "bits at the end": (labels("frame_{t}_8bit", t=range(12)), ["frame_#_8bit"]),
    "Bio-Formats": (labels("exp_T={t}_C=1", t=range(12)), ["exp_T=#_C=1"]),
    "Bio-Formats, all axes": (labels("exp_S{s}_T{t}_C{c}_Z0", s=(0, 1), c=(0, 1), t=range(3)),
                              [f"exp_S{s}_T#_C{c}_Z0" for s in (0, 1) for c in (0, 1)]),
    "NIS-Elements": (labels("xy{p:02d}t{t:02d}c{c}", p=(1, 2), c=(1, 2), t=range(1, 12)),
                     [f"xy0{p}t#c{c}" for p in (1, 2) for c in (1, 2)]),
    "NIS-Elements, time first": (labels("t{t:03d}xy{p}c{c}", p=(1, 2), c=(1, 2), t=range(3)),
                                 [f"t#xy{p}c{c}" for p in (1, 2) for c in (1, 2)]),
    "MetaMorph": (labels("exp_w1Phase_s{s}_t{t}", s=(1, 2), t=range(1, 12)),
                  ["exp_w1Phase_s1_t#", "exp_w1Phase_s2_t#"]),
    "MetaMorph, two wavelengths": ([f"exp_w{w}_s1_t{t}" for w in ("1Phase", "2GFP") for t in range(1, 12)],
                                   ["exp_w1Phase_s1_t#", "exp_w2GFP_s1_t#"]),
    "ImageXpress": (labels("TimePoint_{t}/A01_s{s}_w1", s=(1, 2), t=range(1, 12)),
                    ["TimePoint_#/A01_s1_w1", "TimePoint_#/A01_s2_w1"]),
    "Incucyte": (labels("VID14_A1_1_00d{h:02d}h{m:02d}m", h=range(3), m=(0, 30)), ["VID14_A1_1_#"]),
    "Incucyte, fields": (labels("VID14_A1_{f}_00d{h:02d}h{m:02d}m", f=(1, 2), h=range(3), m=(0, 30)),
                         ["VID14_A1_1_#", "VID14_A1_2_#"]),
    "Incucyte, calendar": (labels("VID14_A1_1_2020y01m{d}d_{h}h00m", d=("08", "09"), h=("00", "12")), ["VID14_A1_1_#"]),
    "LIVECell": (labels("A172_Phase_C7_1_00d{h:02d}h00m_{crop}", crop=(1, 2), h=range(3)),
                 ["A172_Phase_C7_1_#_1", "A172_Phase_C7_1_#_2"]),
    "ZEN": (labels("Experiment-01_t{t:02d}", t=range(12)), ["Experiment-01_t#"]),
    "ZEN, scenes and channels": (labels("Experiment-01_s{s}t{t:02d}c{c}_ORG", s=(1, 2), c=(1, 2), t=range(3)),
                                 [f"Experiment-01_s{s}t#c{c}_ORG" for s in (1, 2) for c in (1, 2)]),
    "Leica": (labels("Series{s:03d}_t{t:02d}_ch{c:02d}", s=(1, 2), c=(0, 1), t=range(3)),
              [f"Series00{s}_t#_ch0{c}" for s in (1, 2) for c in (0, 1)]),
    "Operetta": (labels("r02c03f{f:02d}p01-ch1sk{t}fk1fl1", f=(1, 2), t=range(1, 12)),
                 ["r02c03f01p01-ch1sk#fk1fl1", "r02c03f02p01-ch1sk#fk1fl1"]),
    "CellVoyager": (labels("AssayPlate_A01_T{t:04d}F{f:03d}L01A01Z01C0{c}", f=(1, 2), c=(1, 2), t=range(3)),
                    [f"AssayPlate_A01_T#F00{f}L01A01Z01C0{c}" for f in (1, 2) for c in (1, 2)]),
    "Celigo": (labels("Plate7_A{w}_t{t}_BrightField", w=(1, 2), t=range(12)),
               [f"Plate7_A{w}_t#_BrightField" for w in (1, 2)]),
    "CellProfiler": (labels("Channel1-{w:02d}-A-{t:02d}", w=(1, 2), t=range(12)),
                     ["Channel1-01-A-#", "Channel1-02-A-#"]),
    "a word before T": (labels("PhaseT{t:03d}xy{p}", p=(1, 2), t=range(3)), ["PhaseT#xy1", "PhaseT#xy2"]),
    "channel after a bare number": (labels("{t:03d}_ch{c}", c=(0, 1), t=range(3)), ["#_ch0", "#_ch1"]),
    "channel after time": (labels("img_t{t:03d}_c{c}", c=(1, 2), t=range(3)), ["img_t#_c1", "img_t#_c2"]),
    "Usiigaci": (labels("xy01t{t:02d}", t=range(12)), ["xy01t#"]),
    "DIC-C2DH-HeLa": (labels("0{s}/t{t:03d}", s=(1, 2), t=range(12)), ["01/t#", "02/t#"]),
    "the thesis": (labels("frame{y}_{s}_{t}", y=(2009, 2010), s=(1, 2), t=range(12)),
                   [f"frame{y}_{s}_#" for y in (2009, 2010) for s in (1, 2)]),
    "Windows' copies": (labels("frame ({t})", t=range(1, 12)), ["frame (#)"]),
    "bare numbers": (labels("{t}", t=range(1, 12)), ["#"]),
    "a hyphen": (labels("t-{t}", t=range(1, 12)), ["t-#"]),
    "ISO": (labels("2017-03-04_{clock}-17", clock=CLOCKS), ["#"]),
    "ISO without seconds": (labels("2017-03-04_{clock}", clock=CLOCKS), ["#"]),
    "ISO, compact": (labels("exp_201703{d}T10{m}17", d=("04", "05"), m=("00", "30")), ["exp_#"]),
    "ISO, compact, without seconds": (labels("20170304T10{m}", m=("00", "30")), ["#"]),
    "ISO, with points": (labels("2017-03-04 {h}.00.17", h=("09", "10", "11")), ["#"]),
    "ISO, digits only": (labels("2017030{d}{h}0017", d=(4, 5), h=("09", "10")), ["#"]),
    "ISO, over the end of a month": (labels("{d}T00-00-17", d=("2017-03-31", "2017-04-01")), ["#"]),
    "ISO, fractions of seconds": (labels("2017-03-04T10-00-{s}.{f}", s=(17, 18), f=(250, 750)), ["#"]),
    "days": (["cells_2017-03-31", "cells_2017-04-01", "cells_2017-04-02"], ["cells_#"]),
    "positions and ISO": (labels("pos{p}_2017-03-04_{clock}-17", p=(1, 2), clock=CLOCKS), ["pos1_#", "pos2_#"]),
    "recordings named by their start": (labels("2017-03-04_{clock}-17_{t:03d}", clock=CLOCKS[:2], t=range(12)),
                                        ["2017-03-04_09-00-17_#", "2017-03-04_09-30-17_#"]),
    "counted after a date": (labels("2017030{d}_{t:06d}", d=(4, 5), t=range(59)), ["20170304_#", "20170305_#"]),
    "counted and timed": ([f"img_{at:04d}_2017-03-04_{clock}-17" for at, clock in enumerate(CLOCKS)], ["img_#_#"]),
    "hours and minutes": (["0h30m", "0h45m", "1h00m", "1h15m"], ["#"]),
    "units that come and go": (["a45min", "a1h", "a1h15min", "a1d"], ["a#"]),
    "decimal hours": (labels("exp_t{h}.{f}h", h=(0, 1, 2), f=(0, 5)), ["exp_t#"]),
    "decimal comma": (labels("exp_{h},{f}h", h=(0, 1, 2), f=(0, 5)), ["exp_#"]),
    "decimal minutes": (labels("{h}.{f}min", h=(0, 1, 2), f=(0, 5)), ["#"]),
    "minutes": (labels("exp_{t}min_{p}", t=(0, 30, 60), p=(1,)), ["exp_#min_1"]),
    "decimals without a unit": (["t0", "t0.5", "t1", "t1.25"], ["t#"]),
    "counters behind a point": (["t1.1", "t1.2", "t1.10"], ["t1.#"]),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_of_microscopes_and_their_programs(scheme):
    names, expected = SCHEMES[scheme]
    found = sequences(list(reversed(names)))
    assert sorted(found) == sorted(expected)
    assert [label for sequence in sorted(expected, key=lambda each: names.index(found[each][0]))
            for label in found[sequence]] == names


def test_times_are_counted_in_one_unit():
    assert [name.number for name in read(["a45min", "a1h", "a1h15min"])] == [1.5 * HALF_HOUR, 2 * HALF_HOUR,
                                                                            2.5 * HALF_HOUR]
    numbers = [name.number for name in read(labels("2017-03-04_{clock}-17", clock=CLOCKS))]
    assert np.diff(numbers).tolist() == [HALF_HOUR] * 5
    assert [(name.number, name.timed) for name in read(["t5min", "t10min"])] == [(5, False), (10, False)]


@pytest.mark.parametrize("names", [["x²_1", "x²_2"], ["٣_1", "٣_2"], ["²", "³"], ["9" * 5000 + "_1", "9" * 5000 + "_2"],
                                   ["9" * 30 + "_1", "9" * 30 + "_2"], ["", "1"], ["2017-99-99_1", "2017-99-99_2"]])
def test_odd_digits_do_no_harm(names):
    assert [name.number for name in read(names)][-1] in (0, 1, 2)


def test_digits_that_are_no_ascii_are_letters_of_the_sequence(tmp_path):
    frames = find(touch(tmp_path, "µm²_1.png", "µm²_2.png", "m٣_1.png", "m٤_1.png"), "--frames")
    assert [(frame.sequence, frame.number) for frame in frames] == [
        ("m٣_#", 1), ("m٤_#", 1), ("µm²_#", 1), ("µm²_#", 2)]


WORD = st.sampled_from(["exp", "Phase", "cells", "_", "-", " ", "s", "pos", "ch", "20x", "8bit", "v"])
PART = st.lists(WORD, min_size=1, max_size=3).map(lambda words: "_" + "".join(words) + "_")
CONSTANT = st.integers(0, 200).map("{:03d}".format)


@given(PART, CONSTANT, PART, PART, CONSTANT, st.integers(1, 7),
       st.lists(st.integers(0, 10 ** 6), min_size=2, max_size=12, unique=True))
def test_a_number_that_varies_alone_counts_the_frames(a, first, b, c, last, width, numbers):
    names = [f"{a}{first}{b}{number:0{width}d}{c}{last}" for number in numbers]
    found = read(names)
    assert {name.sequence for name in found} == {f"{a}{first}{b}#{c}{last}"}
    assert [name.number for name in found] == numbers


@given(CONSTANT, st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True),
       st.lists(st.integers(0, 10 ** 6), min_size=2, max_size=6, unique=True))
def test_of_two_numbers_that_vary_the_first_tells_sequences_apart(constant, firsts, numbers):
    names = [f"run{first}_{number}_{constant}" for first in firsts for number in numbers]
    found = read(names)
    assert [(name.sequence, name.number) for name in found] == [
        (f"run{first}_#_{constant}", number) for first in firsts for number in numbers]


# --pattern

def by(pattern, *names, strict=True):
    return [(name.sequence, name.number) for name in
            read_by(pattern, [Path("/data") / f"{name}.tif" for name in names], list(names), strict)]


@pytest.mark.parametrize(("pattern", "names", "expected"), [
    ("img_{t}_Phase_000.tif", ["img_7_Phase_000"], [("img_#_Phase_000", 7)]),
    ("img_{t}_Phase_000", ["img_7_Phase_000"], [("img_#_Phase_000", 7)]),
    ("s{t}_*", ["s1_02", "s2_02", "s1_03"], [("s#_02", 1), ("s#_02", 2), ("s#_03", 1)]),
    ("*_{t}", ["a_1_2", "b_2_3"], [("a_1_#", 2), ("b_2_#", 3)]),
    ("a+(1).[{t}]$", ["a+(1).[12]$"], [("a+(1).[#]$", 12)]),
    ("{t}*", ["12_3"], [("#_3", 12)]),
    ("x{t}y", ["x0.5y", "x1y"], [("x#y", 500_000), ("x#y", 1_000_000)]),
    ("*_{t}", ["a_1h30m", "b_2h"], [("a_#", 3 * HALF_HOUR), ("b_#", 4 * HALF_HOUR)]),
    ("x_{t}_1", ["x_10-30-00_1", "x_11-00-00_1"], [("x_#_1", 21 * HALF_HOUR), ("x_#_1", 22 * HALF_HOUR)]),
    ("t{t}/*.tif", ["t1/a", "t2/a", "t2/b"], [("t#/a", 1), ("t#/a", 2), ("t#/b", 2)]),
])
def test_a_pattern_says_where_the_frame_number_is(pattern, names, expected):
    assert by(pattern, *names) == expected


@pytest.mark.parametrize(("pattern", "culprit"), [
    ("img_*.tif", r"--pattern img_\*.tif: must hold \{t\} once"), ("{t}{t}", "must hold {t} once"),
    ("b{t}", r"2 files of 3 do not match, the first /data/a1.tif; put \*"),
    ("*{t}x", "3 files of 3 do not match"), ("b{t}.png", "3 files of 3"), ("", "must hold")])
def test_a_pattern_that_does_not_fit_is_refused(pattern, culprit):
    with pytest.raises(InputError, match=culprit):
        by(pattern, "a1", "b1", "a2")


def test_a_pattern_is_for_masks_where_all_of_them_match_it(tmp_path):
    chosen = Selection(pattern="s{t}_*")
    f = touch(tmp_path / "f", "s1_7.png", "s2_7.png", "s1_8.png", "s2_8.png")
    m = touch(tmp_path / "m", "s1_7.png", "s2_7.png", "s1_8.png", "s2_8.png")
    frames = find(f, "", selection=chosen)
    assert [(frame.sequence, frame.number) for frame in frames] == [("s#_7", 1), ("s#_7", 2), ("s#_8", 1), ("s#_8", 2)]
    assert [mask.sequence for mask in find(m, "", selection=chosen.of_masks())] == [each.sequence for each in frames]
    (m / "s2_8.png").rename(m / "m2_8.png")
    assert {mask.sequence for mask in find(m, "", selection=chosen.of_masks())} == {"s1_#", "m2_#"} | {"s2_#"}
    with pytest.raises(InputError, match=r"--pattern s\{t\}_\*: 1 file of 4 does not match"):
        find(m, "", selection=chosen)


# Pairing

def test_masks_of_frames_that_are_named_by_times(tmp_path):
    names = labels("{clock}", clock=CLOCKS)
    f = find(touch(tmp_path / "f", *(f"2017-03-04_{name}-17.png" for name in names)), "")
    for mask_names in ([f"2017-03-04_{name}-17.png" for name in names],
                       [f"exp1_mask_2017-03-04_{name}-17.png" for name in names],
                       [f"mask{at:02d}.png" for at in range(1, 7)], [f"{at}.png" for at in range(6)]):
        folder = tmp_path / mask_names[0]
        masks = pair(f, find(touch(folder, *mask_names), ""))
        assert [mask.path.name for mask in masks] == mask_names
    with pytest.raises(InputError, match="no mask belongs to"):                 # which one is missing?
        pair(f, find(touch(tmp_path / "five", *(f"{at}.png" for at in range(5))), ""))
    (tmp_path / "f" / f"2017-03-04_{names[2]}-17.png").unlink()
    with pytest.raises(InputError, match="no mask belongs to"):
        pair(find(tmp_path / "f", ""), find(tmp_path / "five", ""))


# Order, gaps and what is said of them

def timed(*minutes):
    return [Frame(Path(f"{m}.png"), None, f"at{m}min", "at#", round(m * 60 * 10 ** 6), (m,), True) for m in minutes]


def test_times_that_are_a_little_late_are_neighbours():
    frames = timed(0, 10.2, 20, 30.1, 40.4, 50)
    assert time_indices(frames) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(window_indices(frames, 3), [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5],
                                                              [4, 5, 5]])
    assert describe_gaps(frames) == []


def test_a_missing_time_is_named_by_the_frames_around_it():
    frames = timed(0, 10, 30, 40, 50)
    np.testing.assert_array_equal(window_indices(frames, 3)[1], [0, 1, 1])
    assert describe_gaps(frames) == ["1 frame missing in sequence at#: 1 between at10min and at30min"]


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
    names = [f"img_{at:04d}_2017-03-04_{clock}-17.png" for at, clock in enumerate(CLOCKS)]
    describe_sequences(find(touch(tmp_path, *names), ""), 5, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("note: sequence img_#_#: the numbers in place of # rise together")
