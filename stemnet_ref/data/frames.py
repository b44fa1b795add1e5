"""Find the frames of time-lapses on disk, and read their sequence and number from their names.

The frame number is the last number in a name, and the rest of the name is the sequence: ``frame2009_1_2.png`` is frame
2 of sequence ``frame2009_1_#``. A last number that stands after a letter and is the same in all files, as in
``t001_ch0.tif``, ``t002_ch0.tif``, is passed over. The pages of a multi-page TIFF are the frames 1, 2, ... of a
sequence named after the file.
"""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import InputError, counted
from . import challenge
from .images import count_pages

SUFFIXES = (".png", ".tif", ".tiff")
OTHER_PICTURES = (".jpg", ".jpeg", ".bmp", ".gif", ".jp2", ".webp", ".avi", ".mp4", ".nd2", ".czi", ".lif")
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


def find(where, option, lenient=False):
    """Return the frames of a folder, a glob pattern or a file, ordered by sequence and number.

    A folder may have the layout of the Cell Tracking Challenge (`data.challenge`).

    Parameters
    ----------
    where : path or str
    option : str
        Name of the option to put into messages, such as ``--frames``.
    lenient : bool
        Take a file that cannot be read for one frame; else it is an error.

    Raises
    ------
    InputError
        If nothing is there, or two files have the same sequence and number.
    """
    return in_order(_files(where, option), option, lenient)


def in_order(files, option, lenient=False):
    """Return the frames of files, as `find` does."""
    frames = [frame for group in _alike(files, lenient) for frame in group]
    frames.sort(key=lambda frame: (_natural(frame.sequence), frame.number))
    for a, b in pairwise(frames):
        if (a.sequence, a.number) == (b.sequence, b.number):
            raise InputError(f"{option}: {a} and {b} are both frame {a.number} of sequence {a.sequence}; "
                             "remove or rename one")
    return frames


def find_neighbours(where, option, channels):
    """Return the frames to process, and all frames among which their neighbours in time are found.

    They differ where `where` is one file of one page: its neighbours are those of its sequence, in its folder.
    """
    frames = find(where, option)
    if channels == 1 or len(frames) > 1 or frames[0].page is not None or not Path(where).is_file():
        return frames, frames
    around = find(frames[0].path.parent, option)
    chosen = next((frame for frame in around if frame.path.name == frames[0].path.name), None)
    if chosen is None:                                  # a hidden file
        return frames, frames
    return [chosen], [frame for frame in around if frame.sequence == chosen.sequence]


def window_indices(frames, channels, neighbours="frames"):
    """Return the frames that the network sees for each frame: itself in the middle, and its neighbours in time.

    X(j-2), X(j-1), X(j), X(j+1), X(j+2) of one sequence for five channels (thesis section 9). The step from frame to
    frame is the commonest difference of the sequence's numbers. Where a frame is missing, as beyond both ends, the
    nearest existing one on the way to j is repeated.

    Parameters
    ----------
    frames : list of Frame
    channels : int
        Odd.
    neighbours : {"frames", "copies"}
        "copies": the frame itself in their places, as a fault of the listing's paths had it.

    Returns
    -------
    windows : int ndarray of shape (len(frames), channels)
        Indices into `frames`.
    """
    place = {(frame.sequence, frame.number): index for index, frame in enumerate(frames)}
    step_of = steps(frames)
    windows = np.repeat(np.arange(len(frames), dtype=np.intp)[:, None], channels, axis=1)
    middle = channels // 2 if neighbours == "frames" else 0
    for index, frame in enumerate(frames):
        for direction in (-1, 1):
            nearest = index
            for distance in range(1, middle + 1):
                number = frame.number + direction * distance * step_of[frame.sequence]
                nearest = place.get((frame.sequence, number), nearest)
                windows[index, middle + direction * distance] = nearest
    return windows


def gaps(frames):
    """Return (sequence, numbers) for every sequence whose numbering leaves out these numbers."""
    step_of = steps(frames)
    missing = {name: sorted({*range(min(seen), max(seen), step_of[name])} - {*seen})
               for name, seen in _numbers(frames).items()}
    return [(name, numbers) for name, numbers in missing.items() if numbers]


def listed(numbers, most=5):
    """Return numbers in words, at most so many of them."""
    more = [f"{len(numbers) - most} more"] if len(numbers) > most else []
    return ", ".join([*map(str, numbers[:most]), *more])


def spans(frames, most=3):
    """Return in words from which to which frame each sequence goes, at most so many of them."""
    names = {}
    for frame in frames:
        names.setdefault(frame.sequence, []).append(frame.name)
    words = [each[0] if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in names.values()]
    more = [f"{counted(len(words) - most, 'sequence')} more"] if len(words) > most else []
    return ", ".join(words[:most] + more)


