"""What a deviation is: where it is planted, and which diagnosis of it is right."""

from functools import partial
from typing import NamedTuple

DOWN, UP = ("down0", "down1", "down2"), ("up0", "up1")
BLOCKS = DOWN + UP
# By family: the layers in which a deviation of it can be; in the others it is everywhere
LAYERS = {**dict.fromkeys(("convolution", "filters", "padding", "dropout", "activation"), BLOCKS), "pooling": DOWN[:-1],
          **dict.fromkeys(("upsampling", "skip"), UP), **dict.fromkeys((
              "bias", "frozen", "precision", "rate", "optimizer", "gradients", "weight decay",
              "loading"), (*BLOCKS, "output"))}
# Places that take and return NumPy arrays in all implementations
SHARED = {"scaled", "labels", "loaded", "pixel_weights", "gradients", "used", "saved"}
RIGHT_RUN = frozenset({frozenset({"agrees"})})


class Deviation(NamedTuple):
    """One way to differ, planted alone.

    Attributes
    ----------
    name : str
    family : str
        What it is about: input, labels, convolution and so on.
    right : frozenset of frozenset of str
        The diagnoses that are right, each a set of convention names; none where "unknown" is the right answer.
    values : dict of str to str
        By name, the values of those conventions that have one.
    whole : bool
        Whether these names explain all of it, or one of two deviations.
    changes : dict of str to dict
        By implementation, "torch", "numpy" and "keras": the changes that plant it.
    settings : dict
        Settings of the golden file in which it shows.
    layers : frozenset of str, optional
        Layers in which it is planted; without them all that it can be in.
    steps : str, optional
        "from step N on", where it is planted in those alone.
    hint : str
        Words of `claims.HINTS`: the hints that are right.
    parts : tuple of Deviation
        The two that are planted at once; none of one alone.
    """

    name: str
    family: str
    right: frozenset
    values: dict
    changes: dict
    settings: dict
    layers: frozenset | None = None
    steps: str | None = None
    hint: str = ""
    whole: bool = True
    parts: tuple = ()

    @property
    def kind(self):
        """Whether a convention is to be named, or nothing, or whether the run is right."""
        return "right run" if self.right == RIGHT_RUN else "listed" if self.right and self.whole else "unlisted"


class Catalogue(dict):
    """Deviations by name."""

    def __init__(self, family, hint="", **settings):
        super().__init__()
        self.family, self.hint, self.settings = family, hint, settings

    def add(self, name, right="", torch=None, numpy=None, keras=None, both=None, layers=None, steps=None,
            family=None, hint="", **settings):
        """Add a deviation; `right` has names with | between alternatives and + between those that belong together.

        A name may be followed by = and the value that a diagnosis has to say.

        What is given for `both` is planted in PyTorch and NumPy, and in Keras where its places are SHARED.
        """
        assert name not in self, name
        changes = {"torch": {**(both or {}), **torch} if torch else both, "numpy": {**(both or {}), **numpy} if numpy
                   else both if both and torch is None else None,
                   "keras": keras or (both if both and torch is None and both.keys() <= SHARED else None)}
        sets = [[each.partition("=") for each in names.split("+")] for names in right.split("|") if names]
        rights = frozenset(frozenset(each for each, *_ in names) for names in sets)
        values = {each: value for names in sets for each, _, value in names if value}
        self[name] = Deviation(name, family or self.family, rights, values,
                               {each: change for each, change in changes.items() if change},
                               {**self.settings, **settings}, frozenset(layers.split()) if layers else None, steps,
                               hint or self.hint)


def pair(one, other):
    """Return the deviation that consists of two, planted one after the other."""
    rights = frozenset(a | b for a in one.right or [frozenset()] for b in other.right or [frozenset()])
    changes = {each: merged(one.changes[each], other.changes[each]) for each in one.changes if each in other.changes}
    return Deviation(f"{one.name} & {other.name}", "pair", rights, {}, changes, {**one.settings, **other.settings},
                     hint=f"{one.hint} {other.hint}".strip(), whole=bool(one.right and other.right),
                     parts=(one, other))


def merged(one, other):
    """Return the changes of both: at the same place the second is asked last and takes the first for the plain."""
    both = {**one, **other}
    for place in one.keys() & other.keys():
        both[place] = after(one[place], other[place])
    return both


def after(first, second):
    """Return the change at a place where `first` stands already."""
    return lambda net, plain, *rest: second(net, partial(first, net, plain), *rest)


def only(layers, change):
    """Return a change of a place whose last argument is the layer, in some layers alone."""
    chosen = layers.split()
    return lambda net, plain, *rest: (change(net, plain, *rest) if rest[-1] in chosen else plain(*rest))


def from_step(step, change):
    """Return a change that begins with a step."""
    return lambda net, plain, *rest: change(net, plain, *rest) if net.step >= step else plain(*rest)
