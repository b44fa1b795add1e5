"""Which frames are trained on and which are validated on."""

import numpy as np

from ..errors import InputError, counted


def split(frames, fraction, gap, usable=None):
    """Return indices of the training, the validation and the left-out frames.

    Whole sequences go to validation where there are several, taken from the last as long as that brings their share
    nearer to `fraction`, but never all or none (then the shortest). A single sequence is cut in two, the end for
    validation, and `gap` frames between the parts are left out, because neighbours in time are nearly the same picture.

    Parameters
    ----------
    frames : list of Frame
        In the order of `find`.
    fraction : float
        In (0, 1).
    gap : int
        In frames.
    usable : sequence of int, optional
        Indices of the frames that have masks; the others are in none of the three.

    Raises
    ------
    InputError
        If no frame is left to train on or to validate on.
    """
    usable = np.arange(len(frames)) if usable is None else np.asarray(usable)
    sequences = {}
    for index in usable.tolist():
        sequences.setdefault(frames[index].sequence, []).append(index)
    wanted = fraction * len(usable)
    if len(sequences) > 1:
        chosen = []
        for indices in reversed(sequences.values()):
            nearer = abs(len(chosen) + len(indices) - wanted) < abs(len(chosen) - wanted)
            if nearer and len(chosen) + len(indices) < len(usable):
                chosen += indices
        validation = sorted(chosen or min(reversed(sequences.values()), key=len))
        return np.setdiff1d(usable, validation), np.array(validation), np.arange(0)
    cut = len(usable) - max(1, round(wanted))
    training = usable[:cut]
    training = training[training < usable[cut] - gap]
    if not len(training):
        masks = "" if len(usable) == len(frames) else f", {len(usable)} of them with masks,"
        raise InputError(f"--frames: one sequence of {counted(len(frames), 'frame')}{masks} is too short for "
                         f"--validation {fraction:g} with a gap of {gap} before it; give more "
                         f"{'masks' if masks else 'frames'}, or a smaller --gap")
    return training, usable[cut:], usable[len(training):cut]
