"""The layout of the Cell Tracking Challenge (celltrackingchallenge.net), as its training sets are downloaded.

    01/t000.tif                     frames of the first sequence, numbered from 0
    01_GT/SEG/man_seg000.tif        gold truth: drawn by hand, of some frames
    01_GT/TRA/man_track000.tif      a marker for each cell of every frame
    01_ST/SEG/man_seg000.tif        silver truth: computed, of most or all frames
    01_RES/mask000.tif              results: 16 bits, 0 background, cells numbered

In a set of three dimensions the pages of a file are slices, and ``man_seg_000_005.tif`` is truth of frame 0, slice 5.
Where a frame has both, gold truth is taken, if it holds all cells (`discovery.truth`). The masks number their cells.
"""

import re
from pathlib import Path

from ...errors import InputError
from ...storage.files import is_temporary
from ...storage.outputs import NUMBERED
from .sequences import time_indices

SEQUENCE = re.compile(r"\d\d")
FRAME = re.compile(r"t(\d{3,4})\.tiff?", re.IGNORECASE)
NAMED = re.compile(r"(?:(?:.*/)?(\d\d)[_/])?t(\d{3,4})")     # of frames, without suffix
MASK = re.compile(r"man_seg_?(\d{3,4})(?:_(\d{3,4}))?\.tiff?", re.IGNORECASE)        # of a frame, or of a slice
TRUTH = re.compile(r"\d\d_(GT|ST)")
TRUTHS = ("GT", "ST")               # the better one first


def sequences(where):
    """Return the sequence folders at a path: of a whole set, or of one sequence; none where it has another layout."""
    where = Path(where)
    if not where.is_dir():
        return []
    if _is_sequence(where) and any(_truth(where, kind).is_dir() for kind in TRUTHS):
        return [where]
    return sorted(folder for folder in where.iterdir() if _is_sequence(folder))


def files(folders):
    """Return the files of all frames."""
    return [file for folder in folders for file in sorted(folder.iterdir()) if FRAME.fullmatch(file.name)]


def has_truth(folders):
    """Return whether there is a folder of truth beside any sequence."""
    return any((_truth(folder, kind) / "SEG").is_dir() for folder in folders for kind in TRUTHS)


def truth_files(folders, z=None):
    """Return the truth that is known: a dict from the file of a frame to that of its mask.

    Parameters
    ----------
    folders : list of Path
        Sequence folders, from `sequences`.
    z : int or "max", optional
        Slice, from 0, that is taken of frames in three dimensions, or the maximum over all. Truth of a single slice
        counts only if it is of this one. Slices are no time points here, so that "time" finds no such truth.

    Raises
    ------
    InputError
        If no truth is known.
    """
    found, other_slices = {}, set()
    for folder in folders:
        masks = {}
        for kind in reversed(TRUTHS):
            segmented = _truth(folder, kind) / "SEG"
            for file in sorted(segmented.iterdir()) if segmented.is_dir() else ():
                time, part = _time_and_slice(file) or (None, None)
                if time and part in (None, z):
                    masks[int(time)] = file
                elif time:
                    other_slices.add(part)
        found.update({file: masks[number] for file in files([folder])
                      if (number := int(FRAME.fullmatch(file.name).group(1))) in masks})
    first = folders[0]
    if not found and other_slices:
        known = ", ".join(map(str, sorted(other_slices)[:5])) + ", ..." * (len(other_slices) > 5)
        raise InputError(f"--frames {first.parent}: a set of the Cell Tracking Challenge with truth of the slices "
                         f"{known} alone; choose one of them by --z" + f", not {z}" * (z is not None))
    if not found:
        raise InputError(f"--frames {first.parent}: a set of the Cell Tracking Challenge without truth, no "
                         f"{first.name}_GT/SEG/man_seg*.tif or {first.name}_ST/SEG/man_seg*.tif fits its frames; take "
                         "a training set, or name masks by --masks")
    return found


def holds_slices(path):
    """Return whether the pages of a file are slices of one time point: in frames and truth of the challenge."""
    if path.parent.name in ("SEG", "TRA"):
        return TRUTH.fullmatch(path.parent.parent.name) is not None
    return FRAME.fullmatch(path.name) is not None and SEQUENCE.fullmatch(path.parent.name) is not None


def is_gold(path):
    """Return whether a file is a mask of gold truth."""
    return (path.parent.name == "SEG" and path.parent.parent.name.endswith("_GT") and holds_slices(path)
            and _time_and_slice(path) is not None)


def slice_of(mask):
    """Return the slice, from 0, of a file of truth; None for the truth of a frame, or of all its slices."""
    return (_time_and_slice(mask) or (None, None))[1]


def silver_of(gold):
    """Return the file of silver truth of the same frame as a gold mask, or None."""
    sequence = gold.parent.parent
    folder = sequence.with_name(sequence.name.replace("_GT", "_ST")) / "SEG"
    return _present(folder / gold.name) or _present(folder / f"man_seg{_time_and_slice(gold)[0]}{gold.suffix}")


def markers_of(gold):
    """Return the file of the cells' markers of the same frame as a gold mask, or None."""
    return _present(gold.parent.parent / "TRA" / f"man_track{_time_and_slice(gold)[0]}{gold.suffix}")


def _present(file):
    return file if file.is_file() else None


def _time_and_slice(mask):
    """Return the digits of a mask's time and the number of its slice, None in a mask of all; None for other files."""
    match = MASK.fullmatch(mask.name)
    return match and (match.group(1), match.group(2) and int(match.group(2)))


def result_paths(out, frames):
    """Return the path of the result of each frame, a dict in the frames' order.

    Sequence and number are those of the challenge's names, also in ``01_t0998.png``, as preprocessing writes them.
    Frames of other names keep their number, or that of their page counted from 0; times are counted from 0, and
    sequences from 01.

    Raises
    ------
    InputError
        If two results would have one name, or there are results of others, or of other frames, already.
    """
    sequences = list(dict.fromkeys(frame.sequence for frame in frames))
    numbers = [index if frame.timed else frame.number if frame.page is None else frame.page
               for frame, index in zip(frames, time_indices(frames), strict=True)]
    digits = max(3, len(str(max(numbers))))
    taken = {}
    for frame, number in zip(frames, numbers, strict=True):
        match = NAMED.fullmatch(frame.label)
        folder = (match.group(1) or frame.path.parent.name) if match else ""
        name = folder if SEQUENCE.fullmatch(folder) else f"{sequences.index(frame.sequence) + 1:02d}"
        text = match.group(2) if match else f"{number:0{digits}d}"
        path = Path(out) / f"{name}_RES" / f"mask{text}.tif"
        if path in taken:
            raise InputError(f"--results challenge: {taken[path]} and {frame} would both be written as {path}; segment "
                             "them apart")
        taken[path] = frame
    for folder in {path.parent for path in taken}:
        for path in folder.iterdir() if folder.is_dir() else ():
            if not (path in taken and NUMBERED.made(path)) and not is_temporary(path):
                raise InputError(f"--out {out}: {folder} holds results already, {path.name} is not of these frames and "
                                 "this program; choose another folder")
    return {frame: path for path, frame in taken.items()}


def _is_sequence(folder):
    return (folder.is_dir() and SEQUENCE.fullmatch(folder.name) is not None
            and any(FRAME.fullmatch(file.name) for file in folder.iterdir()))


def _truth(folder, kind):
    return folder.with_name(f"{folder.name}_{kind}")
