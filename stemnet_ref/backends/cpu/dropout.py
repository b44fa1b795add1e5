"""The dropout of layers/dropout.py. Several threads can each draw a part of its mask."""

import numpy as np

from ...layers.dropout import VALUES, backward, check_key, forward

__all__ = ["backward", "draw_elements", "draw_mask", "forward"]


def draw_mask(shape, keep_prob, seed, step, layer, like=None):
    """Return what `layers.dropout.draw_mask` returns, bit for bit."""
    check_key(keep_prob, seed, step, layer)
    if keep_prob == 1:
        return np.ones(shape, bool)
    return draw_elements(0, int(np.prod(shape)), keep_prob, seed, step, layer).reshape(shape)


def draw_elements(start, count, keep_prob, seed, step, layer):
    """Return `count` elements of the mask of `draw_mask` from element `start` on."""
    block, before = divmod(start, 16)
    philox = np.random.Philox(key=np.array([seed, layer], np.uint64), counter=np.array([block, step, 0, 0], np.uint64))
    words = np.random.Generator(philox).integers(           # as they come; random_raw would keep other threads waiting
        0, 2 ** 64 - 1, -(-(before + count) // 4), np.uint64, endpoint=True)
    numbers = words.astype("<u8", copy=False).view("<u2")
    return numbers[before:before + count] < round(VALUES * keep_prob)
