"""Segment frames with a trained network, measure them where there are masks, and write the results."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import metrics
from ..data import alignment
from ..data.dataset import Dataset
from ..data.discovery import challenge
from ..data.discovery.selection import UNCHOSEN, ChoiceNeeded
from ..data.discovery.sequences import describe_sequences
from ..data.frames import describe_pages, find_neighbours, spans
from ..data.geometry import geometry_of, read_record
from ..data.pairing import for_either, masks_of
from ..dispatch import device_of, to_host
from ..errors import InputError, pluralize
from ..pictures import number_cells, write_pictures
from ..program.options import flag_of
from ..storage import locks, outputs
from ..storage.files import check_names, make_folder, write_csv, write_tiff
from .tiles import TILE, cell_probability, logits

MAX_WARNINGS = 3                # frames whose output is not finite that get a line each; it may be every frame
RESULTS = ("pictures", "challenge")


def run(model, frames, out, masks=None, tile=TILE, log=print, progress=iter, results="pictures", restore=False,
        sparse=False, selection=UNCHOSEN, left_out=None):
    """Segment frames and write the results to a folder.

    For every frame NAME_mask.png (0 and 255), NAME_probability.png (heat map; the palette index is 255 times the
    probability), NAME_overlay.png and NAME_edges.csv are written, and metrics.csv and roc.csv where masks are given.
    The results "challenge" are those of the Cell Tracking Challenge instead, 01_RES/mask000.tif and so on, with the
    connected cells numbered.

    Parameters
    ----------
    model : checkpoint.Model
        Trained network and its scaling.
    frames, masks : path or str
        Folder, glob pattern or file.
    out : path
        Folder for the results; it is made if it does not exist.
    tile : int
        Side of a tile in pixels, as `logits` takes it.
    log : callable
        Function that prints a line of text for the user.
    progress : callable
        Function that wraps the list of frames and shows the progress.
    results : {"pictures", "challenge"}
        Form of the results.
    restore : bool
        Whether to bring the results back to the size that the frames had before `data.preprocess`. Measures are taken
        before that.
    sparse : bool
        Whether frames may be without a mask, where masks are given.
    selection : data.discovery.selection.Selection
        Choice among the channels and slices of files that hold several.
    left_out : list, optional
        List that the errors of unusable frames and masks are appended to; the other frames are segmented. Without it
        the first such error is raised.

    Returns
    -------
    dict of str to float, or None
        Measures over all frames; None without masks.

    Raises
    ------
    InputError
        If a file cannot be read or written, or if no frame, or none of the given masks, can be used.
    """
    if tile < 1:
        raise InputError(f"--tile {tile}: must be at least 1 pixel")
    if results not in RESULTS:
        raise InputError(f"--results {results}: must be {' or '.join(RESULTS)}")
    record = read_record(frames) if restore else None
    opened = _open(model, frames, masks, sparse, selection, left_out, log)
    chosen, data = opened.frames, opened.data
    with locks.Claim(out, check=lambda: _check_out(out, chosen, opened.masks, results), log=log) as claim:
        paths = _result_paths(out, chosen, log) if results == "challenge" else {}
        claim.take()
        log(f"{pluralize(len(chosen), 'frame')}: {spans(chosen)}")
        describe_pages(data.frames, log)
        describe_sequences(data.frames, model.network.channels, log)
        table = Path(out) / "metrics.csv"
        if masks is None and table.exists():
            log(f"note: {table} is of an earlier call; measures are written only with --masks")
        if restore:
            _check_restorable({data.frames[index]: data.sizes[index] for index in opened.indices
                               if index not in data.bad}, record)
            _describe_crop(chosen, record, log)
        if opened.masks:
            alignment.describe(data, log, quick=True)
        measured, scores, shares = [], metrics.Scores(), []
        for frame, pixels, truth, z in _segment(model, opened, tile, progress, log):
            cell = cell_probability(z)
            shares.append(float(np.mean(cell > 0.5)))
            if truth is not None:
                measured.append(frame.name)
                scores.add(cell > 0.5, z, truth)
            if restore:
                geometry = geometry_of(record, frame.name)
                cell, pixels = geometry.undo(cell), geometry.undo(pixels, np.median(pixels))
                truth = None if truth is None else geometry.undo(truth)
            if results == "challenge":
                make_folder(paths[frame].parent)
                write_tiff(paths[frame], number_cells(cell > 0.5, frame), outputs.NUMBERED)
            else:
                write_pictures(Path(out) / frame.name, cell, pixels, truth)
        if not shares:
            raise left_out[0]
        if len(shares) > 1 and (min(shares) == 1 or max(shares) == 0):
            log(f"warning: every pixel of every frame is predicted as {'cell' if min(shares) else 'background'}; is "
                "the model trained, and for such frames?")
        if not measured:
            return None
        total = scores.total
        if total.tp + total.fn > 0.95 * total.pixels:
            log("warning: nearly all of the masks is cell; are frames and --masks swapped, or the masks inverted?")
        write_csv(table, *scores.table(measured))
        write_csv(Path(out) / "roc.csv", metrics.ROC_COLUMNS, scores.roc.points())
        return scores.summary()


class Opened(NamedTuple):
    """Frames whose headers have been read and fit the model."""

    frames: list            # the frames to segment
    indices: list           # their indices in the Dataset
    masks: list             # masks of any of these frames, to measure against
    data: Dataset           # the frames, their neighbours in time, and the masks


def _open(model, frames, masks, sparse, selection, left_out, log):
    """Return the Opened frames and masks; raise InputError where none of the frames, or of the masks, can be used."""
    lenient = left_out is not None

    def find(selection):
        chosen, around, selection = _find_frames(model, frames, selection, log, lenient)
        truth_of = {} if masks is None else masks_of(chosen, masks, log, sparse, selection, lenient)
        return chosen, around, truth_of, truth_of.values()

    chosen, around, truth_of, found_masks = for_either(find, selection)
    index_of = {frame: index for index, frame in enumerate(around)}
    indices = [index_of[frame] for frame in chosen]
    data = Dataset(around, [truth_of.get(frame) for frame in around], model.network.channels, log=log,
                   device=device_of(*model.network.parameters.values()),
                   neighbours=model.settings.get("neighbours", "frames"), targets=indices, left_out=left_out)
    for index in indices:
        if index not in data.bad:
            try:
                model.scaling.check(data.frames[index], data.sizes[index])
            except InputError as error:
                data.leave_out(index, error)
    if all(index in data.bad for index in indices):
        raise data.bad[indices[0]]
    if truth_of and not any(data.masks[index] for index in indices):
        raise left_out[-1]
    return Opened(chosen, indices, list(found_masks), data)


def _find_frames(model, frames, selection, log, lenient):
    """Return the frames to segment, these and their neighbours, and the selection, which the model may complete."""
    try:
        return *find_neighbours(frames, "FRAMES", model.network.channels, selection, lenient), selection
    except ChoiceNeeded:
        completed = selection.completed(model.settings)
        added = [f"{flag_of(name)} {value}" for name, value in completed.options.items()
                 if value != selection.options[name]]
        if not added:
            raise
        found = find_neighbours(frames, "FRAMES", model.network.channels, completed, lenient)
        log(f"note: {' and '.join(added)}, as the model was trained")
        return *found, completed


def _segment(model, opened, tile, progress, log):
    """Yield each frame that can be segmented, with its pixels, its classes (or None) and its logits; refuse others."""
    data, infinite, compared = opened.data, [], False
    for frame, whole in zip(progress(opened.frames), data.whole(opened.indices), strict=True):
        if whole is None:
            continue
        pixels = to_host(whole.window[model.network.channels // 2])
        if not compared:
            _compare_scale(frame, pixels, model.scaling, log)
            compared = True
        with np.errstate(over="ignore", invalid="ignore"):
            z = logits(model.network, model.scaling, whole.window, tile)
        if np.isfinite(z).all():
            yield frame, pixels, whole.classes, z
            continue
        infinite.append(frame)
        data.refuse(InputError(f"{frame}: what the network makes of it is not finite; its pixels are on another scale "
                               "than the model's training frames, or the model is damaged: take another one"),
                    aloud=len(infinite) <= MAX_WARNINGS)
    if more := infinite[MAX_WARNINGS:]:
        log(f"warning: left out for the same reason: {pluralize(len(more), 'frame')} more, {spans(more)}")


def _compare_scale(frame, pixels, scaling, log):
    """Warn where the grey levels of a frame are on another scale than those that the network was trained on."""
    values = scaling.apply(pixels)
    mean, std = float(values.mean()), float(values.std())
    if abs(mean) > 3 or not 0.2 < std < 5:
        log(f"warning: {frame.name} scaled as the model's training frames has mean {mean:.3g} and standard deviation "
            f"{std:.3g}, not about 0 and 1: its bits, exposure or background differ from theirs, and the result may "
            "mean nothing")


def _check_out(out, frames, masks, results):
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


def _result_paths(out, frames, log):
    """Return the path of each frame's result for the Cell Tracking Challenge, a dict; say whose folder is whose."""
    paths = dict(zip(frames, challenge.result_paths(out, frames), strict=True))
    folders = {path.parent.name: frame.sequence for frame, path in paths.items()}
    if len(folders) > 1:
        log(", ".join(f"{folder}: {sequence}" for folder, sequence in sorted(folders.items())))
    return paths


def _check_restorable(sizes, record):
    """Raise InputError unless the record of preprocessing holds every frame of `sizes`, a dict, with its size."""
    for frame, size in sizes.items():
        if frame.name not in record["frames"]:
            raise InputError(f"--restore: {frame} is not in the record of the preprocessed frames; give the folder "
                             "that stemnet_ref.data.preprocess wrote")
        written = geometry_of(record, frame.name).size
        if size != written:
            raise InputError(f"--restore: {frame} has {size[0]} x {size[1]} pixels, but {written[0]} x {written[1]} "
                             "were written; preprocess the frames again")


def _describe_crop(frames, record, log):
    """Warn where the results cannot cover the whole frame."""
    cropped = [frame for frame in frames if any(np.less(geometry_of(record, frame.name).size,
                                                        geometry_of(record, frame.name).original))]
    if cropped:
        log(f"warning: {pluralize(len(cropped), 'frame')} had been cropped, {cropped[0].name} the first; the part that "
            "was cut off was not segmented, and is background in the results")
