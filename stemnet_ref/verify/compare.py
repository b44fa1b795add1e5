"""Compare the tensors of another implementation with the reference's, of the network or of one layer."""

from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..storage.archives import BFLOAT16, header_of
from .coverage import NOTHING
from .difference import FORMULAS, allowed, drift, measure
from .expected.key import Key
from .expected.layer import LayerTrace, Options
from .expected.rounding import DOUBLE, MAX_NUMBER, SINGLE, Assumptions, Value, ratio
from .expected.trace import OVERFLOW, Trace
from .golden import keys
from .report import Row

UNITS = {np.dtype(np.float64): DOUBLE, **dict.fromkeys((np.dtype(np.float32), np.dtype(np.float16), BFLOAT16), SINGLE)}
VAGUE = 0.25            # of the numbers' root mean square: a wider bound explains nothing
ENOUGH = 8              # numbers: fewer are a factor of others by chance; `distinct` counts no further
LOOKED_AT = 256         # pixels whose numbers are counted first
NEAR = 0.01             # of the largest number in all steps: what is as near agrees, also where bounds are vague


class Comparison:
    """One set of tensors beside the reference's, and what came of it.

    `diagnosis.search.diagnose` says why those depart that do.

    Parameters
    ----------
    trace : Trace or LayerTrace
        What computes the tensors under the reference's conventions, for the other implementation's unit roundoff.
    keys : list of str
        Keys of all tensors in the order of the data.
    actual : mapping of str to ndarray
        The other implementation's tensors, in the reference's layouts.
    expected : mapping of str to ndarray, optional
        The golden file's tensors.
    training : dict, optional
        The golden file's settings.
    known : tuple of str
        Keys of the tensors that an implementation of the golden file computes.

    Attributes
    ----------
    keys : list of str
        Those of the tensors that are given.
    rows : tuple of report.Row
        What came of every tensor that is given, in the order of the data.
    """

    def __init__(self, trace, keys, actual, expected=None, training=None, known=()):
        self.trace, self.actual, self.known = trace, actual, known
        self.expected, self.training = expected or {}, training or {}
        self.keys = [key for key in keys if key in actual]
        self._rows, self._drifts, self._distinct = {}, {}, {}   # what `judge`, `_drift` and `distinct` have found
        self.rows = self.judged(self.keys)

    def spread_out(self):
        """Return the Comparison where rounding errors are spread; what agrees here stays as it is."""
        other = copy(self)
        other.trace = self.trace.spread_out()
        again = {row.key: replace(row, spread=row.verdict != "departs")
                 for row in other.judged([row.key for row in self.rows if row.verdict == "departs"])}
        other.rows = tuple(again.get(row.key, row) for row in self.rows)
        return other

    def judged(self, keys, conventions=frozenset(), before=None):
        """Return the rows of some keys under conventions, in the order of the data; `before` as for `judge`, by key."""
        return tuple(self.judging(keys, self.trace.under(conventions), before))

    def judging(self, keys, trace, before=None):
        """Yield the rows of some keys, in the order of the data; the trace keeps what later steps need."""
        step = 0
        for key in keys:
            if (now := Key.of(key).step or 0) > step:
                trace.forget(step)
                step = now
            yield self.judge(key, trace, before and before[key])
            if Key.of(key).step:
                trace.forget_given(key)

    @property
    def first(self):
        """The first row that departs, or None."""
        return next((row for row in self.rows if row.verdict == "departs"), None)

    def adrift(self, key):
        """Return whether none of the parameters are given that a step of training began with."""
        step = Key.of(key).step or 0
        return step > 1 and not any(Key.of(each)[:2] == (step - 1, "parameter") for each in self.actual)

    def _scale(self, key):
        """Return the largest number that the golden file has for a tensor in any step."""
        return max(float(abs(self.expected[other]).max()) for other in self.expected
                   if Key.of(other).step != 0 and Key.of(other)[1:] == Key.of(key)[1:])

    def _drift(self, key, actual):
        """Return how far a tensor is from the golden file's, and the largest number there; NaN if it has none."""
        if key not in self._drifts:
            self._drifts[key] = drift(actual, self.expected[key]) if key in self.expected else (np.nan, np.nan)
        return self._drifts[key]

    def distance(self, key, trace):
        """Return how far a tensor is from the trace's, of its root mean square; the trace may be one without bounds."""
        actual, exact = np.asarray(self.actual[key], np.float64), trace.computed(key).value.array
        return ratio(np.sqrt(np.mean((actual - exact) ** 2)), np.sqrt(np.mean(actual ** 2)))

    def distinct(self, key):
        """Return how many different numbers other than 0 a tensor has; if there are ENOUGH, at least so many.

        Of a map that is the same in all pixels it is 0: a network whose ReLUs are all 0 gives such maps.
        """
        if key not in self._distinct:
            array = np.asarray(self.actual[key])
            pixels = array.reshape(-1, array.shape[-1] if array.ndim == 4 else 1)
            for part in (pixels[:LOOKED_AT], pixels):
                same = array.ndim == 4 and len(pixels) > 1 and (part == part[0]).all()
                self._distinct[key] = 0 if same else np.unique(part[part != 0]).size
                if self._distinct[key] >= ENOUGH:
                    break
        return self._distinct[key]

    @cached_property
    def _not_finite(self):
        """Keys of the tensors that hold NaN or infinity, in the order of the data."""
        return [key for key in self.keys if not np.isfinite(np.asarray(self.actual[key])).all()]

    def _follows_from_overflow(self, key, trace):
        """Return whether NaN or infinity in a tensor comes after the first such of all, if that one is no fault."""
        first = self._not_finite[0]
        return first != key and self.judge(first, trace).verdict == NOTHING

    @np.errstate(all="ignore")                              # what is not finite is seen in the numbers
    def judge(self, key, trace, before=None):
        """Return the Row of a tensor, which is vague also if its bound has room for what departed `before`, a Row.

        No row is computed twice.
        """
        departed = before.worst if before and before.verdict == "departs" else None
        known = key, departed, trace.conventions, trace.spread
        if known not in self._rows:
            self._rows[known] = self._judge(key, trace, departed)
        return self._rows[known]

    def _judge(self, key, trace, departed):
        """Return the Row of a tensor; `departed` has the place and the difference of what departed before, or is None.
        """
        (exact, error, _), consulted = trace.computed(key)
        parts, actual = Key.of(key), np.asarray(self.actual[key])
        assumed = Assumptions(trace.unit, trace.conventions, parts.layer, step=parts.step)
        assert actual.shape == exact.shape, f"{key} has shape {actual.shape}; the reference's has {exact.shape}"
        found = measure(actual, exact, error, FORMULAS * assumed.roundoff(), assumed.smallest(), MAX_NUMBER[trace.unit],
                        OVERFLOW in consulted)
        from_golden, of_golden = self._drift(key, actual)
        vague = not found.bound_squares <= VAGUE ** 2 * found.actual_squares + 1e-60
        if departed:
            at, difference = departed
            there = Value(exact.reshape(-1)[at], error.reshape(-1)[at])
            vague = vague or not difference > allowed(there, assumed.roundoff()) + assumed.smallest()
        verdict = "departs" if found.share > 1 else NOTHING if found.meaningless else "agrees"
        if verdict == "departs" and not np.isfinite(actual).all() and self._follows_from_overflow(key, trace):
            verdict = NOTHING
        # all digits of what is expected; under conventions a wide bound is vague
        lost = not trace.conventions and not found.bound_squares <= found.expected_squares
        if key in self.expected and (lost or (vague and verdict == "agrees")) and from_golden > NEAR * self._scale(key):
            if self.adrift(key) and verdict != NOTHING:
                verdict = "unclear"
            elif lost and verdict == "agrees":
                verdict = NOTHING
        return Row(key, found.largest, ratio(found.largest, found.magnitude), found.bound, found.share, verdict,
                   found.worst, ratio(np.sqrt(found.squares), np.sqrt(found.expected_squares)), found.aligned,
                   ratio(from_golden, of_golden), vague, consulted | assumed.consulted)


