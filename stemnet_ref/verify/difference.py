"""How far numbers are from those expected, measured block by block: temporary arrays then stay in the cache."""

from typing import NamedTuple

import numpy as np

from .expected.rounding import ratio

BLOCK = 1 << 14         # numbers in a block


class Difference(NamedTuple):
    """How far an array is from the expected one.

    `largest` is the largest |actual - expected|, `bound` what rounding allows there, `share` the largest share of its
    bound that an element's difference has, and `magnitude` the largest |expected|. The others are means of squares: of
    the differences, of what is expected, of the bounds, and of the actual numbers. `aligned` is the
    cosine of the angle between actual - expected and what is expected.
    """

    largest: float
    bound: float
    share: float
    magnitude: float
    squares: float
    expected_squares: float
    bound_squares: float
    actual_squares: float
    aligned: float


def measure(actual, expected, error, relative, smallest, limit, overflown):
    """Return the Difference of two arrays.

    Parameters
    ----------
    actual, expected : ndarray
    error : float64 ndarray, shape of `expected`
        How far rounding may bring the actual numbers from those expected, beside `relative` times these and `smallest`.
    relative, smallest : float
    limit : float
        Expected numbers beyond it may be infinite or NaN in the other side's format.
    overflown : bool
        Whether a number on the way was beyond the limit, so that any number may be infinite or NaN.
    """
    flat = [np.reshape(each, -1) for each in (actual, expected, error)]
    found = [_measure_block(*(each[start:start + BLOCK].astype(np.float64, copy=False) for each in flat), relative,
                            smallest, limit, overflown) for start in range(0, flat[0].size, BLOCK)]
    largest, bounds, shares, magnitudes, sums = zip(*found, strict=True)
    squares, expected_squares, bound_squares, actual_squares, dot, moved = np.sum(sums, axis=0)
    n = flat[0].size
    return Difference(float(np.max(largest)), float(bounds[np.argmax(largest)]), float(np.max(shares)),
                      float(np.max(magnitudes)), *(each / n for each in (squares, expected_squares, bound_squares,
                                                                         actual_squares)),
                      ratio(abs(dot), np.sqrt(moved) * np.sqrt(expected_squares)))


def _measure_block(actual, expected, error, relative, smallest, limit, overflown):
    """Return of a block the largest difference, the bound there, the largest share, the largest number, and sums."""
    size = abs(expected)
    bound = relative * size + smallest
    bound += error
    moved = actual - expected
    difference = abs(moved)
    missing = ~np.isfinite(actual)
    if missing.any():
        difference[missing & np.isfinite(expected)] = np.inf
        # where a number is beyond what the other side's format holds, infinity or NaN is right
        difference[(actual == expected) | (missing & (overflown | ~(size < limit)))] = 0
    shares = difference / bound
    shares[missing & (difference == 0)] = 0
    at = np.argmax(difference)
    return difference[at], bound[at], shares.max(), size.max(), [
        np.vdot(a, b) for a, b in ((difference, difference), (expected, expected), (bound, bound), (actual, actual),
                                   (moved, expected), (moved, moved))]


def drift(actual, golden):
    """Return the largest |actual - golden|, and the largest |golden|."""
    actual, golden = np.reshape(actual, -1), np.reshape(golden, -1)
    found = []
    for start in range(0, actual.size, BLOCK):
        ours = golden[start:start + BLOCK].astype(np.float64)
        found.append((abs(actual[start:start + BLOCK] - ours).max(), abs(ours).max()))
    return np.max(found, axis=0)
