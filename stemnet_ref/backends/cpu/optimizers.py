"""The equations of `optimizers`, applied by several threads to pieces of a buffer that stay in the cache.

Every element is computed with by itself, so the results are those of `optimizers`, bit for bit.
"""

from ... import optimizers as plain
from ...optimizers import add_penalty, add_penalty_gradients, step_state
from .threads import share

__all__ = ["adam", "add_penalty", "add_penalty_gradients", "momentum", "sgd", "step_state"]

PIECE = 1 << 18      # parameters that a thread updates at once


def sgd(w, g, rates):
    _share(plain.sgd, (w, g), rates)


def momentum(w, g, v, rates, mu, form):
    _share(plain.momentum, (w, g, v), rates, mu, form)


def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    _share(plain.adam, (w, g, m, v), rates, beta1, beta2, epsilon)


def _share(rule, arrays, *numbers):
    """Apply a rule to arrays of one length, piece by piece; an array of several axes has its pieces along the first."""
    share(lambda start: rule(*(array[start:start + PIECE] for array in arrays), *numbers),
          range(0, len(arrays[0]), PIECE))
