"""What the names of files say: sequences and frame numbers, as microscopes and their programs write them."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naming import assert_sequences, labels
from pictures import touch

from stemnet_ref.data.discovery.names import OTHER, PLACE, numbers_in, read
from stemnet_ref.data.frames import find
from stemnet_ref.data.pairing import mask_of

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
    "Leica, channels after an image": (labels("Image_{t}_ch{c:02d}", c=(0, 1), t=range(1, 9)),
                                       ["Image_#_ch00", "Image_#_ch01"]),
    "Micro-Manager 1.4, slices": (labels("img_{t:09d}_Default_{z:03d}", z=range(5), t=range(3)),
                                  [f"img_#_Default_00{z}" for z in range(5)]),
    "Micro-Manager 1.4, a grid": (labels("1-Pos_{p:03d}_{q:03d}/img_{t:09d}_Phase_000", p=(0, 1), q=(0, 1), t=range(5)),
                                  [f"1-Pos_00{p}_00{q}/img_#_Phase_000" for p in (0, 1) for q in (0, 1)]),
    "Cytation": (labels("B{w}_01_1_1_Bright Field_{t:03d}", w=(2, 3), t=range(1, 6)),
                 [f"B{w}_01_1_1_Bright Field_#" for w in (2, 3)]),
    "a bright field in one word": (labels("run_{w}_BrightField_{t:03d}", w=(2, 3), t=range(1, 6)),
                                   [f"run_{w}_BrightField_#" for w in (2, 3)]),
    "wells after frames": (labels("{t:03d}_{row}{w:02d}", row="ABCD", w=(1, 2), t=range(3)),
                           [f"#_{row}0{w}" for row in "ABCD" for w in (1, 2)]),
    "a mother machine": (labels("{t:04d}_fov{f}_trap{c}", f=(1, 2), c=(1, 2), t=range(3)),
                         [f"#_fov{f}_trap{c}" for f in (1, 2) for c in (1, 2)]),
    "an objective before the frame": (labels("{s}_20x_{t:03d}", s=(1, 2), t=range(3)), ["1_20x_#", "2_20x_#"]),
    "scanR": (labels("Phase--W0000{w}--P0000{p}--Z00000--T{t:05d}--DAPI", w=(1, 2), p=(1, 2), t=range(5)),
              [f"Phase--W0000{w}--P0000{p}--Z00000--T#--DAPI" for w in (1, 2) for p in (1, 2)]),
    "Leica's matrix screener": (labels("image--L00--U00--V0{v}--X00--Y0{y}--T{t:04d}--Z00--C00", v=(0, 1), y=(0, 1),
                                       t=range(5)),
                                [f"image--L00--U00--V0{v}--X00--Y0{y}--T#--Z00--C00" for v in (0, 1) for y in (0, 1)]),
    "rows of wells": (labels("Channel1-{w:02d}-{row}-{t:02d}", w=(1, 2), row="AC", t=range(12)),
                      [f"Channel1-{w:02d}-{row}-#" for w in (1, 2) for row in "AC"]),
    "one time point of several positions": (labels("TimePoint_1/A01_s{s}_w{w}", s=(1, 2), w=(1, 2)),
                                            [f"TimePoint_#/A01_s{s}_w{w}" for s in (1, 2) for w in (1, 2)]),
    "slices of frames without a word": (labels("exp1_{t:03d}_z{z}", z=range(3), t=range(1, 6)),
                                        [f"exp1_#_z{z}" for z in range(3)]),
    "slices of frames after experiments": (labels("exp{e}_{t:03d}_z{z}", e=(1, 2), z=range(3), t=range(1, 6)),
                                           [f"exp{e}_#_z{z}" for e in (1, 2) for z in range(3)]),
    "channel after time": (labels("img_t{t:03d}_c{c}", c=(1, 2), t=range(3)), ["img_t#_c1", "img_t#_c2"]),
    "Usiigaci": (labels("xy01t{t:02d}", t=range(12)), ["xy01t#"]),
    "DIC-C2DH-HeLa": (labels("0{s}/t{t:03d}", s=(1, 2), t=range(12)), ["01/t#", "02/t#"]),
    "the thesis": (labels("frame{y}_{s}_{t}", y=(2009, 2010), s=(1, 2), t=range(12)),
                   [f"frame{y}_{s}_#" for y in (2009, 2010) for s in (1, 2)]),
    "Windows' copies": (labels("frame ({t})", t=range(1, 12)), ["frame (#)"]),
    "bare numbers": (labels("{t}", t=range(1, 12)), ["#"]),
    "a hyphen": (labels("t-{t}", t=range(1, 12)), ["t-#"]),
    "treatments and frames": (labels("T{s}_{t:03d}", s=(1, 2), t=range(12)), ["T1_#", "T2_#"]),
    "crops of frames": (labels("t{t:03d}_{s}", s=(1, 2), t=range(12)), ["t#_1", "t#_2"]),
    "three counters of two digits": (labels("{a:02d}-{b:02d}-{t:02d}", a=(1, 2), b=(1, 2), t=range(1, 12)),
                                     [f"0{a}-0{b}-#" for a in (1, 2) for b in (1, 2)]),
    "sequence, point, frame": (labels("movie{s}.{t:03d}", s=(1, 2), t=range(12)), ["movie1.#", "movie2.#"]),
    "rows and columns of wells": (labels("{r:02d}-{c:02d}-01", r=(1, 2), c=range(1, 13)), ["01-#-01", "02-#-01"]),
    "a year, a sequence and a frame": (labels("2009_{s:02d}_{t:02d}", s=(1, 2), t=range(1, 12)),
                                       ["2009_01_#", "2009_02_#"]),
    "ten frames behind a point": (labels("x_{s}.{t}", s=(1, 2), t=range(10)), ["x_1.#", "x_2.#"]),
    "temperatures": ([f"t{t:02d}_37.{c}C" for t, c in enumerate("0300130210")], ["t#_37.?C"]),
    "temperatures of positions": ([f"xy{p}t{t:02d}_37.{c}C" for p in (1, 2) for t, c in enumerate("0300130210")],
                                  ["xy1t#_37.?C", "xy2t#_37.?C"]),
    "exposures": ([f"frame_{t}_exp_{50 + t % 2}" for t in range(12)], ["frame_#_exp_?"]),
    "exposures with a unit": ([f"frame_{t}_{50 + t % 2}ms" for t in range(12)], ["frame_#_?ms"]),
    "places of a stage": ([f"img_{t:03d}_x{123 + t % 3}_y{456 - t % 2}" for t in range(12)], ["img_#_x?_y?"]),
    "stray numbers": ([f"img_{t:03d}_{n}" for t, n in enumerate((93, 12, 57, 88, 41, 3))], ["img_#_?"]),
    "hashes": ([f"img_{t:03d}_{x}" for t, x in enumerate(["a3f9", "b77c", "c012", "9e1d", "11aa", "ff02"])],
               ["img_#_?"]),
    "no hashes": ([f"img_{t:03d}_e{t:03d}" for t in range(12)], ["img_#_e#"]),
    "positions in turn": ([f"img_{2 * t + p:03d}_{p}" for p in (0, 1) for t in range(6)], ["img_#_0", "img_#_1"]),
    "positions in turn, named": ([f"img_{3 * t + p:03d}_pos{p}" for p in (0, 1, 2) for t in range(6)],
                                 [f"img_#_pos{p}" for p in (0, 1, 2)]),
    "recordings that count on": ([f"exp{1 + t // 6}_{t:03d}" for t in range(18)], [f"exp{e}_#" for e in (1, 2, 3)]),
    "positions, one picture lost": (labels("a{p}_{t:02d}", p=range(1, 4), t=range(6))[:-1],
                                    [f"a{p}_#" for p in (1, 2, 3)]),
    "counters behind a point": (["t1.1", "t1.2", "t1.10"], ["t1.#"]),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_of_microscopes_and_their_programs(scheme):
    assert_sequences(*SCHEMES[scheme])


@pytest.mark.parametrize("word", sorted(PLACE | OTHER))
def test_numbers_of_places_are_no_frames_beside_another_number(word):
    """Before and after the frame number, whatever stands before it, between them, and the number of digits."""
    tried = 0
    for frame, place, digits, apart, place_first, case in product(
            ("{:03d}", "{}", "t{}", "T={}", "time_{:02d}", "img{}", "Frame {:02d}"), (range(3), range(1, 4)), (1, 2),
            ("", "_", "-", " "), (False, True), (str.lower, str.upper)):
        if place_first and not apart and frame.startswith("{"):
            continue                                                        # z1001
        name_of = {}
        for p, t in product(place, range(5)):
            parts = [frame.format(t), f"{case(word)}{p:0{digits}d}"]
            name_of[p, t] = "exp1_" + apart.join(reversed(parts) if place_first else parts)
        names = read([*name_of.values()])
        assert [name.number for name in names] == [t for _, t in name_of], name_of
        assert len({name.sequence for name in names}) == 3, name_of
        tried += 1
    assert tried == 2 * 2 * 2 * (7 * 8 - 2)


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


def test_the_name_of_one_file_is_read_beside_those_of_its_folder(tmp_path):
    f = touch(tmp_path / "f", *(f"img_{at:09d}_Phase_000.png" for at in range(5)))
    m = find(touch(tmp_path / "m", *(f"{at}.png" for at in range(5))), "")
    (frame,) = find(f / "img_000000003_Phase_000.png", "")
    assert (frame.sequence, frame.number) == ("img_#_Phase_000", 3)
    assert mask_of(frame, m).path.name == "3.png"


PIECES = st.sampled_from(["0", "00", "1", "17", "59", "60", "2017", "20170304", "100017", "t", "h", "m", "s", "d",
                          "min", "_", "-", ".", ",", ":", " ", "T", "Z", "y", "ch", "/", "²", "٣", "\n", "#"])


@given(st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=8))
def test_whatever_the_names_each_has_a_sequence_and_a_number(names):
    for label, name in zip(names, read(names), strict=True):
        assert isinstance(name.number, int)
        if numbers_in(label):
            assert re.sub("[^0-9]", "", name.sequence) != re.sub("[^0-9]", "", label)
        else:
            assert (name.sequence, name.number) == (label, 0)


@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 10 ** 6), st.data())
def test_positions_and_times_are_never_joined(positions, times, start, data):
    several = data.draw(st.lists(st.integers(0, 500), min_size=positions, max_size=positions, unique=True))
    names = [f"run{p}_{start + t}" for p in several for t in range(times + 3)]
    lost = data.draw(st.integers(0, len(names) - 1))
    found = {name.sequence for name in read(names[:lost] + names[lost + 1:])}
    assert found == {f"run{p}_#" for p in several}
