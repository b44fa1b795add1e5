"""The files that a prediction writes: whether they may be written, and where, and how."""

from pathlib import Path

import numpy as np

from ..data.geometry import geometry_of
from ..errors import InputError, pluralize
from ..pictures import number_cells, write_pictures
from ..storage import outputs
from ..storage.files import check_names, make_folder, write_tiff


def check_out(out, frames, masks, results):
    """Raise InputError where the results would overwrite an input, a run, one another, or a file of others."""
    if outputs.is_run(out):
        raise InputError(f"--out {out}: holds a run of run_train.py; choose another folder for predictions")
    if Path(out).resolve() in {each.path.resolve().parent for each in (*frames, *masks)}:
        raise InputError(f"--out {out}: the frames or masks are in it, and pictures written there would be taken for "
                         "frames the next time; choose another folder")
    check_names(frames, "FRAMES", "_mask.png")
    outputs.check_no_pictures(out, results == "pictures")
    tables = {"metrics.csv": outputs.MEASURES, "roc.csv": outputs.ROC}
    if results == "pictures":
        tables.update({f"{frame.name}_edges.csv": outputs.EDGES for frame in frames})
    for name, kind in tables.items():
        outputs.check_replaceable(Path(out) / name, kind, remedy="choose another folder")


def write(out, frame, cell, pixels, truth, numbered):
    """Write the pictures of a frame, or, where the dict `numbered` has a path for it, its numbered cells alone."""
    if frame in numbered:
        make_folder(numbered[frame].parent)
        write_tiff(numbered[frame], number_cells(cell > 0.5, frame), outputs.NUMBERED)
    else:
        write_pictures(Path(out) / frame.name, cell, pixels, truth)


def check_restorable(record, sizes, log):
    """Raise InputError unless the record of preprocessing holds every frame of `sizes`, a dict, with its size.

    Frames that had been cropped are warned of, because the results cannot cover the whole of them.
    """
    cropped = []
    for frame, size in sizes.items():
        if frame.name not in record["frames"]:
            raise InputError(f"--restore: {frame} is not in the record of the preprocessed frames; give the folder "
                             "that stemnet_ref.data.preprocess wrote")
        original, written = geometry_of(record, frame.name)
        if size != written:
            raise InputError(f"--restore: {frame} has {size[0]} x {size[1]} pixels, but {written[0]} x {written[1]} "
                             "were written; preprocess the frames again")
        if any(np.less(written, original)):
            cropped.append(frame)
    if cropped:
        log(f"warning: {pluralize(len(cropped), 'frame')} had been cropped, {cropped[0].name} the first; the part that "
            "was cut off was not segmented, and is background in the results")
