"""What explains that one tensor departs, beside what a search has found: the likelier and the cheaper is tried first.

Every candidate, a set of Held, is tried without bounds first, which takes a quarter of the time; what comes near is
judged with them, and then by all other tensors that it could change (`scopes`).
"""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, product, takewhile
from operator import itemgetter

import numpy as np

from ..compare import ENOUGH, VAGUE
from ..expected.computation import CHAIN
from ..expected.rounding import FORMATS, Held, ratio
from . import estimates, formats, observations, pairs, scopes, spreading, unexplained, wording
from .conventions import CONVENTIONS

CHANCE = 0.001          # that numbers are met by chance
KEPT = 1.2e7            # numbers under single conventions that are kept for two of them


@dataclass(frozen=True)
class Finding:
    """What explains that a tensor departs."""

    key: str            # key of the first tensor that it changes
    held: frozenset = frozenset()   # of Held; none if no convention explains the tensor
    others: tuple = ()  # further sets of Held that explain all that is given equally well
    hint: str = ""      # what is seen where no convention explains the tensor, or that not all were tried
    spread: bool = False    # whether another order of sums explains it, and all else that departs


def explain(search, row):
    """Return the Finding for a row, beside the conventions that a `search._Search` has found.

    Where an earlier row is lost, this one may be its consequence: then nothing is looked for unless its own inputs are
    given, never two conventions, and nothing is said if none is found.
    """
    if search.lost and (CHAIN in row.consulted or _of_lost_update(search, row)):
        return Finding(row.key)
    if row.parts.step == 0:
        with search.working("short format"):
            short = formats.alone(search, row)
        if short:
            return Finding(row.key, short.held)
        return Finding(row.key, hint=observations.of_start(search.comparison))
    return Explanation(search, row).finding()


def _of_lost_update(search, row):
    """Return whether a row is a parameter whose gradient departs, or that departs in an earlier step already."""
    step, kind, name = row.parts
    earlier = [f"{step}/gradient/{name}", *(row.parts.at_step(each) for each in range(1, step or 0))]
    return kind == "parameter" and any(search.departs(key) for key in earlier)


