"""--pattern: where the frame number stands in names."""

from pathlib import Path

import numpy as np
import pytest
from pictures import stack, touch

from stemnet_ref.data.discovery.patterns import read_by
from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.data.discovery.sequences import describe_sequences
from stemnet_ref.data.frames import find
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError

HALF_HOUR = 1800 * 10 ** 6


def by(pattern, *names, strict=True):
    return [(name.sequence, name.number) for name in
            read_by(pattern, [Path("/data") / f"{name}.tif" for name in names], list(names), strict)]


@pytest.mark.parametrize(("pattern", "names", "expected"), [
    ("img_{t}_Phase_000.tif", ["img_7_Phase_000"], [("img_#_Phase_000", 7)]),
    ("img_{t}_Phase_000", ["img_7_Phase_000"], [("img_#_Phase_000", 7)]),
    ("s{t}_{s}", ["s1_02", "s2_02", "s1_03"], [("s#_02", 1), ("s#_02", 2), ("s#_03", 1)]),
    ("s{t}_*", ["s1_02", "s2_03"], [("s#_*", 1), ("s#_*", 2)]),
    ("s{t}_*.tif", ["s1_02", "s2_03"], [("s#_*", 1), ("s#_*", 2)]),
    ("{s}_{t}_*C_{s}", ["a_1_37.1C_p1", "b_2_37C_p2"], [("a_#_*C_p1", 1), ("b_#_*C_p2", 2)]),
    ("{s}_{t}", ["a_1_2", "b_2_3"], [("a_1_#", 2), ("b_2_#", 3)]),
    ("a+(1).[{t}]$", ["a+(1).[12]$"], [("a+(1).[#]$", 12)]),
    ("{t}*", ["12_3"], [("#*", 12)]),
    ("x{t}y", ["x0.5y", "x1y"], [("x#y", 500_000), ("x#y", 1_000_000)]),
    ("{s}_{t}", ["a_1h30m", "b_2h"], [("a_#", 3 * HALF_HOUR), ("b_#", 4 * HALF_HOUR)]),
    ("x_{t}_1", ["x_10-30-00_1", "x_11-00-00_1"], [("x_#_1", 21 * HALF_HOUR), ("x_#_1", 22 * HALF_HOUR)]),
    ("t{t}/{s}.tif", ["t1/a", "t2/a", "t2/b"], [("t#/a", 1), ("t#/a", 2), ("t#/b", 2)]),
    ("t{t}/*.tif", ["t1/a", "t2/b"], [("t#/*", 1), ("t#/*", 2)]),
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


def test_a_pattern_for_stacks_is_refused(tmp_path):
    stack(tmp_path / "t1.tif", [np.zeros((2, 2), np.uint8)] * 3)
    with pytest.raises(InputError, match=r"--pattern t\{t\}: is for files of one frame each"):
        find(tmp_path, "", selection=Selection(pattern="t{t}"))
    assert len(find(tmp_path, "", selection=Selection(pattern="t{t}").of_masks())) == 3


def test_a_pattern_is_for_masks_where_all_of_them_match_it(tmp_path):
    chosen = Selection(pattern="s{t}_{s}")
    f = touch(tmp_path / "f", "s1_7.png", "s2_7.png", "s1_8.png", "s2_8.png")
    m = touch(tmp_path / "m", "s1_7.png", "s2_7.png", "s1_8.png", "s2_8.png")
    frames = find(f, "", selection=chosen)
    assert [(frame.sequence, frame.number) for frame in frames] == [("s#_7", 1), ("s#_7", 2), ("s#_8", 1), ("s#_8", 2)]
    assert [mask.sequence for mask in find(m, "", selection=chosen.of_masks())] == [each.sequence for each in frames]
    (m / "s2_8.png").rename(m / "m2_8.png")
    assert {mask.sequence for mask in find(m, "", selection=chosen.of_masks())} == {"s1_#", "m2_#"} | {"s2_#"}
    with pytest.raises(InputError, match=r"--pattern s\{t\}_\{s\}: 1 file of 4 does not match"):
        find(m, "", selection=chosen)


def test_what_a_star_matches_tells_no_sequences_apart(tmp_path):
    files = touch(tmp_path, *(f"img_{at}_A_{at * 7 % 5}.png" for at in range(10)))
    frames = find(files, "", selection=Selection(pattern="img_{t}_A_*.png"))
    assert [(frame.sequence, frame.number) for frame in frames] == [("img_#_A_*", at) for at in range(10)]
    touch(tmp_path, "img_3_A_9.png")
    with pytest.raises(InputError, match=r"img_3_A_.* are both frame 3 .*; put \{s\} into --pattern in place of"):
        find(files, "", selection=Selection(pattern="img_{t}_A_*.png"))


CHANCE = {"absent": [f"t{t:02d}{'' if t in (3, 6) else '_37.3C'}" for t in range(1, 9)],
          "another form": [f"t{t:02d}_{c}C" for t, c in enumerate(["37.3", "37", "36.9", "37.0"] * 2, 1)],
          "few": ["t01_37.3C", "t02_37.0C", "t03_36.9C"]}


@pytest.mark.parametrize("names", CHANCE.values(), ids=CHANCE)
def test_numbers_of_chance_that_are_not_recognised_have_a_pattern_for_a_remedy(tmp_path, names):
    """The README's t01_37.3C: where it is read as several sequences, a message gives the pattern that makes it one."""
    frames = touch(tmp_path / "f", *(f"{name}.tif" for name in names))
    masks, lines = touch(tmp_path / "m", *(f"{name[:3]}.tif" for name in names)), []
    describe_sequences(find(frames, "--frames"), 5, lines.append)
    assert any(line.startswith("warning: ") and "--pattern" in line for line in lines)
    with pytest.raises(InputError, match=r'frame numbers agree; .*, give --pattern "t\{t\}\*"$'):
        find_pairs(frames, masks)
    found, paired = find_pairs(frames, masks, lines.append, selection=Selection(pattern="t{t}*"))
    assert len({frame.sequence for frame in found}) == 1
    assert [mask.path.stem for mask in paired] == [frame.path.stem[:3] for frame in found]


def test_positions_with_numbers_of_chance_pair_by_sequence_and_number(tmp_path):
    names = [f"p{p}_t{t:02d}_37.{c}C.tif" for p in (1, 2) for t, c in enumerate("0300130210")]
    frames, masks = touch(tmp_path / "f", *names), touch(tmp_path / "m", *(name[:6] + ".tif" for name in names))
    with pytest.raises(InputError, match=r"give --pattern with \{t\} in place of the frame number, \{s\} of what"):
        find_pairs(frames, masks)
    found, paired = find_pairs(frames, masks, selection=Selection(pattern="{s}_t{t}*"))
    assert [mask.path.stem for mask in paired] == [frame.path.stem[:6] for frame in found]
    (masks / "p2_t09.tif").rename(masks / "p2_t11.tif")
    with pytest.raises(InputError, match=r"no mask belongs to .*p2_t09.*give a frame and its mask the same number"):
        find_pairs(frames, masks, selection=Selection(pattern="{s}_t{t}*"))
