"""Short formats of numbers, that show in the tensors of a whole step: alone, and beside one other convention.

The functions take a `search._Search`, and use what it knows: the comparison, the rows under what has been found, and
what has been rejected.
"""

import numpy as np

from ..compare import ENOUGH
from ..expected.rounding import FORMATS, Held, ratio
from . import scopes
from .relations import format_of

EMULATED = 8            # times as near comes a tensor where a short format is emulated that it has
SHORT = sorted(FORMATS, key=lambda name: FORMATS[name].unit)        # names of the formats, the longest first
SAMPLED = 6             # tensors of a step, of which one must show a format before all are looked at
NEARER = 0.8            # share of a departure that a convention leaves at most, before a format is tried beside it
COARSE = 64             # unit roundoffs of a format that layers add up to, at most


def alone(search, row):
    """Return the Fit of the short format that most of the tensors of a row's step show, or None."""
    if any(held.name in FORMATS for held in search.found) or (search.lost and not is_large(search, row)):
        return None
    found = []
    for name in SHORT:
        held = frozenset([Held(name)])
        if name in row.consulted and not held & search.rejected and search.goes_on() and (
                near := _near(search, name, row)) and (fit := search.fit(row, held)):
            found.append((near, fit))
    nearest = min((near for near, _ in found), default=0.0)
    return next((fit for near, fit in found if near <= 2 * nearest), None)


def beside(search, row, distances):
    """Return the conventions of which each beside a short format explains a row's step, sets of Held, the best first.

    They are those that bring the row nearer, by the `distances` to it, of sets of Held.
    """
    found = {}
    for first, distance in distances.items():
        for name in SHORT if distance <= row.rms / 2 and search.goes_on() else ():
            pair = first | {Held(name)}
            if name in row.consulted and distance < COARSE * FORMATS[name].unit and (
                    near := _near(search, name, row, first)) and (fit := search.fit(row, pair)) and not fit.others:
                found[fit.held] = near
                break                                       # of the formats the first
    return sorted((held for held in found if found[held] <= EMULATED * min(found.values())), key=found.get)


def is_large(search, row):
    """Return whether a tensor has so many different numbers that bits that are 0 in all of them are no chance."""
    return search.comparison.distinct(row.key) >= ENOUGH


def _near(search, name, row, beside=frozenset()):
    """Return how near a short format brings the tensors of a row's step in which it could show; 0 if it does not.

    It shows if it does in most of those that are large and depart, and in some of SAMPLED of them, which are looked at
    first. Most of those that it changes come nearer where it is emulated: else they are merely saved in it. Other
    conventions beside it have to bring most of those nearer that they could change, with the format and without. What
    is returned is the median of their departures, divided by those before.
    """
    key = name, row.parts.step, beside, search.found, search.rejected
    if key not in search.near:
        search.near[key] = _nearness(search, name, row, beside)
    return search.near[key]


def _nearness(search, name, row, beside):
    asked = [each for each in search.before.values() if name in each.consulted and each.verdict == "departs"
             and each.parts.step == row.parts.step and each.parts.kind not in ("parameter", "cost")
             and is_large(search, each)]
    keys, known = [each.key for each in asked], search.found | {Held(name)}
    judged = search.comparison.judged
    few = asked[::-(-len(asked) // SAMPLED) or 1]
    plain, without = _distances(search, few, frozenset()), _distances(search, few, beside)
    helped = [now <= NEARER * then for each, then, now in zip(few, plain, without, strict=True)
              if scopes.touches(beside, each)]
    if 2 * sum(helped) < len(helped) or not any(
            _shows(search, name, each.key, *distances) for each, *distances in zip(
                few, without, _distances(search, few, beside | {Held(name)}), strict=True)):
        return 0.0
    under = judged(keys, known | beside)
    left, short = (judged(keys, search.found | beside), judged(keys, known)) if beside else (asked, ())
    seen = [_shows(search, name, now.key, each.rms, now.rms) for each, now in zip(left, under, strict=True)]
    nearer = [now.rms <= each.rms / EMULATED for each, now in zip(short, under, strict=bool(beside))
              if scopes.touches(beside, now)]
    if not seen or 2 * sum(seen) < len(seen) or 2 * sum(nearer) < len(nearer):
        return 0.0
    changes = [ratio(now.rms, each.rms) for each, now in zip(left, under, strict=True) if now.rms != each.rms]
    if not changes or np.median(changes) >= 1:
        return 0.0
    return float(np.median([max(now.rms, 1e-30) / each.rms for each, now in zip(asked, under, strict=True)]))


def _distances(search, rows, more):
    """Return how far the tensors of rows are from what they are under more conventions, computed without bounds."""
    key = more, search.found, *(row.key for row in rows)
    if key not in search.near:
        trace = search.comparison.trace.without_bounds().under(search.found | more)
        search.near[key] = [search.comparison.distance(row.key, trace) for row in rows]
    return search.near[key]


def _shows(search, name, key, before, under):
    """Return whether a tensor shows a short format: in bits that are 0 in every number, or as it is emulated.

    `before` and `under` are its departures, in root mean square, without the format and where it is emulated.
    """
    actual = np.asarray(search.comparison.actual[key], np.float64)
    return format_of(actual, search.comparison.trace.unit) == name or under <= before / EMULATED
