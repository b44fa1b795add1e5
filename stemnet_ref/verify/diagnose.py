"""Find the conventions under which the reference gives the numbers of another implementation.

A tensor that departs is computed again under every convention that could change it, then under two at once, from the
tensors that it depends on; what meets the numbers within the rounding bound is what the other side does. Of several the
one is taken under which most of the other tensors agree. From there on it is assumed, and the next tensor that departs
is looked at.
"""

import numpy as np

from .conventions import CONVENTIONS
from .report import Finding, layer_of, ratio
from .rounding import OPERANDS, RESULTS, SINGLE, Way

CHANCE = 0.01           # that numbers are met by chance
LOOSE = frozenset((name, None) for name in RESULTS)     # under which bounds are wide enough to hold much else


class Diagnosis:
    """The search for what explains the rows that depart.

    Parameters
    ----------
    comparison : compare.Comparison
    rows : list of report.Row
        Of all tensors given, in the order of the data.
    """

    def __init__(self, comparison, rows):
        self.comparison, self.rows, self.unit = comparison, rows, comparison.unit

    def run(self):
        """Return the findings, and mark the rows that follow from them."""
        found, findings, lost = frozenset(), [], False
        trace = None
        for row in self.rows:
            if row.verdict == "agrees":
                continue
            if found and self.comparison.judge(row.key, trace).verdict == "agrees":
                row.verdict = "follows"
                continue
            finding = self._search(row, found, lost)
            lost |= not finding.conventions
            findings.append(finding)
            if finding.conventions:
                found |= finding.conventions
                trace = self.comparison.make(Way(self.unit, found))
        verdicts = self.comparison.judged([finding.key for finding in findings], Way(self.unit, found))
        return [finding for finding, row in zip(findings, verdicts, strict=True)
                if finding.conventions or row.verdict == "departs"]

    def _search(self, row, found, lost):
        """Return the Finding for a row, beside the conventions that have been found.

        Where an earlier row is `lost`, explained by nothing, later ones may be its consequences: pairs are not tried.
        """
        single = [frozenset({(name, None)}) for name in CONVENTIONS
                  if name in row.consulted and (name, None) not in found]
        exact = [each for each in single if not each & LOOSE]
        loose = [[frozenset({(name, None)})] for name in RESULTS if frozenset({(name, None)}) in single]
        # each by itself, the longest format first; parameters would not be the first to show one
        loose = [each for each in loose if _of_that_size(each[0], row) and "/parameter/" not in row.key]
        kind = row.key.split("/")[:2]
        alike = [each for each in self.rows if each.verdict == "departs" and each.key.split("/")[:2] == kind]
        everywhere = [each for each in loose if _of_that_size(each[0], *alike)]
        pairs = () if lost else self._pairs(row.key, exact, found)
        beside = () if lost or found & LOOSE or "/parameter/" in row.key else self._beside(row.key, exact, found)
        for tried in (exact, *everywhere, pairs, *loose, beside):
            tried = list(tried)
            matching = [each for each in tried if self._explained(row.key, found | each)]
            best = self._best(matching, len(tried), row, found)
            if best:
                break
        else:
            return Finding(row.key, frozenset(), hint="" if lost else self._hint(row))
        chosen = best[0]
        names = {name for name, _ in chosen}
        others = [candidate for candidate in best[1:] if {name for name, _ in candidate} != names
                  and not _alike(candidate, chosen)]
        return Finding(row.key, chosen, _distinct(others))

    def _best(self, matching, count, row, found):
        """Return which of the sets that explain a row explain most of the others, everywhere or in its layer alone.

        One of `count` sets may meet a tensor of few numbers by chance: it must explain another that departs too, if it
        could change one.
        """
        candidates = [scoped for each in matching for scoped in _scopes(each, layer_of(row.key))]
        names = {name for candidate in matching for name, _ in candidate}
        touched = [each for each in self.rows if names & each.consulted]
        others = [each for each in touched if each.verdict == "departs" and each is not row]
        least, size = 0, np.size(self.comparison.given[row.key])
        if matching and others:
            under = self.comparison.judge(row.key, self.comparison.make(Way(self.unit, found | matching[0])))
            scale = np.sqrt(np.mean(np.square(self.comparison.given[row.key], dtype=np.float64)))
            if count * ratio(2 * under.bound, scale) ** min(size, 8) > CHANCE:
                least = self._score(found, touched) + 2
        scores = [self._score(found | candidate, touched) for candidate in candidates]
        return [candidate for candidate, score in zip(candidates, scores, strict=True)
                if score == max(scores) and score >= least]

    def _pairs(self, key, single, found):
        """Yield the sets of two conventions that could change a tensor, with those that only one of them lets ask."""
        tried = set()
        for each in single:
            trace = self.comparison.make(Way(self.unit, found | each))
            trace.computed(key)
            for name in CONVENTIONS:
                pair = each | {(name, None)}
                if name in trace.consulted(key) and len(pair) == 2 and not pair & (found | LOOSE) and pair not in tried:
                    tried.add(pair)
                    yield pair

    def _beside(self, key, exact, found):
        """Yield a convention with each short format that what is left under it is of the size of."""
        for each in exact:
            left = self.comparison.judge(key, self.comparison.make(Way(self.unit, found | each)))
            for name in RESULTS:
                short = frozenset({(name, None)})
                if _of_that_size(short, left) and not any(name in OPERANDS for name, _ in each):
                    yield each | short

    def _explained(self, key, conventions):
        row = self.comparison.judge(key, self.comparison.make(Way(self.unit, conventions)))
        return row.verdict == "agrees" and not row.vague

    def _score(self, conventions, rows):
        """Return how many of the tensors agree under conventions; where they make the bound vague, as before."""
        judged = self.comparison.judged([row.key for row in rows], Way(self.unit, conventions))
        return sum((before if now.vague else now).verdict == "agrees" for before, now in zip(rows, judged, strict=True))

    def _hint(self, row):
        """Return what can be said of a difference that no convention explains."""
        if row.key.startswith("0/parameter/"):
            return "the training does not begin with the golden file's parameters; load them, and no others."
        exact = self.comparison.make(Way(self.unit)).computed(row.key)
        theirs = np.asarray(self.comparison.given[row.key], np.float64)
        if not np.isfinite(theirs).all():
            return f"{(~np.isfinite(theirs)).sum()} numbers are NaN or infinite; the reference's are finite."
        factor = np.vdot(exact.array, theirs) / max(np.vdot(exact.array, exact.array), 1e-300)
        allowed = (exact.error if exact.error is not None else 0) + 4 * self.unit * abs(exact.array)
        if (abs(theirs - factor * exact.array) <= abs(factor) * allowed + 1e-300).all():
            return f"no convention known here explains it, but the numbers are {factor:.7g} times the reference's."
        if self.unit <= SINGLE and 2 ** -14 < row.rms < 2 ** -7:
            bits, what = (10, "TF32 or half precision") if row.rms < 2 ** -10 else (7, "bfloat16")
            return (f"the difference, {row.rms:.1e} of the numbers, is of the size that {bits} bits behind the point "
                    f"give: is {what} in use?")
        return "no convention known here explains it, nor do two together."


def _of_that_size(conventions, *rows):
    """Return whether the differences, by half of the rows and more, are of the size and kind that a short format gives.

    Of a few numbers the rounding can be in one direction by chance; of many it is not.
    """
    (name, _), = conventions
    unit = RESULTS[name]
    return 2 * sum(unit / 32 < row.rms < 4 * unit and row.aligned < 0.98 for row in rows) >= len(rows)


def _scopes(conventions, layer):
    """Return the conventions as they are, everywhere, and in one layer alone."""
    if layer in ("input", "cost"):
        return [conventions]
    return [conventions, frozenset((name, layer) for name, _ in conventions)]


def _alike(a, b):
    """Return whether two sets of conventions are told to the user in the same words."""
    return {CONVENTIONS[name].does for name, _ in a} == {CONVENTIONS[name].does for name, _ in b}


def _distinct(candidates):
    seen = []
    for candidate in candidates:
        if all({name for name, _ in candidate} != {name for name, _ in each} for each in seen):
            seen.append(candidate)
    return seen
