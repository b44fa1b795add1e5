"""Numbers beside other numbers: whether they fit, and what they are if not what they should be."""

from itertools import permutations

import numpy as np

from ..expected.layer import GRADIENTS
from ..expected.rounding import FORMATS, Value, exact
from .backward import Given

ENOUGH = 8              # numbers: fewer are a factor of others by chance
VAGUE = 0.25            # of the numbers' root mean square: a wider bound explains nothing
SHORT = [name for name in sorted(FORMATS, key=lambda name: -FORMATS[name].unit) if FORMATS[name].of_results]


def distance(actual, value, trace):
    """Return the root mean square of what numbers differ by from a Value, at least that of a rounding."""
    rounding = trace.roundoff() / 4 * np.sqrt(np.mean(value.array ** 2)) + 1e-300
    return np.hypot(rounding, np.sqrt(np.mean((actual - value.array) ** 2)))


def fits(actual, value, unit):
    """Return whether numbers are a Value, within a bound that says something."""
    array, bound = value.array, value.error + 4 * unit * abs(value.array) + 1e-300
    return array.shape == actual.shape and (abs(actual - array) <= bound).all() and (
        np.mean(bound ** 2) <= VAGUE ** 2 * np.mean(actual ** 2) + 1e-60)


def proportional(actual, value, unit):
    """Return the factor by which numbers are a Value, or 0."""
    factor = np.vdot(value.array, actual) / max(np.vdot(value.array, value.array), 1e-300)
    return factor if factor and fits(actual, Value(value.array * factor, value.error * abs(factor)), unit) else 0


def relations(key, trace):
    """Yield what is said of an output that is another array, or the right one in another order, and those numbers."""
    right = trace.value(key)
    given = Given(trace, key)
    yield f"{key} is 0 everywhere.", exact(np.zeros(right.array.shape))
    yield f"{key} has the wrong sign.", given.scaled(-1)
    if "dy" in trace.inputs and key.startswith("d"):
        yield (f"{key} does not depend on dy: it is the gradient of the sum of y; multiply by dy.",
               given.right(dy=np.ones_like(trace.inputs["dy"])))
    for name in trace.inputs:
        yield f"{key} is {name} itself.", trace.value(name)
    for name in GRADIENTS[trace.layer] if key.startswith("d") else ():
        if name != key:
            yield f"{key} is what {name} should be.", trace.value(name)
    array = right.array
    for order in permutations(range(array.ndim)):
        for flipped in np.ndindex(*[2] * array.ndim):
            axes = tuple(np.flatnonzero(flipped))
            if order != tuple(range(array.ndim)) or axes:
                moved = right.map(lambda a, order=order, axes=axes: np.flip(a.transpose(order), axes))
                words = [f"its axes in the order {order}"] if order != tuple(range(array.ndim)) else []
                words += [f"its axes {', '.join(map(str, axes))} reversed"] if axes else []
                yield f"{key} is the right one with {' and '.join(words)}.", moved


def where(actual, right, trace):
    """Return where numbers depart, if it is not everywhere: a text to follow, or none."""
    departs = abs(actual - right.array) > right.error + 4 * trace.roundoff() * abs(right.array) + 1e-300
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
    """Return the trace in the short format whose low bits are 0 in every number of an output, or as it is.

    In a format small numbers have finer steps than large ones. Where all are multiples of the largest one's step, they
    are rounded to a grid and not to a format.
    """
    numbers = np.unique(abs(actual[np.isfinite(actual) & (actual != 0)]))
    if numbers.size >= ENOUGH:
        for name in SHORT:
            step = 2 * FORMATS[name].unit * 2.0 ** np.floor(np.log2(numbers[-1]))
            of_grid = (numbers % step == 0).all() and numbers[-1] >= 2 * numbers[0]
            if FORMATS[name].unit > trace.unit and (FORMATS[name].cut(numbers) == numbers).all() and not of_grid:
                return trace.under(trace.conventions | {(name, None)})
    return trace
