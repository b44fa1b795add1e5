"""Scaling of the input (thesis section 6.1): x = (frame - image - mean) / std, in 8-bit units.

"standard" takes mean and standard deviation of all pixels of the training frames, and no image. All channels of a
window are frames of one camera, so that one mean and one standard deviation are those of every channel. "mean-image"
and "median-image" subtract, pixel by pixel, the mean or the median of all training frames, and divide by the standard
deviation of what is left. "minus127" is the listing's.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..backends.cuda.device import blocks, device_of, launch
from ..errors import InputError
from .images import eight_bit_units
from .median import Stack

# By the bits of a pixel: its unit on the scale of 8 bits, what takes the pixels of a crop, and what those between them
KERNELS = {8: (1.0, "data/scaling.scale_8_bits", "data/scaling.sample_8_bits"),
           16: (1 / 257, "data/scaling.scale_16_bits", "data/scaling.sample_16_bits"),
           32: (1.0, "data/scaling.scale_32_bits", "data/scaling.sample_32_bits")}


@dataclass(frozen=True, eq=False)
class Scaling:
    """The numbers that belong to a trained network: its frames must be scaled as those it was trained on."""

    mean: float
    std: float
    image: np.ndarray | None = None     # float32 (H, W), in 8-bit units

    def apply(self, pixels, crop=None, coordinates=None):
        """Return the crop of a frame, scaled, float32.

        Parameters
        ----------
        pixels : ndarray of shape (H, W)
            Pixels that `data.images.read_frame` returns.
        crop : crops.crop.Crop, optional
            Part of the frame; by default all of it, which may have any shape where there is no image.
        coordinates : ndarray, optional
            The crop's `sampling_coordinates`.
        """
        x = eight_bit_units(pixels if crop is None else crop.cut(pixels, coordinates), pixels.dtype)
        if self.image is not None:
            x = x - (self.image if crop is None else crop.cut(self.image, coordinates))
        x = (x - np.float32(self.mean)) * np.float32(1 / self.std)
        if crop is not None and (crop.gain, crop.offset) != (1, 0):
            x = x * np.float32(crop.gain) + np.float32(crop.offset)
        return x

    def fill(self, x, example, channel, pixels, crop, coordinates=None):
        """Write the crop of a frame, scaled, to x[example, :, :, channel], all on a GPU."""
        factor = crop.gain / self.std
        fill(x, example, channel, pixels, crop, coordinates, self.mean - crop.offset / factor, factor)
        if self.image is not None:
            fill(x, example, channel, _on(device_of(x), self), crop, coordinates, 0.0, -factor, add=1)

    def check(self, frame, size):
        """Raise InputError unless a frame of this (height, width) can be scaled."""
        if self.image is not None and self.image.shape != tuple(size):
            raise InputError(f"{frame}: {size[0]} x {size[1]} pixels, but the image that is subtracted has "
                             f"{self.image.shape[0]} x {self.image.shape[1]}; crop or pad the frames to that size")


@lru_cache(maxsize=2)
def _on(device, scaling):
    """Return the image of a Scaling on the device; it is moved there once."""
    return device.to_device(scaling.image)


def fill(x, example, channel, pixels, crop, coordinates=None, mean=0.0, factor=1.0, add=0):
    """Write (pixels of a crop, in 8-bit units - mean) * factor into x, or add it, all on a GPU."""
    unit, scale, sample = KERNELS[8 * pixels.dtype.itemsize]
    count = crop.height * crop.width
    kernel, place = scale, _place(pixels, crop)
    if coordinates is not None:
        kernel, place = sample, (*pixels.shape, coordinates, count)
    launch(kernel, blocks(count), pixels, x, *place, example, channel, x.shape[3], unit, mean, factor, add)


def fill_labels(out, example, classes, crop, coordinates=None):
    """Write the classes that a crop shows into out[example], all on a GPU."""
    count = crop.height * crop.width
    if coordinates is None:
        launch("data/scaling.cut_labels", blocks(count), classes, out, *_place(classes, crop), example)
    else:
        launch("data/scaling.sample_labels", blocks(count), classes, out, *classes.shape, coordinates, count, example)


def paste_on(x, labels, example, patch, alpha, cell, top, left):
    """Blend a patch (1, h, w, channels) into x[example] at (top, left), as `crops.pasting.paste` does, all on a GPU."""
    launch("data/scaling.paste", x.shape[3], patch, alpha, cell, x, labels, *cell.shape, *x.shape[1:3], top, left,
           example, x.shape[3])


def settle_weights(weights, labels, example, borders=None):
    """Raise weights[example] to `borders` (h, w), if given, and make those of cells 0, all on a GPU."""
    count = weights[example].size
    launch("data/scaling.settle_weights", blocks(count), weights, labels, weights if borders is None else borders,
           int(borders is not None), example, count)


def _place(pixels, crop):
    return (*pixels.shape, crop.top, crop.left, crop.height, crop.width, int(crop.mirror), crop.quarter_turns)


def fit(kind, frames, read):
    """Return the Scaling of a kind, fitted to frames.

    Parameters
    ----------
    kind : {"standard", "mean-image", "median-image", "minus127"}
    frames : list
        Frames that `read` takes; each is read once, or twice for an image.
    read : callable
        Function that returns the pixels of a frame, all of one shape where there is an image.

    Raises
    ------
    InputError
        If the pixels, minus the image, are constant.
    """
    if kind == "minus127":
        return LISTING
    if kind == "standard":
        image, left = None, "every pixel of the training frames is"
    else:
        image, left = _image(kind, frames, read), f"less their {kind.replace('-', ' ')} every pixel of them is"
    count, total, squares, first = 0, 0.0, 0.0, None
    for frame in frames:
        pixels = eight_bit_units(read(frame))
        pixels = pixels if image is None else pixels - image
        first = float(pixels.flat[0]) if first is None else first       # sums of differences keep their digits
        difference = pixels.astype(np.float64) - first
        count += pixels.size
        total += difference.sum()
        squares += np.square(difference).sum()
    variance = squares / count - (total / count) ** 2
    if not variance > 1e-12:
        raise InputError(f"--frames: {left} {first:g}; frames without contrast cannot be learned from")
    return Scaling(first + total / count if image is None else 0.0, float(np.sqrt(variance)), image)


def _image(kind, frames, read):
    """Return the mean or the median of frames, pixel by pixel, float32 in 8-bit units."""
    if kind == "mean-image":
        return (sum(eight_bit_units(read(frame)).astype(np.float64) for frame in frames) / len(frames)
                ).astype(np.float32)
    alike = len({read(frame).dtype for frame in frames}) == 1
    with Stack() as stack:
        for frame in frames:
            stack.append(read(frame) if alike else eight_bit_units(read(frame)))
        return eight_bit_units(stack.median(), stack.dtype).astype(np.float32)


LISTING = Scaling(mean=127.0, std=1.0)
