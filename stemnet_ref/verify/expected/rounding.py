"""Numbers together with what rounding can have done to them, and the precision that they were computed in.

Another implementation computes the same sum in another order, in float32. How far its result may be from the exact one
follows from the sum of magnitudes: n roundings of relative size u, u = 2^-24, move a sum of products by at most

    n u sum |a b|           whatever the order (N. Higham, Accuracy and Stability of Numerical Algorithms, chapter 3),
    4 sqrt(n) u sum |a b|   where the roundings are independent and of mean 0, with a probability of 1 - 2 exp(-8)
                            even if every partial sum were as large as all magnitudes together (N. Higham and T. Mary,
                            SIAM J. Sci. Comput. 2019 and 2020); partial sums are smaller, and so errors stay far below

and the smaller of the two is taken. The second fails where terms are equal, as in a network whose ReLUs are all 0:
added one after the other to a sum of the same exponent, they lose the same digits again and again. So k equal terms
count as one of k times their error. Of n terms of which k1, k2, ... are equal, sqrt(k1^2 + k2^2 + ...) takes the place
of sqrt(n), which is the case of n different ones (`alike`).

By a Fourier transform, or by Winograd's algorithm, a convolution adds up what it takes off again, and the rounding of
large numbers reaches small ones, in the image of a map and in the kernel of a weight. The error goes by the root mean
squares of image and kernel and by the largest sum of magnitudes, and no element has a bound of its own. Where sums are
`spread` so, each has the largest bound of its image or kernel, with u TRANSFORMS more for the transforms: 2 u of that
sum have been seen by Fourier transforms, and 285 u by Winograd's for a 5 x 5 kernel, in tiles of 2 x 2 and of 4 x 4
outputs. What is uncertain in the operands is transformed too, so that magnitudes count with it.

What the other side is compared with has been computed too, in float64 and in an order of its own, and its roundings are
no others: u stands for 2^-24 + 2^-53 where the other side computes in float32, and for 2^-53 + 2^-53 in float64
(`Assumptions.roundoff`).

What is uncertain in the operands is carried on as standard deviations are: a result y = sum a b with |a| uncertain by
da has dy^2 = sum da^2 b^2 beside its own roundings. Where a ReLU or a maximum may have gone the other way, the whole
gradient there is uncertain, and counts four times: what follows from one such element adds up, as independent errors
do not. Through many layers this is an estimate and no longer a bound; it is sharp where the tensors between are given.

A parameter that is not given is uncertain alike in all pixels, unless all its gradients are given. One element of a
gradient makes many weights uncertain at once. What follows from that adds up in sums over pixels (`Value.shared`).
"""

from functools import cache, reduce
from typing import NamedTuple

import numpy as np

WHOLE_SUM = 4.0         # factor of the second bound
TRANSFORMS = 512
DOUBLE, SINGLE = 2.0 ** -53, 2.0 ** -24     # unit roundoff of float64 and float32
MAX_NUMBER = {SINGLE: 2e37, DOUBLE: 1e307}             # near the largest number, with room for what sums it


class Value(NamedTuple):
    """An array in float64, and how far another implementation's may be from it, an array of the same shape.

    `shared`, such an array or None, is how far parameters that are not given may bring it in all pixels at once.
    """

    array: np.ndarray
    error: np.ndarray
    shared: np.ndarray | None = None

    def map(self, f):
        """Return the value whose elements f has moved to other places."""
        return Value(f(self.array), f(self.error), None if self.shared is None else f(self.shared))

    def uncertain(self, *errors):
        """Return the value with errors that are independent of its own."""
        return Value(self.array, reduce(np.hypot, (self.error, *errors)), self.shared)


def exact(array):
    """Return the Value of numbers that are given, so that nothing is uncertain in them."""
    array = np.asarray(array, np.float64)
    return Value(array, np.broadcast_to(0.0, array.shape))


class Held(NamedTuple):
    """One of `conventions.CONVENTIONS`, and where the other side is assumed to hold it."""

    name: str
    layers: frozenset | None = None     # names of layers, as `key.owner` gives them; None for all
    steps: tuple | None = None          # first and last, counted from 1; None for all
    value: float | str | None = None    # of a convention that has one

    def covers(self, layer, step):
        """Return whether it holds in a layer and a step; a step of None is in all."""
        return (self.layers is None or layer in self.layers) and (
            self.steps is None or step is None or self.steps[0] <= step <= self.steps[1])

    @property
    def touches(self):
        """What `Assumptions.consulted` has of a tensor that it could change: one of these."""
        return {self.name} if self.layers is None else {(self.name, layer) for layer in self.layers}


class Computed(NamedTuple):
    """A tensor, and the names of the conventions that could change it, as `Assumptions.consulted` holds them."""

    value: Value
    consulted: frozenset


@cache
def _asked(name, layer):
    """Return what `Assumptions.consulted` has of a convention that a layer asks for, the same objects every time."""
    return frozenset({name, (name, layer)})