def compare(golden, actual):
    """Return the Comparison of another implementation's tensors with a golden file.

    Parameters
    ----------
    golden : golden.Golden
    actual : mapping of str to ndarray
        The tensors by key, in the reference's layouts.
    """
    unit, expected_unit = unit_of(header_of(actual, key) for key in actual), unit_of([golden.input])
    inexact = unit if unit > expected_unit else 0.0
    steps = max([1, *(key.step for key in map(Key.of, actual) if key.kind in ("forward", "backward"))])
    known = tuple(key for key in keys(golden) if Key.of(key).step)
    return Comparison(Trace(golden, actual, max(unit, expected_unit), inexact=inexact), keys(golden, steps), actual,
                      golden.arrays, golden.training, known)


def compare_layer(layer, inputs, actual, options=None):
    """Return the Comparison of what an implementation made of a layer's inputs with what the reference makes of them.

    Parameters
    ----------
    layer : str
        One of `expected.layer.LAYERS`.
    inputs : dict of str to ndarray
        Inputs by name, dy among them.
    actual : dict of str to ndarray
        Outputs of the implementation by name.
    options : Options, optional
    """
    unit = unit_of([*inputs.values(), *actual.values()])
    return Comparison(LayerTrace(layer, inputs, options or Options(), unit), list(actual), actual)


def unit_of(arrays):
    """Return the largest unit roundoff of the arrays' dtypes, float32's or float64's."""
    return max([UNITS[array.dtype] for array in arrays if array.dtype in UNITS], default=DOUBLE)
