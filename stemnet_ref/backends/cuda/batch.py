"""Batches put together on the GPU from frames as they were read: `data.crops.batch`, by the kernels of scaling.cu."""

from functools import lru_cache

import numpy as np

from ...dispatch import device_of
from ..buffers import Buffers
from .launch import blocks, launch

# By the bits of a pixel: its unit on the scale of 8 bits, the kernel for whole pixels, and the one for those in between
KERNELS = {8: (1.0, "data/scaling.scale_8_bits", "data/scaling.sample_8_bits"),
           16: (1 / 257, "data/scaling.scale_16_bits", "data/scaling.sample_16_bits"),
           32: (1.0, "data/scaling.scale_32_bits", "data/scaling.sample_32_bits")}


def assemble_like(pixels, scaling, samples, buffers):
    """Return a batch in the buffers of its shape."""
    first, device = samples[0], device_of(pixels)
    shape = len(samples), *first.crop.shape, len(first.window)
    kinds = np.uint8 if first.classes is not None else None, np.float32 if first.weights is not None else None
    if (shape, kinds) not in buffers:
        buffers[shape, kinds] = Buffers(device.empty(shape, np.float32),
                                        *(kind and device.empty(shape[:3], kind) for kind in kinds))
    batch = x, labels, weights = buffers[shape, kinds]
    for number, (crop, window, classes, own, coordinates, pastes, borders) in enumerate(samples):
        for channel, frame in enumerate(window):
            _fill_scaled(scaling, x, number, channel, frame, crop, coordinates)
        if classes is not None:
            _cut("data/scaling.cut_labels", "data/scaling.sample_labels", classes, labels, crop, coordinates, number)
        for each, alpha, cell, donor in pastes:
            patch = device.empty((1, *cell.shape, len(donor)), np.float32)
            for channel, frame in enumerate(donor):
                _fill_scaled(scaling, patch, 0, channel, frame, each.source)
            launch("data/scaling.paste", len(donor), patch, alpha, cell, x, labels, *cell.shape, *x.shape[1:3],
                   each.top, each.left, number, len(donor))
        if own is not None:
            _fill(weights.reshape(*shape[:3], 1), number, 0, own, crop, coordinates)
            count = weights[number].size
            launch("data/scaling.settle_weights", blocks(count), weights, labels,
                   weights if borders is None else borders, int(borders is not None), number, count)
    return batch


def _fill_scaled(scaling, x, number, channel, pixels, crop, coordinates=None):
    """Write what a crop shows of a frame, scaled, into x[number, :, :, channel]."""
    factor = crop.gain / scaling.std
    _fill(x, number, channel, pixels, crop, coordinates, scaling.mean - crop.offset / factor, factor)
    if scaling.image is not None:
        _fill(x, number, channel, _image(device_of(x), scaling), crop, coordinates, 0.0, -factor, add=1)


@lru_cache(maxsize=2)
def _image(device, scaling):
    """Return the image of a Scaling on the device; it is moved there once."""
    return device.to_device(scaling.image)


def _fill(x, number, channel, pixels, crop, coordinates=None, mean=0.0, factor=1.0, add=0):
    """Write (pixels of a crop, in 8-bit units - mean) * factor into x[number, :, :, channel], or add it."""
    unit, scale, sample = KERNELS[8 * pixels.dtype.itemsize]
    _cut(scale, sample, pixels, x, crop, coordinates, number, channel, x.shape[3], unit, mean, factor, add)


def _cut(cut, sample, pixels, out, crop, coordinates, *rest):
    """Start the kernel `cut` for the whole pixels that a crop shows, or `sample` for coordinates in between."""
    count = crop.height * crop.width
    place = coordinates, count
    if coordinates is None:
        place = crop.top, crop.left, crop.height, crop.width, int(crop.mirror), crop.quarter_turns
    launch(cut if coordinates is None else sample, blocks(count), pixels, out, *pixels.shape, *place, *rest)
