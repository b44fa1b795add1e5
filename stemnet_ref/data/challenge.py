"""The layout of the Cell Tracking Challenge (celltrackingchallenge.net), as its training sets are downloaded.

    01/t000.tif                     frames of the first sequence, numbered from 0
    01_GT/SEG/man_seg000.tif        gold truth: drawn by hand, of some frames
    01_ST/SEG/man_seg000.tif        silver truth: computed, of most or all frames
    01_RES/mask000.tif              results: 16 bits, 0 background, cells numbered

Where a frame has both, gold truth is taken. The masks number their cells.
"""

import re
from pathlib import Path

from ..errors import InputError

SEQUENCE = re.compile(r"\d\d")
FRAME = re.compile(r"t(\d{3,4})\.tiff?", re.IGNORECASE)
MASK = re.compile(r"man_seg_?(\d{3,4})\.tiff?", re.IGNORECASE)
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


def truth_files(folders):
    """Return the truth that is known: a dict from the file of a frame to that of its mask.

    Raises
    ------
    InputError
        If there is none, or the set has three dimensions.
    """
    found = {}
    for folder in folders:
        masks = {}
        for kind in reversed(TRUTHS):
            segmented = _truth(folder, kind) / "SEG"
            for file in sorted(segmented.iterdir()) if segmented.is_dir() else ():
                if re.fullmatch(r"man_seg_\d+_\d+\.tiff?", file.name):
                    raise InputError(f"{file}: truth of a slice of a volume; only sets of two dimensions can be used")
                match = MASK.fullmatch(file.name)
                if match:
                    masks[int(match.group(1))] = file
        found.update({file: masks[number] for file in files([folder])
                      if (number := int(FRAME.fullmatch(file.name).group(1))) in masks})
    if not found:
        first = folders[0]
        raise InputError(f"--frames {first.parent}: a set of the Cell Tracking Challenge without truth, no "
                         f"{first.name}_GT/SEG/man_seg*.tif or {first.name}_ST/SEG/man_seg*.tif fits its frames; take "
                         "a training set, or name masks by --masks")
    return found


def result_path(out, frame, number_of_sequence):
    """Return where the result of a frame goes.

    Parameters
    ----------
    out : path
    frame : data.frames.Frame
        If it is not of a set of the challenge, its number is that of its name or page, and its sequence is counted.
    number_of_sequence : int
        From 1.
    """
    folder, match = frame.path.parent.name, FRAME.fullmatch(frame.path.name)
    digits = match.group(1) if match else f"{frame.number:03d}"
    name = folder if match and SEQUENCE.fullmatch(folder) else f"{number_of_sequence:02d}"
    return Path(out) / f"{name}_RES" / f"mask{digits}.tif"


def _is_sequence(folder):
    return (folder.is_dir() and SEQUENCE.fullmatch(folder.name) is not None
            and any(FRAME.fullmatch(file.name) for file in folder.iterdir()))


def _truth(folder, kind):
    return folder.with_name(f"{folder.name}_{kind}")
