"""Put batches together from crops of frames, scaled and with pasted cells."""

from typing import NamedTuple

import numpy as np

from ...backends.buffers import Buffers
from ...dispatch import operation
from .crop import Crop
from .pasting import paste


class Sample(NamedTuple):
    """A crop, and everything that it is cut from; arrays are on the device that computes with them."""

    crop: Crop
    window: list                # decoded frames of the window, each (H, W)
    classes: object = None      # classes of the whole frame's pixels, uint8 (H, W)
    weights: object = None      # weights of the whole frame's pixels, float32 (H, W)
    coordinates: object = None  # `Crop.sampling_coordinates` of the crop
    pastes: tuple = ()          # (Paste, alpha, cell, window of the donor) for each pasted cell
    borders: object = None      # border weights of the crop's pixels that the pasted cells cause


def assemble(scaling, samples, buffers=None):
    """Return a batch, where the arrays of the samples lie.

    Parameters
    ----------
    scaling : Scaling
        Scaling of the grey levels.
    samples : list of Sample
        Samples of the batch, all of one shape.
    buffers : dict, optional
        Sets of a device's arrays by shape, to be used again; a new set is added to it.

    Returns
    -------
    Buffers
    """
    return assemble_like(samples[0].window[0], scaling, samples, {} if buffers is None else buffers)


@operation
def assemble_like(pixels, scaling, samples, buffers):
    """Return the batch of `assemble`, where the array `pixels` lies."""
    x = np.stack([_scaled(scaling, each.window, each.crop, each.coordinates) for each in samples])
    labels = weights = None
    if samples[0].classes is not None:
        labels = np.stack([each.crop.cut(each.classes, each.coordinates, nearest=True) for each in samples])
    for number, sample in enumerate(samples):
        for each, alpha, cell, window in sample.pastes:
            place = (number, *each.place)
            paste(x[place], _scaled(scaling, window, each.source), alpha)
            labels[place][cell > 0] = 1
    if samples[0].weights is not None:
        weights = np.stack([each.crop.cut(each.weights, each.coordinates) for each in samples])
        for own, sample in zip(weights, samples, strict=True):
            if sample.borders is not None:                  # a further cell can only raise border weights
                np.maximum(own, sample.borders, out=own)
        weights[labels > 0] = 0
    return Buffers(x, labels, weights)


def _scaled(scaling, window, crop, coordinates=None):
    """Return the crop of a window, scaled: float32 (H, W, channels)."""
    return np.stack([scaling.apply(pixels, crop, coordinates) for pixels in window], axis=-1)
