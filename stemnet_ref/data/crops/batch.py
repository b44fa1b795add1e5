"""Batches put together from crops of frames: scaled, cut, with pasted cells, on the CPU and on a GPU."""

from typing import NamedTuple

import numpy as np

from ..scaling import fill, fill_labels, paste_on, settle_weights
from .crop import Crop
from .pasting import paste


class Sample(NamedTuple):
    """A crop, and all that it is made of; arrays are where they are computed with."""

    crop: Crop
    window: list                # the decoded frames
    classes: object = None      # of the whole frame
    weights: object = None      # of the whole frame's pixels
    coordinates: object = None  # `Crop.sampling_coordinates` of the crop
    pastes: tuple = ()          # (Paste, alpha, cell, window of the donor) of each
    borders: object = None      # weights of the crop's pixels with pasted cells alone, where there are any


class Buffers(NamedTuple):
    """The arrays of a batch.

    On a device a set of buffers is made once for each shape, and is the same object whenever its arrays hold the next
    batch: steps that are recorded on it (a CUDA graph) may be repeated as long as it comes back.
    """

    x: object                   # float32 (N, H, W, channels), scaled
    labels: object = None       # uint8 (N, H, W); None without masks
    weights: object = None      # float32 (N, H, W), of the pixels; None where they have none of their own


def assemble(scaling, samples, device=None, buffers=None):
    """Return a batch.

    Parameters
    ----------
    scaling : Scaling
    samples : list of Sample
        All of one shape.
    device : optional
        The device that their arrays are on.
    buffers : dict, optional
        The sets of the device's arrays to use again, by shape; a new one is put into it.

    Returns
    -------
    Buffers
    """
    if device:
        return _assemble_on(device, scaling, samples, {} if buffers is None else buffers)
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
            if sample.borders is not None:                  # another cell brings borders nearer, never away
                np.maximum(own, sample.borders, out=own)
        weights[labels > 0] = 0
    return Buffers(x, labels, weights)


def _scaled(scaling, window, crop, coordinates=None):
    """Return what a crop shows of a window, scaled: float32 (H, W, channels)."""
    return np.stack([scaling.apply(pixels, crop, coordinates) for pixels in window], axis=-1)


def _assemble_on(device, scaling, samples, buffers):
    """Return a batch on the device, in the buffers of its shape."""
    first = samples[0]
    shape = len(samples), *first.crop.shape, len(first.window)
    kinds = np.uint8 if first.classes is not None else None, np.float32 if first.weights is not None else None
    if (shape, kinds) not in buffers:
        buffers[shape, kinds] = Buffers(device.empty(shape, np.float32),
                                        *(kind and device.empty(shape[:3], kind) for kind in kinds))
    batch = x, labels, weights = buffers[shape, kinds]
    for number, (crop, window, classes, own, coordinates, pastes, borders) in enumerate(samples):
        for channel, pixels in enumerate(window):
            scaling.fill(x, number, channel, pixels, crop, coordinates)
        if classes is not None:
            fill_labels(labels, number, classes, crop, coordinates)
        for each, alpha, cell, donor in pastes:
            patch = device.empty((1, *cell.shape, len(donor)), np.float32)
            for channel, pixels in enumerate(donor):
                scaling.fill(patch, 0, channel, pixels, each.source)
            paste_on(x, labels, number, patch, alpha, cell, each.top, each.left)
        if own is not None:
            fill(weights.reshape(*shape[:3], 1), number, 0, own, crop, coordinates)
            settle_weights(weights, labels, number, borders)
    return batch
