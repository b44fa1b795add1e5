"""The network's output for a frame of any size.

A frame is padded by reflection, below and at the right, to a multiple of 2^(L-1) pixels, and the output is cropped
back. A frame larger than one tile is segmented in tiles, aligned to 2^(L-1) pixels. Each tile has a halo as wide as the
network's receptive field, so that the tiles put together equal the whole up to rounding.
"""

import numpy as np

from ..data.crops.batch import Sample, assemble
from ..data.crops.crop import Crop
from ..dispatch import device_of, to_host
from ..layers import softmax
from ..network.topology import multiples

TILE = 1024                     # pixels; a tile with its halo needs about 1 GB


def logits(network, scaling, window, tile=TILE, forward=None):
    """Return the logits of one frame.

    Parameters
    ----------
    network : StemNet
        Trained network.
    scaling : data.scaling.Scaling
        Scaling of the grey levels.
    window : list of `network.channels` arrays of shape (H, W)
        Grey levels of the frame, in the middle, and of its neighbours in time.
    tile : int
        Side of a tile without its halo, in pixels, rounded up to a multiple of 2^(L-1). A frame no larger than a tile
        with its halo is segmented whole.
    forward : backends.cuda.recorder.Forward, optional
        What runs the network on a GPU, for several frames; without it the network runs by itself.

    Returns
    -------
    float32 ndarray of shape (H, W, classes)
    """
    height, width = window[0].shape
    _, (halo, tile, padded_h, padded_w) = multiples((max(network.halo()), tile, height, width), network.size_divisor)
    out = np.empty((height, width, network.classes), np.float32)
    device = device_of(*network.parameters.values())
    if device:
        window = [pixels if isinstance(pixels, device.array_type) else device.to_device(pixels) for pixels in window]
    for rows, around_rows in _tiles(padded_h, tile, halo):
        for columns, around_columns in _tiles(padded_w, tile, halo):
            crop = Crop(0, around_rows.start, around_columns.start, around_rows.stop - around_rows.start,
                        around_columns.stop - around_columns.start)
            x, _, _ = assemble(scaling, [Sample(crop, window)], forward and forward.buffers)
            z = to_host(forward.run(x) if forward else network.forward(x, with_cache=False)[0])
            inner = z[0, rows.start - around_rows.start:, columns.start - around_columns.start:]
            target = out[rows, columns]                         # smaller than the tile where the frame ends
            target[:] = inner[:target.shape[0], :target.shape[1]]
    return out


def cell_probability(z):
    """Return the probability of cell (classes 1 and above) for every pixel of logits, float32 of shape (H, W)."""
    return 1 - softmax.forward(z)[..., 0]


def _tiles(length, tile, halo):
    """Yield the slice of each tile along one side, and the slice of the tile with its halo.

    The halo ends at the border of the padded frame, which is a border for the network too.
    """
    if length <= tile + 2 * halo:
        tile = length
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield slice(start, stop), slice(max(0, start - halo), min(length, stop + halo))
