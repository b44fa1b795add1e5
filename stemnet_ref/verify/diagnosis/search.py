"""Find the conventions under which the reference gives the numbers of another implementation.

A tensor that departs is computed again under every convention that could change it, from the tensors that it depends on
(`explanation`). A convention whose numbers are the other side's within the rounding bound is looked at in all other
tensors that it could change, too (`scopes`): where it is refuted it does not hold, and is found for the other layers or
steps only. From there on it is assumed, and the next tensor that departs is looked at; two conventions at once are
tried where one explains nothing, and one beside a short format (`formats`). At the end a convention is named only if
all tensors that it could change agree under all that were found together. A tensor explains nothing if its bound is so
wide under a convention that what departs is within it also without the convention.
"""

from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from ..compare import ENOUGH
from ..expected.rounding import FORMATS, Held
from ..report import Report
from . import estimates, observations, scopes, wording
from .conventions import everywhere
from .explanation import Finding, explain

# For each kind of explanation: numbers computed after which no further one is tried (`expected.trace.Work`)
WORK = {"one": 2e9, "short format": 1.5e9, "some layers": 2e8, "two": 1e8}
FAR = 4                 # bounds: of what departs by more than so many, rounding is a small part
ANYWHERE = frozenset()  # layers of a Held that stands for its name in all layers, steps and values


def diagnose(comparison):
    """Return the Report on a `compare.Comparison`: its rows, and what explains those that depart."""
    search = _Search(comparison)
    with np.errstate(all="ignore"):                         # what is not finite is seen in the numbers
        findings = search.run()
    found, said = wording.of_findings(findings, comparison.training)
    return Report(tuple(search.rows), comparison.known, found, tuple(said), tuple(search.notes))


