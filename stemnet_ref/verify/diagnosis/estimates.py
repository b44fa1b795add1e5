"""Values of a convention that are not common ones, from the numbers that depart.

The tensor is a smooth function of the value. So the value whose tensor is nearest to the other side's, in least
squares, is found by Gauss-Newton steps, with a slope from two values side by side. It is tried as it is and rounded to
a few digits, for people write 0.9 and not 0.90000012, and then it has to explain all tensors as any convention has.
"""

import numpy as np

from ..expected.rounding import Held
from .conventions import CONVENTIONS

STEPS = 12              # of Gauss and Newton at most
DIGITS = (1, 2, 3, 4)   # to which an estimate is rounded
CLOSE = 1e-3            # of an estimate: as near to it a rounded one is tried
LEFT = 0.1              # of the difference may be left under an estimate; else the value is not what differs
MANY = 1e8              # the square root of it is a number of elements that say enough and take little time
START = (1e-4, 0.01, 0.3)               # where no common values are known


def values(name, row, comparison, trace):
    """Return the values of a convention by which a tensor could come nearest to the other side's, a list of floats.

    Parameters
    ----------
    name : str
    row : report.Row
        What departs.
    comparison : compare.Comparison
    trace : expected.trace.Trace
        What has been found is assumed in it.
    """
    convention = CONVENTIONS[name]
    if row.parts.kind not in convention.estimated_from:
        return []
    actual = np.asarray(comparison.actual[row.key], np.float64)

    def under(value):
        held = frozenset([Held(name, value=value)])
        return trace.under(trace.conventions | held).computed(row.key).value.array

    def left(value):
        return np.linalg.norm(under(value) - actual)

    known = notable(name, comparison.training)
    estimate = _least(under, actual, min(known + list(convention.values or START), key=left))
    if not estimate > 0 or not left(estimate) <= LEFT * np.linalg.norm(trace.computed(row.key).value.array - actual):
        return known
    rounded = [float(f"{estimate:.{digits}g}") for digits in DIGITS]
    return list(dict.fromkeys([*known, *(each for each in rounded if abs(each - estimate) <= CLOSE * estimate),
                               float(estimate)]))


def notable(name, training):
    """Return values that follow from the settings; Keras's regularizer is lambda w^2, with twice the gradient."""
    decay = training["weight_decay"]
    return [decay, 2 * decay] if name.startswith("l2_in") and decay else []


def _least(function, actual, value):
    """Return the positive value for which a function comes nearest to an array, from one near it, or NaN."""
    for _ in range(STEPS):
        now, step = function(value), 1e-4 * value
        slope = (function(value + step) - now) / step
        change = np.vdot(slope, actual - now) / max(np.vdot(slope, slope), 1e-300)
        value, before = max(value + change, value / 10), value
        if not np.isfinite(value) or abs(value - before) <= 1e-9 * before:
            break
    return value