class Assumptions:
    """The precision and the conventions that the other side is assumed to have, as one layer sees them.

    Parameters
    ----------
    unit : float
        Unit roundoff of its arithmetic.
    conventions : frozenset of Held
    layer : str
        The layer that asks.
    step : int, optional
        The step that asks, counted from 1.
    bounds : bool
        Whether the errors of products are needed, which cost more time than the products themselves.
    consulted : set, optional
        A recorder: whatever `holds` is asked for is added to it, as NAME and as (NAME, layer). No other convention
        can change what is computed with these assumptions.
    spread : bool
        Whether the other side's convolutions spread rounding errors, as those by a Fourier transform do.
    """

    def __init__(self, unit, conventions=frozenset(), layer="", consulted=None, step=None, bounds=True, spread=False):
        self.unit, self.conventions, self.layer, self.step = unit, conventions, layer, step
        self.bounds, self.spread = bounds, spread
        self.consulted = set() if consulted is None else consulted

    def held(self, name):
        """Record that a convention has been asked for; return the Held of it, or None if it does not hold here."""
        self.consulted |= _asked(name, self.layer)
        for each in self.conventions:
            if each.name == name and each.covers(self.layer, self.step):
                return each
        return None

    def holds(self, name):
        """Record that a convention has been asked for; return whether it holds in this layer and step."""
        return self.held(name) is not None

    def value(self, name, otherwise=None):
        """Record that a convention has been asked for; return its value here, or `otherwise` if it does not hold."""
        held = self.held(name)
        return held.value if held else otherwise

    def choose(self, ours, **others):
        """Return the reference's value, or another if its convention holds in this layer; of several the last."""
        for name, value in others.items():
            if self.holds(name):
                ours = value
        return ours

    def result_unit(self):
        """Return the unit roundoff of a result as it is stored."""
        return max([self.unit, *(each.unit for name, each in FORMATS.items()
                                 if each.of_results and each.unit > self.unit and self.holds(name))])

    def roundoff(self):
        """Return what one rounding of the other side's and one of the reference's add up to, relative to the result."""
        return self.result_unit() + DOUBLE

    def roundings(self, terms, alike=0.0):
        """Return the factor of the sum of magnitudes that bounds the error of a sum of `terms` products.

        `alike`, a float or an array, is the share of pairs of terms that are equal.
        """
        inner = min(self.result_unit(), SINGLE)                                     # half formats add in float32
        outer = self.result_unit() - inner
        factor = np.minimum(terms, WHOLE_SUM * np.sqrt(np.maximum(terms, terms ** 2 * alike)))
        return (inner + DOUBLE) * (factor + 2) + outer

    def operand(self, value, weights=False):
        """Return what a product sees of a value, which may be of weights: rounded, if it is done in a shorter format.

        What is uncertain already may be rounded to either side, where a border is as near as that.
        """
        for name, each in FORMATS.items():
            if self.unit < each.unit and (weights or not each.of_weights) and self.holds(name):
                (array, error, shared), cut = value, each.cut(value.array)
                more = np.maximum(abs(each.cut(array - error) - cut), abs(each.cut(array + error) - cut))
                value = Value(cut, np.hypot(error, more), shared)
        return value

    def rounded(self, array, error=0.0, shared=None, roundings=2):
        """Return a Value after elementwise arithmetic whose intermediate results are no larger than `array`."""
        return Value(array, np.hypot(roundings * self.roundoff() * abs(array) + self.smallest(), error), shared)

    def smallest(self):
        """Return what is lost where numbers below the smallest normal one count as 0."""
        if self.unit < FORMATS["half"].unit and self.holds("half"):
            return 6e-8
        return 2e-308 if self.result_unit() <= DOUBLE else 1.2e-38


def ratio(a, b):
    """Return a / b; 0 / 0 is 0, and anything else / 0 infinite."""
    return float(a / b) if b else (0.0 if not a else np.inf)


def _short(bits, mode):
    """Return a function that rounds to so many bits behind the leading one, as float32 is cut to TF32."""
    drop = 23 - bits

    def cut(array):
        pattern = np.asarray(array, np.float32).view(np.uint32).astype(np.uint64)
        if mode == "nearest":                                       # ties away from zero, as cvt.rna does
            pattern += np.uint64(1 << (drop - 1))
        if mode == "even":
            pattern += np.uint64((1 << (drop - 1)) - 1) + ((pattern >> np.uint64(drop)) & np.uint64(1))
        pattern &= np.uint64(0xFFFFFFFF >> drop << drop)
        return pattern.astype(np.uint32).view(np.float32).astype(np.float64)

    return cut


class Format(NamedTuple):
    """A format of numbers that may be shorter than that of the other side's arrays."""

    unit: float                 # its unit roundoff
    cut: object                 # a function that rounds an array in float64 to it
    of_results: bool = True     # whether results are stored in it, not only the operands of products rounded to it
    of_weights: bool = False    # whether weights alone are rounded to it


_HALF, _BFLOAT16 = (lambda array: array.astype(np.float16).astype(np.float64)), _short(7, "even")
FORMATS = {             # by convention
    "tf32": Format(2.0 ** -11, _short(10, "nearest"), False),
    "tf32_even": Format(2.0 ** -11, _short(10, "even"), False),
    "tf32_truncated": Format(2.0 ** -10, _short(10, "truncated"), False),
    "half": Format(2.0 ** -11, _HALF), "half_weights": Format(2.0 ** -11, _HALF, False, True),
    "bfloat16": Format(2.0 ** -8, _BFLOAT16), "bfloat16_weights": Format(2.0 ** -8, _BFLOAT16, False, True),
    "float32": Format(SINGLE, lambda array: array.astype(np.float32).astype(np.float64)),
}
