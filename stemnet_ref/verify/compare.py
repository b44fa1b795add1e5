"""Compare the tensors of another implementation with the reference's."""

import numpy as np

from .diagnose import Diagnosis
from .report import Report, Row, ratio
from .rounding import DOUBLE, LARGEST, SINGLE, Way
from .trace import OVERFLOW, Trace, keys

UNITS = {np.dtype(np.float32): SINGLE, np.dtype(np.float64): DOUBLE}
VAGUE = 0.25            # of the numbers' root mean square: a wider bound explains nothing
NEAR = 0.01             # of the largest number in all steps: what is as near agrees, also where bounds are vague


class Comparison:
    """The comparison of one set of tensors with a golden file.

    Parameters
    ----------
    make : callable
        Of a Way, returns a Trace (or what computes like one).
    keys : list of str
        Of all tensors in the order of the data.
    given : mapping of str to ndarray
        Theirs, in the reference's layouts.
    expected : mapping of str to ndarray
        The golden file's.
    training : dict
        The golden file's settings.
    unit : float
        Unit roundoff of their arithmetic.
    """

    def __init__(self, make, keys, given, expected, training, unit):
        self.make, self.given, self.expected, self.training = make, given, expected, training
        self.keys = [key for key in keys if key in given]
        self.unit = unit

    def run(self):
        """Return the Report."""
        with np.errstate(all="ignore"):                     # what is not finite is seen in the numbers
            rows = self.judged(self.keys, Way(self.unit))
            return Report(rows, Diagnosis(self, rows).run(), self.training)

    def judged(self, keys, way):
        """Return the rows of some keys, in the order of the data."""
        trace, rows, step = self.make(way), [], 0
        for key in keys:
            if key[0].isdigit() and (now := int(key.split("/")[0])) > step:
                trace.forget(step)
                step = now
            rows.append(self.judge(key, trace))
        return rows

    def _adrift(self, key):
        """Return whether none of the parameters are given that a step of training began with."""
        step = key.partition("/")[0]
        return step.isdigit() and int(step) > 1 and not any(
            each.startswith(f"{int(step) - 1}/parameter/") for each in self.given)

    def _scale(self, key):
        """Return the largest number that the golden file has for a tensor in any step."""
        rest = key.partition("/")[2]
        return max(float(abs(array).max()) for other, array in self.expected.items()
                   if other == key or (rest and other.partition("/")[2] == rest and other[0] != "0"))

    def judge(self, key, trace):
        """Return the Row of a tensor."""
        computed, theirs = trace.computed(key), np.asarray(self.given[key], np.float64)
        assert theirs.shape == computed.array.shape, (
            f"{key} has shape {theirs.shape}; the reference's has {computed.array.shape}")
        exact = computed.array
        bound = 4 * trace.way.result_unit * abs(exact) + trace.way.tiny
        if computed.error is not None:
            bound = bound + computed.error
        exact, theirs, bound = (np.atleast_1d(each) for each in (exact, theirs, bound))
        difference = abs(theirs - exact)
        missing = ~np.isfinite(theirs)
        difference[missing & np.isfinite(exact)] = np.inf
        # where a number is beyond what their format holds, infinity or NaN is right
        difference[(theirs == exact) | (missing & ~(abs(exact) < LARGEST[self.unit]))] = 0
        if OVERFLOW in trace.consulted(key):
            difference[missing] = 0
        shares = difference / bound
        shares[missing & (difference == 0)] = 0
        at = np.unravel_index(np.argmax(shares), shares.shape)
        golden = self.expected.get(key)
        largest, at_largest = float(difference.max()), np.unravel_index(np.argmax(difference), difference.shape)
        rms = ratio(np.sqrt(np.mean(difference ** 2)), np.sqrt(np.mean(exact ** 2)))
        aligned = ratio(abs(np.vdot(theirs - exact, exact)), np.linalg.norm(theirs - exact) * np.linalg.norm(exact))
        drift = np.nan if golden is None else ratio(abs(theirs - golden).max(), abs(golden).max())
        vague = not np.mean(bound ** 2) <= VAGUE ** 2 * np.mean(theirs ** 2) + 1e-60
        verdict = "departs" if shares[at] > 1 else "agrees"
        if verdict == "agrees" and vague and golden is not None and self._adrift(key) and (
                abs(theirs - golden).max() > NEAR * self._scale(key)):
            verdict = "unclear"
        return Row(key, largest, ratio(largest, abs(exact).max()), float(bound[at_largest]), float(shares[at]), rms,
                   aligned, drift, verdict, vague, trace.consulted(key))


def compare(golden, given):
    """Return the Report on tensors of another implementation.

    Parameters
    ----------
    golden : golden.Golden
    given : mapping of str to ndarray
        Theirs by key, in the reference's layouts.
    """
    theirs, ours = unit_of(given.values()), unit_of([golden.input])
    inexact = theirs if theirs > ours else 0.0
    shown = max([1, *(int(key.split("/")[0]) for key in given if "/forward/" in key or "/backward/" in key)])
    report = Comparison(lambda way: Trace(golden, given, way, inexact), keys(golden, shown), given, golden.arrays,
                        golden.training, max(theirs, ours)).run()
    report.known = sum(key in golden.arrays and key != "input" and not key.startswith("0/") for key in keys(golden))
    return report


def unit_of(arrays):
    """Return the largest unit roundoff of the arrays' dtypes, float32 or float64."""
    return max([UNITS[array.dtype] for array in arrays if array.dtype in UNITS], default=DOUBLE)
