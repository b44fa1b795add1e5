"""Say why a layer alone gives other numbers: first of its forward pass, then of every gradient.

A forward pass is explained by the conventions under which the reference gives its numbers. The gradients are judged by
what they should be for that forward pass; where the forward pass is right, the fault is in the backward pass, and one
of its usual mistakes is named (`backward`). What gives the same numbers is named beside it. A short format is named
where the low bits of every number are 0.
"""

import time
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from ...errors import pluralize
from ..compare import ENOUGH
from ..expected.layer import GRADIENTS, LAYERS
from ..expected.rounding import Held, exact
from ..report import Report
from . import backward, backward_costs, forward, spreading
from .backward import Given
from .conventions import CONVENTIONS, everywhere, sentence
from .observations import WORDS
from .relations import OF_RESULTS, distance, fits, in_short_format, proportional, relations, where

MISTAKES = {layer: {key: found for table in (forward, backward, backward_costs)
                    for key, found in table.MISTAKES.get(layer, {}).items()} for layer in LAYERS}
FORWARD = "y", "cost"
PATIENCE = 30           # seconds for all pairs of conventions: of large inputs they take long
NEAR = 4                # times the smallest distance: what is as near explains numbers as well


def diagnose_layer(comparison, own_forward=None):
    """Return the Report on a layer alone: its rows, and what explains those that depart.

    Parameters
    ----------
    comparison : compare.Comparison
    own_forward : callable, optional
        Is asked where nothing explains the forward pass: it returns whether the backward pass fits it, or None if that
        cannot be said, and a sentence.
    """
    with np.errstate(all="ignore"):                         # what is not finite is seen in the numbers
        return _Diagnosis(comparison, own_forward).report()


