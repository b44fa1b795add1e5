"""Whether masks lie on what they were drawn on, or on something beside it in time or in space.

Where cells are, pictures differ from their middle level and have steep gradients. Both, clipped at their 99th
percentile and normalised, are correlated with the mask: with that of the frame and those of its neighbours in time, and
with the mask shifted by some pixels. Another mask, or another place, that fits better than the one given tells of a
pairing that is off by so much.
"""

from typing import NamedTuple

import numpy as np

from .frames import steps

REACH = 3               # frames in time, either way
NEAR = 64               # pixels in space, either way
BETTER = 1.02           # how many times as well another offset must fit to be told
FRAMES = 40             # looked at, at most


class Fit(NamedTuple):
    """How well masks fit."""

    frames: int             # offset in time that fits best: the frame's number plus this is the number of its mask
    pixels: tuple           # by how much the masks lie too low and too far right
    correlation: tuple      # as given, at the best offset in time, at the best one in space; from -1 to 1


def signs_of_cells(pixels):
    """Return where cells may be: float64 of the shape of `pixels`, of zero mean."""
    pixels = pixels.astype(np.float64)
    features = [np.hypot(*np.gradient(pixels)), abs(pixels - np.median(pixels))]
    return sum(_normalised(np.minimum(each, np.percentile(each, 99))) for each in features)


def fit(dataset):
    """Return the Fit of a dataset's masks.

    Parameters
    ----------
    dataset : batches.Dataset
    """
    by_number = {(frame.sequence, frame.number): index for index, frame in enumerate(dataset.frames)
                 if dataset.masks[index]}
    step_of = steps(dataset.frames)
    some = [*by_number.values()]
    some = some[::max(1, -(-len(some) // FRAMES))]
    in_time = {offset: [] for offset in range(-REACH, REACH + 1)}
    across, here = None, {}
    for index in some:
        frame, signs = dataset.frames[index], signs_of_cells(dataset.pixels(index))
        if not signs.any():
            continue
        for offset, found in in_time.items():
            other = by_number.get((frame.sequence, frame.number + offset * step_of[frame.sequence]))
            if other is not None:
                found.append((index, _correlation(signs, dataset.classes(other))))
        here[index] = in_time[0][-1][1]
        if dataset.sizes[index] == dataset.sizes[some[0]]:
            around = _around(signs, dataset.classes(index))
            across = around if across is None else across + around
    # an offset is compared with what is given on the same frames: those at the ends have fewer neighbours
    gains = {offset: np.mean([value for _, value in found]) / max(np.mean([here[index] for index, _ in found]), 1e-6)
             for offset, found in in_time.items() if len(found) > len(here) / 3}
    given = float(np.mean([*here.values()])) if here else 0.0
    best = max(gains, key=gains.get, default=0)
    best = best if gains.get(best, 0) > BETTER else 0
    place = (0, 0)
    if across is not None and across.max() > BETTER * max(across[NEAR, NEAR], 1e-6):
        place = tuple(int(at) - NEAR for at in np.unravel_index(across.argmax(), across.shape))
    in_space = given if across is None else float(across.max() / max(len(here), 1))
    return Fit(best, tuple(-side for side in place), (given, given * float(gains.get(best, 1)), in_space))


def _around(signs, classes):
    """Return the correlation at shifts of the mask by -NEAR to NEAR pixels: (2 NEAR + 1, 2 NEAR + 1)."""
    shape = [side + NEAR for side in signs.shape]                       # so that nothing comes round the other side
    product = np.fft.rfft2(signs, shape) * np.conj(np.fft.rfft2(_normalised(classes), shape))
    shifts = np.arange(-NEAR, NEAR + 1)
    return np.fft.irfft2(product, shape)[np.ix_(shifts, shifts)] / _length(signs)


def _correlation(signs, classes):
    return float(np.vdot(signs, _normalised(classes)) / _length(signs)) if signs.shape == classes.shape else 0.0


def _length(array):
    return max(float(np.sqrt(np.square(array).sum())), 1e-12)


def _normalised(array):
    array = array - array.mean(dtype=np.float64)
    return array / _length(array)
