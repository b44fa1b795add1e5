"""Find out from a mask's values what kind of mask it is, and refuse masks in which a value above 0 is not cell."""

import numpy as np

from ...errors import InputError, pluralize
from ..formats.damage import REPLACE
from .regions import regions

MAX_CLASSES = 5         # values above 0 that may be classes
SMOOTH = 0.1            # share of the pixels at borders that lie between their neighbours. Masks of three kinds had
                        # 0.03 or less, 0.07 where cells are crowded; interpolated 0.24 or more, as JPEG 0.18 or more
ENDS = 16               # largest distance of grey levels from 0 or 255 in the best JPEG of a mask
MIN_PIXELS = 16         # pixels between their neighbours that are needed to judge by
IGNORE = 255
SEPARATE = 3            # mean number of regions of a value from which on it is a class rather than a cell


def check_values(pixels, frame):
    """Return a remark on a mask's values.

    Parameters
    ----------
    pixels : ndarray of shape (H, W)
        Values of the mask.
    frame : Frame
        Mask, for messages.

    Returns
    -------
    (str, str) or None
        Kind of the remark, and its text, to follow the mask's name; None where one value is above 0.

    Raises
    ------
    InputError
        If a value above 0 may be something other than cell.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        _check_floats(pixels, frame)
    values = _values(pixels)
    if values[0] < 0:
        raise InputError(f"{frame}: holds {values[0]:g}, which often means 'ignore'; in a mask 0 is background and "
                         "every value above it cell; write one of them in its place")
    above = values[values > 0]
    if len(above) <= 1:
        return None
    consecutive = above[-1] == len(above)
    stands_out = len(above) <= MAX_CLASSES and above[-1] == IGNORE and above[-2] == len(above) - 1
    if stands_out and pixels.dtype.itemsize == 1 and not _one_more_cell(pixels, above):
        words = ", ".join(f"{value:g}" for value in values[:-1])
        raise InputError(f"{frame}: holds {words} and {IGNORE}, which often means 'ignore'; every value above 0 would "
                         f"count as cell; write 0 or the number of a cell in place of {IGNORE}")
    if ((_near_ends(above) and _scattered(pixels))
            or ((len(above) > MAX_CLASSES or (len(above) > 3 and not consecutive)) and _smooth(pixels))):
        raise InputError(f"{frame}: holds {len(values)} grey values that pass smoothly into one another or lie "
                         "scattered, as after a resizing with interpolation, in a JPEG, a map of probabilities, or a "
                         "picture, and every one above 0 would count as cell; save masks as PNG, resize them by "
                         "nearest neighbour, or threshold these (ImageJ: Image > Adjust > Threshold); or are --frames "
                         "and --masks swapped?")
    if values[0] > 0:
        return "full", "holds no 0, so all of it counts as cell; background must be 0"
    if stands_out:
        return "ignore", (f"holds {IGNORE}, which means 'ignore' in some masks; here it counts as cell, as every value "
                          "above 0 does")
    if len(above) <= MAX_CLASSES:
        counts = _counts(pixels, above)
        if sum(counts) >= SEPARATE * len(above):
            words = ", ".join(f"value {value:g}: {pluralize(count, 'region')}"
                              for value, count in zip(above, counts, strict=True))
            return "classes", (f"looks as if its values were classes rather than numbers of cells ({words}); every "
                               "value above 0 counts as cell; set to 0 those that are no cell")
    return "numbers", "holds more than two values; every value above 0 counts as cell"


def _check_floats(pixels, frame):
    if not np.isfinite(pixels).all():
        what = "NaN" if np.isnan(pixels).any() else "infinite"
        raise InputError(f"{frame}: {np.sum(~np.isfinite(pixels))} pixels are {what}; {REPLACE}")
    broken = pixels[pixels != np.floor(pixels)]
    if broken.size:
        raise InputError(f"{frame}: holds fractions such as {broken[0]:.3g}, as a map of probabilities does; every "
                         "value above 0 would count as cell; set what is above a threshold to 255 and the rest to 0")


def _values(pixels):
    """Return the values that occur, ascending."""
    if pixels.dtype in (np.uint8, np.uint16):               # as np.unique, without sorting all pixels
        return np.flatnonzero(np.bincount(pixels.reshape(-1)))
    return np.unique(pixels)


def _near_ends(above):
    """Return whether values lie near 0 and near 255, as in a JPEG of high quality of a mask of 0 and 255."""
    low, high = above <= ENDS, (above >= 255 - ENDS) & (above <= 255)
    return len(above) > 2 and bool(low.any() and high.any() and (low | high).all())


def _scattered(pixels):
    """Return whether most pixels between 0 and the largest value lie singly or in pairs, which in cells few do."""
    between = (pixels > 0) & (pixels < pixels.max())
    alike = sum((pixels == other).astype(np.uint8) for other in _neighbours(pixels))
    return 2 * np.count_nonzero(between & (alike <= 1)) > np.count_nonzero(between)


def _neighbours(pixels):
    """Return the pixels above, below, left and right of each, which at the picture's border is its own neighbour."""
    padded = np.pad(pixels, 1, mode="edge")
    return padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]


def _counts(pixels, values):
    """Return the number of regions of each value."""
    return [int(regions(pixels == value).max()) for value in values]


def _one_more_cell(pixels, above):
    """Return whether the largest value numbers a cell as the others do, rather than pixels to be ignored.

    A cell is one region, as are most others, and the others border on the background more than on it.
    """
    *others, largest = _counts(pixels, above)
    if largest > 1 or sum(others) >= 2 * len(others):
        return False
    other = (pixels > 0) & (pixels < above[-1])
    border = other & np.any([pixels != each for each in _neighbours(pixels)], axis=0)
    shared = other & np.any([each == above[-1] for each in _neighbours(pixels)], axis=0)
    return 2 * np.count_nonzero(shared) < np.count_nonzero(border)


def _smooth(pixels):
    """Return whether values pass smoothly into one another, or are noisy, where they change.

    In a mask almost every pixel has a neighbour of its own value, or lies alone in another; at a border one value is
    beside the other. Counted are the pixels that lie strictly between two opposite neighbours, and those that differ
    from all four neighbours, which differ among themselves.
    """
    middle = pixels[1:-1, 1:-1]
    if not middle.size:
        return False
    up, down, left, right = pixels[:-2, 1:-1], pixels[2:, 1:-1], pixels[1:-1, :-2], pixels[1:-1, 2:]
    border, lonely = np.zeros(middle.shape, bool), np.ones(middle.shape, bool)
    for other in (up, down, left, right):
        border |= middle != other
        lonely &= middle != other
    lonely &= (up != down) | (left != right) | (up != left)
    between = np.zeros(middle.shape, bool)
    for a, b in ((up, down), (left, right)):
        between |= (np.minimum(a, b) < middle) & (middle < np.maximum(a, b))
    return np.count_nonzero(lonely | between) > max(MIN_PIXELS, SMOOTH * np.count_nonzero(border))
