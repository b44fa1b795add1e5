"""The equations of `optimizers`, applied by several threads to blocks of a buffer that fit into the cache.

Every element is computed by itself, so that the results are those of `optimizers`, bit for bit.
"""

from functools import wraps

from ... import optimizers as plain
from .threads import share

BLOCK = 1 << 18      # parameters that a thread updates at once


def _by_blocks(rule, count):
    """Return a rule whose first `count` arguments, arrays of one length, are divided into blocks."""
    @wraps(rule)
    def shared(*arguments):
        share(lambda start: rule(*(array[start:start + BLOCK] for array in arguments[:count]), *arguments[count:]),
              range(0, len(arguments[0]), BLOCK))

    return shared


sgd, momentum, adam = _by_blocks(plain.sgd, 2), _by_blocks(plain.momentum, 3), _by_blocks(plain.adam, 4)