def split(frames, fraction, gap, usable=None):
    """Return indices of the training, the validation and the left-out frames.

    Whole sequences go to validation where there are several, taken from the last as long as that brings their share
    nearer to `fraction`, but never all or none (then the shortest). A single sequence is cut in two, the end for
    validation, and `gap` frames between the parts are left out, because neighbours in time are nearly the same picture.

    Parameters
    ----------
    frames : list of Frame
        In the order of `find`.
    fraction : float
        In (0, 1).
    gap : int
        In frames.
    usable : sequence of int, optional
        Indices of the frames that have masks; the others are in none of the three.

    Raises
    ------
    InputError
        If no frame is left to train on or to validate on.
    """
    usable = np.arange(len(frames)) if usable is None else np.asarray(usable)
    sequences = {}
    for index in usable.tolist():
        sequences.setdefault(frames[index].sequence, []).append(index)
    wanted = fraction * len(usable)
    if len(sequences) > 1:
        chosen = []
        for indices in reversed(sequences.values()):
            nearer = abs(len(chosen) + len(indices) - wanted) < abs(len(chosen) - wanted)
            if nearer and len(chosen) + len(indices) < len(usable):
                chosen += indices
        validation = sorted(chosen or min(reversed(sequences.values()), key=len))
        return np.setdiff1d(usable, validation), np.array(validation), np.arange(0)
    cut = len(usable) - max(1, round(wanted))
    training = usable[:cut]
    training = training[training < usable[cut] - gap]
    if not len(training):
        masks = "" if len(usable) == len(frames) else f", {len(usable)} of them with masks,"
        raise InputError(f"--frames: one sequence of {counted(len(frames), 'frame')}{masks} is too short for "
                         f"--validation {fraction:g} with a gap of {gap} before it; give more "
                         f"{'masks' if masks else 'frames'}, or a smaller --gap")
    return training, usable[cut:], usable[len(training):cut]


def _files(where, option):
    """Return the picture files at a folder, pattern or path."""
    where = os.fspath(where)
    path = Path(where)
    if not where:
        raise InputError(f"{option}: the path is empty; name a folder, a pattern or a file")
    if path.is_dir() and challenge.sequences(path):
        files = challenge.files(challenge.sequences(path))
    elif path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES
                 and file.is_file() and not file.name.startswith(".")]
        if not files:
            raise InputError(f"{option} {where}: no PNG or TIFF file in this folder; {_remedy(path)}")
    elif path.exists():
        files = [path]
    elif glob.has_magic(where):
        files = [Path(file) for file in glob.glob(where, recursive=True) if Path(file).is_file()]
        if not files:
            raise InputError(f"{option} {where}: no file matches this pattern; "
                             "put it into quotes, and check it with ls")
    else:
        raise InputError(f"{option} {where}: no such file or folder; check the spelling")
    return files


def _remedy(folder):
    """Return what to do about a folder without PNG and TIFF."""
    others = [file.suffix for file in folder.iterdir() if file.suffix.lower() in OTHER_PICTURES]
    if others:
        return f"it holds {min(others)} files, convert them to PNG or TIFF"
    return "name the folder that holds them"


def _alike(files, lenient):
    """Yield the frames of files whose labels differ in their numbers only, and of every stack."""
    root = os.path.commonpath([file.parent for file in files])
    groups = {}
    for file in sorted(files):
        label = file.relative_to(root).with_suffix("").as_posix()
        numbers = tuple(int(text) for text in NUMBER.findall(label))
        try:
            pages = count_pages(file)
        except InputError:
            if not lenient or len(files) == 1:
                raise
            pages = 1
        if pages > 1:
            yield [Frame(file, page, label, label, page + 1, (*numbers, page + 1)) for page in range(pages)]
        else:
            groups.setdefault(NUMBER.sub("#", label), []).append((file, label, numbers))
    for group in groups.values():
        field = _frame_field(group[0][1], [numbers for _, _, numbers in group])
        yield [Frame(file, None, label, _sequence(label, field), numbers[field] if numbers else 0, numbers)
               for file, label, numbers in group]


def _frame_field(label, rows):
    """Return which of a label's numbers counts the frames: the last.

    A last number that is the same in all files of the group and stands after a letter, as in ``t001_ch0``, is passed
    over where an earlier one differs.
    """
    letters = [label[match.start() - 1:match.start()].isalpha() for match in NUMBER.finditer(label)]
    varies = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    field = len(varies) - 1
    while field >= 0 and not varies[field] and letters[field]:
        field -= 1
    return field if field >= 0 and any(varies[:field + 1]) else len(varies) - 1


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


def steps(frames):
    """Return the commonest difference between neighbouring numbers of every sequence; the least of equals."""
    found = {}
    for sequence, numbers in _numbers(frames).items():
        differences = Counter(np.diff(sorted(numbers)).tolist())
        found[sequence] = min(differences, key=lambda step: (-differences[step], step)) if differences else 1
    return found
