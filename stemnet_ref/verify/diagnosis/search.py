"""Find the conventions under which the reference gives the numbers of another implementation.

A tensor that departs is computed again under every convention that could change it, from the tensors that it depends
on. A convention whose numbers are the other side's within the rounding bound is looked at in all other tensors that it
could change, too (`scopes`): where it is refuted it does not hold, and is found for the other layers or steps only.
From there on it is assumed, and the next tensor that departs is looked at; two conventions at once are tried where one
explains nothing, and one beside a short format (`formats`). At the end a convention is named only if all tensors that
it could change agree under all that were found together. A tensor explains nothing if its bound is so wide under a
convention that what departs is within it also without the convention.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, takewhile

import numpy as np

from ..compare import VAGUE
from ..expected.computation import CHAIN
from ..expected.rounding import FORMATS, Held, ratio
from ..report import Report
from . import estimates, formats, observations, pairs, scopes, spreading, wording
from .conventions import CONVENTIONS, everywhere

CHANCE = 0.001          # that numbers are met by chance
KEPT = 1.2e7            # numbers under single conventions that are kept for two of them
WORK = 1.5e8            # numbers computed beside as many as the comparison took (`expected.trace.Work`): some 6 s
ANYWHERE = frozenset()  # layers of a Held that stands for its name in all layers, steps and values


@dataclass(frozen=True)
class Finding:
    """What explains that a tensor departs."""

    key: str            # key of the first tensor that it changes
    held: frozenset = frozenset()   # of Held; none if no convention explains the tensor
    others: tuple = ()  # further sets of Held that explain all that is given equally well
    hint: str = ""      # what else can be said of the difference
    spread: bool = False    # whether another order of sums explains it, and all else that departs


def diagnose(comparison):
    """Return the Report on a `compare.Comparison`: its rows, and what explains those that depart."""
    search = _Search(comparison)
    with np.errstate(all="ignore"):                         # what is not finite is seen in the numbers
        findings = search.run()
    found, said = wording.of_findings(findings, comparison.training)
    return Report(tuple(search.rows), comparison.known, found, tuple(said))


class _Search:
    """The search for what explains the rows of a comparison that depart.

    Attributes
    ----------
    rows : list of report.Row
        What came of every tensor; those that follow from what has been found say so.
    found : frozenset of Held
        The conventions that have been found.
    lost : bool
        Whether nothing explains one of the rows that have been looked at.
    """

    def __init__(self, comparison):
        self.comparison, self.rows = comparison, list(comparison.rows)
        self.found, self.lost, self.hurried = frozenset(), False, False
        self.limit = 2 * comparison.trace.work.done + WORK  # of work
        self.near = {}                                      # what formats._near has found

    def run(self):
        """Return the findings."""
        if hint := observations.of_all(self.comparison):
            return [Finding(self.comparison.first.key, hint=hint)]
        rejected = frozenset()
        findings, refuted = self._look(rejected)
        while refuted:                                      # without what was refuted at the end, look once more
            once = {held.name for held in rejected}
            rejected |= refuted | {Held(held.name, ANYWHERE) for held in refuted if held.name in once}
            findings, refuted = self._look(rejected)
        return findings

    def _look(self, rejected):
        """Return the findings without some Held, and which of them are refuted in the end."""
        self.rows, self.found, self.lost, self.rejected = list(self.comparison.rows), frozenset(), False, rejected
        self.without = {row.key: row for row in self.comparison.rows}
        self.before = {**self.without}                      # what came of them under what is found
        findings = []
        for key in chain.from_iterable((key, key) for key in list(self.before)):     # a second time for what is left
            if (row := self.before[key]).verdict != "departs" or any(
                    each.key == key and not each.held for each in findings[-1:]):
                continue
            findings.append(finding := replace(self._explain(row), key=key))
            if finding.spread:
                self.comparison = self.comparison.spread_out()
                return self._look(rejected)
            if row.parts.step == 0 and not finding.held:
                return [finding], set()
            self.lost = self.lost or not finding.held
            if finding.held:
                self.found |= finding.held
                touched = [row.key for row in self.before.values() if scopes.touches(finding.held, row)]
                self.before |= {row.key: row for row in self.comparison.judged(touched, self.found, self.without)}
        refuted = {held for held in self.found if not self._stands(held)}
        findings = [replace(each, others=tuple(filter(partial(self._as_well, each), each.others))) for each in findings
                    if each.held or self.before[each.key].verdict == "departs"]     # or a later one has explained it
        firsts = {finding.key for finding in findings}
        self.rows = [replace(row, verdict="follows") if row.verdict == "departs" and row.key not in firsts
                     and self.before[row.key].verdict != "departs" else row for row in self.comparison.rows]
        return [finding for finding in findings if finding.held or finding.hint], refuted

    def goes_on(self):
        """Return whether there is time for more; remember it if there is none."""
        self.hurried = self.hurried or self.comparison.trace.work.done > self.limit
        return not self.hurried

    def _as_well(self, finding, other):
        """Return whether other conventions explain as well all that those of a finding do."""
        touched = [row.key for row in self.without.values() if scopes.touches(finding.held | other, row)]
        return all(row.verdict != "departs" or self.before[row.key].verdict == "departs"
                   for row in self.comparison.judged(touched, self.found - finding.held | other))

    def _stands(self, held):
        """Return whether all tensors that a convention could change agree, some within a bound that says something.

        These are half of those that depart without it, or hold ENOUGH different numbers; under a short format few are,
        but it is seen in bits. Not counted are those that follow from parameters that are not given, or tell nothing.
        """
        rows = [self.before[row.key] for row in self.comparison.rows if row.verdict == "departs"
                and not self.comparison.adrift(row.key) and scopes.tells(self.comparison, row, {held})
                and held.touches & (row.consulted | self.before[row.key].consulted)]
        if any(row.verdict == "departs" for row in self.before.values() if held.touches & row.consulted):
            return False
        sharp = [self.comparison.distinct(row.key) for row in rows if not row.vague]
        return any(each.name in FORMATS for each in self.found) or 2 * len(sharp) >= len(rows) or (
            sum(sharp) >= observations.ENOUGH)

    def _explain(self, row):
        """Return the Finding for a row, beside the conventions that have been found.

        Where an earlier row is `lost`, this one may be its consequence: then nothing is looked for unless its own
        inputs are given, and never two conventions. Of a bias gradient the weight's is looked at, if it departs too:
        it has more numbers, and sharper ones.
        """
        if self.lost and (CHAIN in row.consulted or self._of_lost_update(row)):
            return Finding(row.key)
        if row.parts.step == 0:
            if short := formats.alone(self, row):
                return Finding(row.key, short.held)
            return Finding(row.key, hint=observations.of_start(self.comparison))
        itself, row = row, self._telling(row)
        trace, self.tried, self.distances = self.comparison.trace.under(self.found), 0, {}
        self.rough = trace.without_bounds()
        self.rough.computed(row.key)                        # what no candidate changes is computed once
        self.alone, self.most_alone = {}, KEPT // self.rough.size
        trace.computed(row.key)
        names = [name for name in CONVENTIONS if name in row.consulted and name not in FORMATS]
        agreeing = frozenset().union(*(each.consulted for each in self.before.values() if each.verdict == "agrees"
                                       and each.parts.step == row.parts.step))
        common = sorted((frozenset([held]) for name in names for held in self.common(name)),
                        key=lambda more: any(held.touches & agreeing for held in more))     # the likelier first
        further = () if self.lost else (pairs.of_cost(names), chain.from_iterable(
            pairs.with_divisors(self._estimated(name, row), self.comparison) for name in names))
        later = () if self.lost else self._later(row, names)
        if finding := self._first(row, trace, common, *further) or self._first(row, trace, later):
            return finding
        short = formats.alone(self, row)
        if not self.lost and not (short and not short.others) and (found := formats.beside(self, row)):
            return Finding(row.key, found[0], tuple(found[1:]))
        if short:
            return Finding(row.key, short.held)
        if spreading.of_search(self, row, trace):
            return Finding(row.key, spread=True)
        # many candidates meet single numbers by chance, but not zeros
        many = not self.lost and any(formats.is_large(self, each) or not np.any(self.comparison.actual[each.key])
                                     for each in self.before.values() if each.verdict == "departs")
        if many and (finding := self._first(row, trace, self._scoped(row, names))):
            return finding
        hint = next(filter(None, (observations.of_row(each, self.comparison, trace)
                                  for each in dict.fromkeys((itself, row)))), "")
        if hint and row.parts.kind != "parameter":          # two conventions can make a step another by a factor
            return Finding(row.key, hint="" if self.lost else hint)
        if many and (finding := self._first(row, trace, pairs.candidates(self, row, common))):
            return finding
        tried = observations.HURRIED if self.hurried else observations.UNKNOWN if many else observations.TOO_FEW
        more = observations.MORE if not many and set(self.comparison.known) - {*self.before} else ""
        return Finding(row.key, hint="" if self.lost else hint or tried + more)

    def _telling(self, row):
        """Return the row of the weight's gradient for that of a bias, if it departs too; else the row itself."""
        step, kind, name = row.parts
        weight = self.before.get(f"{step}/{kind}/{name.removesuffix('bias')}weight")
        return weight if kind == "gradient" and weight and weight.verdict == "departs" else row

    def _of_lost_update(self, row):
        """Return whether a row is a parameter whose gradient departs, or that departs in an earlier step already."""
        step, kind, name = row.parts
        earlier = [f"{step}/gradient/{name}", *(row.parts.at_step(each) for each in range(1, step or 0))]
        return kind == "parameter" and any(key in self.before and self.before[key].verdict == "departs"
                                           for key in earlier)

    def common(self, name):
        """Return a convention with each common value, everywhere, but for those that are found or rejected."""
        if Held(name, ANYWHERE) in self.rejected:
            return []
        notable = [Held(name, value=value) for value in estimates.notable(name, self.comparison)]
        return [held for held in everywhere(name) + notable if held not in self.found | self.rejected]

    def _estimated(self, name, row):
        """Return a convention with the values that come from the tensor of a row's step that says most of them.

        It is of the row's kind, if the value can be estimated from that, else of the first kind that it can.
        """
        kinds = sorted(CONVENTIONS[name].estimated_from, key=row.parts.kind.__ne__)
        sizes = {each: np.size(self.comparison.actual[each.key]) for each in self.before.values()
                 if each.parts.step == row.parts.step and each.parts.kind in kinds and each.verdict == "departs"
                 and name in each.consulted}
        best = max(sizes, key=lambda each: (-kinds.index(each.parts.kind), min(
            sizes[each], estimates.MANY / sizes[each])), default=row)
        found = [Held(name, value=value) for value in estimates.values(name, best, self.comparison, self.rough)]
        return [held for held in found if not {held, Held(name, ANYWHERE)} & self.rejected]

    def _later(self, row, names):
        """Yield conventions that begin with the step of a row, of an update whose averages remember earlier steps."""
        if row.parts.kind == "parameter" and row.parts.step > 1:
            for held in chain.from_iterable((*self.common(name), *self._estimated(name, row)) for name in names):
                yield frozenset([held._replace(steps=(row.parts.step, 10 ** 9))])

    def _first(self, row, trace, *rounds):
        """Return the Finding of the candidates, sets of Held, that explain a row and most of the others, or None.

        A further round, an iterable of candidates, is looked at where those before leave rows of the same step.
        """
        fits, tried, least = [], set(), 0
        for more in chain.from_iterable(takewhile(lambda _: all(fit.others for fit, _ in fits), rounds)):
            if more in tried:
                continue
            if not self.goes_on():
                break
            tried.add(more)
            distance = self.distances[more] = self.comparison.distance(row.key, self.roughly(more))
            # else it could agree within a vague bound only, or is no nearer than before
            if not (distance <= VAGUE and distance / (1 + distance) <= row.rms / 2):
                continue
            # each of two must come nearer; a format beside one shows in bits
            fewer = [more - {held} for held in more if len(more) > 1 and held.name not in FORMATS]
            under = self._under(row, trace, more)
            if self._explains(row, under) and all(self._explains(
                    less := self._under(row, trace, each), self._under(less, trace, more)) for each in fewer) and (
                        fit := self.fit(row, more, least)):
                fits.append((fit, under))
                if fit.explained > 1 and not fit.others:
                    least = max(least, fit.explained)
        self.tried += len(tried)
        fits = [(fit, under) for fit, under in fits
                if fit.explained > max(1, fit.others) or self._sure(row, fit, under, self.tried)]
        if not fits:
            return None
        largest = max(fit.explained for fit, _ in fits)
        best, *rest = sorted((fit.held for fit, _ in fits if fit.explained == largest), key=wording.place)
        plain = not any(held.layers or held.steps for held in best)         # then what needs a scope is less likely
        rest = [each for each in rest if not (plain and any(held.layers or held.steps for held in each))]
        others = {wording.does(each): each for each in rest if wording.does(each) != wording.does(best)}
        return Finding(row.key, best, tuple(others.values()), observations.OTHERS_LEFT if self.hurried else "")

    def roughly(self, more):
        """Return the Trace without bounds under more conventions; two share what each alone cannot change."""
        parts = [self.alone[held] for held in more if held in self.alone]
        trace = self.rough.under(self.found | more, parts)
        if len(more) == 1 and len(self.alone) < self.most_alone:
            self.alone.update(dict.fromkeys(more, trace))
        return trace

    def _under(self, row, trace, more):
        """Return what comes of a row under more conventions."""
        return self.comparison.judge(row.key, trace.under(self.found | more), row)

    def _explains(self, row, under):
        """Return whether a row agrees under more conventions, by more than by chance, or by a wider bound."""
        return (row.verdict == "departs" and under.verdict == "agrees" and not under.vague
                and under.share <= row.share / 2 and under.rms <= row.rms / 2)

    def _sure(self, row, fit, under, count):
        """Return whether none of `count` candidates would meet a row's numbers by chance as those of a Fit do."""
        actual, different = np.asarray(self.comparison.actual[row.key], np.float64), self.comparison.distinct(row.key)
        return scopes.tells(self.comparison, row, fit.held) and count * ratio(
            2 * under.bound, np.sqrt(np.mean(actual ** 2))) ** min(different or actual.size, 8) <= CHANCE

    def fit(self, row, more, least=0):
        """Return where a set of conventions holds, a scopes.Fit, or None if it is refuted everywhere.

        None is also returned of one that is known to explain fewer rows than the `least`.
        """
        return scopes.fit(self.comparison, self.before, self.found, more, row, self.rejected, least)

    def _scoped(self, row, names):
        """Yield single conventions in some layers only."""
        for name in names:
            for layers in scopes.groups(row, name):
                for held in self.common(name):
                    yield frozenset([held._replace(layers=layers)])
