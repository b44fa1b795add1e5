"""The arrays of a batch, as a set that is used again."""

from typing import NamedTuple


class Buffers(NamedTuple):
    """The arrays of a batch.

    On a device a set of buffers is made once for each shape, and the same object comes back whenever its arrays hold
    the next batch: a step that is recorded on it (a CUDA graph) may be repeated for every batch that it holds.
    """

    x: object                   # float32 (N, H, W, channels), scaled
    labels: object = None       # uint8 (N, H, W); None without masks
    weights: object = None      # weights of the pixels, float32 (N, H, W); None without border weights
