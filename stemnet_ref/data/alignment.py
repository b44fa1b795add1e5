"""Whether masks lie on what they were drawn on, or on something beside it in time or in space.

Where cells are, frames differ from the median of their sequence, and what differs has steep edges. Both, clipped at
their 99th percentile and normalised, are correlated with the mask: with that of the frame and those of its neighbours
in time, and with the mask shifted by some pixels. Another mask, or another place, that fits better than the one given
tells of a pairing that is off by so much.

Sequences of less than LEAST frames are left out: what stands still there, such as a trap or dust, cannot be told from a
cell.
"""

from typing import NamedTuple

import numpy as np

from .neighbours import time_indices

REACH = 3               # frames in time, either way
NEAR = 64               # pixels in space, either way
LEAST = 5               # frames that an offset is judged by
FRAMES = 40             # looked at, at most
IN_TIME = 2.5           # standard errors by which another mask must fit better to be told, and
BETTER_IN_TIME = 1.02   # how many times as well
BETTER_IN_SPACE = 1.2   # how many times as well masks must fit in another place


class Fit(NamedTuple):
    """How well masks fit."""

    frames: int             # offset in time that fits best: the frame's number plus this is the number of its mask
    pixels: tuple           # by how much the masks lie too low and too far right
    correlation: tuple      # as given, at the best offset in time, at the best one in space; from -1 to 1


def signs_of_cells(pixels):
    """Return where cells may be in a frame less its background: float64 of the shape of `pixels`, of zero mean."""
    features = [np.hypot(*np.gradient(pixels)), abs(pixels - np.median(pixels))]
    return sum(_normalised(np.minimum(each, np.percentile(each, 99))) for each in features)


def fit(dataset):
    """Return the Fit of a dataset's masks, or None where there are too few frames to tell.

    Parameters
    ----------
    dataset : batches.Dataset
    """
    sequences = {}
    for index, frame in enumerate(dataset.frames):
        if dataset.masks[index]:
            sequences.setdefault(frame.sequence, []).append(index)
    index_of, around, gains = time_indices(dataset.frames), {}, {offset: [] for offset in range(-REACH, REACH + 1)}
    share = max(LEAST, FRAMES // max(len(sequences), 1))
    for indices in list(sequences.values())[:FRAMES // LEAST]:
        if len(indices) < LEAST:
            continue
        by_time = {index_of[index]: index for index in indices}
        some = [indices[round(at)] for at in np.linspace(0, len(indices) - 1, min(share, len(indices)))]
        still = np.median([dataset.pixels(index).astype(np.float32) for index in some], axis=0)
        for index in some:
            signs = signs_of_cells(dataset.pixels(index) - still)
            if not signs.any():
                continue
            around.setdefault(signs.shape, []).append(_around(signs, dataset.classes(index)))
            given = around[signs.shape][-1][NEAR, NEAR]
            for offset, found in gains.items():
                other = by_time.get(index_of[index] + offset)
                if other is not None:
                    found.append((_correlation(signs, dataset.classes(other)), given))
    if not around:
        return None
    across = np.mean(max(around.values(), key=len), axis=0)
    given, in_time, in_space = float(across[NEAR, NEAR]), _best_in_time(gains), across.max()
    place = (0, 0)
    if in_space > BETTER_IN_SPACE * max(given, 1e-6):
        place = tuple(NEAR - int(at) for at in np.unravel_index(across.argmax(), across.shape))
    correlation = given, float(np.mean([other for other, _ in gains[in_time]])), float(in_space)
    return Fit(in_time, place, correlation)


def _best_in_time(gains):
    """Return the offset whose masks fit best, 0 unless another fits better beyond doubt."""
    best, least = 0, 0.0
    for offset, found in gains.items():
        if offset == 0 or len(found) < LEAST:
            continue
        other, given = np.transpose(found)
        gain = other - given
        certain = gain.mean() > IN_TIME * gain.std(ddof=1) / np.sqrt(len(gain))
        if certain and other.mean() > BETTER_IN_TIME * given.mean() and gain.mean() > least:
            best, least = offset, gain.mean()
    return best


def _around(signs, classes):
    """Return the correlation at shifts of the mask by -NEAR to NEAR pixels: (2 NEAR + 1, 2 NEAR + 1)."""
    shape = [side + NEAR for side in signs.shape]                       # so that nothing comes round the other side
    product = np.fft.rfft2(signs, shape) * np.conj(np.fft.rfft2(_normalised(classes), shape))
    shifts = np.arange(-NEAR, NEAR + 1)
    return np.fft.irfft2(product, shape)[np.ix_(shifts, shifts)] / _length(signs)


def _correlation(signs, classes):
    return float(np.vdot(signs, _normalised(classes)) / _length(signs))


def _length(array):
    return max(float(np.sqrt(np.square(array).sum())), 1e-12)


def _normalised(array):
    array = array - array.mean(dtype=np.float64)
    return array / _length(array)
