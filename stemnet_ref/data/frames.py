"""Find the frames of time-lapses on disk, and read their sequence and number from their names.

Names are read by `data.names`. The pages of a multi-page TIFF are the frames 1, 2, ... of a sequence named after the
file.
"""

import glob
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import InputError, counted
from . import challenge
from .images import count_pages
from .names import NUMBER, frame_field, natural, sequence_of
from .selection import UNCHOSEN

SUFFIXES = (".png", ".tif", ".tiff")
OTHER_PICTURES = (".jpg", ".jpeg", ".bmp", ".gif", ".jp2", ".webp", ".avi", ".mp4", ".nd2", ".czi", ".lif")


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


def find(where, option, lenient=False, selection=UNCHOSEN):
    """Return the frames of a folder, a glob pattern or a file, ordered by sequence and number.

    A folder may have the layout of the Cell Tracking Challenge (`data.challenge`).

    Parameters
    ----------
    where : path or str
    option : str
        Name of the option to put into messages, such as ``--frames``.
    lenient : bool
        Take a file that cannot be read for one frame; else it is an error.
    selection : Selection

    Raises
    ------
    InputError
        If nothing is there, or two files have the same sequence and number.
    """
    return in_order(_files(where, option), option, lenient, selection)


def in_order(files, option, lenient=False, selection=UNCHOSEN):
    """Return the frames of files, as `find` does."""
    frames = [frame for group in _alike(files, lenient, selection) for frame in group]
    frames.sort(key=lambda frame: (natural(frame.sequence), frame.number))
    for a, b in pairwise(frames):
        if (a.sequence, a.number) == (b.sequence, b.number):
            raise InputError(f"{option}: {a} and {b} are both frame {a.number} of sequence {a.sequence}; "
                             "remove or rename one")
    return frames


def find_neighbours(where, option, channels, selection=UNCHOSEN):
    """Return the frames to process, and all frames among which their neighbours in time are found.

    They differ where `where` is one file of one page: its neighbours are those of its sequence, in its folder.
    """
    frames = find(where, option, selection=selection)
    if channels == 1 or len(frames) > 1 or frames[0].page is not None or not Path(where).is_file():
        return frames, frames
    around = find(frames[0].path.parent, option, selection=selection)
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


def _alike(files, lenient, selection):
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
        field = frame_field(group[0][1], [numbers for _, _, numbers in group])
        yield [Frame(file, None, label, sequence_of(label, field), numbers[field] if numbers else 0, numbers)
               for file, label, numbers in group]


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