class _Diagnosis:
    """What is found out about a layer.

    Attributes
    ----------
    trace : expected.layer.LayerTrace
        The reference as it is.
    own : expected.layer.LayerTrace
        The reference under what has been found of the other side's forward pass.
    forward : str
        What came of the forward pass: "right", "named", "unknown", or "" if it is not given.
    found : dict
        The conventions of the forward pass, as `Report.conventions`.
    said : list of str
        The diagnoses.
    hurried : str
        A sentence that says that not everything was tried, if so.
    """

    def __init__(self, comparison, own_forward=None):
        self.comparison, self.trace, self.own = comparison, comparison.trace, comparison.trace
        self.own_forward, self.forward, self.found, self.said, self.hurried = own_forward, "", {}, [], ""

    def report(self):
        """Return the Report."""
        departing = [row for row in self.comparison.rows if row.verdict == "departs"]
        if departing and spreading.explains(self.comparison, departing, self.trace) and not any(
                self.is_nearer(row.key, self.actual(row.key)) for row in departing):
            return Report(self.comparison.spread_out().rows)
        rows, fits_own, unlike = {row.key: row for row in self.comparison.rows}, None, []
        output = next((key for key in FORWARD if key in rows), None)
        if output:
            self.forward = "right"
            if rows[output].verdict == "departs":
                self.explain_forward(rows[output], self.actual(output))
        if self.forward == "unknown" and self.own_forward:
            fits_own, said = self.own_forward()
            self.said += [said] if said else []
        for key, row in rows.items():
            if key == output:
                continue
            if row.verdict == "departs" and not self.own_forward and self.follows_output(key, output):
                rows[key] = replace(row, verdict="follows")
                self.said.append(f"{key} is what the backward pass makes of this {output}: the fault is in the forward "
                                 "pass.")
            elif fits_own or (self.forward == "named" and self.agrees(key, self.own)):
                if row.verdict == "departs":
                    rows[key] = replace(row, verdict="follows")
            elif row.verdict == "departs":
                self.explain_gradient(key, self.actual(key))
            elif self.forward == "named" and self.comparison.judge(key, self.own).verdict == "departs":
                unlike.append(key)
        if unlike:
            is_, does = ("are", "they do") if len(unlike) > 1 else ("is", "it does")
            self.said.append(f"{' and '.join(unlike)} {is_} the reference's: {does} not fit this forward pass.")
        return Report(tuple(rows.values()), (), self.found, tuple(self.said))

    def actual(self, key):
        """Return an output of the other side, float64."""
        return np.asarray(self.comparison.actual[key], np.float64)

    def follows_output(self, key, output):
        """Return whether dx is right for the other side's output, which is wrong, in a layer that computes it so."""
        if self.forward not in ("named", "unknown") or key != "dx":
            return False
        right = backward.from_output(self.trace, self.actual(output))
        return right is not None and fits(self.actual(key), right, self.trace.roundoff())

    def agrees(self, key, trace):
        """Return whether an output agrees with a trace whose bound says something."""
        row = self.comparison.judge(key, trace)
        return row.verdict == "agrees" and not row.vague

    def is_nearer(self, key, actual):
        """Return whether one mistake or convention comes much nearer to an output than the reference does."""
        base, least = in_short_format(self.trace, key, actual), distance(actual, self.trace.value(key), self.trace)
        alone = chain.from_iterable(islice(self.candidates(key, base), 1 if base is self.trace else 2))
        return bool(self.simple(key, actual, base)) or (key in FORWARD and any(
            NEAR * distance(actual, trace.value(key), trace) <= least for trace, _ in alone))

    # the forward pass

    def explain_forward(self, row, actual):
        """Name the conventions of the forward pass, or say what can be said of its numbers."""
        base, agreeing = in_short_format(self.trace, row.key, actual), []
        for level, candidates in enumerate(self.candidates(row.key, base)):
            agreeing += [(level, trace, said) for trace, said in candidates if self.agrees(row.key, trace)]
            if any(distance(actual, trace.value(row.key), trace) <= NEAR * distance(actual, exact(actual), trace)
                   for _, trace, _ in agreeing):
                break                                           # nothing can be nearer
        if best := self.supported(row.key, agreeing):
            self.forward, (self.own, said) = "named", best[0]
            saved = self.saved(row.key, self.own)
            self.found = {held.name: None for held in sorted(self.own.conventions)
                          if not (saved and held.name in OF_RESULTS)}
            self.said += [saved] if saved and not self.found else [each[0].upper() + each[1:] for each in said]
            if others := [" and ".join(map(_clause, other)) for _, other in best[1:]]:
                self.said[-1] += _or(others)
            return
        self.forward = "unknown"
        self.said.append(self.simple(row.key, actual, base) or self.hint(row.key, actual, self.trace) + self.hurried)

    def candidates(self, key, base):
        """Yield what may explain the forward pass, what is likelier first: iterables of a trace and what it says."""
        def named(trace):
            return trace, [sentence(held, {}) for held in sorted(trace.conventions)]

        def more(trace):
            names = {each for each in trace.computed(key).consulted if each in CONVENTIONS and each not in OF_RESULTS}
            for name in sorted(names, key=list(CONVENTIONS).index):
                for held in everywhere(name):
                    if name not in {each.name for each in trace.conventions}:
                        yield trace.under(trace.conventions | {held})

        def pairs(trace):
            tried, until = set(), time.monotonic() + PATIENCE
            for two in (two for one in more(trace) for two in more(one)):
                if time.monotonic() > until:
                    self.hurried = f" After {PATIENCE} s not all pairs of conventions had been tried: give less."
                    return
                if two.conventions not in tried:
                    tried.add(two.conventions)
                    yield two

        if base is not self.trace:
            yield [named(base)]
        yield map(named, more(base))
        estimated = self.with_epsilon(key, base) if base.layer == "batch_norm" else ()
        yield map(named, chain(estimated, pairs(base)))

    def with_epsilon(self, key, base):
        """Yield the trace with the epsilon of batch normalisation that fits the output best."""
        x, scale, shift = (base.array(name) for name in ("x", "scale", "shift"))
        axes, wide = (0, 1, 2), self.actual(key) - shift
        centred = scale * (x - x.mean(axes))
        epsilon = float(np.mean(((centred ** 2).sum(axes) / (centred * wide).sum(axes)) ** 2 - x.var(axes)))
        if epsilon > 0:
            yield base.under(base.conventions | {Held("batch_norm_epsilon", value=epsilon)})

    def supported(self, key, agreeing):
        """Return which candidates explain the forward pass best, those that these numbers cannot tell apart.

        They explain most of the gradients, they are near to the numbers, and of these they are the simplest. Two
        conventions may meet a single number, a cost, by chance: then a gradient must agree as well.
        """
        gradients = [row.key for row in self.comparison.rows if row.key not in FORWARD]
        actual, found = self.actual(key), []
        for level, trace, said in agreeing:
            score = sum(self.agrees(each, trace) for each in gradients)
            if score or actual.size >= ENOUGH or len(trace.conventions) < 2:
                found.append((score, level, distance(actual, trace.value(key), trace), trace, said))
        found = [each for each in found if each[0] == max(score for score, *_ in found)]
        found = [each for each in found if each[2] <= NEAR * min(far for _, _, far, *_ in found)]
        found = [each for each in found if each[1] == min(level for _, level, *_ in found)]
        best = {}
        for *_, trace, said in sorted(found, key=lambda each: each[2]):
            best.setdefault(tuple(said), (trace, said))
        return list(best.values())

    # the gradients

    def explain_gradient(self, key, actual):
        """Name the mistake in a gradient, or say what can be said of its numbers."""
        right = "The forward pass is right, the fault is in the backward pass: " if self.forward == "right" else ""
        for trace in dict.fromkeys((self.own, self.trace)):
            base = in_short_format(trace, key, actual)
            if base is not trace and self.agrees(key, base):
                name = next(iter(base.conventions - trace.conventions)).name
                self.said.append(f"{right}{key} departs: {self.saved(key, base) or sentence(Held(name), {})}")
                return
            if said := self.simple(key, actual, base):
                self.said.append(right + said)
                return
        if self.forward != "unknown":
            self.said.append(right + self.hint(key, actual, self.own))

    def saved(self, key, trace):
        """Return what is said of an output in a short format that its arithmetic does not show, or ""."""
        short = {held for held in trace.conventions if held.name in OF_RESULTS}
        actual, plain = self.actual(key), trace.under(trace.conventions - short)
        nearer = short and distance(actual, trace.value(key), plain) < distance(actual, plain.value(key), plain)
        return "" if nearer or not short else (
            f"All numbers of {key} are rounded to {WORDS[min(short).name]}: it was computed or saved in that format.")

    def simple(self, key, actual, trace):
        """Return what is said of an output that one mistake alone explains, or none."""
        unexplained = distance(actual, trace.value(key), trace)
        for level in (self.mistakes, self.conventions, self.relations):
            fitting = {}
            for said, value in level(key, trace):
                if fits(actual, value, trace.roundoff()) and distance(actual, value, trace) * NEAR <= unexplained:
                    fitting.setdefault(said, distance(actual, value, trace))
            if fitting:
                first, *others = sorted((each for each in fitting if fitting[each] <= NEAR * min(fitting.values())),
                                        key=fitting.get)
                return first + (_or(map(_clause, others)) if others else "")
        return ""

    def mistakes(self, key, trace):
        """Yield what is said of each usual mistake, and the gradient with it, a Value."""
        given = Given(trace, key)
        for mistakes in MISTAKES[trace.layer].get(key, ()):
            for does, function in mistakes.wrong.items():
                if value := given.value(function):
                    yield f"{key} {does}; right is {mistakes.right}; {mistakes.write}.", value
        for factor, does in ((-1, "has the wrong sign"), (2, "is twice what it should be"),
                             (0.5, "is half of what it should be")):
            yield f"{key} {does}.", given.scaled(factor)

    def relations(self, key, trace):
        """Yield what is said of an output that is another array, and those numbers."""
        if key not in FORWARD and "dy" in trace.inputs:
            yield (f"{key} does not depend on dy: it is the gradient of the sum of y; multiply by dy.",
                   Given(trace, key).right(dy=np.ones_like(trace.inputs["dy"])))
        others = {f"{name} itself": trace.value(name) for name in trace.inputs}
        others |= {f"what {name} should be": trace.value(name) for name in GRADIENTS[trace.layer]
                   if key not in FORWARD and name != key}
        yield from relations(key, trace.value(key), others)

    def conventions(self, key, trace):
        """Yield what is said of the gradient of a forward pass under each convention, and that gradient."""
        output = next((each for each in FORWARD if each in self.comparison.actual), None)
        of_forward = trace.computed(output).consulted if output else ()
        names = trace.computed(key).consulted - set(OF_RESULTS) if key != output else frozenset()
        if self.forward == "unknown":       # what changes the forward pass may be what changes the gradient
            names -= of_forward
        for held in (held for name in CONVENTIONS if name in names for held in everywhere(name)):
            if held not in trace.conventions:
                text = sentence(held, {}) if held.name not in of_forward else (
                    f"{key} fits a forward pass in which {_clause(sentence(held, {}))}; the reference has "
                    f"{CONVENTIONS[held.name].reference}.")
                yield text, trace.under(trace.conventions | {held}).value(key)

    def hint(self, key, actual, trace):
        """Return what can be said of numbers that nothing known explains."""
        if not np.isfinite(actual).all():
            wrong = int((~np.isfinite(actual)).sum())
            return (f"{key} has {pluralize(wrong, 'number')} that {'are' if wrong > 1 else 'is'} NaN or infinite; the "
                    "reference has none.")
        right = trace.value(key)
        if actual.size >= ENOUGH:
            if factor := proportional(actual, right, trace.roundoff()):
                return f"{key} is {factor:.7g} times the reference's; nothing known here explains it."
            for said, value in () if key in FORWARD else self.mistakes(key, trace):
                if value.array.shape == actual.shape and (factor := proportional(actual, value, trace.roundoff())):
                    return f"Besides a factor of {factor:.7g}, {said}"
        return f"nothing known here explains {key}{where(actual, right, trace)}."


def _clause(sentence):
    return sentence[0].lower() + sentence[1:].partition(";")[0].rstrip(".")


def _or(clauses):
    return f" Or, which these numbers cannot tell apart: {'; or '.join(clauses)}."
