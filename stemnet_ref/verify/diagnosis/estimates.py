"""Values of a convention that are not common ones, from the numbers that depart.

The tensor is a smooth function of the value. So the value whose tensor is nearest to the other side's, in least
squares, is found by Gauss-Newton steps, with a slope from two values side by side. It is tried as it is and rounded to
a few digits, for people write 0.9 and not 0.90000012, and then it has to explain all tensors as any convention has.
"""

import numpy as np

from ..expected.key import Key
from ..expected.rounding import DOUBLE, Held, ratio
from .conventions import CONVENTIONS

STEPS = 12              # of Gauss and Newton at most
DIGITS = (1, 2, 3, 4)   # to which an estimate is rounded
CLOSE = 1e-3            # of an estimate: as near to it a rounded one is tried
NOTHING = 1e-5          # of the largest of several numbers: it may be 0
LEFT = 0.1              # of the difference may be left under an estimate; else the value is not what differs
MANY = 1e8              # the square root of it is a number of elements that say enough and take little time
START = (1e-4, 0.01, 0.3)               # where no common values are known
STARTS = {"adam_betas": ((0.5, 0.9), (0.8, 0.99), (0.95, 0.9995))}


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
    starts = convention.values or STARTS.get(name, START)
    if name == "weights_other":
        starts = [comparison.trace.golden.class_weights]
    actual = np.asarray(comparison.actual[row.key], np.float64)

    def under(value):
        held = frozenset([Held(name, value=_plain(value))])
        return trace.under(trace.conventions | held).computed(row.key).value.array

    def left(value):
        return np.linalg.norm(under(value) - actual)

    known = notable(name, comparison)
    estimate = _least(under, actual, min([*known, *starts], key=left), convention.below)
    if not np.all(estimate > 0) or _says_less(name, estimate, comparison) or not (
            left(estimate) <= LEFT * np.linalg.norm(trace.computed(row.key).value.array - actual)):
        return known
    return list(dict.fromkeys(known + rounded(estimate, convention.below)))


def rounded(estimate, below=np.inf):
    """Return an estimate, an array, rounded to a few digits, where it is near to that, and as it is: a list of values.

    What is above 0 and `below` a number stays so.
    """
    large = np.where(estimate < NOTHING * estimate.max(), 0, estimate)
    found = [np.array([float(f"{each:.{digits}g}") for each in large]) for digits in DIGITS]
    close = CLOSE * np.minimum(large, below - large)
    near = [each for each in found if np.all(abs(each - large) <= close)]
    return [_plain(each) for each in (*near, estimate)]


def _plain(value):
    """Return a float, or a tuple of those of a convention with several numbers, from an array or what it is already."""
    numbers = tuple(map(float, np.atleast_1d(value)))
    return numbers if len(numbers) > 1 else numbers[0]


def _says_less(name, estimate, comparison):
    """Return whether another convention says it all: that of one beta, or a factor on the cost."""
    if name == "weights_other":
        factors = estimate / comparison.trace.golden.class_weights
        return np.ptp(factors) <= CLOSE * factors.max()
    ours = [comparison.training["beta1"], comparison.training["beta2"]]
    return name == "adam_betas" and np.any(abs(estimate - ours) <= CLOSE * estimate)


def notable(name, comparison):
    """Return values that follow from the settings or at once from the cost, a list of floats."""
    if name == "cost_times":
        return _factor_of_cost(comparison)
    if name == "weights_other":
        return _weights_of_one_class(comparison)
    decay = comparison.training["weight_decay"]
    given = [Key.of(key) for key in comparison.keys]
    if not decay or (name == "l2_in_gradients" and not any(each.kind == "gradient" for each in given)):
        return []
    if name == "weight_decay_other":                        # in one step alone others fit as well
        return [2 * decay] if len({each.step for each in given if each.kind == "parameter" and each.step}) > 1 else []
    # Keras's regularizer is lambda w^2, with twice the gradient
    return [decay, 2 * decay] if name.startswith("l2_") else []


def measured(held, comparison):
    """Return how many numbers of the value of a Held were estimated from the other side's tensors.

    Common values, those that follow from the settings, whole numbers and their reciprocals do not count: an estimate
    hardly ever meets one of these by chance.
    """
    decay = comparison.training["weight_decay"]
    if held.value is None or held.value in (*CONVENTIONS[held.name].values, decay, 2 * decay):
        return 0
    numbers = np.atleast_1d(held.value)
    return int(np.sum((np.rint(numbers) != numbers) & (abs(np.rint(1 / numbers) * numbers - 1) > DOUBLE)))


def _factor_of_cost(comparison):
    """Return how many times the reference's the first cost is, or the first gradient of the logits, in a list."""
    for key in ("1/cost", "1/backward/logits"):
        if key in comparison.actual and key in comparison.expected:
            actual, expected = (np.asarray(each[key], np.float64) for each in (comparison.actual, comparison.expected))
            factor = ratio(np.vdot(actual, expected), np.vdot(expected, expected))
            if not 0 < factor < np.inf:
                return []
            near = [each for each in (np.rint(factor), 1 / np.rint(1 / factor)) if abs(each / factor - 1) <= CLOSE]
            return [float(each) for each in near or [factor] if each != 1]
    return []


def _weights_of_one_class(comparison):
    """Return class weights, in a list, that say what a factor on the cost says, if all pixels are of one class."""
    weights, classes = comparison.trace.golden.class_weights, np.unique(comparison.trace.golden.labels)
    factors = _factor_of_cost(comparison) if len(classes) == 1 else []
    return [_plain(np.where(np.arange(len(weights)) == classes, factor, 1) * weights) for factor in factors]


def _least(function, actual, value, below):
    """Return the numbers between 0 and `below` for which a function comes nearest to an array, from some near them.

    They are NaN if there are none.
    """
    value = np.atleast_1d(np.array(value, np.float64))
    for _ in range(STEPS):
        now, steps = function(value), 1e-4 * np.minimum(value, below - value)
        slopes = [((function(value + step) - now) / step.sum()).ravel() for step in np.diag(steps)]
        products = np.array([[np.vdot(a, b) for b in (*slopes, actual - now)] for a in slopes])
        if not np.isfinite(products).all():
            return np.full(len(value), np.nan)
        change = np.linalg.lstsq(products[:, :-1], products[:, -1])[0]
        value, before = np.clip(value + change, value / 10, (9 * below + value) / 10), value
        if np.all(abs(value - before) <= 1e-9 * before):
            break
    return value
