"""Find the frames of time-lapses on disk, read sequence and frame number from their names, and pair them with masks.

The frame number is the last number in a name that differs between the files named alike, and the rest of the name is
the sequence: ``frame2009_1_2.png`` is frame 2 of sequence ``frame2009_1_#``; of ``t001_ch0.tif``, ``t002_ch0.tif``
they are 1 and 2. The pages of a multi-page TIFF are the frames 1, 2, ... of a sequence named after the file.
"""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import InputError
from .images import count_pages

SUFFIXES = (".png", ".tif", ".tiff")
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Frame:
    """Where one picture is: a file, or a page of a stack, and its place in a time-lapse."""

    path: Path
    page: int | None        # from 0; None in a file of one page
    label: str              # its name without suffix, after those folders that not all files share
    sequence: str
    number: int
    numbers: tuple          # all numbers of the label, and of the page

    @property
    def name(self):
        """Stem for output files: the label, and the page from 1 in a stack."""
        stem = self.label.replace("/", "_")
        return stem if self.page is None else f"{stem}_{self.page + 1:04d}"

    def __str__(self):
        return str(self.path) if self.page is None else f"{self.path}, page {self.page + 1}"


def find(where, option):
    """Return the frames of a folder, a glob pattern or a file, ordered by sequence and number.

    Parameters
    ----------
    where : path or str
    option : str
        Name of the option to put into messages, such as ``--frames``.

    Raises
    ------
    InputError
        If nothing is there, or two files have the same sequence and number.
    """
    frames = [frame for group in _alike(_files(where, option)) for frame in group]
    frames.sort(key=lambda frame: (_natural(frame.sequence), frame.number))
    for a, b in pairwise(frames):
        if (a.sequence, a.number) == (b.sequence, b.number):
            raise InputError(f"{option}: {a} and {b} are both frame {a.number} of sequence {a.sequence}; "
                             "remove or rename one")
    return frames


def find_neighbours(where, option):
    """Return the frames to process, and all frames among which their neighbours in time are found.

    They differ where `where` is one file of one page: its neighbours are in its folder.
    """
    frames = find(where, option)
    if len(frames) > 1 or frames[0].page is not None or not Path(where).is_file():
        return frames, frames
    around = find(frames[0].path.parent, option)
    chosen = next((frame for frame in around if frame.path.name == frames[0].path.name), None)
    return ([chosen], around) if chosen else (frames, frames)


def pair(frames, masks):
    """Return the masks in the order of the frames, paired by name or number, never by position alone.

    The first of these that gives every frame one mask is taken: equal names; names equal but for a beginning and an
    end that all frames, or all masks, share (``frame2009_1_2.png`` with ``mask2009_1_2.png``); equal numbers in the
    names (``t1.png`` with ``man_seg001.png``); equal frame numbers, where there is one sequence of each.

    Raises
    ------
    InputError
        If a frame or a mask is left over; the message names it.
    """
    rules = [lambda frame: (frame.label, frame.page), _without_shared_words(frames, masks), lambda frame: frame.numbers]
    if len({frame.sequence for frame in frames}) == len({mask.sequence for mask in masks}) == 1:
        rules.append(lambda frame: frame.number)
    best = None
    for rule in rules:
        by_key = {rule(mask): mask for mask in masks}
        keys = [rule(frame) for frame in frames]
        matched = sum(key in by_key for key in keys)
        if len(by_key) == len(masks) == len(set(keys)) == len(frames) == matched:
            return [by_key[key] for key in keys]
        if best is None or matched > best[0]:
            best = matched, rule
    raise InputError(_unpaired(frames, masks, best[1]))


def window_indices(frames, channels):
    """Return the frames that the network sees for each frame: itself in the middle, and its neighbours in time.

    X(j-2), X(j-1), X(j), X(j+1), X(j+2) of one sequence for five channels (thesis section 9). The step from frame to
    frame is the commonest difference of the sequence's numbers. Where a frame is missing, as beyond both ends, the
    nearest existing one on the way to j is repeated.

    Parameters
    ----------
    frames : list of Frame
    channels : int
        Odd.

    Returns
    -------
    windows : int ndarray of shape (len(frames), channels)
        Indices into `frames`.
    """
    place = {(frame.sequence, frame.number): index for index, frame in enumerate(frames)}
    steps = _steps(frames)
    windows = np.empty((len(frames), channels), np.intp)
    middle = channels // 2
    for index, frame in enumerate(frames):
        windows[index, middle] = index
        for direction in (-1, 1):
            nearest = index
            for distance in range(1, middle + 1):
                number = frame.number + direction * distance * steps[frame.sequence]
                nearest = place.get((frame.sequence, number), nearest)
                windows[index, middle + direction * distance] = nearest
    return windows


