"""Find the frames of time-lapses on disk, and read their sequence and number from their names.

Names are read by `discovery.names`. The time points of a TIFF stack are the frames 1, 2, ... of a sequence named after
the file, and after the position where it holds several.
"""

import glob
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import InputError, pluralize
from .discovery import challenge
from .discovery.mixed import check_apart
from .discovery.names import natural, numbers_in, read
from .discovery.patterns import matches, read_by
from .discovery.selection import UNCHOSEN, ChoiceRefused, pages_taken_for_time, time_lapses
from .grouping import grouped

SUFFIXES = (".png", ".tif", ".tiff")
OTHER_PICTURES = (".jpg", ".jpeg", ".bmp", ".gif", ".jp2", ".webp", ".avi", ".mp4", ".nd2", ".czi", ".lif")


@dataclass(frozen=True)
class Frame:
    """One picture of a time-lapse: its file or time point of a stack, its sequence and its number."""

    path: Path
    page: int | None        # time point, from 0; None in a file of one
    label: str              # its name without suffix, after those folders that not all files share, and the position
    sequence: str
    number: int
    numbers: tuple          # all numbers of the label, and of the time point
    timed: bool = False     # whether `number` is a time, in microseconds, or a decimal, in millionths
    planes: tuple = ()      # of the file (formats.tiff): several are projected; empty where there is only one
    several: str = ""       # those of "C", channels, and "Z", slices, of which the file has more than one

    @property
    def name(self):
        """Stem for output files: the label, and the time point from 1 in a stack."""
        stem = self.label.replace("/", "_")
        return stem if self.page is None else f"{stem}_{self.page + 1:04d}"

    def __str__(self):
        return str(self.path) if self.page is None else f"{self.path}, page {self.page + 1}"


def find(where, option, lenient=False, selection=UNCHOSEN):
    """Return the frames of a folder, a glob pattern or a file, ordered by sequence and number.

    A folder may have the layout of the Cell Tracking Challenge (`data.discovery.challenge`). Whether the selection has
    an effect is for the caller to check, by `Selection.check_effect`, who may know of masks as well.

    Parameters
    ----------
    where : path or str
        Folder, glob pattern or file.
    lenient : bool
        Whether to take a file that cannot be read for one frame; otherwise it is an error.
    option, selection
        Common arguments of `data`.

    Raises
    ------
    InputError
        If there are no frames, masks lie among frames, or two files have the same sequence and number.
    """
    files = _files(where, option)
    check_apart(files, option, where)
    return in_order(files, option, lenient, selection)


def in_order(files, option, lenient=False, selection=UNCHOSEN, names=None):
    """Return the frames of files, as `find` does; `names` holds the Name of each where these are known."""
    frames = [frame for group in _alike(files, lenient, selection, names) for frame in group]
    if not frames:
        raise InputError(f"{option}: no plane of the chosen channel and slice is in {files[0]}, nor in any other file; "
                         "name the files that hold some")
    frames.sort(key=lambda frame: (natural(frame.sequence), frame.number))
    for a, b in pairwise(frames):
        if (a.sequence, a.number) == (b.sequence, b.number):
            what = "of one time" if a.timed else f"frame {a.number}"
            starred = "*" in (selection.pattern or "")
            remedy = ("put {s} into --pattern in place of the * that tells them apart" if starred else
                      "remove or rename one")
            raise InputError(f"{option}: {a} and {b} are both {what} of sequence {a.sequence}; {remedy}")
    return frames


def find_neighbours(where, option, channels, selection=UNCHOSEN, lenient=False):
    """Return the frames to process, and all frames among which their neighbours in time are found.

    They differ where `where` is one file of one page: its neighbours belong to its sequence and lie in its folder, of
    which no other file is opened.
    """
    frames = find(where, option, lenient, selection)
    if channels == 1 or len(frames) > 1 or frames[0].page is not None or not Path(where).is_file():
        return frames, frames
    path = frames[0].path
    try:
        files = _files(path.parent, option)
    except (InputError, OSError):                       # a folder that may not be listed, or holds but a hidden file
        files = []
    files = [file for file in files if selection.pattern is None or matches(selection.pattern, file)]
    if path not in files:
        return frames, frames
    names = dict(zip(files, _names(files, [_label(file, path.parent) for file in files], selection), strict=True))
    beside = [file for file in files if names[file].sequence == names[path].sequence]
    around = [frame for frame in in_order(beside, option, lenient, selection, names) if frame.page is None]
    return [frame for frame in around if frame.path == path], around


