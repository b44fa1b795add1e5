"""Read the sequence and the frame number of files from their names.

A number that is the same in all files is a part of the sequence's name: ``img_000000007_Phase_000.tif`` is frame 7 of
the sequence ``img_#_Phase_000``. Several numbers may differ among names that are otherwise alike. Then the kind of
number that stands highest in this table is the frame number, and the others tell sequences apart. If the names have
several numbers of that kind, the last one is taken.

    kind of number                          example                 frame number
    a time, as `data.discovery.times` reads it        A1_00d00h30m_2.tif      00d00h30m
    nine digits after img (Micro-Manager)   img_000000003_P_2.tif   3
    after t, time or the like               xy01t03_2.tif           3
    after img, frame or the like, or        img03_c1.tif            3
        after no word of this table         exp1_003_z2.tif         3
    after z, s, p or the like               c1_z2.tif               2
    after c, xy, pos or the like            xy1_c2.tif              2

There are four exceptions:

- A last number without a word is the frame number if it takes more values than the number after t: T1_001.tif and
  T2_001.tif are of two treatments.
- If a number after t does not differ, numbers of the last two rows are not frame numbers either: each file is a
  sequence of its own.
- If each file would be a sequence of its own, and its numbers rise together from file to file, they are one frame
  number together: img_0007_2017-03-04_10-00-17.tif.
- Numbers and hexadecimal words that vary by chance beside a number that each file has of its own tell no sequences
  apart: t00_37.0C.tif and t01_37.3C.tif, img_000_a3f9.tif.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from ..grouping import grouped
from .mixed import shared_beginning
from .times import NUMBER, fields, regular

# What the letters before a number, or after it, say that it counts.
TIME = {"t", "time", "timepoint", "tp", "sk"}
FRAME = {"f", "fr", "frame", "frames", "img", "image", "min", "h", "hour", "day", "sec"}
PLACE = {"c", "ch", "chan", "channel", "w", "wave", "wavelength", "xy", "pos", "position", "fov", "field", "well",
         "site", "view", "r", "row", "col", "column", "roi", "tile", "cam", "camera", "region", "crop",
         "trap", "chamber"}
OTHER = {"z", "s", "p", "m", "slice", "plane", "series", "stack", "scene", "point", "a", "l", "fk", "fl"}
MEANING = {word: meaning for meaning, words in (("time", TIME), ("frame", FRAME), ("place", PLACE), ("other", OTHER))
           for word in words}
BEFORE = re.compile(r"([A-Za-z]*?([A-Z]?[a-z]+|[A-Z]+))[ _=(-]*$")      # TimePoint_001; T of PhaseT001
NO_WORD = re.compile(r"(?<![A-Za-z])(?:[A-SU-Y]-|[ALal][ _=(-]+)$"      # the well C-01; a_01
                     r"|(?i:(?:bright|dark|wide)[ _-]?field)[ _=(-]+$")
WELL = re.compile(r"(?<![A-Za-z0-9])[A-P]$")                            # B02
MICRO_MANAGER = re.compile(r"(?:^|/)img_$"), 9                          # img_000000007_Phase_001: a slice follows
AFTER = re.compile(r"(?:x|bits?|nm)(?![a-z0-9])", re.IGNORECASE)   # 20x, 8bit, 561nm
ENOUGH = 5              # files of which numbers that rise together do not do so by chance
CALENDAR = {"date", "moment", "stamp", "clock", "half", "compact"}     # times that each picture has of its own


@dataclass(frozen=True)
class Name:
    """What the name of a file says."""

    sequence: str           # the label with # in place of what counts the frames, and ? of what varies by chance
    number: int             # of the frame; of times in microseconds, of decimals in millionths
    timed: bool = False     # whether the number is a time or a decimal


def read(labels):
    """Return a Name for each label, a path without suffix."""
    labels = _without_hashes(labels)
    found = dict(zip(labels, fields(labels), strict=True))
    named = {}
    for group in grouped(labels, lambda label: _template(label, found[label])).values():
        rows = [found[label] for label in group]
        columns = [numbers_of(column) for column in zip(*rows, strict=True)]
        counts = [numbers for numbers, _ in columns]
        meanings = [_meaning(group[0][after:field.start], field, group[0][field.end:])
                    for after, field in zip((0, *(each.end for each in rows[0])), rows[0], strict=False)]
        at, others = _frame_columns(counts, meanings)
        chance = ()
        if not others:
            at, chance = _by_chance(counts, meanings, [field.kind for field in rows[0]],
                                    [group[0][:field.start][-2:] for field in rows[0]]) or (at, ())
        for index, (label, row) in enumerate(zip(group, rows, strict=True)):
            if at is None:
                named[label] = Name(label, 0)
                continue
            spans = [(row[each].start, row[each].end if columns[each][1] else row[each].start + row[each].digits,
                      "?" if each in chance else "#") for each in sorted((at, *others, *chance))]
            numbers, timed = columns[at]
            named[label] = Name(marked(label, spans), numbers[index], timed)
    return [named[label] for label in labels]


def place_before(label, sequence):
    """Return the word before a label's frame number if such numbers count places or slices; else nothing."""
    before = shared_beginning([label, sequence])
    if sequence.count("#") - label.count("#") != 1 or sequence[len(before)] != "#":         # a * of --pattern
        return ""
    return BEFORE.search(before).group(1) if _word_meaning(before) in ("place", "other") else ""


