"""Find out whether masks lie on the cells that they were drawn on, or beside them in time or in space.

Where cells are, frames differ from the median of their sequence, and what differs has steep edges. Both, clipped at
their 99th percentile and normalised, are correlated with the mask: with that of the frame and those of its neighbours
in time, and with the mask shifted by some pixels. If another mask, or another position, fits better than the given one,
the pairing is probably wrong by this much.

Sequences of less than MIN_FRAMES frames are left out: there a still object, such as a trap or dust, looks like a cell.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..errors import pluralize
from .cache import LeftOut
from .discovery.sequences import time_indices
from .grouping import grouped
from .images import eight_bit_units
from .masks.outlines import are_lines, are_outlines

REACH = 3               # largest offset in time, in frames
NEAR = 64               # largest offset in space, in pixels
MIN_FRAMES = 5          # frames that an offset is judged by
MAX_FRAMES = 40         # frames that are examined
IN_TIME = 2.5           # standard errors by which another mask must fit better to be reported, and
BETTER_IN_TIME = 1.02   # its factor on the fit
BETTER_IN_SPACE = 1.2   # factor by which masks must fit better at another position
INVERTED = -0.1         # correlation below which masks lie where the frames show nothing
MIN_SIDE = 8            # side in pixels of frames in which edges can be seen
QUICK = 10, 512         # frames that are examined quickly, and the longer side in pixels that they are reduced to


class Fit(NamedTuple):
    """The fit of masks to their frames."""

    frames: int             # offset in time that fits best: the frame's number plus this is the number of its mask
    pixels: tuple           # by how much the masks lie too low and too far right
    correlation: tuple      # as given, at the best offset in time, at the best one in space; from -1 to 1


def signs_of_cells(pixels):
    """Return the signs of cells in a frame minus its background: float64 of the shape of `pixels`, with zero mean."""
    features = [np.hypot(*np.gradient(pixels)), abs(pixels - np.median(pixels))]
    return sum(_normalised(np.minimum(each, np.percentile(each, 99))) for each in features)


def describe(dataset, log=print, quick=False):
    """Say whether masks fit their frames; where that is to be quick, by a few frames only, and warnings only."""
    found = fit(dataset, *QUICK) if quick else fit(dataset)
    given = found.correlation[0] if found else 0.0
    some = [index for index, mask in enumerate(dataset.masks) if mask]
    some = [some[round(at)] for at in np.linspace(0, len(some) - 1, min(MIN_FRAMES, len(some)))]
    masks = [classes for index in some if (classes := dataset.classes(index)) is not None]
    if masks and are_outlines(masks, given < INVERTED):
        log("warning: masks look like outlines or membranes: thin lines, with background on both sides; a mask must "
            "be above 0 all over its cells, so fill the outlines, or take the areas between membranes for the cells")
    elif given < INVERTED and are_lines([mask == 0 for mask in masks]):
        log("note: the masks' background is thin lines, where frames show most: that is right for stained membranes "
            "between cells; where it is outlines of cells, the masks are inverted")
    elif given < INVERTED:
        log(f"warning: masks look inverted: they are cell where frames show none (correlation {given:.3f}); in a "
            "mask 0 is background")
    elif found:
        _describe_offset(found, log, quick)
    elif not quick:
        log(f"cannot tell whether masks fit their frames: that needs sequences of at least {MIN_FRAMES} frames of one "
            "size in which something moves")


def _describe_offset(found, log, quick):
    given, in_time, in_space = found.correlation
    moved = found.pixels != (0, 0)
    if found.frames and not (moved and in_space > in_time):
        when = f"{pluralize(abs(found.frames), 'frame')} {'later' if found.frames > 0 else 'earlier'}"
        log(f"warning: the masks of {when} fit better (correlation with the picture {in_time:.3f}, as paired "
            f"{given:.3f}); are frames and masks counted from different numbers?")
    if moved and not (found.frames and in_time > in_space):
        down, right = found.pixels
        move = f"{abs(down)} pixels {'up' if down > 0 else 'down'} and {abs(right)} {'left' if right > 0 else 'right'}"
        log(f"warning: masks fit better when moved {move} (correlation {in_space:.3f}, as given {given:.3f}); were "
            "they cropped or drawn otherwise than the frames?")
    if not found.frames and not moved and not quick:
        log(f"masks fit their frames best as they are paired and placed (correlation {given:.3f})")


def fit(dataset, limit=MAX_FRAMES, side=None):
    """Return the Fit of a dataset's masks, or None where there are too few frames to judge by.

    At most `limit` frames are examined. Where a longer side has more than `side` pixels, it is reduced to them, by
    means; offsets become coarser by this factor.
    """
    sizes, index_of = dataset.sizes, time_indices(dataset.frames)
    fitting = [index for index, mask in enumerate(dataset.masks)
               if mask and sizes[index] and min(sizes[index]) >= MIN_SIDE]
    sequences = grouped(fitting, lambda index: (dataset.frames[index].sequence, sizes[index]))
    around, gains = {}, {offset: [] for offset in range(-REACH, REACH + 1)}
    share = max(MIN_FRAMES, limit // max(len(sequences), 1))
    for (_, size), indices in list(sequences.items())[:max(limit // MIN_FRAMES, 1)]:
        if len(indices) < MIN_FRAMES:
            continue
        factor = -(-max(size) // side) if side else 1

        @lru_cache(2 * REACH + 2)
        def mask_of(index, factor=factor):
            classes = dataset.classes(index)
            return None if classes is None else _normalised(_smaller(classes, factor))

        by_time = {index_of[index]: index for index in indices}
        some = [indices[round(at)] for at in np.linspace(0, len(indices) - 1, min(share, len(indices)))]
        pictures = {index: _smaller(pixels, factor) for index in some
                    if (pixels := _pixels(dataset, index)) is not None}
        if len(pictures) < MIN_FRAMES:
            continue
        still = np.median(list(pictures.values()), axis=0)
        for index, pixels in pictures.items():
            signs = signs_of_cells(pixels - still)
            if not signs.any() or mask_of(index) is None:
                continue
            near = NEAR // factor
            fits = _around(signs, mask_of(index), near)
            around.setdefault((signs.shape, factor), []).append(fits)
            for offset, found in gains.items():
                other = by_time.get(index_of[index] + offset)
                if other is not None and mask_of(other) is not None:
                    found.append((_correlation(signs, mask_of(other)), fits[near, near]))
    if not around:
        return None
    (_, factor), fits = max(around.items(), key=lambda item: len(item[1]))
    across, near = np.mean(fits, axis=0), NEAR // factor
    given, in_time, in_space = float(across[near, near]), _best_in_time(gains), across.max()
    place = (0, 0)
    if in_space > BETTER_IN_SPACE * max(given, 1e-6):
        place = tuple(factor * (near - int(at)) for at in np.unravel_index(across.argmax(), across.shape))
    correlation = given, float(np.mean([other for other, _ in gains[in_time]])), float(in_space)
    return Fit(in_time, place, correlation)


def _pixels(dataset, index):
    """Return the pixels of a frame on the scale of 8 bits, or None where it is left out."""
    try:
        return eight_bit_units(dataset.pixels(index))
    except LeftOut:
        return None


def _smaller(array, factor):
    """Return the means of squares of pixels, float32; the pixels that fill no square are left out."""
    height, width = (side // factor for side in array.shape)
    squares = array[:height * factor, :width * factor].reshape(height, factor, width, factor)
    return squares.mean(axis=(1, 3), dtype=np.float32)


def _best_in_time(gains):
    """Return the offset in time whose masks fit best, but 0 unless another one fits clearly better."""
    best, least = 0, 0.0
    for offset, found in gains.items():
        if offset == 0 or len(found) < MIN_FRAMES:
            continue
        other, given = np.transpose(found)
        gain = other - given
        certain = gain.mean() > IN_TIME * gain.std(ddof=1) / np.sqrt(len(gain))
        if certain and other.mean() > BETTER_IN_TIME * given.mean() and gain.mean() > least:
            best, least = offset, gain.mean()
    return best


def _around(signs, mask, near):
    """Return the correlation at shifts of the mask by -near to near pixels: (2 near + 1, 2 near + 1)."""
    shape = [side + near for side in signs.shape]                       # so that nothing comes round the other side
    product = np.fft.rfft2(signs, shape) * np.conj(np.fft.rfft2(mask, shape))
    shifts = np.arange(-near, near + 1)
    return np.fft.irfft2(product, shape)[np.ix_(shifts, shifts)] / _length(signs)


def _correlation(signs, mask):
    return float(np.vdot(signs, mask) / _length(signs))


def _length(array):
    return max(float(np.sqrt(np.square(array).sum())), 1e-12)


def _normalised(array):
    array = array - array.mean(dtype=np.float64)
    return array / _length(array)
