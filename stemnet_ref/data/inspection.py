"""What is told of the data before a training run: the split, the classes, and frames that are odd."""

from hashlib import sha256

import numpy as np

from ..errors import InputError, counted
from .discovery.sequences import describe_gaps, describe_sequences
from .frames import describe_pages, spans
from .images import eight_bit_units
from .scaling import fit

FAR = 4                 # times as bright as another sequence: more is told
SATURATED = 0.01        # of the pixels at a frame's lowest or highest value: more are told


def describe_split(frames, training, validation, left_out, settings, show, note=None):
    """Show what is trained and validated on, sequences that are too short, and the gaps in the numbering.

    Parameters
    ----------
    frames : list of Frame
    training, validation, left_out : int ndarray
        As `split.split` returns them.
    settings : Settings
    show : callable
        Takes lines of text for the user.
    note : str, optional
        What `split.divide` says of the gap.
    """
    sequences = len({frame.sequence for frame in frames})
    share = len(validation) / (len(training) + len(validation))
    text = (f"{counted(len(frames), 'frame')} of {counted(sequences, 'sequence')}: "
            f"{len(training)} to train on, {len(validation)} to validate on")
    if len(left_out):
        text += f", {len(left_out)} between them left out (--gap)"
    without = len(frames) - len(training) - len(validation) - len(left_out)
    if without:
        text += f", {without} without a mask, seen as neighbours only"
    show(f"{text}; validated on {spans([frames[index] for index in validation])}")
    if abs(share - settings.validation) > 0.15 and len(validation) > 1:
        show(f"note: that is {share:.0%} to validate on, not --validation {settings.validation:.0%}: whole sequences "
             "are kept for it where there are several")
    cut = {frames[index].sequence for index in training} & {frames[index].sequence for index in validation}
    if note:
        show(note)
    if not cut and settings.gap not in (None, settings.channels):
        show("note: --gap has no effect where whole sequences are kept for validation")
    describe_pages(frames, show)
    describe_sequences(frames, settings.channels, show)
    if missing := describe_gaps(frames):
        show(f"note: {missing}; the nearest frame stands in for a missing neighbour")


def read_all(dataset, training, validation, scaling, show, odd=None):
    """Read all frames and masks once.

    Parameters
    ----------
    dataset : dataset.Dataset
    training, validation : int ndarray
        Indices of its frames.
    scaling : str
        As for `scaling.fit`.
    show : callable
        Takes lines of text for the user.
    odd : OddFrames, optional
        To fill.

    Returns
    -------
    Scaling
    facts : dict
        What the data are known by: training_cells and validation_cells, the parts of the masks that are cell, and
        frames_sha256 and masks_sha256, digests of all pixels.
    cells : list of (int, int)
        Cell pixels, and all pixels, of every training mask.
    """
    _check_one_size(dataset, scaling)
    show(f"reading {counted(len(dataset.frames), 'frame')} and their masks")
    digests = {"frames": sha256(), "masks": sha256()}
    read_before, odd = set(), OddFrames() if odd is None else odd

    def read(index, kind="frames"):
        pixels = dataset.pixels(index) if kind == "frames" else dataset.classes(index)
        if (kind, index) not in read_before:                        # an image to subtract takes two readings
            if kind == "frames":
                odd.add(dataset.frames[index], pixels)
            digests[kind].update(f"{pixels.dtype} {pixels.shape}".encode())
            digests[kind].update(np.ascontiguousarray(pixels))
            read_before.add((kind, index))
        return pixels

    training, validation = training.tolist(), validation.tolist()
    scaler = fit(scaling, training, read)
    rest = sorted({*range(len(dataset.frames))} - {*training})
    for index in ([] if ("frames", training[0]) in read_before else training) + rest:
        read(index)
    odd.tell(show)
    cells = {}
    for index in training + validation:
        classes = read(index, "masks")
        cells[index] = int(classes.sum()), classes.size
    facts = {f"{part}_cells": float(np.mean([np.divide(*cells[index]) for index in indices]))
             for part, indices in (("training", training), ("validation", validation))}
    return (scaler, {**facts, **{f"{kind}_sha256": digest.hexdigest() for kind, digest in digests.items()}},
            [cells[index] for index in training])


def _check_one_size(dataset, scaling):
    """Raise InputError where an image is to be subtracted from frames of several sizes."""
    sizes = {size: frame for frame, size in zip(dataset.frames, dataset.sizes, strict=True)}
    if scaling.endswith("-image") and len(sizes) > 1:
        (h, w), (other_h, other_w), *_ = sizes
        raise InputError(f"--scaling {scaling}: needs frames of one size, but {sizes[h, w]} has {h} x {w} pixels and "
                         f"{sizes[other_h, other_w]} {other_h} x {other_w}; crop or pad them by python -m "
                         "stemnet_ref.data.preprocess, or use --scaling standard")


class OddFrames:
    """Frames that are constant or saturated, and which frames are of each kind (shape, dtype)."""

    def __init__(self):
        self.constant, self.saturated, self.kinds, self.means = [], [], {}, {}

    def add(self, frame, pixels):
        """Look at the pixels of a frame."""
        self.kinds.setdefault((pixels.shape, str(pixels.dtype)), []).append(frame)
        self.means.setdefault(frame.sequence, []).append(float(eight_bit_units(pixels).mean()))
        low, high = pixels.min(), pixels.max()
        if low == high:
            self.constant.append((frame, low))
            return
        part, word, value = max((np.mean(pixels == low), "lowest", low), (np.mean(pixels == high), "highest", high))
        if part > SATURATED:
            self.saturated.append((frame, f"{part:.1%} of the pixels have the {word} value, {value:g}"))

    def tell(self, show):
        """Show a line for each kind, and for sequences of very different brightness."""
        means = {sequence: np.mean(values) for sequence, values in self.means.items()}
        dark, bright = min(means, key=means.get), max(means, key=means.get)
        if means[bright] > FAR * max(means[dark], 0) and means[bright] > 0:
            show(f"warning: the pixels of sequence {bright} are {means[bright]:.4g} on average and those of {dark} "
                 f"{means[dark]:.4g}, on the scale of 8 bits; one scaling is for all, so that the dark one has hardly "
                 "any contrast")
        for frames, what in ((self.constant, "constant"), (self.saturated, "saturated")):
            if frames:
                frame, of = frames[0]
                detail = f"every pixel is {of:g}" if what == "constant" else of
                verb = "is" if len(frames) == 1 else "are"
                show(f"warning: {counted(len(frames), 'frame')} {verb} {what}, the first {frame} ({detail})")


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
