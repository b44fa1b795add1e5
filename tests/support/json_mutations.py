"""Damaged copies of what JSON holds, drawn from a seed."""

import copy

import numpy as np

ODD = [None, True, -1, 0, 1, 10 ** 6, 10 ** 18, 10 ** 400, 0.5, -1e308, float("nan"), float("inf"), "", "x",
       "a\nb\x1b[0m", "\ud800", [], [1], [[[]]], {}, {"x": 1}, "9" * 5000]


def json_mutants(value, count, seed):
    """Yield `count` copies of a dict in which values are lost, added, or of another kind, at any depth."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        damaged = copy.deepcopy(value)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            _damage(damaged, rng)
        yield damaged


def _damage(value, rng):
    places = [(holder, name) for holder in _holders(value) for name in
              (holder if isinstance(holder, dict) else range(len(holder)))]
    if not places:
        return
    holder, name = places[rng.integers(len(places))]
    if rng.random() < 0.25:
        del holder[name]
    elif rng.random() < 0.1 and isinstance(holder, dict):
        holder["x" * int(rng.integers(1, 9))] = ODD[rng.integers(len(ODD))]
    else:
        holder[name] = copy.deepcopy(ODD[rng.integers(len(ODD))])


def _holders(value):
    if isinstance(value, (dict, list)):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)