class Explanation:
    """The search for what explains one row.

    Attributes
    ----------
    search : search._Search
        What is known of all rows.
    itself, row : report.Row
        The row, and the one that is looked at: of a bias's gradient the weight's, if it departs too, for it has more
        numbers, and sharper ones.
    trace, rough : expected.trace.Trace
        What has been found is assumed in them; `rough` is without bounds.
    distances : dict of frozenset to float
        How far the row is from what it is under each of the candidates that have been tried.
    names : list of str
        Conventions that could change the row.
    common : list of frozenset
        Candidates: each of them with each common value, everywhere.
    untried : str
        What is said of candidates that were not tried, or "".
    many : bool
        Whether so much departs that two conventions, or one in some layers, do not meet it by chance.
    """

    def __init__(self, search, row):
        self.search, self.comparison, self.itself = search, search.comparison, row
        step, kind, name = row.parts
        weight = f"{step}/{kind}/{name.removesuffix('bias')}weight"
        self.row = row = search.before[weight] if kind == "gradient" and search.departs(weight) else row
        self.trace, self.distances, self.tried = self.comparison.trace.under(search.found), {}, 0
        self.untried = ""
        self.rough = self.trace.without_bounds()
        self.rough.computed(row.key)                        # what no candidate changes is computed once
        self.trace.computed(row.key)
        self._alone, self._most_alone = {}, KEPT // self.rough.size
        self.names = [name for name in CONVENTIONS if name in row.consulted and name not in FORMATS]
        self._agreeing = frozenset().union(*(each.consulted for each in search.before.values()
                                             if each.verdict == "agrees" and each.parts.step == step))
        self.common = sorted((frozenset([held]) for name in self.names for held in search.common(name)),
                             key=self._is_unlikely)
        # many candidates meet single numbers by chance, but not zeros
        self.many = not search.lost and any(
            formats.is_large(search, each) or not np.any(self.comparison.actual[each.key]) for each in search.departing)

    def finding(self):
        """Return the Finding of the first explanation."""
        for kind, explanation in (("one", self._one), ("short format", self._short_format), ("", self._spread),
                                  ("some layers", self._in_some_layers), ("", self._seen), ("two", self._two)):
            with self.search.working(kind) if kind else nullcontext():
                finding = explanation()
            if finding:
                return finding
        return Finding(self.row.key, hint=unexplained.said(self))

    # what is tried, one after the other: each returns a Finding or None

    def _one(self):
        """Try single conventions: with common values, with estimated ones, and from the step of the row on."""
        if self.search.lost:
            return self._first(self.common)
        estimated = chain.from_iterable(pairs.with_divisors(self._estimated(name), self.comparison)
                                        for name in self.names)
        return self._first(self.common, pairs.of_cost(self.names), estimated) or self._first(self._later())

    def _short_format(self):
        """Try short formats, alone and beside a convention that comes near."""
        alone, found = formats.alone(self.search, self.row), []
        if not self.search.lost and not (alone and not alone.others):
            found = formats.beside(self.search, self.row, self.distances)
        found = found or ([alone.held] if alone else [])
        hint = self.untried if self.search.goes_on() else observations.OTHERS_LEFT
        return Finding(self.row.key, found[0], tuple(found[1:]), hint) if found else None

    def _spread(self):
        """Try another order of sums."""
        return Finding(self.row.key, spread=True) if spreading.of_explanation(self) else None

    def _in_some_layers(self):
        """Try single conventions in some layers only, of which one layer comes first."""
        if not self.many:
            return None
        rounds = {}
        for name in self.names:
            for layers, held in product(scopes.groups(self.row, name), self.search.common(name)):
                more = frozenset([held._replace(layers=layers)])
                rounds.setdefault(self._is_unlikely(more), [[], []])[len(layers) > 1].append(more)
        return self._first(*(chain(*rounds[each]) for each in sorted(rounds)))

    def _seen(self):
        """Return what is seen in the numbers: not of a parameter, whose step two conventions can make another."""
        hint = unexplained.seen(self)
        return Finding(self.row.key, hint=hint) if hint and self.row.parts.kind != "parameter" else None

    def _two(self):
        """Try two conventions at once."""
        return self._first(pairs.candidates(self)) if self.many else None

    # the candidates

    def _is_unlikely(self, more):
        """Return whether conventions could change a tensor of the row's step that agrees without them."""
        return any(held.touches & self._agreeing for held in more)

    def _estimated(self, name):
        """Return a convention with the values that come from the tensor of the row's step that says most of them.

        It is of the row's kind, if the value can be estimated from that, else of the first kind that it can.
        """
        step, kind, _ = self.row.parts
        kinds = sorted(CONVENTIONS[name].estimated_from, key=kind.__ne__)
        sizes = {each: np.size(self.comparison.actual[each.key]) for each in self.search.departing
                 if each.parts.step == step and each.parts.kind in kinds and name in each.consulted}
        best = max(sizes, key=lambda each: (-kinds.index(each.parts.kind), min(
            sizes[each], estimates.MANY / sizes[each])), default=self.row)
        values = estimates.values(name, best, self.comparison, self.rough)
        return [held for held in (Held(name, value=value) for value in values) if not self.search.is_rejected(held)]

    def _later(self):
        """Yield conventions that begin with the step of a row, of an update whose averages remember earlier steps."""
        if self.row.parts.kind == "parameter" and self.row.parts.step > 1:
            for held in chain.from_iterable((*self.search.common(name), *self._estimated(name)) for name in self.names):
                yield frozenset([held._replace(steps=(self.row.parts.step, 10 ** 9))])

    def _first(self, *rounds):
        """Return the Finding of the candidates, sets of Held, that explain the row and most of the others, or None.

        A further round, an iterable of candidates, is looked at where those before leave rows of the same step. Where
        the best holds in some layers or steps only, the other single conventions are tried in these too.
        """
        fits = self._fits(enumerate(rounds))
        narrow = {(held.layers, held.steps) for best in _explaining_most(fits)[:1] for held in best} - {(None, None)}
        for layers, steps in narrow if len(narrow) == 1 else ():
            fits += self._fits([(len(rounds), [frozenset([held._replace(layers=layers, steps=steps)])
                                               for (held,) in self.common])])
        found = _explaining_most(fits)
        return self._best(found) if found else None

    def _fits(self, rounds):
        """Return the Fits of candidates and where each stands, the likelier first.

        Rounds are pairs of a number and candidates. Of conventions that leave nothing at all, no other value is tried,
        and nothing that has been tried before.
        """
        fits, least, whole = [], 0, set()
        left = takewhile(lambda _: all(fit.others for fit, *_ in fits), rounds)
        for number, more in ((number, more) for number, candidates in left for more in candidates):
            if more in self.distances or wording.does(more) in whole:
                continue
            if not self.search.goes_on():
                self.untried = observations.OTHERS_LEFT
                break
            self.tried += 1
            self.distances[more] = self.comparison.distance(self.row.key, self.roughly(more))
            if self._is_near(self.distances[more]) and (under := self._explains(more)) and (
                    fit := self.search.fit(self.row, more, least=least, whole=bool(whole),
                                           sure=self._is_no_chance(more, under))):
                fits.append((fit, under, (number, 0 if number else wording.place(more))))
                if fit.explained > 1 and not fit.others:
                    least = max(least, fit.explained)
                    whole |= {wording.does(more)} if fit.whole else set()
        return [(fit, place) for fit, under, place in fits
                if fit.explained > max(1, fit.others) or self._is_no_chance(fit.held, under)]

    def _best(self, explaining):
        """Return the Finding of sets of Held that explain as much, the best first, with those that say something else.
        """
        best, *rest = explaining
        plain = not any(held.layers or held.steps for held in best)         # then what needs a scope is less likely
        rest = [each for each in rest if not (plain and any(held.layers or held.steps for held in each))]
        others = {}
        for each in rest:
            others.setdefault(wording.does(each), each)
        others.pop(wording.does(best), None)
        return Finding(self.row.key, best, tuple(others.values()), self.untried)

    def roughly(self, more):
        """Return the Trace without bounds under more conventions; two share what each alone cannot change."""
        parts = [self._alone[held] for held in more if held in self._alone]
        trace = self.rough.under(self.search.found | more, parts)
        if len(more) == 1 and len(self._alone) < self._most_alone:
            self._alone.update(dict.fromkeys(more, trace))
        return trace

    def _is_near(self, distance):
        """Return whether numbers so far are nearer than before, and not only within a vague bound."""
        return distance <= VAGUE and distance / (1 + distance) <= self.row.rms / 2

    def _explains(self, more):
        """Return what comes of the row under more conventions, if they explain it, else None.

        Each of two must bring it nearer, but for a format beside one: that shows in bits.
        """
        under = self._under(more)
        fewer = [more - {held} for held in more if len(more) > 1 and held.name not in FORMATS]
        return under if _is_explained(self.row, under) and all(
            _is_explained(less, self._under(more, less)) for less in map(self._under, fewer)) else None

    def _under(self, more, before=None):
        """Return what comes of the row under more conventions, where it departed `before`, a Row."""
        return self.comparison.judge(self.row.key, self.trace.under(self.search.found | more), before or self.row)

    def _is_no_chance(self, more, under):
        """Return whether none of the candidates tried would meet the row's numbers by chance as these conventions do.

        `under` is what comes of the row under them. A value that is estimated meets one number in any case.
        """
        actual = np.asarray(self.comparison.actual[self.row.key], np.float64)
        numbers = min(self.comparison.distinct(self.row.key) or actual.size, ENOUGH)
        free = max(numbers - sum(estimates.measured(held, self.comparison) for held in more), 0)
        return scopes.tells(self.comparison, self.row, more) and self.tried * ratio(
            2 * under.bound, np.sqrt(np.mean(actual ** 2))) ** free <= CHANCE


def _explaining_most(fits):
    """Return the sets of Held, the best first, that explain as many rows as any, from pairs of a Fit and its place."""
    max_explained = max((fit.explained for fit, _ in fits), default=0)
    return [fit.held for fit, _ in sorted(fits, key=itemgetter(1)) if fit.explained == max_explained]


def _is_explained(row, under):
    """Return whether a row agrees under more conventions, by more than by chance, or by a wider bound."""
    return (row.verdict == "departs" and under.verdict == "agrees" and not under.vague
            and under.share <= row.share / 2 and under.rms <= row.rms / 2)
