"""The equations of `optimizers`, applied by several threads to blocks of a buffer that fit into the cache.

Every element is computed by itself, so that the results are those of `optimizers`, bit for bit.
"""

from ... import optimizers as plain
from .threads import share

BLOCK = 1 << 18      # parameters that a thread updates at once


def sgd(w, g, rates):
    """Do what `optimizers.sgd` does."""
    _share(plain.sgd, (w, g), rates)


def momentum(w, g, v, rates, mu, form):
    """Do what `optimizers.momentum` does."""
    _share(plain.momentum, (w, g, v), rates, mu, form)


def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    """Do what `optimizers.adam` does."""
    _share(plain.adam, (w, g, m, v), rates, beta1, beta2, epsilon)


def _share(rule, arrays, *numbers):
    """Apply a rule to blocks, along the first axis, of arrays of one length."""
    share(lambda start: rule(*(array[start:start + BLOCK] for array in arrays), *numbers),
          range(0, len(arrays[0]), BLOCK))