def spans(frames, limit=3):
    """Return as text the first and the last frame of each sequence, for at most `limit` of them."""
    words = [each[0].name if len(each) == 1 else f"{each[0].name} to {each[-1].name}"
             for each in grouped(frames, lambda frame: frame.sequence).values()]
    more = [f"{pluralize(len(words) - limit, 'sequence')} more"] if len(words) > limit else []
    return ", ".join(words[:limit] + more)


def describe_pages(frames, log=print):
    """Say where the pages of files were taken for time points although the files' names count frames too."""
    pages = Counter(frame.path for frame in frames if frame.page is not None)
    labels = {frame.path: frame.label for frame in frames if frame.page is not None}
    names = read(list(labels.values()))
    files = Counter(name.sequence for name in names)
    counted_too = [path for path, name in zip(labels, names, strict=True)
                   if files[name.sequence] > 1 and pages_taken_for_time(path) > 1]
    if len(counted_too) > 1:
        largest = max(pages[path] for path in counted_too)
        each = largest if largest == min(pages[path] for path in counted_too) else f"up to {largest}"
        log(f"note: each of {len(counted_too)} files holds {each} pages, taken for time points of {len(counted_too)} "
            "sequences; if they are slices, choose by --z")


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
                 and _is_picture(file) and not file.name.startswith(".")]
        if not files:
            raise InputError(f"{option} {where}: no PNG or TIFF file in this folder; {_remedy(path)}")
    elif path.exists():
        files = [path]
    elif glob.has_magic(where):
        files = [Path(file) for file in glob.glob(where, recursive=True) if _is_picture(Path(file))]
        if not files:
            raise InputError(f"{option} {where}: no file matches this pattern; "
                             "put it into quotes, and check it with ls")
    else:
        raise InputError(f"{option} {where}: no such file or folder; check the spelling")
    return files


def _is_picture(file):
    """Return whether a path is named as a picture; a broken link or a folder of such a name causes an error later."""
    return file.is_file() or (file.suffix.lower() in SUFFIXES and (file.is_dir() or not file.exists()))


def _remedy(folder):
    """Return the remedy for a folder without PNG and TIFF files."""
    others = [file.suffix for file in folder.iterdir() if file.suffix.lower() in OTHER_PICTURES]
    if others:
        return f"it holds {min(others)} files, convert them to PNG or TIFF"
    return "name the folder that holds them"


def _alike(files, lenient, selection, names):
    """Yield the frames of every stack, and of all files of one time point."""
    root = os.path.commonpath([file.parent for file in files])
    single = {}
    for file in sorted(files):
        try:
            lapses, axes = time_lapses(file, selection)
        except ChoiceRefused:
            raise
        except InputError:
            if not lenient or len(files) == 1:
                raise
            lapses, axes = [("", None)], "CZ"
        label = _label(file, root)
        for position, points in lapses:
            whole = f"{label}_{position}" if position else label
            if points is not None and len(points) > 1:
                yield [Frame(file, time, whole, whole, time + 1, (*numbers_in(whole), time + 1), planes=planes,
                             several=axes) for time, planes in points]
            elif points != []:
                single.setdefault(file, (label, []))[1].append((position, points[0][1] if points else (), axes))
    if names is None:
        beside = _labels_beside(*single) if len(single) == len(files) == 1 else []
        labels = [label for label, _ in single.values()]
        names = dict(zip(single, _names([*single], labels, selection, beside), strict=True))
    for file, (label, positions) in single.items():
        name = names[file]
        for position, planes, axes in positions:
            end = f"_{position}" if position else ""
            yield [Frame(file, None, label + end, name.sequence + end, name.number, numbers_in(label + end), name.timed,
                         planes, axes)]


def _label(file, root):
    """Return a file's path relative to a folder, without suffix."""
    return file.relative_to(root).with_suffix("").as_posix()


def _names(files, labels, selection, beside=()):
    """Return the Name of each file; the labels `beside` help to find the numbers that vary."""
    if selection.pattern is not None:
        return read_by(selection.pattern, files, labels, strict=not selection.of_masks_alone)
    return read([*labels, *beside])[:len(labels)]


def _labels_beside(file):
    """Return the labels of the files in a file's folder, which show the number in its name that counts the frames."""
    try:
        return [other.with_suffix("").name for other in file.parent.iterdir() if other.suffix.lower() in SUFFIXES]
    except OSError:                                     # a folder that may not be listed
        return []
