"""Numbers beside other numbers: whether they fit, and what they are if not what they should be."""

from itertools import permutations

import numpy as np

from ..compare import ENOUGH, VAGUE
from ..difference import allowed
from ..expected.rounding import FORMATS, Held, Value, exact

# The short formats that results have, the shortest first
OF_RESULTS = [name for name in sorted(FORMATS, key=lambda name: -FORMATS[name].unit) if FORMATS[name].of_results]


def distance(actual, value, trace):
    """Return the root mean square of what numbers differ by from a Value, at least that of a rounding."""
    rounding = trace.roundoff() / 4 * np.sqrt(np.mean(value.array ** 2)) + 1e-300
    return np.hypot(rounding, np.sqrt(np.mean((actual - value.array) ** 2)))


def fits(actual, value, unit):
    """Return whether numbers are a Value, within a bound that says something."""
    array, bound = value.array, allowed(value, unit)
    return array.shape == actual.shape and (abs(actual - array) <= bound).all() and (
        np.mean(bound ** 2) <= VAGUE ** 2 * np.mean(actual ** 2) + 1e-60)


def proportional(actual, value, unit):
    """Return the factor by which numbers are a Value, or 0."""
    factor = np.vdot(value.array, actual) / max(np.vdot(value.array, value.array), 1e-300)
    return factor if factor and fits(actual, Value(value.array * factor, value.error * abs(factor)), unit) else 0


def relations(key, right, others):
    """Yield what is said of an output that is another array, or the right one in another order, and those numbers.

    Parameters
    ----------
    key : str
        Name of the output.
    right : Value
        What it should be.
    others : dict of str to Value
        Other arrays, by what they are.
    """
    yield f"{key} is 0 everywhere.", exact(np.zeros(right.array.shape))
    for what, value in others.items():
        yield f"{key} is {what}.", value
    as_it_is, shape = tuple(range(right.array.ndim)), right.array.shape
    for order in permutations(as_it_is):
        if order != as_it_is and [axis for axis in order if shape[axis] > 1] == [
                axis for axis in as_it_is if shape[axis] > 1]:
            continue                                            # the same numbers, for an axis of one has no order
        for flipped in np.ndindex(*(min(shape[axis], 2) for axis in order)):
            axes = tuple(map(int, np.flatnonzero(flipped)))
            if order != as_it_is or axes:
                words = [f"its axes in the order {order}"] if order != as_it_is else []
                words += [f"the order of axis {' and '.join(map(str, axes))} reversed"] if axes else []
                yield (f"{key} is the right one with {' and '.join(words)}.",
                       right.map(lambda a, order=order, axes=axes: np.flip(a.transpose(order), axes)))


def relations_of_gradients(slopes, gradients):
    """Return a sentence for each gradient that departs and is another array, or the right one times a number.

    Parameters
    ----------
    slopes : dict of str to Value
        What the gradients should be, by name.
    gradients : dict of str to ndarray
    """
    said = []
    for key, right in slopes.items():
        actual = np.asarray(gradients[key], np.float64)
        if fits(actual, right, 0.0):
            continue
        others = {f"what {other} should be": value for other, value in slopes.items() if other != key}
        if fitting := [text for text, value in relations(key, right, others) if fits(actual, value, 0.0)]:
            said.append(fitting[0])
        elif actual.size >= ENOUGH and (factor := proportional(actual, right, 0.0)):
            said.append(f"{key} is {factor:.6g} times what it should be.")
    return said


def where(actual, right, trace):
    """Return where numbers depart, if it is not everywhere: a text to follow, or none."""
    departs = abs(actual - right.array) > allowed(right, trace.roundoff())
    x = trace.inputs.get("x")
    if x is not None and x.shape == actual.shape:
        for words, part in (("x is below 0", x < 0), ("x is 0", x == 0), ("x is above 0", x > 0)):
            if departs.any() and not (departs & ~part).any():
                return f"; it departs only where {words}"
    for axis in range(actual.ndim):
        at = np.flatnonzero(departs.any(tuple(other for other in range(actual.ndim) if other != axis)))
        if 0 < 2 * len(at) <= actual.shape[axis]:
            return f"; it departs only at {', '.join(map(str, at))} of axis {axis}, counted from 0"
    return ""


def in_short_format(trace, key, actual):
    """Return the trace in the short format whose low bits are 0 in every number of an output, or as it is."""
    name = format_of(actual, trace.unit)
    return trace.under(trace.conventions | {Held(name)}) if name else trace


def format_of(actual, unit):
    """Return the shortest format whose low bits are 0 in every number, if it is shorter than a unit's, or "".

    In a format small numbers have finer steps than large ones. Where all are multiples of the largest one's step, they
    are rounded to a grid and not to a format.
    """
    numbers = np.unique(abs(actual[np.isfinite(actual) & (actual != 0)]))
    if numbers.size >= ENOUGH:
        for name in OF_RESULTS:
            step = 2 * FORMATS[name].unit * 2.0 ** np.floor(np.log2(numbers[-1]))
            of_grid = (numbers % step == 0).all() and numbers[-1] >= 2 * numbers[0]
            if FORMATS[name].unit > unit and (FORMATS[name].cut(numbers) == numbers).all() and not of_grid:
                return name
    return ""
