"""Compare the tensors of another implementation with the reference's, and find out by which convention they differ."""


from dataclasses import dataclass, field

import numpy as np

from .conventions import CONVENTIONS, sentence
from .rounding import DOUBLE, RESULTS, SINGLE, Way
from .trace import OVERFLOW, Trace, keys

UNITS = {np.dtype(np.float32): SINGLE, np.dtype(np.float64): DOUBLE}

VAGUE = 0.25            # of the numbers' root mean square: a wider bound explains nothing
CHANCE = 0.01           # that numbers are met by chance
LARGEST = {SINGLE: 2e37, DOUBLE: 1e307}     # near the largest number, with room for what sums it
LOOSE = frozenset((name, None) for name in RESULTS)     # under which bounds are wide enough to hold much else


@dataclass
class Row:
    """What came of one tensor.

    Attributes
    ----------
    key : str
    difference : float
        Largest |theirs - reference|, the reference computed from their own input to that layer.
    relative : float
        That, divided by the largest |reference|.
    bound : float
        What rounding allows where the difference is the largest part of it.
    share : float
        The difference there, divided by the bound: above 1 the tensor departs.
    rms : float
        Root mean square of the difference, divided by that of the reference.
    drift : float
        Largest |theirs - golden file's|, divided by the largest of the golden file's: all that has come together.
    verdict : str
        "agrees", "follows" (from a difference that has been named) or "departs".
    vague : bool
        Whether the bound is so wide that agreement says little.
    consulted : frozenset of str
        Conventions that could change it.
    """

    key: str
    difference: float
    relative: float
    bound: float
    share: float
    rms: float
    drift: float
    verdict: str
    vague: bool = False
    consulted: frozenset = frozenset()


@dataclass
class Finding:
    """What explains that a tensor departs.

    Attributes
    ----------
    key : str
        The first tensor that it changes.
    conventions : frozenset of (str, str or None)
        Names, and the layer where one holds in it alone; empty if nothing explains the tensor.
    others : list of frozenset
        What explains all that is given as well.
    hint : str
        What can be said of a difference that nothing explains.
    """

    key: str
    conventions: frozenset
    others: list = field(default_factory=list)
    hint: str = ""


