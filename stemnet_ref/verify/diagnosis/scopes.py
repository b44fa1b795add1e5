"""Where a convention holds: everywhere, in some layers, or in some steps; and whether other tensors refute it."""

from typing import NamedTuple

from ..coverage import NOTHING
from ..expected.computation import CHAIN
from ..expected.rounding import FORMATS

OF_ZEROS = {"without_gradient", "bias_missing"}     # conventions that say of gradients that they are 0
OF_ALL = {"rate_of_biases"}      # conventions of all layers: in one alone any factor on a gradient is the same
VISIBLE = 1 / 32        # of a format's unit roundoff: a smaller difference from float32 is not rounding to the format


class Fit(NamedTuple):
    """Conventions, and how many rows that depart agree under them, and how many do not."""

    held: frozenset     # of Held
    explained: int      # beside it: rows of which the bound and the numbers say something
    others: int         # rows of the same step that could, and depart whatever is assumed
    whole: bool         # whether they hold everywhere, and no row departs under them


def fit(comparison, before, found, more, row, rejected=frozenset(), least=0, whole=False, sure=True):
    """Return the Fit of the widest scope in which conventions explain a row and nothing refutes them, or None.

    Parameters
    ----------
    comparison : compare.Comparison
    before : dict of str to report.Row
        What came of all tensors under what has been found, by key.
    found : frozenset of Held
        What has been found, and is assumed beside.
    more : frozenset of Held
        The conventions, that explain the row.
    row : report.Row
    rejected : frozenset of Held
        What is not to be returned.
    least : int
        Number of rows that another Fit explains: of fewer None is returned, if that can be seen before all are judged.
    whole : bool
        Whether the other Fit is whole: then None is returned of what is not.
    sure : bool
        Whether the row is not met by chance. If it may be, None is returned where only few rows of its step are met.
    """
    touched = [each for each in before.values() if touches(more, each)]
    keys = [each.key for each in touched]

    def under(conventions):
        """Yield the rows under conventions too."""
        return comparison.judging(keys, comparison.trace.under(found | conventions), before)

    def met(now):
        """Return whether a row departs without the conventions and agrees under them."""
        return before[now.key].verdict == "departs" and now.verdict == "agrees"

    def missed(now):
        """Return whether a row departs under the conventions."""
        return now.verdict == "departs"

    departing = [each.key for each in before.values() if each.verdict == "departs"]
    if whole and (not {*departing} <= {*keys} or any(
            map(missed, comparison.judging(departing, comparison.trace.under(found | more), before)))):
        return None
    after, refutable = [], any(each.verdict == "agrees" for each in touched)
    possible = sum(each.verdict == "departs" for each in touched)
    for now in under(more):
        if not sure and (now.parts.step or 0) > (row.parts.step or 0):
            sure = 2 * _of_step(row, filter(met, after)) >= _of_step(row, filter(missed, after))
            if not sure:
                return None
        after.append(now)
        possible -= before[now.key].verdict == "departs" and not met(now)
        if possible < least and not refutable:              # then no scope is narrower
            return None
    # while others depart, what follows from tensors that are not given may agree or depart by what is not yet found
    now_agree = {now.key for now in after if now.verdict != "departs"}
    pending = any(each.verdict == "departs" and each.key not in now_agree for each in before.values())
    refuted = [now for now in after if _refutes(more, before[now.key], now, pending)]

    def of(scoped):
        """Return the Fit of conventions with their scopes, or None."""
        if scoped & rejected or any(held.layers and (
                held.name in OF_ALL or (held.name in FORMATS and held.layers == {"cost"})) for held in scoped):
            return None
        if scoped != more and comparison.judged([row.key], found | scoped)[0].verdict == "departs":
            return None                                     # without a look at all others
        judged = []
        for now in after if scoped == more else under(scoped):
            if _refutes(scoped, before[now.key], now, pending):
                return None
            judged.append(now)
        explained = list(filter(met, judged))
        if not any(now.key == row.key for now in explained):
            return None
        lost = [now for now in judged if now.verdict == NOTHING and before[now.key].verdict == "departs"]
        if _of_step(row, lost) > _of_step(row, explained):  # the bounds know no end
            return None
        if len({now.parts.step for now in explained}) < 2 and any(
                held.steps and held.value is not None and (held.layers or isinstance(held.value, float))
                for held in scoped):
            return None                                     # with a number of its own any step can be explained
        short = any(held.name in FORMATS for held in scoped)                # whose bounds say little of all tensors
        everywhere = scoped == more and not any(held.layers or held.steps for held in more)
        return Fit(scoped, sum(short or (not now.vague and tells(comparison, now, scoped)) for now in explained),
                   _of_step(row, filter(missed, judged)), everywhere and not pending)

    if not refuted:
        return of(more)
    for scoped in dict.fromkeys(_narrower(more, row, before, after)):
        if best := of(scoped):
            for layer in sorted({layer for held in scoped for layer in held.layers or ()}, key=place):
                fewer = frozenset(held._replace(layers=held.layers and held.layers - {layer}) for held in best.held)
                if all(held.layers is None or held.layers for held in fewer) and (less := of(fewer)) and (
                        less.explained >= best.explained):                  # nothing shows it in this layer
                    best = less
            return best
    return None


def tells(comparison, row, held):
    """Return whether the numbers of a row say something of conventions that explain it.

    Maps that are 0, or the same in all pixels, follow from whatever turns all ReLUs to 0.
    """
    return comparison.distinct(row.key) > 0 or any(each.name in OF_ZEROS for each in held)


