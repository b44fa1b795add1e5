"""Find the conventions under which the reference gives the numbers of another implementation.

A tensor that departs is computed again under every convention that could change it, then under two at once, from the
tensors that it depends on; what meets the numbers within the rounding bound is what the other side does. Of several the
one is taken under which most of the other tensors agree. From there on it is assumed, and the next tensor that departs
is looked at.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from ..expected.rounding import FORMATS, SINGLE, ratio
from ..expected.trace import CHAIN
from ..report import Report
from .conventions import CONVENTIONS, sentence

CHANCE = 0.01           # that numbers are met by chance
PATIENCE = 120          # seconds for all pairs: of large networks without the tensors between they are many
ENOUGH = 8              # numbers: fewer are a factor of others by chance
SHORT = sorted(FORMATS, key=lambda name: FORMATS[name].unit)        # names of the formats, the longest first


@dataclass(frozen=True)
class Finding:
    """What explains that a tensor departs."""

    key: str            # key of the first tensor that it changes
    # conventions as (name, layer), the layer None where one holds everywhere; none if nothing explains the tensor
    conventions: frozenset = frozenset()
    others: tuple = ()  # further sets of conventions that explain all that is given equally well
    hint: str = ""      # what can be said of a difference that nothing explains


def diagnose(comparison):
    """Return the Report on a `compare.Comparison`: its rows, and what explains those that depart."""
    search = _Search(comparison)
    with np.errstate(all="ignore"):                         # what is not finite is seen in the numbers
        findings, training, found = search.run(), comparison.training, {}
    for finding in findings:
        for name, layer in sorted(finding.conventions, key=lambda each: list(CONVENTIONS).index(each[0])):
            if layer not in found.setdefault(name, []):
                found[name].append(layer)
    found = {name: None if None in layers else layers for name, layers in found.items()}
    said = [sentence(name, layers and " and ".join(layers), training) for name, layers in found.items()]
    said += ["Or, which these numbers cannot tell apart: " + sentence(name, layer, training)
             for finding in findings for other in finding.others for name, layer in sorted(other, key=str)]
    said += [f"{finding.key}: {finding.hint}" for finding in findings if finding.hint]
    return Report(tuple(search.rows), comparison.known, found, tuple(said))


class _Search:
    """The search for what explains the rows of a comparison that depart.

    Attributes
    ----------
    rows : list of report.Row
        What came of every tensor; those that follow from what has been found say so.
    found : frozenset of (str, str or None)
        The conventions that have been found, as a Finding has them.
    lost : bool
        Whether nothing explains one of the rows that have been looked at.
    """

    def __init__(self, comparison):
        self.comparison, self.rows = comparison, list(comparison.rows)
        self.found, self.lost, self.until = frozenset(), False, time.monotonic() + PATIENCE

    def run(self):
        """Return the findings."""
        begun = next((row for row in self.rows if row.parts.step == 0 and row.verdict == "departs"), None)
        if begun:
            return [Finding(begun.key, hint=self._hint(begun))]
        findings, trace = [], None
        for number, row in enumerate(self.rows):
            if row.verdict != "departs":
                continue
            if self.found and self.comparison.judge(row.key, trace).verdict != "departs":
                self.rows[number] = replace(row, verdict="follows")
                continue
            findings.append(finding := self._explain(row))
            if finding.conventions:
                self.found |= finding.conventions
                trace = self.comparison.trace.under(self.found)
            else:
                self.lost = True
        verdicts = self.comparison.judged([finding.key for finding in findings], self.found)
        return [finding for finding, row in zip(findings, verdicts, strict=True)
                if finding.conventions or row.verdict == "departs"]

    def _explain(self, row):
        """Return the Finding for a row, beside the conventions that have been found.

        Where an earlier row is `lost`, this one may be its consequence: then nothing is looked for unless its own
        inputs are given, and never two conventions.
        """
        if self.lost and CHAIN in row.consulted:
            return Finding(row.key)
        if self._same_later(row):
            return Finding(row.key, hint="these numbers are those of the next step too: were they saved without a "
                                         "copy, .clone() in PyTorch, and then changed in place?")
        for candidates in self._candidates(row):
            matching, count = {}, 0
            for trace in candidates:
                under, conventions = self.comparison.judge(row.key, trace), trace.conventions - self.found
                count += 1
                if under.verdict == "agrees" and not under.vague:
                    matching[conventions] = under
                if len(conventions) > 1 and time.monotonic() > self.until:
                    break
            if best := self._best(matching, count, row):
                others = {}
                for each in best[1:]:
                    if _does(each) != _does(best[0]):
                        others.setdefault(frozenset(name for name, _ in each), each)
                return Finding(row.key, best[0], tuple(others.values()))
        hint = "" if self.lost else self._hint(row)
        if hint and time.monotonic() > self.until:
            hint += f" After {PATIENCE} s not all pairs of conventions had been tried; give more tensors."
        return Finding(row.key, hint=hint)

    def _same_later(self, row):
        """Return whether a parameter or gradient is given with the same numbers for the next step."""
        actual, later = self.comparison.actual, row.parts.step and row.parts.at_step(row.parts.step + 1)
        return later in actual and np.array_equal(actual[row.key], actual[later]) and np.any(actual[row.key])

    def _candidates(self, row):
        """Yield what may explain a row, first what is likelier: iterables of traces under more conventions."""
        single = [name for name in CONVENTIONS if name in row.consulted and (name, None) not in self.found]
        exact = [name for name in single if name not in FORMATS]
        short = [name for name in SHORT if name in single and self._looks_like(name, row)]
        alike = [each for each in self.rows if each.verdict == "departs" and each.parts[:2] == row.parts[:2]]
        trace = self.comparison.trace.under(self.found)
        trace.computed(row.key)                             # what a convention does not change is computed once
        yield (_with(trace, name) for name in exact)
        for name in short:
            if self._looks_like(name, *alike):
                yield [_with(trace, name)]
        if not self.lost:
            yield self._pairs(row, exact, trace)
        for name in short:
            yield [_with(trace, name)]
        if not self.lost:
            for name in SHORT:
                if (name, None) not in self.found:
                    yield self._beside(row, exact, name, trace)

    def _looks_like(self, name, *rows):
        """Return whether half of the rows and more depart as rounding to a short format does, in size and direction.

        Of a cost that cannot be said, and parameters after a step would not be the first to show it.
        """
        unit = FORMATS[name].unit
        return 2 * sum(unit / 32 < row.rms < 4 * unit and row.aligned < 0.98 for row in rows) >= len(rows) and not any(
            row.parts.kind in ("parameter", "cost") for row in rows)

    def _pairs(self, row, exact, trace):
        """Yield the traces under two conventions that could change a tensor, also one that only the other lets ask."""
        tried = set()
        for first in exact:
            one = _with(trace, first)
            consulted = one.computed(row.key).consulted
            for name in CONVENTIONS:
                if (name in consulted and name not in FORMATS and name != first and (name, None) not in self.found
                        and {first, name} not in tried):
                    tried.add(frozenset({first, name}))
                    yield _with(one, name)

    def _beside(self, row, exact, name, trace):
        """Yield the trace under each convention and a short format, where what is left under it looks like that."""
        for each in exact:
            one = _with(trace, each)
            left = self.comparison.judge(row.key, one)
            if name in left.consulted and self._looks_like(name, left):
                yield _with(one, name)

    def _best(self, matching, count, row):
        """Return which of the sets that explain a row explain most of the others, everywhere or in its layer alone.

        One of `count` sets may meet a tensor of few numbers by chance: it must explain half of those of the same step
        that depart. `matching` has the Row under each of the sets.
        """
        actual = self.comparison.actual[row.key]
        scale, size = np.sqrt(np.mean(np.square(actual, dtype=np.float64))), np.size(actual)
        candidates = [(under, scoped) for each, under in matching.items() for scoped in _scopes(each, row)]
        names = {name for each in matching for name, _ in each}
        touched = [each for each in self.rows if names & each.consulted]
        alike = [each for each in touched if each.verdict == "departs" and each is not row
                 and each.parts.step == row.parts.step is not None]
        scores = [self._score(scoped, touched) for _, scoped in candidates]
        return [scoped for (under, scoped), score in zip(candidates, scores, strict=True) if score == max(scores) and (
            count * ratio(2 * under.bound, scale) ** min(size, 8) <= CHANCE
            or (alike and 2 * self._score(scoped, alike) >= len(alike)))]

    def _score(self, conventions, rows):
        """Return how many of the tensors agree under conventions; where they make the bound vague, as before."""
        judged = self.comparison.judged([row.key for row in rows], self.found | conventions)
        return sum((before if now.vague else now).verdict == "agrees" for before, now in zip(rows, judged, strict=True))

    def _hint(self, row):
        """Return what can be said of a difference that no convention explains."""
        step, kind, name = row.parts
        if step == 0:
            return ("the training does not begin with the golden file's parameters; load them, and no others. Nothing "
                    "else has been looked for.")
        trace = self.comparison.trace.under(frozenset())
        exact = trace.computed(row.key).value
        actual = np.asarray(self.comparison.actual[row.key], np.float64)
        if not np.isfinite(actual).all():
            return f"{(~np.isfinite(actual)).sum()} numbers are NaN or infinite; the reference's are finite."
        allowed = exact.error + 4 * trace.unit * abs(exact.array)
        before, what = 0.0, "numbers are"
        if kind == "parameter":
            before, what = trace.value(row.parts.at_step(step - 1)).array, "step is"
        moved, expected = actual - before, exact.array - before
        factor = np.vdot(expected, moved) / max(np.vdot(expected, expected), 1e-300)
        if actual.size >= ENOUGH and (abs(moved - factor * expected) <= abs(factor) * allowed + 1e-300).all():
            why = " Is the learning rate another, or the gradient clipped?" if kind == "parameter" else ""
            return f"no convention known here explains it, but the {what} {factor:.7g} times the reference's.{why}"
        if kind == "forward" and name.endswith(".dropout"):
            return ("no convention known here explains it; is the mask another? Take the golden file's, or export one "
                    "with --keep-prob 1.")
        if trace.unit <= SINGLE and 2 ** -14 < row.rms < 2 ** -7:
            bits, what = (10, "TF32 or half precision") if row.rms < 2 ** -10 else (7, "bfloat16")
            return (f"the difference, {row.rms:.1e} of the numbers, is of the size that {bits} bits behind the point "
                    f"give: is {what} in use?")
        return "no convention known here explains it, nor do two together."


def _with(trace, name):
    """Return the trace under one convention more, everywhere."""
    return trace.under(trace.conventions | {(name, None)})


def _scopes(conventions, row):
    """Return the conventions as they are, everywhere, and in the row's layer alone, where that has asked for them."""
    layer = row.parts.layer
    alone = frozenset((name, layer) for name, _ in conventions)
    if layer in ("input", "cost") or not alone <= row.consulted or any(name in FORMATS for name, _ in conventions):
        return [conventions]
    return [conventions, alone]


def _does(conventions):
    """Return what a diagnosis says that the other side does, a set of texts."""
    return {CONVENTIONS[name].does for name, _ in conventions}