@dataclass
class Report:
    """The rows of the table in the order of the data, and what explains those that depart."""

    rows: list
    findings: list
    training: dict
    unit: float

    @property
    def agrees(self):
        """Whether no tensor departs."""
        return all(row.verdict == "agrees" for row in self.rows)

    @property
    def first(self):
        """The first row that departs, or None."""
        return next((row for row in self.rows if row.verdict != "agrees"), None)

    @property
    def conventions(self):
        """All conventions that were found, as {name: layers}, None for everywhere."""
        found = {}
        for finding in self.findings:
            for name, layer in sorted(finding.conventions, key=lambda each: list(CONVENTIONS).index(each[0])):
                found.setdefault(name, []).append(layer)
        return {name: None if None in layers else layers for name, layers in found.items()}

    def diagnoses(self):
        """Return what was found, a sentence each."""
        found = [sentence(name, None if layers is None else " and ".join(layers), self.training)
                 for name, layers in self.conventions.items()]
        for finding in self.findings:
            found += ["what the file holds is explained as well by another: " + sentence(name, layer, self.training)
                      for other in finding.others for name, layer in sorted(other, key=str)]
        return [*found, *(f"{finding.key}: {finding.hint}" for finding in self.findings if finding.hint)]


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
    unit : float, optional
        Unit roundoff of their arithmetic; else that of the shortest dtype among the given.
    """

    def __init__(self, make, keys, given, expected, training, unit=None):
        self.make, self.given, self.expected, self.training = make, given, expected, training
        self.keys = [key for key in keys if key in given]
        self.unit = unit or unit_of(given.values())
        self.largest = LARGEST[self.unit]

    def run(self):
        """Return the Report."""
        with np.errstate(all="ignore"):                     # what is not finite is seen in the numbers
            rows = self._judged(self.keys, Way(self.unit))
            return Report(rows, self._explain(rows), self.training, self.unit)

    def _judged(self, keys, way):
        """Return the rows of some keys, in the order of the data."""
        trace, rows, step = self.make(way), [], 0
        for key in keys:
            if key[0].isdigit() and (now := int(key.split("/")[0])) > step:
                trace.forget(step)
                step = now
            rows.append(self._judge(key, trace))
        return rows

    def _judge(self, key, trace):
        """Return the Row of a tensor."""
        computed, theirs = trace.computed(key), np.asarray(self.given[key], np.float64)
        exact = computed.array
        bound = 4 * trace.way.result_unit * abs(exact) + trace.way.tiny
        if computed.error is not None:
            bound = bound + computed.error
        exact, theirs, bound = (np.atleast_1d(each) for each in (exact, theirs, bound))
        difference = abs(theirs - exact)
        missing = ~np.isfinite(theirs)
        difference[missing & np.isfinite(exact)] = np.inf
        # where a number is beyond what their format holds, infinity or NaN is right
        difference[(theirs == exact) | (missing & ~(abs(exact) < self.largest))] = 0
        if OVERFLOW in trace.consulted(key):
            difference[missing] = 0
        shares = difference / bound
        shares[missing & (difference == 0)] = 0
        at = np.unravel_index(np.argmax(shares), shares.shape)
        golden = self.expected.get(key)
        largest = float(difference.max())
        rms = _ratio(np.sqrt(np.mean(difference ** 2)), np.sqrt(np.mean(exact ** 2)))
        return Row(key, largest, _ratio(largest, abs(exact).max()), float(bound[at]), float(shares[at]), rms,
                   np.nan if golden is None else _ratio(abs(theirs - golden).max(), abs(golden).max()),
                   "agrees" if shares[at] <= 1 else "departs",
                   not np.mean(bound ** 2) <= VAGUE ** 2 * np.mean(theirs ** 2) + 1e-60, trace.consulted(key))

    def _explain(self, rows):
        """Find what explains the rows that depart, and say which of them follow from it."""
        found, findings, lost = frozenset(), [], False
        trace = None
        for row in rows:
            if row.verdict == "agrees":
                continue
            if found and self._judge(row.key, trace).verdict == "agrees":
                row.verdict = "follows"
                continue
            finding = self._search(row, rows, found, lost)
            lost |= not finding.conventions
            findings.append(finding)
            if finding.conventions:
                found |= finding.conventions
                trace = self.make(Way(self.unit, found))
        verdicts = self._judged([finding.key for finding in findings], Way(self.unit, found))
        return [finding for finding, row in zip(findings, verdicts, strict=True)
                if finding.conventions or row.verdict == "departs"]

    def _search(self, row, rows, found, lost):
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
        alike = [each for each in rows if each.verdict == "departs" and each.key.split("/")[:2] == kind]
        everywhere = [each for each in loose if _of_that_size(each[0], *alike)]
        pairs = () if lost else self._pairs(row.key, exact, found)
        beside = [[each | {(name, None)} for each in exact] for name in RESULTS]
        if lost or found & LOOSE or "/parameter/" in row.key:
            beside = []
        for tried in (exact, *everywhere, pairs, *loose, *beside):
            tried = list(tried)
            matching = [each for each in tried if self._explained(row.key, found | each)]
            best = self._best(matching, len(tried), row, rows, found)
            if best:
                break
        else:
            return Finding(row.key, frozenset(), hint="" if lost else self._hint(row))
        chosen = best[0]
        names = {name for name, _ in chosen}
        others = [candidate for candidate in best[1:] if {name for name, _ in candidate} != names
                  and not _alike(candidate, chosen)]
        return Finding(row.key, chosen, _distinct(others))

    def _best(self, matching, count, row, rows, found):
        """Return which of the sets that explain a row explain most of the others, everywhere or in its layer alone.

        One of `count` sets may meet a tensor of few numbers by chance: it must explain another that departs too, if it
        could change one.
        """
        candidates = [scoped for each in matching for scoped in _scopes(each, layer_of(row.key))]
        names = {name for candidate in matching for name, _ in candidate}
        touched = [each for each in rows if names & each.consulted]
        others = [each for each in touched if each.verdict == "departs" and each is not row]
        least, size = 0, np.size(self.given[row.key])
        if matching and others:
            under = self._judge(row.key, self.make(Way(self.unit, found | matching[0])))
            scale = np.sqrt(np.mean(np.square(self.given[row.key], dtype=np.float64)))
            if count * _ratio(2 * under.bound, scale) ** min(size, 8) > CHANCE:
                least = self._score(found, touched) + 2
        scores = [self._score(found | candidate, touched) for candidate in candidates]
        return [candidate for candidate, score in zip(candidates, scores, strict=True)
                if score == max(scores) and score >= least]

    def _pairs(self, key, single, found):
        """Yield the sets of two conventions that could change a tensor, with those that only one of them lets ask."""
        tried = set()
        for each in single:
            trace = self.make(Way(self.unit, found | each))
            trace.computed(key)
            for name in CONVENTIONS:
                pair = each | {(name, None)}
                if name in trace.consulted(key) and len(pair) == 2 and not pair & (found | LOOSE) and pair not in tried:
                    tried.add(pair)
                    yield pair

    def _explained(self, key, conventions):
        row = self._judge(key, self.make(Way(self.unit, conventions)))
        return row.verdict == "agrees" and not row.vague

    def _score(self, conventions, rows):
        """Return how many of the tensors agree under conventions; where they make the bound vague, as before."""
        judged = self._judged([row.key for row in rows], Way(self.unit, conventions))
        return sum((before if now.vague else now).verdict == "agrees" for before, now in zip(rows, judged, strict=True))

    def _hint(self, row):
        """Return what can be said of a difference that no convention explains."""
        if row.key.startswith("0/parameter/"):
            return "the training does not begin with the golden file's parameters; load them, and no others."
        exact = self.make(Way(self.unit)).computed(row.key)
        theirs = np.asarray(self.given[row.key], np.float64)
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
    """Return whether the differences, by half of the rows and more, are of the size that a short format gives."""
    (name, _), = conventions
    unit = RESULTS[name]
    return 2 * sum(unit / 32 < row.rms < 4 * unit for row in rows) >= len(rows)


def compare(golden, given):
    """Return the Report on tensors of another implementation.

    Parameters
    ----------
    golden : golden.Golden
    given : mapping of str to ndarray
        Theirs by key, in the reference's layouts.
    """
    inexact = unit_of(given.values())
    inexact = inexact if inexact > unit_of([golden.input]) else 0.0
    shown = max([1, *(int(key.split("/")[0]) for key in given if "/forward/" in key or "/backward/" in key)])
    return Comparison(lambda way: Trace(golden, given, way, inexact), keys(golden, shown), given, golden.arrays,
                      golden.training).run()


def unit_of(arrays):
    """Return the largest unit roundoff of the arrays' dtypes, float32 or float64."""
    return max([UNITS[array.dtype] for array in arrays if array.dtype in UNITS], default=DOUBLE)


def layer_of(key):
    """Return the layer, as conventions name it, that a tensor belongs to."""
    if "/" not in key:
        return "input"
    _, kind, *name = key.split("/")
    if kind == "cost" or (name == ["logits"] and kind == "backward"):
        return "cost"
    return "output" if name[0] in ("logits", "probabilities") else name[0].partition(".")[0]


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


def _ratio(a, b):
    return float(a / b) if b else (0.0 if not a else np.inf)


