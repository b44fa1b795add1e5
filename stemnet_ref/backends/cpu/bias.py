"""The bias of layers/bias.py, whose gradient is summed by several threads, band by band."""

import numpy as np

from ...layers._shapes import check_shapes
from ...layers.bias import forward
from .jobs import bands
from .threads import share

__all__ = ["backward", "forward"]


def backward(dy):
    """Return what `layers.bias.backward` returns, in another order of sums."""
    check_shapes("bias.backward", dy=(dy, "N H W C"))
    return dy, sum(share(sum_over_pixels, (dy[band] for band in bands(dy))), np.zeros(dy.shape[3], dy.dtype))


def sum_over_pixels(dy):
    """Return the sum of `dy` over all but the channels: as a product, which is faster than sum(axis=0)."""
    pixels = dy.reshape(-1, dy.shape[-1])
    return np.ones(len(pixels), dy.dtype) @ pixels
