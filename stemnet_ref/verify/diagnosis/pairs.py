"""Two conventions at once: which are tried, and in which order."""

import numpy as np

from ..expected.rounding import FORMATS, Held, ratio
from . import estimates, formats
from .conventions import CONVENTIONS
from .conventions.others import ACTIVATIONS

BESIDE = 3                  # values of a convention that are tried beside another
DIVISORS = "cost_over_weights", "cost_summed", "cost_summed_over_image", "cost_mean_over_classes"
WEIGHTS = ("weight_plus_one", "weight_without_one", "weight_plus_two", "weights_ignored", "weights_exchanged",
           "weights_by_frequency")
# Two conventions that undo each other, or of which one says that the other is not so
INVERSE = ({"input_times_255", "input_over_255"}, *({"relu_on_logits", each} for each in (
    "activation_missing", *ACTIVATIONS)))


def candidates(explanation):
    """Yield two conventions that could change the row of an `explanation.Explanation`, also one that only the other
    lets ask.

    One of them may have a value, and that one of the first BESIDE. First come those with which the tensor has the right
    direction, that the other may make longer, as all do that change the cost by a factor.
    """
    tried = set()
    for first in _by_direction(explanation):
        (one,) = first
        consulted = explanation.roughly(first).computed(explanation.row.key).consulted
        for name in (name for name in CONVENTIONS if name in consulted and name not in FORMATS):
            for other in explanation.search.common(name)[:BESIDE]:
                pair = first | {other}
                if pair not in tried and not _alike(pair) and None in (one.value, other.value):
                    tried.add(pair)
                    yield pair


def of_cost(names):
    """Yield two conventions of the cost, its divisor and class weights, where these are among the names."""
    if "weights_other" in names:
        yield from (frozenset([Held(divisor), Held(weights)]) for divisor in DIVISORS for weights in WEIGHTS)


def with_divisors(estimated, comparison):
    """Yield Held with estimated values, each alone, and before them class weights beside another divisor of the cost.

    The divisor says why both weights are others: without it that of the background is the golden file's.
    """
    if estimated and estimated[0].name == "weights_other":
        golden, weights = comparison.trace.golden.class_weights, np.array(estimated[-1].value)
        if weights[0] and abs(weights[0] / golden[0] - 1) > estimates.CLOSE:
            others = [Held("weights_other", value=value)
                      for value in estimates.rounded(weights * golden[0] / weights[0])]
            yield from (frozenset([Held(divisor), other]) for divisor in DIVISORS for other in others)
    yield from (frozenset([held]) for held in estimated)


def _by_direction(explanation):
    """Return single conventions, those first under which a large tensor of the row's step has the right direction."""
    search, row, single = explanation.search, explanation.row, explanation.common
    large = [each for each in search.departing if each.parts.step == row.parts.step
             and each.parts.kind != "parameter" and formats.is_large(search, each)]
    if not large:
        return single
    key = (row if row in large else max(large, key=lambda each: np.size(search.comparison.actual[each.key]))).key
    actual = np.asarray(search.comparison.actual[key], np.float64).ravel()

    def angle(more):
        """Return minus the cosine of the angle to the other side's tensor: -1 is the same direction, 0 is none.

        It is 0 as well when half of the work for two conventions is done.
        """
        if not search.goes_on(1 / 2):
            return 0.0
        array = explanation.roughly(more).computed(key).value.array.ravel()
        return -ratio(abs(np.vdot(array, actual)), np.linalg.norm(array) * np.linalg.norm(actual))

    return sorted(single, key=angle)


def _alike(pair):
    """Return whether two Held are one convention with two values, or undo each other."""
    names = {held.name for held in pair}
    return len(names) == 1 or names in INVERSE
