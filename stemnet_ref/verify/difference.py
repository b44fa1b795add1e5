"""How far numbers are from those expected, measured block by block: temporary arrays then stay in the cache."""

from typing import NamedTuple

import numpy as np

from .expected.rounding import ratio

BLOCK = 1 << 16         # numbers in a block
FORMULAS = 4            # roundings of a result beside those in its bound, for what other formulas compute on the way


def allowed(value, unit):
    """Return how far numbers may be from a `rounding.Value`, an array: its error, and FORMULAS roundings of a unit."""
    return value.error + FORMULAS * unit * abs(value.array) + 1e-300


class Difference(NamedTuple):
    """How far an array is from the expected one.

    `largest` is the largest |actual - expected|, `bound` what rounding allows there, `share` the largest share of its
    bound that an element's difference has, `worst` the place of that element, counted in the order of memory, and its
    difference, and `magnitude` the largest |expected|. The others are means of squares: of
    the differences, of what is expected, of the bounds, and of the actual numbers. `aligned` is the
    cosine of the angle between actual - expected and what is expected. Left out of the first four are numbers that are
    outside of their bound, but mean nothing; `meaningless` says whether there are any.
    """

    largest: float
    bound: float
    share: float
    worst: tuple
    magnitude: float
    squares: float
    expected_squares: float
    bound_squares: float
    actual_squares: float
    aligned: float
    meaningless: bool


def measure(actual, expected, error, relative, smallest, limit, overflown):
    """Return the Difference of two arrays.

    Parameters
    ----------
    actual, expected : ndarray
    error : float64 ndarray, shape of `expected`
        How far rounding may bring the actual numbers from those expected, beside `relative` times these and `smallest`.
    relative, smallest : float
    limit : float
        Expected numbers beyond it are too large for the other side's format: what it has there means nothing.
    overflown : bool
        Whether a number on the way was beyond the limit, so that no number means anything unless it is the right one.
    """
    flat = [np.reshape(each, -1) for each in (actual, expected, error)]
    found = [_measure_block(*(each[start:start + BLOCK].astype(np.float64, copy=False) for each in flat), relative,
                            smallest, limit, overflown) for start in range(0, flat[0].size, BLOCK)]
    largest, bounds, shares, worst, magnitudes, sums, meaningless = zip(*found, strict=True)
    squares, expected_squares, bound_squares, actual_squares, dot, moved = np.sum(sums, axis=0)
    n, block = flat[0].size, int(np.argmax(shares))
    at, difference = worst[block]
    return Difference(float(np.max(largest)), float(bounds[np.argmax(largest)]), float(shares[block]),
                      (block * BLOCK + int(at), float(difference)), float(np.max(magnitudes)),
                      *(each / n for each in (squares, expected_squares, bound_squares, actual_squares)),
                      ratio(abs(dot), np.sqrt(moved) * np.sqrt(expected_squares)), any(meaningless))


def _measure_block(actual, expected, error, relative, smallest, limit, overflown):
    """Return of a block the largest difference, the bound there, the largest share, its place and difference, the
    largest number, sums, and whether numbers that differ mean nothing."""
    size = abs(expected)
    bound = relative * size + smallest
    bound += error
    moved = actual - expected
    difference = abs(moved)
    outside = ~(difference <= bound)
    meaningless = (outside & (overflown | ~(size < limit))) | ~(bound < np.inf)
    difference[outside & ~np.isfinite(actual)] = np.inf
    difference[meaningless] = 0
    shares = np.where(difference, difference / bound, 0.0)
    at, worst = np.argmax(difference), np.argmax(shares)
    return difference[at], bound[at], shares[worst], (worst, difference[worst]), size.max(), [
        np.vdot(a, b) for a, b in ((difference, difference), (expected, expected), (bound, bound), (actual, actual),
                                   (moved, expected), (moved, moved))], bool(meaningless.any())


def drift(actual, golden):
    """Return the largest |actual - golden|, and the largest |golden|."""
    actual, golden = np.reshape(actual, -1), np.reshape(golden, -1)
    found = []
    for start in range(0, actual.size, BLOCK):
        ours = golden[start:start + BLOCK].astype(np.float64)
        found.append((abs(actual[start:start + BLOCK] - ours).max(), abs(ours).max()))
    return np.max(found, axis=0)