def _of_step(row, rows):
    """Return how many of some rows are of the step of a row."""
    return sum(each.parts.step == row.parts.step for each in rows)


def touches(held, row):
    """Return whether one of the conventions could change a row."""
    return any(each.touches & row.consulted for each in held)


def _refutes(held, before, after, pending):
    """Return whether a row that agreed without conventions contradicts them; `pending` as in `fit`."""
    if before.verdict != "agrees" or not touches(held, after) or (pending and CHAIN in after.consulted):
        return False
    units = [FORMATS[each.name].unit for each in held if each.name in FORMATS]
    return after.verdict == "departs" or any(
        before.rms < VISIBLE / 8 * unit and after.rms > VISIBLE * unit for unit in units)


def _narrower(more, row, before, after):
    """Yield the conventions in fewer steps, in fewer layers, and in both, as the rows around show it."""
    steps = None if any(held.steps for held in more) else _steps(before, after)
    layers = _layers(before, after, {held.name for held in more})
    for narrow in ({"steps": steps}, {"layers": layers}, {"steps": steps, "layers": layers}):
        if None not in narrow.values():
            yield frozenset(held._replace(**narrow) for held in more)
    # not for formats, whose bounds say little of what is not given
    for name in sorted({held.name for held in more} - FORMATS.keys()):
        for group in groups(row, name):
            yield frozenset(held._replace(layers=group) if held.name == name else held for held in more)


def _evidence(before, after, of):
    """Return for what, as `of` gives it of a row, rows come to agree, and for what they depart: two sets."""
    good = {of(now) for now in after if before[now.key].verdict == "departs" and now.verdict == "agrees"}
    return good, {of(now) for now in after if now.verdict == "departs"}


def _steps(before, after):
    """Return the first and the last step between which rows are explained, or None if that says nothing."""
    good, bad = _evidence(before, after, lambda row: row.parts.step)
    if None in good | bad or not good or not bad or good & bad:
        return None
    first, last = min(good), max(good)
    if any(first <= step <= last for step in bad):
        return None
    return (first if min(bad) < first else 1), (last if max(bad) > last else 10 ** 9)


def _layers(before, after, names):
    """Return the layers in which conventions explain rows, from rows whose inputs are given, or None if none do."""
    def asks(row):
        """Return the layer whose convention a row shows: its own if that was asked, else the only one, or None."""
        asked = {each[1] for each in row.consulted if isinstance(each, tuple) and each[0] in names}
        return row.parts.layer if row.parts.layer in asked or len(asked) != 1 else asked.pop()

    own = [row for row in after if CHAIN not in row.consulted]
    good, bad = _evidence(before, own, asks)
    return frozenset(good - bad) or None


def groups(row, name):
    """Return the sets of layers in which a convention that could change a row may hold: one, or some in a line."""
    asked = sorted({each[1] for each in row.consulted if isinstance(each, tuple) and each[0] == name and each[1]},
                   key=place)
    if len(asked) < 2:
        return [frozenset(asked)] if asked else []
    ranges = [frozenset(asked[first:last]) for size in range(1, len(asked)) for first in range(len(asked) + 1 - size)
              for last in [first + size]]
    transposed = frozenset(layer for layer in asked if layer.endswith(".deconv"))
    ranges += [each for each in (transposed, frozenset(asked) - transposed)
               if each not in (*ranges, frozenset(), frozenset(asked))]
    return sorted(ranges, key=lambda group: (len(group) > 1, len(asked) - len(group)))


def place(layer):
    """Return where a layer stands in the order of the data: down0, down1, ..., up1.deconv, up1, ..., output."""
    block, _, own = layer.partition(".")
    way = block.rstrip("0123456789")
    level = int(block[len(way):] or 0)
    return ("input", "down", "up", "output", "cost").index(way), -level if way == "up" else level, not own


def labels(held):
    """Return the layers and steps of Held of one convention, a sorted list of words, or None for everywhere."""
    if any(each.layers is None and each.steps is None for each in held):
        return None
    layers = sorted({layer for each in held for layer in each.layers or ()}, key=place)
    return layers + sorted({_of_steps(each.steps) for each in held if each.steps})


def words(held):
    """Return what a sentence begins with: "in down0 alone, ", or "" for everywhere."""
    if labels(held) is None:
        return ""
    by_steps = {}
    for each in held:
        by_steps.setdefault(each.steps, []).append(each.layers)
    return " and ".join(_phrase(steps, layers) for steps, layers in by_steps.items()) + ", "


def _phrase(steps, of_layers):
    """Return layers, a frozenset of them or None in each of a list, and the steps in which they count, in words."""
    layers = [] if None in of_layers else sorted(set().union(*of_layers), key=place)
    parts = []
    if layers:
        parts.append(f"in {' and '.join(layers)} alone" if len(layers) < 3 else
                     f"in {', '.join(layers[:-1])} and {layers[-1]} alone")
    return ", ".join([*parts, *([_of_steps(steps)] if steps else [])])


def _of_steps(steps):
    """Return steps in words: from step 3 on, up to step 2, in step 2 alone."""
    first, last = steps
    if first == last:
        return f"in step {first} alone"
    if last == 10 ** 9:
        return f"from step {first} on"
    return f"up to step {last}" if first == 1 else f"from step {first} to step {last}"
