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
    left_out: np.ndarray        # between the two
    gap: int                    # in frames: that of the settings, or else the one that was chosen
    note: str | None = None     # for the user, where the gap is not the width of the network's window


def choose_gap(frames, fraction, channels, usable=None):
    """Return the gap, in frames, that fits a network which sees windows of `channels` frames.

    The gap is at most the width of the window, and as large as leaves two thirds of the frames to train on, but never
    less than half a window: then a frame to validate on would be seen in training. Whole sequences need no gap, and
    get the width.

    `frames`, `fraction` and `usable` are those of `split`.
    """
    usable, sequences = _sequences(frames, usable)
    if len(sequences) > 1:
        return channels
    cut = _cut(usable, fraction)
    fitting = (gap for gap in range(channels, channels // 2, -1)
               if 3 * len(_before(usable, cut, gap)) >= 2 * len(usable))
    return next(fitting, channels // 2)


def divide(frames, masks, settings):
    """Return the Split of frames by a run's settings of validation, gap and channels; raise the errors of `split`."""
    usable, note = [index for index, mask in enumerate(masks) if mask], None
    gap, width, fraction = settings.gap, settings.channels, settings.validation
    if gap is None:
        gap = choose_gap(frames, fraction, width, usable)
        if gap < width:
            left = len(_before(np.array(usable), _cut(usable, fraction), width))
            note = (f"note: --gap {gap} chosen: {width}, the width of the network's window, would leave {left} of "
                    f"{pluralize(len(usable), 'frame')} to train on")
    return Split(*split(frames, fraction, gap, usable), gap, note)


def split(frames, fraction, gap, usable=None):
    """Return indices of the training, the validation and the left-out frames.

    Whole sequences go to validation where there are several, taken from the last as long as that brings their share
    nearer to `fraction`, but never all or none (then the shortest). A single sequence is cut in two, the end for
    validation, and `gap` frames between the parts are left out, because neighbours in time are nearly the same picture.

    Parameters
    ----------
    frames : list of Frame
    fraction : float
        Share of the frames to validate on, between 0 and 1.
    gap : int
        Number of frames between the parts.
    usable : sequence of int, optional
        Indices of the frames that have masks; the other frames are in none of the three parts.

    Raises
    ------
    InputError
        If no frame is left to train on or to validate on.
    """
    usable, sequences = _sequences(frames, usable)
    wanted = fraction * len(usable)
    if len(sequences) > 1:
        chosen = []
        for indices in reversed(sequences):
            nearer = abs(len(chosen) + len(indices) - wanted) < abs(len(chosen) - wanted)
            if nearer and len(chosen) + len(indices) < len(usable):
                chosen += indices
        validation = sorted(chosen or min(reversed(sequences), key=len))
        return np.setdiff1d(usable, validation), np.array(validation), np.arange(0)
    cut = _cut(usable, fraction)
    training = _before(usable, cut, gap)
    if not len(training):
        masks = "" if len(usable) == len(frames) else f", {len(usable)} of them with masks,"
        raise InputError(f"--frames: one sequence of {pluralize(len(frames), 'frame')}{masks} is too short for "
                         f"--validation {fraction:g} with a gap of {gap} before it; give more "
                         f"{'masks' if masks else 'frames'}, or a smaller --gap")
    return training, usable[cut:], usable[len(training):cut]


def _sequences(frames, usable):
    """Return the indices of the usable frames, and a list of those of each sequence."""
    usable = np.arange(len(frames)) if usable is None else np.asarray(usable)
    if not len(usable):
        raise InputError("--masks: no frame has a mask to train on; name the folder of the masks")
    return usable, [*grouped(usable.tolist(), lambda index: frames[index].sequence).values()]


def _cut(usable, fraction):
    """Return the position of the first frame to validate on among the usable frames of a single sequence."""
    return len(usable) - max(1, round(fraction * len(usable)))


def _before(usable, cut, gap):
    """Return the frames that are left to train on before the gap."""
    return usable[:cut][usable[:cut] < usable[cut] - gap]


def describe(frames, split, settings, log=print):
    """Print what is trained and validated on, which sequences are too short, and where frames are missing."""
    training, validation, left_out = split[:3]
    sequences = len({frame.sequence for frame in frames})
    share = len(validation) / (len(training) + len(validation))
    text = (f"{pluralize(len(frames), 'frame')} of {pluralize(sequences, 'sequence')}: "
            f"{len(training)} to train on, {len(validation)} to validate on")
    if len(left_out):
        text += f", {len(left_out)} between them left out (--gap)"
    without = len(frames) - len(training) - len(validation) - len(left_out)
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
