"""Find the conventions under which the reference gives the numbers of another implementation.

A tensor that departs is computed again under every convention that could change it, then under two at once, from the
tensors that it depends on; what meets the numbers within the rounding bound is what the other side does. Of several the
one is taken under which most of the other tensors agree. From there on it is assumed, and the next tensor that departs
is looked at.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from .conventions import CONVENTIONS
from .rounding import SHORTER, SINGLE, ratio
from .trace import CHAIN, layer_of

CHANCE = 0.01           # that numbers are met by chance
PATIENCE = 120          # seconds for all pairs: of large networks without the tensors between they are many
ENOUGH = 8              # numbers: fewer are a factor of others by chance
FORMATS = sorted(SHORTER, key=SHORTER.get)              # the longest first


@dataclass
class Finding:
    """What explains that a tensor departs.

    Attributes
    ----------
    key : str
        The first tensor that it changes.
    conventions : frozenset of (str, str or None)
        The conventions, each with the one layer in which it holds, or None for everywhere; empty if nothing explains
        the tensor.
    others : list of frozenset
        Conventions that explain all that is given equally well.
    hint : str
        What can be said of a difference that nothing explains.
    """

    key: str
    conventions: frozenset
    others: list = field(default_factory=list)
    hint: str = ""


class Diagnosis:
    """The search for what explains the rows that depart.

    Parameters
    ----------
    comparison : compare.Comparison
    rows : list of report.Row
        What came of every tensor that is given, in the order of the data.
    """

    def __init__(self, comparison, rows):
        self.comparison, self.rows, self.unit = comparison, rows, comparison.unit

    def run(self):
        """Return the findings, and mark the rows that follow from them."""
        begun = next((row for row in self.rows if row.key.startswith("0/") and row.verdict == "departs"), None)
        if begun:
            return [Finding(begun.key, frozenset(), hint=self._hint(begun))]
        found, findings, lost, self.until = frozenset(), [], False, time.monotonic() + PATIENCE
        trace = None
        for row in self.rows:
            if row.verdict != "departs":
                continue
            if found and self.comparison.judge(row.key, trace).verdict != "departs":
                row.verdict = "follows"
                continue
            finding = self._search(row, found, lost)
            lost |= not finding.conventions
            findings.append(finding)
            if finding.conventions:
                found |= finding.conventions
                trace = self.comparison.trace(found)
        verdicts = self.comparison.judged([finding.key for finding in findings], found)
        return [finding for finding, row in zip(findings, verdicts, strict=True)
                if finding.conventions or row.verdict == "departs"]

    def _search(self, row, found, lost):
        """Return the Finding for a row, beside the conventions that have been found.

        Where an earlier row is `lost`, explained by nothing, this one may be its consequence: then nothing is looked
        for unless its own inputs are given, and never two conventions.
        """
        if lost and CHAIN in row.consulted:
            return Finding(row.key, frozenset())
        if self._same_later(row.key):
            return Finding(row.key, frozenset(), hint="these numbers are those of the next step too: were they saved "
                                                      "without a copy, .clone() in PyTorch, and then changed in place?")
        single = [name for name in CONVENTIONS if name in row.consulted and (name, None) not in found]
        exact = [frozenset({(name, None)}) for name in single if name not in SHORTER]
        short = [[frozenset({(name, None)})] for name in FORMATS if name in single and self._looks_like(name, row)]
        everywhere = [each for each in short if self._looks_like(*(name for name, _ in each[0]), *self._alike(row))]
        pairs, beside = (), []
        if not lost:
            pairs = self._pairs(row.key, exact, found)
            beside = [self._beside(row, exact, found, name) for name in FORMATS if (name, None) not in found]
        for tried in (exact, *everywhere, pairs, *short, *beside):
            matching, count = [], 0
            for each in tried:
                count += 1
                if self._explained(row.key, found | each):
                    matching.append(each)
                if len(each) > 1 and time.monotonic() > self.until:
                    break
            best = self._best(matching, count, row, found)
            if best:
                break
        else:
            hint = "" if lost else self._hint(row)
            if hint and time.monotonic() > self.until:
                hint += f" After {PATIENCE} s not all pairs of conventions had been tried; give more tensors."
            return Finding(row.key, frozenset(), hint=hint)
        others = {}
        for each in best[1:]:
            if _does(each) != _does(best[0]):
                others.setdefault(frozenset(name for name, _ in each), each)
        return Finding(row.key, best[0], list(others.values()))

    def _same_later(self, key):
        """Return whether a parameter or gradient is given with the same numbers for the next step."""
        step, _, rest = key.partition("/")
        later = f"{int(step) + 1}/{rest}" if step.isdigit() else None
        actual = self.comparison.actual
        return later in actual and np.array_equal(actual[key], actual[later]) and np.any(actual[key])

    def _alike(self, row):
        """Return the rows of the same step and kind that depart."""
        kind = row.key.split("/")[:2]
        return [each for each in self.rows if each.verdict == "departs" and each.key.split("/")[:2] == kind]

    def _looks_like(self, name, *rows):
        """Return whether half of the rows and more depart as rounding to a short format does, in size and direction.

        Of a cost that cannot be said, and parameters after a step would not be the first to show it.
        """
        unit = SHORTER[name]
        return 2 * sum(unit / 32 < row.rms < 4 * unit and row.aligned < 0.98 for row in rows) >= len(rows) and not any(
            "/parameter/" in row.key or row.key.endswith("cost") for row in rows)

    def _best(self, matching, count, row, found):
        """Return which of the sets that explain a row explain most of the others, everywhere or in its layer alone.

        One of `count` sets may meet a tensor of few numbers by chance: it must explain half of those of the same step
        that depart.
        """
        scale = np.sqrt(np.mean(np.square(self.comparison.actual[row.key], dtype=np.float64)))
        size, certain = np.size(self.comparison.actual[row.key]), {}
        for each in matching:
            under = self.comparison.judge(row.key, self.comparison.trace(found | each))
            certain[each] = count * ratio(2 * under.bound, scale) ** min(size, 8) <= CHANCE
        candidates = [(each, scoped) for each in matching for scoped in _scopes(each, row)]
        names = {name for candidate in matching for name, _ in candidate}
        touched = [each for each in self.rows if names & each.consulted]
        alike = [each for each in touched if each.verdict == "departs" and each is not row
                 and each.key.partition("/")[0] == row.key.partition("/")[0]]
        scores = [self._score(found | scoped, touched) for _, scoped in candidates]
        return [scoped for (each, scoped), score in zip(candidates, scores, strict=True)
                if score == max(scores) and (certain[each] or (
                    alike and 2 * self._score(found | scoped, alike) >= len(alike)))]

    def _pairs(self, key, single, found):
        """Yield the sets of two conventions that could change a tensor, with those that only one of them lets ask."""
        tried = set()
        for each in single:
            consulted = self.comparison.trace(found | each).computed(key).consulted
            for name in CONVENTIONS:
                pair = each | {(name, None)}
                if (name in consulted and name not in SHORTER and len(pair) == 2 and not pair & found
                        and pair not in tried):
                    tried.add(pair)
                    yield pair

    def _beside(self, row, exact, found, name):
        """Yield each convention with a short format, where what is left under it looks like that format."""
        for each in exact:
            left = self.comparison.judge(row.key, self.comparison.trace(found | each))
            if name in left.consulted and self._looks_like(name, left):
                yield each | {(name, None)}

    def _explained(self, key, conventions):
        row = self.comparison.judge(key, self.comparison.trace(conventions))
        return row.verdict == "agrees" and not row.vague

    def _score(self, conventions, rows):
        """Return how many of the tensors agree under conventions; where they make the bound vague, as before."""
        judged = self.comparison.judged([row.key for row in rows], conventions)
        return sum((before if now.vague else now).verdict == "agrees" for before, now in zip(rows, judged, strict=True))

    def _hint(self, row):
        """Return what can be said of a difference that no convention explains."""
        if row.key.startswith("0/parameter/"):
            return ("the training does not begin with the golden file's parameters; load them, and no others. Nothing "
                    "else has been looked for.")
        exact = self.comparison.trace().computed(row.key).value
        actual = np.asarray(self.comparison.actual[row.key], np.float64)
        if not np.isfinite(actual).all():
            return f"{(~np.isfinite(actual)).sum()} numbers are NaN or infinite; the reference's are finite."
        allowed = exact.error + 4 * self.unit * abs(exact.array)
        step, _, name = row.key.partition("/parameter/")
        before, what = 0.0, "numbers are"
        if name:
            before = self.comparison.trace().value(f"{int(step) - 1}/parameter/{name}").array
            what = "step is"
        moved, expected = actual - before, exact.array - before
        factor = np.vdot(expected, moved) / max(np.vdot(expected, expected), 1e-300)
        if actual.size >= ENOUGH and (abs(moved - factor * expected) <= abs(factor) * allowed + 1e-300).all():
            why = " Is the learning rate another, or the gradient clipped?" if name else ""
            return f"no convention known here explains it, but the {what} {factor:.7g} times the reference's.{why}"
        if row.key.endswith(".dropout") and "/forward/" in row.key:
            return ("no convention known here explains it; is the mask another? Take the golden file's, or export one "
                    "with --keep-prob 1.")
        if self.unit <= SINGLE and 2 ** -14 < row.rms < 2 ** -7:
            bits, what = (10, "TF32 or half precision") if row.rms < 2 ** -10 else (7, "bfloat16")
            return (f"the difference, {row.rms:.1e} of the numbers, is of the size that {bits} bits behind the point "
                    f"give: is {what} in use?")
        return "no convention known here explains it, nor do two together."


def _scopes(conventions, row):
    """Return the conventions as they are, everywhere, and in the row's layer alone, where that has asked for them."""
    layer = layer_of(row.key)
    alone = frozenset((name, layer) for name, _ in conventions)
    if layer in ("input", "cost") or not alone <= row.consulted or any(name in SHORTER for name, _ in conventions):
        return [conventions]
    return [conventions, alone]


def _does(conventions):
    """Return what a diagnosis says that the other side does, a set of texts."""
    return {CONVENTIONS[name].does for name, _ in conventions}