class _Search:
    """The search for what explains the rows of a comparison that depart.

    Attributes
    ----------
    comparison : compare.Comparison
    rows : list of report.Row
        What came of every tensor; those that follow from what has been found say so.
    found : frozenset of Held
        The conventions that have been found.
    before : dict of str to report.Row
        What came of every tensor under what has been found, by key.
    rejected : frozenset of Held
        What has been found before, and refuted in the end.
    lost : bool
        Whether nothing explains one of the rows that have been looked at.
    hurried : bool
        Whether something has not been tried, for that takes long.
    left : dict of str to float
        The work that may still be done, by kind of explanation.
    begun, limit : float
        The work that was done before the kind of explanation that is tried now, and what this kind may add to it.
    notes : list of str
        What is worth knowing of the rows that agree.
    near : dict
        How near short formats come, and how far tensors are from what they are under them, as `formats` has found it.
    """

    def __init__(self, comparison):
        self.comparison, self.rows, self.rejected = comparison, list(comparison.rows), frozenset()
        self.left, self.begun, self.limit, self.near, self.notes = dict(WORK), 0, 0, {}, []

    def run(self):
        """Return the findings."""
        if hint := observations.of_all(self.comparison):
            return [Finding(self.comparison.first.key, hint=hint)]
        findings = self._look()
        while refuted := {held for held in self.found if not self._stands(held)}:
            self._reject(refuted)
            self.left = {kind: max(self.left[kind], work / 4) for kind, work in WORK.items()}
            findings = self._look()
        findings = [replace(each, others=tuple(filter(partial(self._as_well, each), each.others))) for each in findings
                    if each.held or self.before[each.key].verdict == "departs"]     # or a later one has explained it
        firsts = {finding.key for finding in findings}
        self.rows = [replace(row, verdict="follows") if row.verdict == "departs" and row.key not in firsts
                     and self.before[row.key].verdict != "departs" else row for row in self.comparison.rows]
        return [finding for finding in findings if finding.held or finding.hint]

    def _begin(self):
        """Know nothing but what is rejected."""
        self.found, self.lost, self.hurried = frozenset(), False, False
        self.before = {row.key: row for row in self.comparison.rows}

    def _look(self):
        """Return the findings of the rows that depart, in the order of the data."""
        self._begin()
        findings = []
        for key in list(self.before):
            for _ in range(2):                              # a second finding may explain what is left
                if (row := self.before[key]).verdict != "departs":
                    break
                finding = replace(explain(self, row), key=key)
                if finding.spread:
                    self.notes += [observations.SPREAD] if self.hurried else []
                    self.comparison = self.comparison.spread_out()
                    return self._look()
                if row.parts.step == 0 and not finding.held:
                    self._begin()                           # what follows has another beginning
                    return [finding]
                findings.append(finding)
                if not finding.held:
                    self.lost = True
                    break
                self._assume(finding.held)
        return findings

    def _assume(self, held):
        """Take conventions for found, and judge again what they could change."""
        self.found |= held
        without = {row.key: row for row in self.comparison.rows}
        touched = [row.key for row in self.before.values() if scopes.touches(held, row)]
        self.before |= {row.key: row for row in self.comparison.judged(touched, self.found, without)}

    def _reject(self, refuted):
        """Look for some Held no more, and for no other of a name that is refuted a second time."""
        once = {held.name for held in self.rejected}
        self.rejected |= refuted | {Held(held.name, ANYWHERE) for held in refuted if held.name in once}

    @contextmanager
    def working(self, kind):
        """Count the work that is done within for a kind of explanation."""
        self.begun, self.limit = self.comparison.trace.work.done, self.left[kind]
        yield
        self.left[kind] -= self.comparison.trace.work.done - self.begun

    def goes_on(self, share=1):
        """Return whether less than a share of the work for a kind of explanation is done; remember it if all is."""
        left = self.comparison.trace.work.done - self.begun <= share * self.limit
        self.hurried = self.hurried or (share == 1 and not left)
        return left

    def _as_well(self, finding, other):
        """Return whether other conventions explain as well all that those of a finding do."""
        touched = [row.key for row in self.comparison.rows if scopes.touches(finding.held | other, row)]
        return all(row.verdict != "departs" or self.before[row.key].verdict == "departs"
                   for row in self.comparison.judged(touched, self.found - finding.held | other))

    def _stands(self, held):
        """Return whether all tensors that a convention could change agree, some within a bound that says something.

        These are half of those that depart without it, or hold ENOUGH different numbers, and none that departs by FAR
        keeps more than half of that; under a short format few are, but it is seen in bits. Not counted are those that
        follow from parameters that are not given, or tell nothing.
        """
        rows = [(row, self.before[row.key]) for row in self.comparison.rows if row.verdict == "departs"
                and not self.comparison.adrift(row.key) and scopes.tells(self.comparison, row, {held})
                and held.touches & (row.consulted | self.before[row.key].consulted)]
        if any(row.verdict == "departs" for row in self.before.values() if held.touches & row.consulted):
            return False
        if any(each.name in FORMATS for each in self.found):
            return True
        sharp = [self.comparison.distinct(now.key) for _, now in rows if not now.vague]
        return all(2 * now.difference <= row.difference for row, now in rows if row.share >= FAR) and (
            2 * len(sharp) >= len(rows) or sum(sharp) >= ENOUGH)

    @property
    def departing(self):
        """The rows that depart under what has been found."""
        return [row for row in self.before.values() if row.verdict == "departs"]

    def departs(self, key):
        """Return whether a tensor is given, and departs under what has been found."""
        return key in self.before and self.before[key].verdict == "departs"

    def is_rejected(self, held):
        """Return whether a Held is rejected, or its name altogether."""
        return not self.rejected.isdisjoint({held, Held(held.name, ANYWHERE)})

    def common(self, name):
        """Return a convention with each common value, everywhere, but for those that are found or rejected."""
        notable = [Held(name, value=value) for value in estimates.notable(name, self.comparison)]
        return [held for held in everywhere(name) + notable if held not in self.found and not self.is_rejected(held)]

    def fit(self, row, more, **known):
        """Return where a set of conventions holds, a scopes.Fit, or None; arguments by name as for `scopes.fit`."""
        return scopes.fit(self.comparison, self.before, self.found, more, row, self.rejected, **known)
