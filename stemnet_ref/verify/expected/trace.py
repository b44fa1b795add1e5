"""Every tensor of a few steps of training, computed one from the other, under any convention.

A tensor has a key (`key`). Its KIND is forward, backward (the gradient of the cost with respect to that tensor),
gradient (with respect to a parameter), parameter (after the step) or cost. `network.topology` says which layers there
are.

What is asked for is computed from the tensors that it depends on. Where the other side's are given they are taken: so
each layer is judged by what it made of its own input, and an error in one layer is not seen again in all that follow.
"""

from math import prod

from ...network import topology
from . import wiring
from .computation import Computation, Missing
from .key import Key
from .layer import Options
from .rounding import DOUBLE, MAX_NUMBER, Assumptions, Computed, Value, exact

OVERFLOW = "overflow"       # among what is consulted: a number on the way was beyond the largest
PASSES = "forward", "backward", "raw"       # kinds of tensors that layers compute
# Of `Work`, measured: what a tensor takes beside its numbers, products in the time of a number, and times with bounds
TENSOR, PRODUCTS, BOUNDS = 10000, 150, 4


class Work:
    """How much has been computed, in numbers computed one from the other: some 30 million of them take a second."""

    def __init__(self, products):
        self.done, self._products = 0, products / PRODUCTS      # of a layer

    def add(self, kind, numbers, bounds):
        """Add a tensor of a kind and so many numbers."""
        of_layer = kind in PASSES
        self.done += (TENSOR + numbers + self._products * of_layer) * (BOUNDS if of_layer and bounds else 1)


class Trace:
    """The tensors of a golden file, computed when they are asked for.

    Parameters
    ----------
    golden : golden.Golden
        Input, labels, masks, initial parameters and settings.
    given : mapping of str to ndarray, optional
        The other side's tensors, by key.
    unit : float
        Unit roundoff of the other side's arithmetic.
    conventions : frozenset
        Conventions under which to compute, as for `Assumptions`; the reference's without any.
    inexact : float
        Unit roundoff with which the other side has read the golden file's numbers; 0 if it has them as they are.
    bases : sequence of Trace
        The same under other conventions: what they have computed and the difference cannot change is taken from them.
    bounds : bool
        Whether the errors of products are needed; without them all errors are too small.
    spread : bool
        Whether rounding errors are spread, as for `Assumptions`.
    work : Work, optional
        Counts what is computed here and under other conventions.
    """

    def __init__(self, golden, given=None, unit=DOUBLE, conventions=frozenset(), inexact=0.0, bases=(), bounds=True,
                 spread=False, work=None):
        self.golden, self.given, self.inexact = golden, {} if given is None else given, inexact
        self.bounds, self.spread = bounds, spread
        self.unit, self.conventions, self.options = unit, conventions, Options(keep_prob=golden.training["keep_prob"])
        self._known = {}
        for base in bases:
            changed = {each for held in conventions ^ base.conventions for each in held.touches}
            self._known |= {key: each for key, each in base._known.items() if changed.isdisjoint(each.consulted)}
        if bases and wiring.CHANGING.isdisjoint(held.name for held in conventions ^ bases[0].conventions):
            self.layers, self.owners, self.consumers = bases[0].layers, bases[0].owners, bases[0].consumers
        else:
            self.layers, self.owners, self.consumers = wiring.layers_of(golden.blocks, self.assume)
        self.work = work or Work(self.products / len(self.layers))

    @property
    def size(self):
        """Number of numbers that are known."""
        return sum(each.array.size for value, _ in self._known.values() for each in _values(value) if each)

    @property
    def products(self):
        """Number of products in a forward pass."""
        shapes = topology.map_shapes(self.golden.blocks, *self.golden.input.shape[1:])
        return len(self.golden.input) * sum(prod(block.weight) * prod(shapes[block.name][:2])
                                            for block in self.golden.blocks if block.weight)

    def under(self, conventions, others=()):
        """Return the Trace under other conventions.

        What is known here, and in others like this one, and the difference cannot change is known there too.
        """
        return self._with(conventions=conventions, bases=(self, *others))

    def spread_out(self):
        """Return the Trace where rounding errors are spread."""
        return self._with(spread=True)

    def without_bounds(self):
        """Return the Trace with errors that are too small, which takes a quarter of the time."""
        return self._with(bounds=False)

    def _with(self, **changed):
        """Return the Trace with other arguments, given by name."""
        same = "golden", "given", "unit", "conventions", "inexact", "bounds", "spread", "work"
        return Trace(**{**{name: getattr(self, name) for name in same}, **changed})

    def assume(self, layer="", consulted=None, step=None):
        """Return what is assumed of a layer, named as conventions name it; arguments as for `Assumptions`."""
        return Assumptions(self.unit, self.conventions, layer, consulted, step, self.bounds, self.spread)

    def value(self, key):
        """Return a tensor, a Value, as the other side has it, if it is given; else as it is computed."""
        if key in self.given:
            return exact(self.given[key])
        return self.computed(key).value

    def computed(self, key):
        """Return a tensor computed from those that it depends on, and what was consulted for it: a Computed.

        Those that it depends on are computed first, one after the other, so that no network is too deep for Python.
        """
        pending, limit = [] if key in self._known else [key], MAX_NUMBER[self.unit]
        while pending:
            consulted = set()
            try:
                value = Computation(self, pending[-1], consulted).run()
            except Missing as missing:
                pending.append(missing.key)
                continue
            if not all(-limit < each.array.min() and each.array.max() < limit for each in _values(value)):
                consulted.add(OVERFLOW)
            self.work.add(Key.of(pending[-1]).kind, sum(each.array.size for each in _values(value)), self.bounds)
            self._known[pending.pop()] = Computed(value, frozenset(consulted))
        return self._known[key]

    def known(self, key):
        """Return a tensor that has been computed, a Computed; raise Missing if it has not."""
        if key not in self._known:
            raise Missing(key)
        return self._known[key]

    def forget(self, step):
        """Drop what is known of a step and of earlier ones but for the optimizer's averages after the step."""
        self._known = {key: value for key, value in self._known.items() if not (Key.of(key).step or 0) <= step
                       or Key.of(key)[:2] == (step, "update")}

    def forget_given(self, key):
        """Drop what has been computed of a tensor that is given, but for the optimizer's last averages."""
        if key not in self.given:
            return
        step, kind, name = Key.of(key)
        self._known.pop(key, None)
        if kind == "parameter" and (update := self._known.get(f"{step}/update/{name}")):
            self._known[f"{step}/update/{name}"] = update._replace(value=(None, update.value[1]))
            for earlier in range(step):
                self._known.pop(f"{earlier}/update/{name}", None)


def _values(of_key):
    """Return the Values that are known for a key: of an update the parameter and the optimizer's averages."""
    return [of_key] if isinstance(of_key, Value) else [of_key[0], *of_key[1]]
