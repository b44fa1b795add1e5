"""Sums of products and of numbers, with what rounding can do to them."""

from functools import reduce

import numpy as np

from .rounding import TRANSFORMS, Value, exact


def bilinear(f, a, b, terms, assumed, alike=None, sides=(), weights=False):
    """Return f(a, b), a sum of `terms` products of an element of a and one of b, as a Value.

    Parameters
    ----------
    f : callable
        Takes two arrays, and is linear in each.
    a, b : Value
    terms : int
    assumed : Assumptions
    alike : ndarray, optional
        The share of pairs of terms that are equal, and so are what is uncertain in them, where pixels are summed.
    sides : tuple of int
        Axes of the result along which rounding errors may be spread: height and width.
    weights : bool
        Whether b holds weights.
    """
    a, b = assumed.operand(a), assumed.operand(b, weights)
    x, w = a.array, b.array
    if not assumed.bounds:
        return exact(f(x, w))
    error, roundings, shared = f(abs(x), abs(w)), assumed.roundings(terms, 0.0 if alike is None else alike), []
    if assumed.spread and sides:
        x_most, w_most = abs(x) + a.error, abs(w) + b.error
        x_even, w_even = even(x_most, (1, 2)), even(w_most, (0, 1) if sides == (1, 2) else (1, 2))
        sums = f(x_most, w_most), f(x_even, w_most), f(x_most, w_even)
        error[:] = reduce(np.maximum, sums).max(sides, keepdims=True)
        error *= roundings + TRANSFORMS * assumed.roundoff()
    else:
        error *= roundings
    # numbers below the smallest normal one: of the results, and of the operands
    error += terms * assumed.smallest() * (1 + abs(x).max(initial=0) + abs(w).max(initial=0))
    for x_part, w_part in ((a.error, w), (x, b.error)):
        if x_part.any() and w_part.any():
            error = np.sqrt(error ** 2 + f(x_part ** 2, w_part ** 2))
            if alike is not None and alike.any():
                error = np.hypot(error, np.sqrt(alike) * f(abs(x_part), abs(w_part)))
    if b.shared is not None:
        shared.append(f(abs(x), b.shared))
    if a.shared is not None:
        shared.append(np.sqrt(f(a.shared ** 2, w ** 2)) if alike is None else f(a.shared, abs(w)))
    if alike is not None:
        return Value(f(x, w), reduce(np.hypot, shared, error))
    return Value(f(x, w), error, reduce(np.hypot, shared) if shared else None)


def even(array, sides):
    """Return the root mean square over an image or a kernel in place of each of its numbers."""
    return np.sqrt(np.mean(array ** 2, sides, keepdims=True)) + np.zeros_like(array)


def total(value, assumed):
    """Return the sums over all axes but the last."""
    array, error = (np.ascontiguousarray(each.reshape(-1, each.shape[-1]).T) for each in value[:2])
    terms, equal = array.shape[1], alike(value.array, assumed)
    shared = 0.0 if value.shared is None else value.shared.reshape(-1, len(array)).sum(0)
    own = assumed.roundings(terms, equal) * abs(array).sum(1) + terms * assumed.smallest()
    of_terms = np.maximum((error ** 2).sum(1), equal * error.sum(1) ** 2)
    return Value(array.sum(1), np.hypot(np.hypot(own, shared), np.sqrt(of_terms)))


def alike(array, assumed):
    """Return the share of pairs of numbers that are equal, as roundings see it, in each channel: the last axis.

    A number a that is added to a sum near S is rounded by no more than u S, and no more than |a| itself. Equal are
    numbers that an eighth of u S does not tell apart, and one counts as min(1, |a| / u S). S is the sum of magnitudes.
    """
    rows = np.ascontiguousarray(array.reshape(-1, array.shape[-1]).T)               # (channels, numbers)
    grain = assumed.roundoff() * abs(rows).sum(1, keepdims=True)
    usable = np.isfinite(grain) & (grain > 0)
    rows, grain = np.where(usable, rows, 0), np.where(usable, grain, 1)
    rounded = np.round(rows * (8 / grain))
    order = rounded.argsort(1)
    rounded, counts = (np.take_along_axis(each, order, 1) for each in (rounded, np.minimum(abs(rows) / grain, 1)))
    begins = np.flatnonzero(np.diff(rounded, prepend=np.nan) != 0)                  # where a group of equal ones begins
    groups = np.add.reduceat(counts.ravel(), begins)
    return np.bincount(begins // rows.shape[1], groups ** 2, len(rows)) / rows.shape[1] ** 2