def gaps(frames):
    """Return (sequence, count) for every sequence whose numbering leaves out `count` frames."""
    numbers = _numbers(frames)
    steps = _steps(frames)
    missing = {name: (max(seen) - min(seen)) // steps[name] + 1 - len(seen) for name, seen in numbers.items()}
    return [(name, count) for name, count in missing.items() if count > 0]


def split(frames, fraction, gap):
    """Return indices of the training, the validation and the left-out frames.

    Whole sequences, from the last, go to validation where there are several: as many as come nearest to `fraction` of
    all frames, but never all or none. A single sequence is cut in two, the end for validation, and `gap` frames between
    the parts are left out, because neighbours in time are nearly the same picture.

    Parameters
    ----------
    frames : list of Frame
        In the order of `find`.
    fraction : float
        In (0, 1).
    gap : int
        In frames.

    Raises
    ------
    InputError
        If no frame is left to train on or to validate on.
    """
    starts = [i for i, frame in enumerate(frames) if i == 0 or frame.sequence != frames[i - 1].sequence]
    wanted = fraction * len(frames)
    if len(starts) > 1:
        cut = min(starts[1:], key=lambda start: (abs(len(frames) - start - wanted), start))
        last_training = cut
    else:
        cut = len(frames) - max(1, round(wanted))
        last_training = cut - gap
    if last_training < 1:
        raise InputError(f"--frames: {len(frames)} frames of one sequence are too few for --validation {fraction:g} "
                         f"with a gap of {gap} frames before it; give more frames, or a smaller --gap")
    return np.arange(last_training), np.arange(cut, len(frames)), np.arange(last_training, cut)


def _files(where, option):
    """Return the picture files at a folder, pattern or path."""
    where = os.fspath(where)
    path = Path(where)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not files:
            raise InputError(f"{option} {where}: no PNG or TIFF file in this folder; name the folder that holds them")
    elif path.exists():
        files = [path]
    elif glob.has_magic(where):
        files = [Path(file) for file in glob.glob(where, recursive=True) if Path(file).is_file()]
        if not files:
            raise InputError(f"{option} {where}: no file matches this pattern; "
                             "put it into quotes, and check it with ls")
    else:
        raise InputError(f"{option} {where}: no such file or folder; check the spelling")
    return [file for file in files if not file.name.startswith(".")]


def _alike(files):
    """Yield the frames of files whose labels differ in their numbers only, and of every stack."""
    root = os.path.commonpath([file.parent for file in files])
    groups = {}
    for file in sorted(files):
        label = file.relative_to(root).with_suffix("").as_posix()
        numbers = tuple(int(text) for text in NUMBER.findall(label))
        pages = count_pages(file)
        if pages > 1:
            yield [Frame(file, page, label, label, page + 1, (*numbers, page + 1)) for page in range(pages)]
        else:
            groups.setdefault(NUMBER.sub("#", label), []).append((file, label, numbers))
    for group in groups.values():
        rows = [numbers for _, _, numbers in group]
        varying = [field for field in range(len(rows[0])) if len({row[field] for row in rows}) > 1]
        field = varying[-1] if varying else len(rows[0]) - 1
        yield [Frame(file, None, label, _sequence(label, field), numbers[field] if numbers else 0, numbers)
               for file, label, numbers in group]


def _sequence(label, field):
    """Return the label with # in place of the number at `field`."""
    spans = [match.span() for match in NUMBER.finditer(label)]
    if not spans:
        return label
    start, end = spans[field]
    return f"{label[:start]}#{label[end:]}"


def _natural(text):
    """Return a key that sorts numbers within a text as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _numbers(frames):
    """Return the frame numbers of every sequence."""
    numbers = {}
    for frame in frames:
        numbers.setdefault(frame.sequence, []).append(frame.number)
    return numbers


def _steps(frames):
    """Return the commonest difference between neighbouring numbers of every sequence; the least of equals."""
    steps = {}
    for sequence, numbers in _numbers(frames).items():
        differences = Counter(np.diff(sorted(numbers)).tolist())
        steps[sequence] = min(differences, key=lambda step: (-differences[step], step)) if differences else 1
    return steps


def _without_shared_words(frames, masks):
    """Return a function from a frame or mask to its label less the words that all of its kind begin and end with.

    Words hold no digits: numbers tell files apart.
    """
    shared = {}
    for kind in (frames, masks):
        labels = [each.label for each in kind]
        begin, end = _shared_word(labels), _shared_word([label[::-1] for label in labels])
        shared.update({each: (len(begin), len(end)) for each in kind})

    def rest(frame):
        begin, end = shared[frame]
        return frame.label[begin:max(begin, len(frame.label) - end)], frame.page

    return rest


def _shared_word(labels):
    """Return the longest beginning, without a digit, that all labels share."""
    first, last = min(labels), max(labels)              # all others lie between them
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return re.match(r"\D*", first[:length]).group()


def _unpaired(frames, masks, rule):
    """Return a message that names a frame without mask, or a mask without frame."""
    frame_keys, mask_keys = [rule(frame) for frame in frames], [rule(mask) for mask in masks]
    lonely_frames = [f for f, key in zip(frames, frame_keys, strict=True) if key not in set(mask_keys)]
    lonely_masks = [m for m, key in zip(masks, mask_keys, strict=True) if key not in set(frame_keys)]
    counts = f"{len(frames)} frames and {len(masks)} masks"
    remedy = "give a frame and its mask the same number"
    if lonely_frames:
        return (f"--masks: {counts}; {len(lonely_frames)} frames have no mask, "
                f"the first is {lonely_frames[0]}; {remedy}")
    if lonely_masks:
        return f"--masks: {counts}; {len(lonely_masks)} masks have no frame, the first is {lonely_masks[0]}; {remedy}"
    keys = frame_keys if len(set(frame_keys)) < len(frames) else mask_keys
    files = frames if keys is frame_keys else masks
    twin = [file for file, key in zip(files, keys, strict=True) if keys.count(key) > 1][:2]
    return f"--masks: {counts}; {twin[0]} and {twin[1]} have the same numbers; {remedy}, or the same name"