def numbers_in(label):
    """Return all numbers of a label."""
    return tuple(int(text) for text in NUMBER.findall(label))


def natural(text):
    """Return a key that sorts numbers within a text as numbers."""
    parts = re.split(r"([0-9]+)", text)                 # texts and digits by turns
    return [(len(part.lstrip("0")), part.lstrip("0")) if at % 2 else (-1, part) for at, part in enumerate(parts)]


def _without_hashes(labels):
    """Return labels with ? in place of hexadecimal words that each of those alike has of its own: img_000_a3f9."""
    out = dict(zip(labels, labels, strict=True))
    for group in grouped(out, lambda label: re.sub("[A-Za-z0-9]+", "w", label)).values():
        columns = [*zip(*(re.findall("[A-Za-z0-9]+|[^A-Za-z0-9]+", label) for label in group), strict=True)]
        forms = [{NUMBER.sub("#", word) for word in column} for column in columns]
        hashes = [at for at, column in enumerate(columns)
                  if len({*column}) == len(group) < 2 * len(forms[at]) and len({*map(len, column)}) == 1
                  and all(re.fullmatch("[0-9a-f]{4,64}|[0-9A-F]{4,64}", word) for word in column)]
        for at in hashes:
            columns[at] = ["?"] * len(group)
        plain = ["".join(words) for words in zip(*columns, strict=True)]
        alike = all(len(form) == 1 for at, form in enumerate(forms) if at not in hashes)
        if hashes and alike and len({*plain}) == len(group) >= ENOUGH:
            out.update(zip(group, plain, strict=True))
    return [out[label] for label in labels]


def _template(label, row):
    """Return what names that are alike share: the label with marks for its numbers and times."""
    marks = {"duration": "\0h", "lapse": "\0h", "date": "\0d", "moment": "\0m", "clock": "\0c",
             "compact": "\0k", "half": "\0c", "stamp": "\0m"}
    return marked(label, [(field.start, field.end, marks.get(field.kind, "\0")) for field in row])


def marked(label, spans):
    """Return the label with marks in place of parts of it; `spans` holds (start, end, mark) of each, in order."""
    out, after = "", 0
    for start, end, mark in spans:
        out, after = out + label[after:start] + mark, end
    return out + label[after:]


def numbers_of(column):
    """Return the numbers of a column of Fields, and whether they are times or decimals."""
    if all(field.count is not None for field in column) and len({field.unit for field in column}) == 1:
        return [field.count for field in column], False
    return [field.value for field in column], True


def _meaning(before, field, after):
    """Return what a number counts as far as the text before and after it says.

    That is duration, time, frame, place, other, or nothing.
    """
    if (field.kind in ("duration", "lapse") and field.count is None) or (
            MICRO_MANAGER[0].search(before) and field.digits == MICRO_MANAGER[1]):
        return "duration"
    meaning = _word_meaning(before)
    if field.kind == "decimal":
        return "duration"
    if field.kind != "number":
        return meaning if meaning == "time" else "frame"
    well = WELL.search(before) and field.digits <= 2
    return meaning or ("place" if AFTER.match(after) or well else "")


