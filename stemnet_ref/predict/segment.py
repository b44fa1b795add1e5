"""Segment frames with a trained network, measure them where there are masks, and write the results."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import metrics
from ..backends.cuda.recorder import Forward
from ..data import alignment
from ..data.dataset import Dataset
from ..data.discovery import challenge
from ..data.discovery.selection import UNCHOSEN, ChoiceNeeded
from ..data.discovery.sequences import describe_sequences
from ..data.frames import describe_pages, find_neighbours, spans
from ..data.geometry import Geometry, geometry_of, read_record
from ..data.headers import inspect, refuse
from ..data.pairing import masks_of
from ..dispatch import device_of, to_host
from ..errors import InputError, pluralize
from ..program.options import flag_of
from ..storage import locks
from ..storage.files import write_csv
from .results import check_out, check_restorable, write
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
        Whether to bring the results back to the size that the frames had before `data.preprocess`. Measures are then
        of the pixels that were segmented and lie in the original frame: not of padding, nor of what was cropped away.
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
    with locks.Claim(out, check=lambda: check_out(out, opened.frames, opened.masks, results), log=log) as claim:
        numbered = challenge.result_paths(out, opened.frames) if results == "challenge" else {}
        folders = {path.parent.name: frame.sequence for frame, path in numbered.items()}
        if len(folders) > 1:
            log(", ".join(f"{folder}: {sequence}" for folder, sequence in sorted(folders.items())))
        claim.take()
        table = Path(out) / "metrics.csv"
        log(f"{pluralize(len(opened.frames), 'frame')}: {spans(opened.frames)}; writing to {out}")
        describe_pages(opened.data.frames, log)
        describe_sequences(opened.data.frames, model.network.channels, log)
        if masks is None and table.exists():
            log(f"note: {table} is of an earlier call; measures are written only with --masks")
        if record:
            check_restorable(record, {opened.data.frames[index]: opened.data.sizes[index] for index in opened.indices
                                      if opened.data.sizes[index]}, log)
        if opened.masks:
            alignment.describe(opened.data, log, quick=True)
        measured, scores, shares = [], metrics.Scores(), []
        for frame, pixels, truth, z in _segment(model, opened, tile, progress, log):
            cell = cell_probability(z)
            geometry = geometry_of(record, frame.name) if record else Geometry(pixels.shape, pixels.shape)
            shares.append(float(np.mean(geometry.shared(cell) > 0.5)))
            if truth is not None:
                measured.append(frame.name)
                scores.add(*map(geometry.shared, (cell > 0.5, z, truth)))
                truth = geometry.undo(truth)
            write(out, frame, geometry.undo(cell), geometry.undo(pixels, np.median(pixels)), truth, numbered)
        if not shares:
            raise left_out[0]
        _warn_of_one_class(shares, scores.total, log)
        if not measured:
            return None
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
    chosen, around, completed = _find_frames(model, frames, selection, log, lenient)
    truth_of = {} if masks is None else masks_of(chosen, masks, log, sparse, completed, lenient)
    completed.check_effect(chosen, truth_of.values(), "FRAMES")
    index_of = {frame: index for index, frame in enumerate(around)}
    indices = [index_of[frame] for frame in chosen]
    headers = inspect(around, [truth_of.get(frame) for frame in around], model.network.channels,
                      model.settings.get("neighbours", "frames"), indices, left_out, log, model.scaling.check)
    data = Dataset(headers, log=log, device=device_of(*model.network.parameters.values()), left_out=left_out)
    if truth_of and not any(data.masks[index] for index in indices):
        raise left_out[-1]
    return Opened(chosen, indices, [*truth_of.values()], data)


def _warn_of_one_class(shares, total, log):
    """Warn where every frame is predicted as one class, by the `shares` of cell, or the masks, by `total`, are cell."""
    if len(shares) > 1 and (min(shares) == 1 or max(shares) == 0):
        log(f"warning: every pixel of every frame is predicted as {'cell' if min(shares) else 'background'}; is "
            "the model trained, and for such frames?")
    if total.tp + total.fn > 0.95 * total.pixels:
        log("warning: nearly all of the masks is cell; are frames and --masks swapped, or the masks inverted?")


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
    device = device_of(*model.network.parameters.values())
    forward = Forward(model.network, device, log) if device else None
    for frame, whole in zip(progress(opened.frames), data.whole(opened.indices), strict=True):
        if whole is None:
            continue
        pixels = to_host(whole.window[model.network.channels // 2])
        if not compared:
            _compare_scale(frame, pixels, model.scaling, log)
            compared = True
        with np.errstate(over="ignore", invalid="ignore"):
            z = logits(model.network, model.scaling, whole.window, tile, forward)
        if np.isfinite(z).all():
            yield frame, pixels, whole.classes, z
            continue
        infinite.append(frame)
        refuse(InputError(f"{frame}: what the network makes of it is not finite; its pixels are on another scale than "
                          "the model's training frames, or the model is damaged: take another one"),
               data.left_out, log, aloud=len(infinite) <= MAX_WARNINGS)
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
