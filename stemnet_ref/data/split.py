"""Divide frames into those to train on and those to validate on."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError, pluralize
from .discovery.sequences import describe_gaps, describe_sequences
from .frames import describe_pages, spans
from .grouping import grouped


class Split(NamedTuple):
    """Indices of the frames to train on and to validate on, and the gap between these parts."""

    training: np.ndarray
    validation: np.ndarray
    between: np.ndarray         # indices of the frames that are left out between the two
    gap: int                    # in frames: that of the settings, or else the one that was chosen
    note: str | None = None     # for the user, where the gap is not the width of the network's window


def split(frames, masks, settings):
    """Return the Split of the frames that have masks, by a run's settings of validation, gap and channels.

    Whole sequences go to validation where there are several, taken from the last as long as that brings their share
    nearer to `settings.validation`, but never all or none (then the shortest). A single sequence is cut in two, the end
    for validation, and `gap` frames between the parts are left out, because neighbours in time are nearly the same
    picture. Where the gap is not set, it is that of `choose_gap`, and the width of the network's window where whole
    sequences need none.

    Raises
    ------
    InputError
        If no frame is left to train on or to validate on.
    """
    usable = np.array([index for index, mask in enumerate(masks) if mask], int)
    gap, width, fraction, note = settings.gap, settings.channels, settings.validation, None
    if not len(usable):
        raise InputError("--masks: no frame has a mask to train on; name the folder of the masks")
    sequences = [*grouped(usable.tolist(), lambda index: frames[index].sequence).values()]
    if len(sequences) > 1:
        validation = _whole_sequences(sequences, fraction * len(usable))
        gap = width if gap is None else gap
        return Split(np.setdiff1d(usable, validation), np.array(validation), np.arange(0), gap)
    cut = len(usable) - max(1, round(fraction * len(usable)))           # position of the first frame to validate on
    if gap is None:
        gap = choose_gap(usable, cut, width)
        if gap < width:
            note = (f"note: --gap {gap} was chosen, because {width}, the width of the network's window, would leave "
                    f"only {len(_before(usable, cut, width))} of {pluralize(len(usable), 'frame')} to train on")
    training = _before(usable, cut, gap)
    if not len(training):
        some = "" if len(usable) == len(frames) else f", {len(usable)} of them with masks,"
        raise InputError(f"--frames: one sequence of {pluralize(len(frames), 'frame')}{some} is too short for "
                         f"--validation {fraction:g} with a gap of {gap} before it; give more "
                         f"{'masks' if some else 'frames'}, or a smaller --gap")
    return Split(training, usable[cut:], usable[len(training):cut], gap, note)


def _whole_sequences(sequences, wanted):
    """Return the frames of those sequences that make up about the wanted number of frames, ascending."""
    chosen, count = [], sum(map(len, sequences))
    for indices in reversed(sequences):
        nearer = abs(len(chosen) + len(indices) - wanted) < abs(len(chosen) - wanted)
        if nearer and len(chosen) + len(indices) < count:
            chosen += indices
    return sorted(chosen or min(reversed(sequences), key=len))


def choose_gap(usable, cut, channels):
    """Return the gap, in frames, that fits a network which sees windows of `channels` frames.

    The gap is at most the width of the window, and as large as leaves two thirds of the usable frames, of which those
    from the position `cut` on are to validate on, to train on; but never less than half a window: then a frame to
    validate on would be seen in training.
    """
    fitting = (gap for gap in range(channels, channels // 2, -1)
               if 3 * len(_before(usable, cut, gap)) >= 2 * len(usable))
    return next(fitting, channels // 2)


def _before(usable, cut, gap):
    """Return the frames that are left to train on before the gap."""
    return usable[:cut][usable[:cut] < usable[cut] - gap]


def describe(frames, split, settings, log=print):
    """Print what is trained and validated on, which sequences are too short, and where frames are missing."""
    training, validation, between = split[:3]
    sequences = len({frame.sequence for frame in frames})
    share = len(validation) / (len(training) + len(validation))
    text = (f"{pluralize(len(frames), 'frame')} of {pluralize(sequences, 'sequence')}: "
            f"{len(training)} to train on, {len(validation)} to validate on")
    if len(between):
        text += f", {len(between)} between them left out (--gap)"
    without = len(frames) - len(training) - len(validation) - len(between)
    if without:
        text += f", {without} without a mask, seen as neighbours only"
    log(f"{text}; validated on {spans([frames[index] for index in validation])}")
    if abs(share - settings.validation) > 0.15 and len(validation) > 1:
        log(f"note: that is {share:.0%} to validate on, not --validation {settings.validation:.0%}: whole sequences "
            "are kept for it where there are several")
    cut = {frames[index].sequence for index in training} & {frames[index].sequence for index in validation}
    if split.note:
        log(split.note)
    if not cut and settings.gap not in (None, settings.channels):
        log("note: --gap has no effect where whole sequences are kept for validation")
    describe_pages(frames, log)
    describe_sequences(frames, settings.channels, log)
    if missing := describe_gaps(frames):
        log(f"note: {missing}; the nearest frame stands in for a missing neighbour")