def _word_meaning(before):
    """Return what the word before a number says of it."""
    word = BEFORE.search(before)
    words = [each.lower() for each in word.groups()] if word and not NO_WORD.search(before) else []
    return next((MEANING[each] for each in words if each in MEANING), "")


def _frame_columns(columns, meanings):
    """Return which column counts the frames, None where there is none, and those that count with it."""
    if not columns:
        return None, ()
    varying = [at for at, column in enumerate(columns) if len(set(column)) > 1] or [*range(len(columns))]
    if all(meanings[at] in ("place", "other") for at in varying):
        varying += [at for at, meaning in enumerate(meanings) if meaning == "time" and at not in varying]
    chosen = varying
    for winners, losers in ((("duration", "time", "frame"), ("place", "other")), (("",), ("place", "other")),
                            (("other",), ("place",))):
        if any(meanings[at] in winners for at in chosen):
            chosen = [at for at in chosen if meanings[at] not in losers]
    best = max((at for at in chosen if meanings[at] == "duration"), default=None)
    if best is None:
        best = max((at for at in chosen if meanings[at] == "time"), default=chosen[-1])
        if len(set(columns[chosen[-1]])) > len(set(columns[best])):             # T1_001.tif, T2_001.tif: treatments
            best = chosen[-1]
    rows = [*zip(*columns, strict=True)]
    if len(chosen) > 1 and len({(*row[:best], *row[best + 1:]) for row in rows}) == len(rows):
        for at in (best, *reversed(chosen)):
            if _rise_together(rows, at, chosen, [each for each in varying if each not in chosen]):
                return at, tuple(each for each in chosen if each != at)
    return best, ()


def _by_chance(columns, meanings, kinds, before):
    """Return which column counts the frames, and which vary by chance along it; None where none do.

    A number that each file of a place has of its own, and that rises by regular steps, counts the frames. Others come
    and go by chance along it, as temperatures (t00_37.0C, t01_37.3C, t02_37.0C), and tell no sequences apart. What
    goes round from 0 or 1, as positions do, and what changes once in a while, as recordings do, tells them apart.
    """
    varying = [at for at, column in enumerate(columns) if len(set(column)) > 1]
    apart = [at for at in varying if meanings[at] in ("place", "other")]
    others = [at for at in varying if at not in apart]
    if any(kinds[at] in CALENDAR for at in others):
        return None
    rows = [*zip(*columns, strict=True)]
    by_place = grouped(rows, lambda row: tuple(row[at] for at in apart))
    if len(others) < 2 or min(map(len, by_place.values())) < ENOUGH:
        return None
    unique = [at for at in others if all(len({row[at] for row in those}) == len(those) and
                                         regular(row[at] for row in those) for those in by_place.values())]
    named = [at for at in unique if meanings[at] in ("duration", "time", "frame")] or unique
    if len(named) != 1:
        return None
    at, = named
    ordered = [sorted(those, key=lambda row: row[at]) for those in by_place.values()]
    chance = [each for each in others if each != at and (re.search("[0-9][.,]$", before[each]) or not all(
        _goes_round([row[each] for row in those]) for those in ordered))]
    for those in ordered if chance else ():
        values = [tuple(row[each] for each in chance) for row in those]
        runs, distinct = 1 + sum(a != b for a, b in pairwise(values)), len(set(values))
        if runs * 4 < len(those) or not (runs > distinct or distinct == len(those)):
            return None
    return at, tuple(chance)


def _goes_round(values):
    """Return whether values go round from 0 or 1 to their largest, and again."""
    first, around = values[0], len(set(values))
    return first in (0, 1) and 2 * around <= len(values) and values == [
        first + at % around for at in range(len(values))]


def _rise_together(rows, at, others, apart):
    """Return whether, from row to row, one column rises and others do not fall, within rows equal in those `apart`."""
    groups = grouped(sorted(rows, key=lambda row: row[at]), lambda row: tuple(row[each] for each in apart))
    return max(map(len, groups.values())) >= ENOUGH and all(
        before[at] < after[at] and all(before[each] <= after[each] for each in others)
        for group in groups.values() for before, after in pairwise(group))
