"""Concatenation along the channels: the bridge from the way down to the way up (thesis section 9).

Forward    y = [a, b]
Backward   da = dy[..., :channels_a], db = dy[..., channels_a:]
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes


@operation
def forward(a, b):
    """Return a (N, H, W, Ca) and b (N, H, W, Cb) side by side, shape (N, H, W, Ca+Cb).

    Raises
    ------
    ValueError
        If N, H, W or the dtypes differ.
    """
    check_shapes("concat.forward", a=(a, "N H W Ca"), b=(b, "N H W Cb"))
    return np.concatenate((a, b), axis=3)


@operation
def backward(dy, channels_a):
    """Return da and db, views of `dy` (N, H, W, C), of which the first `channels_a` channels belong to a."""
    check_channels(dy, channels_a)
    return dy[..., :channels_a], dy[..., channels_a:]


def check_channels(dy, channels_a):
    """Raise ValueError unless dy has four axes, and `channels_a` channels."""
    check_shapes("concat.backward", dy=(dy, "N H W C"))
    if not 0 <= channels_a <= dy.shape[3]:
        raise ValueError(f"concat.backward: channels_a={channels_a} must be between 0 and the {dy.shape[3]} of dy")
