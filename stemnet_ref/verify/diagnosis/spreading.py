"""Whether what departs is another order of sums: convolutions by Fourier transforms or by Winograd's algorithm.

These spread the rounding of large numbers to small ones, and a number has the bound of its image or kernel
(`expected.rounding`). A small fault has room in it, too. So this explains a tensor only where no convention does, none
comes much nearer to it, and the errors look like rounding: those of no map are far above the others', and they are no
multiple of the numbers, of the step of a parameter, or of a constant. What is computed from tensors that are not given
can have errors of all these kinds; so weights are looked at only where no map departs before them, and only the first.
"""

import numpy as np

from ..expected.rounding import FORMATS, Held
from ..expected.wiring import CHANGING
from . import observations

NEARER = 4              # times as near as without it a convention is no chance
APART, MAPS = 32, 5     # an error of a map that is so many times the median of so many or more is a fault: 17 is right
MANY = 64               # numbers: the errors of fewer are like something else by chance
ALIKE = 0.95            # cosine of the errors of a map and of something else: right ones have reached 0.76
ALL_ALIKE = 0.999       # the same of a weight, whose errors go with it where they are those of few logits: 0.991


def of_explanation(explanation):
    """Return whether `explains` does for all that departs, and no convention is near to an `Explanation`'s row."""
    # in another order of layers a tensor is computed from others, and nearer for that
    nearest = min((distance for more, distance in explanation.distances.items()
                   if CHANGING.isdisjoint(held.name for held in more)), default=np.inf)
    comparison, trace = explanation.comparison, explanation.trace
    return not trace.spread and NEARER * nearest > comparison.distance(explanation.row.key, explanation.rough) and (
        explains(comparison, explanation.search.departing, trace))


@np.errstate(all="ignore")
def explains(comparison, rows, trace):
    """Return whether all rows that depart under a trace agree where rounding errors are spread, and look like rounding.

    Maps or weights are among them, for those are what is spread; a cost alone says nothing of it.

    Parameters
    ----------
    comparison : compare.Comparison
    rows : list of report.Row
    trace : expected.trace.Trace or expected.layer.LayerTrace
    """
    spread, large, keys = trace.spread_out(), [], [row.key for row in rows]
    for row, _ in zip(comparison.judging(keys, spread), comparison.judging(keys, trace), strict=True):
        if row.verdict == "departs":
            return False
        if comparison.actual[row.key].ndim != 4:
            continue
        large.append(row.key)
        of_weights = row.key.endswith("weight")
        if not of_weights or len(large) == 1:
            actual = np.asarray(comparison.actual[row.key], np.float64)
            array, error, _ = spread.computed(row.key).value
            difference = actual - array
            if of_weights and _likeness(difference, array - observations.begun(row.key, spread)) > ALL_ALIKE:
                return False
            if not of_weights and not _like_rounding(difference, array, error, trace.computed(row.key).value.error):
                return False
    return bool(large) and not _in_short_format(comparison, large[0], trace)


def _in_short_format(comparison, key, trace):
    """Return whether a tensor is much nearer to what it is in a short format."""
    distance = comparison.distance(key, trace)
    return any(NEARER * comparison.distance(key, trace.under(trace.conventions | {Held(name)})) <= distance
               for name in FORMATS if FORMATS[name].unit > trace.unit)


def _like_rounding(difference, array, error, unspread):
    """Return whether the errors of maps look like rounding; `unspread` is the bound where they are not spread."""
    maps = [np.moveaxis(each, 3, 1).reshape(-1, each[0, ..., 0].size) for each in (error, unspread, difference)]
    shares = [np.sqrt(np.mean((d / wide)[wide > 2 * narrow] ** 2)) for wide, narrow, d in zip(*maps, strict=True)
              if (wide > 2 * narrow).any()]
    if len(shares) >= MAPS and not max(shares) < APART * np.median(shares):
        return False
    return not any(_likeness(difference[..., part], array[..., part]) > ALIKE
                   for part in (slice(None), *range(array.shape[3])))


def _likeness(errors, array):
    """Return the magnitude of the cosine of errors and of an array or a constant, the larger; 0 of few numbers."""
    if errors.size < MANY or not errors.any():
        return 0.0
    size, of_array = (np.sqrt(np.mean(each ** 2)) for each in (errors, array))
    return max(abs(np.mean(errors)), abs(np.mean(errors * array)) / (of_array + 1e-300)) / size
