"""What a training run is about to see, checked and told before its first step."""

from hashlib import sha256

import numpy as np

from ..errors import InputError, counted
from .frames import gaps, spans
from .scaling import measure


def describe_split(frames, training, validation, left_out, settings, show):
    """Show what is trained and validated on, and the gaps in the numbering.

    Parameters
    ----------
    frames : list of Frame
    training, validation, left_out : int ndarray
        As `frames.split` returns them.
    settings : Settings
    show : callable
        Takes lines of text for the user.
    """
    sequences = len({frame.sequence for frame in frames})
    text = (f"{counted(len(frames), 'frame')} of {counted(sequences, 'sequence')}: "
            f"{len(training)} to train on, {len(validation)} to validate on")
    if len(left_out):
        text += f", {len(left_out)} between them left out (--gap)"
    without = len(frames) - len(training) - len(validation) - len(left_out)
    if without:
        text += f", {without} without a mask, seen as neighbours only"
    show(f"{text}; validated on {spans([frames[index] for index in validation])}")
    if sequences > 1 and settings.gap != settings.channels:
        show("note: --gap has no effect where whole sequences are kept for validation")
    for sequence, count in gaps(frames):
        show(f"note: {counted(count, 'frame number')} missing in sequence {sequence}, # being the number; "
             "the nearest frame stands in for a missing neighbour")


def read_all(dataset, training, validation, scaling, show):
    """Read all frames and masks once.

    Parameters
    ----------
    dataset : batches.Dataset
    training, validation : int ndarray
        Indices of its frames.
    scaling : str
        As for `scaling.measure`.
    show : callable
        Takes lines of text for the user.

    Returns
    -------
    Scaling
    facts : dict
        What the data are known by: training_cells and validation_cells, the parts of the masks that are cell, and
        frames_sha256 and masks_sha256, digests of all pixels.
    cells : list of (int, int)
        Cell pixels, and all pixels, of every training mask.
    """
    show(f"reading {counted(len(dataset.frames), 'frame')} and their masks")
    digests = {"frames": sha256(), "masks": sha256()}
    read_before = set()

    def read(index, kind="frames"):
        pixels = dataset.pixels(index) if kind == "frames" else dataset.classes(index)
        if (kind, index) not in read_before:                        # an image to subtract takes two readings
            digests[kind].update(f"{pixels.dtype} {pixels.shape}".encode())
            digests[kind].update(np.ascontiguousarray(pixels))
            read_before.add((kind, index))
        return pixels

    training, validation = training.tolist(), validation.tolist()
    measured = measure(scaling, training, read)
    rest = sorted({*range(len(dataset.frames))} - {*training})
    for index in ([] if ("frames", training[0]) in read_before else training) + rest:
        read(index)
    cells = {index: (int(read(index, "masks").sum()), dataset.classes(index).size) for index in training + validation}
    facts = {f"{part}_cells": float(np.mean([np.divide(*cells[index]) for index in indices]))
             for part, indices in (("training", training), ("validation", validation))}
    return (measured, {**facts, **{f"{kind}_sha256": digest.hexdigest() for kind, digest in digests.items()}},
            [cells[index] for index in training])


def check_classes(training, validation, show):
    """Show which part of the pixels of the training and validation masks is cell, and warn where that is odd.

    Raises
    ------
    InputError
        If there is nothing to tell apart.
    """
    if training == 0:
        raise InputError("--masks: no training mask holds a cell, all their pixels are 0; name the folder of the "
                         "masks, with cells above 0")
    if training == 1:
        raise InputError("--masks: no training mask holds background, all their pixels are above 0; background "
                         "must be 0 (or are --frames and --masks swapped?)")
    show(f"cell pixels: {training:.1%} of the training masks, {validation:.1%} of the validation masks")
    if training > 0.95:
        show("warning: nearly all of the training masks is cell; are --frames and --masks swapped, or the "
             "masks inverted?")
    if validation == 0:
        show("warning: no validation mask holds a cell, so that precision, recall and F1 are 0, and best.npz "
             "is chosen by the validation cost alone; a larger --validation takes more frames")
    if validation == 1:
        show("warning: no validation mask holds background, so that F1 says nothing; check the masks of these "
             "frames, or take others with another --validation")
