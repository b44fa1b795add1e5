"""What the names of files say of times: dates, times of the day, durations."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from naming import CLOCKS, HALF_HOUR, assert_sequences, labels, sequences
from pictures import touch

from stemnet_ref.data.discovery.names import read
from stemnet_ref.data.discovery.times import fields
from stemnet_ref.data.frames import find
from stemnet_ref.data.pairing import mask_of, pair
from stemnet_ref.errors import InputError


def moments(form, hours, start=(2024, 1, 31, 20)):
    """Return labels of times so many hours after a start, 20:00 on 31 January 2024."""
    return [(datetime(*start) + timedelta(hours=each)).strftime(form) for each in hours]


HALVES = [at / 2 for at in range(16)]           # half hours over midnight and the end of a month
SCHEMES = {
    "Incucyte": (labels("VID14_A1_1_00d{h:02d}h{m:02d}m", h=range(3), m=(0, 30)), ["VID14_A1_1_#"]),
    "Incucyte, fields": (labels("VID14_A1_{f}_00d{h:02d}h{m:02d}m", f=(1, 2), h=range(3), m=(0, 30)),
                         ["VID14_A1_1_#", "VID14_A1_2_#"]),
    "Incucyte, calendar": (labels("VID14_A1_1_2020y01m{d}d_{h}h00m", d=("08", "09"), h=("00", "12")), ["VID14_A1_1_#"]),
    "LIVECell": (labels("A172_Phase_C7_1_00d{h:02d}h00m_{crop}", crop=(1, 2), h=range(3)),
                 ["A172_Phase_C7_1_#_1", "A172_Phase_C7_1_#_2"]),
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
    "hours and minutes without a unit": (labels("{h:02d}h{m:02d}", h=range(3), m=(0, 30)), ["#"]),
    "times of the day": (labels("{clock}-17", clock=CLOCKS), ["#"]),
    "times of the day, one missing": ([f"{clock}-17" for clock in CLOCKS[:2] + CLOCKS[3:]], ["#"]),
    "times of the day, with colons": ([f"x_{clock.replace('-', ':')}" for clock in CLOCKS], ["x_#"]),
    "times of the day, over midnight": (labels("{clock}-17", clock=["23-00", "23-30", "00-00", "00-30"]), ["#"]),
    "times of the day after another date": (labels("04-03-2017_{clock}-17", clock=CLOCKS), ["#"]),
    "positions and times of the day": ([f"pos{p}_{clock}-{17 + 3 * p}" for p in (1, 2) for clock in CLOCKS],
                                       ["pos1_#", "pos2_#"]),
    "decimals without any letter": (labels("x_{h}.{f}", h=(0, 1, 2), f=(0, 5)), ["x_#"]),
    "times of the day, irregular": (["10-00-17", "10-10-19", "10-20-14", "11-00-33"], ["#"]),
    "times of the day, digits only": ([f"exp_{clock.replace('-', '')}" for clock in CLOCKS], ["exp_#"]),
    "short date and time": ([f"17030{4 + at}_{clock}0017" for at in (0, 1) for clock in ("09", "21")], ["#"]),
    "seconds since 1970": (["1488621617.123", "1488621627.5", "1488621637.125", "1488621648.01"], ["#"]),
    "few files whose numbers rise by chance": (["exp1_5", "exp2_7", "exp3_9", "exp4_11"],
                                               ["exp1_#", "exp2_#", "exp3_#", "exp4_#"]),
    "three counters, irregular": (["10-01-17", "10-11-17", "10-24-17", "10-33-17"], ["10-#-17"]),
    "AM and PM": (moments("run %I-%M-%S %p", range(14), (2024, 1, 31, 6)), ["run #"]),
    "AM and PM, over midnight": (moments("run_%I.%M%p_x", HALVES), ["run_#_x"]),
    "AM and PM, with dates": (moments("%Y-%m-%d %I-%M-%S %p", HALVES), ["#"]),
    "AM and PM, month first": (moments("exp_%m-%d-%Y_%I-%M-%S_%p", HALVES), ["exp_#"]),
    "AM and PM, hours of one digit": ([f"img {t}-30-00 {half}" for half in ("AM", "PM") for t in (12, *range(1, 12))],
                                      ["img #"]),
    "AM and PM, hours alone": (["x_9AM", "x_10AM", "x_11AM", "x_12PM", "x_1PM"], ["x_#"]),
    "AM and PM that are no times": (labels("pos{p}_{half}_{t:02d}", p=(1, 2), half=("AM", "PM"), t=range(1, 12)),
                                    [f"pos{p}_{half}_#" for p in (1, 2) for half in ("AM", "PM")]),
    "date, hours and minutes": (moments("%Y%m%d_%H%M_pos1", HALVES), ["#_pos1"]),
    "date, hours and minutes, with a hyphen": (moments("%Y%m%d-%H%M", HALVES), ["#"]),
    "date, hours and minutes, every hour": (moments("%Y-%m-%d_%H%M", range(8)), ["#"]),
    "date, hours and minutes, digits only": (moments("%Y%m%d%H%M", HALVES), ["#"]),
    "date, hours and minutes, with a pause": (moments("%Y%m%d_%H%M", [0, .5, 1, 1.5, 14, 14.5, 15, 15.5]), ["#"]),
    "positions, date, hours and minutes": ([each.replace("exp1_", f"exp1_p{p}_") for p in (1, 2) for each in
                                            moments("exp1_%Y%m%d_%H%M", HALVES)], ["exp1_p1_#", "exp1_p2_#"]),
    "four digits after a date": (labels("2024013{d}_{t:04d}", d=(0, 1), t=range(59)), ["20240130_#", "20240131_#"]),
    "tens after a date": (labels("2024013{d}_{t}0", d=(0, 1), t=range(100, 106)), ["20240130_#", "20240131_#"]),
    "day first": (moments("%d-%m-%Y_%H-%M-%S", HALVES), ["#"]),
    "day first, with points": (moments("img_%d.%m.%Y %H.%M.%S", HALVES), ["img_#"]),
    "month first": (moments("%m-%d-%Y_%H-%M-%S", range(0, 120, 12)), ["#"]),
    "day or month first": (moments("%d-%m-%Y_%H-%M-%S", HALVES, (2024, 2, 1, 20)), ["#"]),
    "month or day first": (moments("%m-%d-%Y_%H-%M-%S", HALVES, (2024, 2, 1, 20)), ["#"]),
    "day or month first, irregular": (moments("%d-%m-%Y_%H-%M-%S", [0, 1, 5, 7, 30, 49], (2024, 2, 1, 20)), ["#"]),
    "days, day first": (moments("%d.%m.%Y", range(0, 240, 24)), ["#"]),
    "day and hours": (labels("Day{d}_{h}h", d=range(3), h=("00", "06", "12", "18")), ["#"]),
    "positions, day and hour": (labels("p{p}_Day{d}_Hour{h}", p=(1, 2), d=range(3), h=(2, 14)), ["p1_#", "p2_#"]),
    "day, hour, minute": (labels("D0{d}_H{h}_M{m}", d=(1, 2), h=("06", "18"), m=("00",)), ["#"]),
    "drugs and humans": (labels("D{d}_H{h}_{t:02d}", d=(1, 2), h=(1, 2), t=range(6)),
                         [f"D{d}_H{h}_#" for d in (1, 2) for h in (1, 2)]),
    "underscore for a point": (labels("t{h}_{f}h", h=range(5), f=(0, 5)), ["t#h"]),
    "underscore for a point, positions": (labels("pos{p}_t{h}_{f}h", p=(1, 2), h=range(5), f=("00", 25, 50, 75)),
                                          ["pos1_t#h", "pos2_t#h"]),
    "positions and hours": (labels("p{p}_{h}h", p=range(4), h=(0, 5)), [f"p{p}_#h" for p in range(4)]),
    "treatments and hours": (labels("t{p}_{h}h", p=(1, 2), h=(0, 12, 24, 48)), ["t1_#h", "t2_#h"]),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_that_hold_times(scheme):
    assert_sequences(*SCHEMES[scheme])


def test_times_are_counted_in_one_unit():
    assert {name.number for name in read(["2017-03-04_09-00-17.5", "2017-03-04_09-00-17"])} == {
        63624214817 * 10 ** 6, 63624214817 * 10 ** 6 + 500_000}
    assert [name.number for name in read(["a45min", "a1h", "a1h15min"])] == [1.5 * HALF_HOUR, 2 * HALF_HOUR,
                                                                            2.5 * HALF_HOUR]
    numbers = [name.number for name in read(labels("2017-03-04_{clock}-17", clock=CLOCKS))]
    assert np.diff(numbers).tolist() == [HALF_HOUR] * 5
    assert [(name.number, name.timed) for name in read(["t5min", "t10min"])] == [(5, False), (10, False)]


@pytest.mark.parametrize("word", ["ch", "fish", "batch", "patch", "depth", "h", "both"])
def test_minutes_without_a_unit_come_after_hours(word):
    for label in (f"{word}00", f"exp1_{word}01", f"img_{word}15_x"):
        assert {field.kind for row in fields([label]) for field in row} == {"number"}
    assert [[field.kind for field in row] for row in fields(["1h30", "x 2hours15"])] == [["duration"], ["number"] * 2]
    assert sequences(labels("img{t}_ch{n:02d}", n=(0, 1), t=range(3))).keys() == {"img#_ch00", "img#_ch01"}


def test_the_hours_of_a_12_hour_clock():
    hours = [name.number / HALF_HOUR / 2 % 24 for name in read(["x 12-00 AM", "x 1-30 AM", "x 12-00 PM", "x 11-30 PM"])]
    assert hours == [0, 1.5, 12, 23.5]


def test_digits_that_count_regularly_are_no_times_of_the_day():
    assert [name.number for name in read(["1000", "1010", "1020", "1030"])] == [1000, 1010, 1020, 1030]
    numbers = [name.number for name in read(["1030", "1040", "1050", "1100", "1110"])]
    assert np.diff(numbers).tolist() == [HALF_HOUR / 3] * 4


def test_masks_of_frames_that_are_named_by_times(tmp_path):
    names = labels("{clock}", clock=CLOCKS)
    f = find(touch(tmp_path / "f", *(f"2017-03-04_{name}-17.png" for name in names)), "")
    for mask_names in ([f"2017-03-04_{name}-17.png" for name in names],
                       [f"exp1_mask_2017-03-04_{name}-17.png" for name in names],
                       [f"mask{at:02d}.png" for at in range(1, 7)], [f"{at}.png" for at in range(6)]):
        folder = tmp_path / mask_names[0]
        masks = pair(f, find(touch(folder, *mask_names), ""))
        assert [mask.path.name for mask in masks] == mask_names
    with pytest.raises(InputError, match="no mask belongs to"):                 # of a longer time-lapse?
        pair(f, find(touch(tmp_path / "later", *(f"{at}.png" for at in range(3, 9))), ""))
    with pytest.raises(InputError, match="no mask belongs to"):                 # which one is missing?
        pair(f, find(touch(tmp_path / "five", *(f"{at}.png" for at in range(5))), ""))
    (tmp_path / "f" / f"2017-03-04_{names[2]}-17.png").unlink()
    with pytest.raises(InputError, match="no mask belongs to"):
        pair(find(tmp_path / "f", ""), find(tmp_path / "five", ""), sparse=True)
    with pytest.raises(InputError, match="none of the 5 masks"):
        mask_of(f[0], find(tmp_path / "five", ""))
    touch(tmp_path / "two", f"2017-03-04_{names[1]}-17.png", f"2017-03-04_{names[2]}-17.png")
    with pytest.raises(InputError, match="no frame belongs to"):
        pair(find(tmp_path / "five", ""), find(tmp_path / "two", ""), sparse=True)
