"""Scaling of the input (thesis section 6.1): x = (frame - image - mean) / std, in 8-bit units.

"standard" takes mean and standard deviation of all pixels of the training frames, and no image. All channels of a
window are frames of one camera, so that one mean and one standard deviation are those of every channel. "mean-image"
and "median-image" subtract, pixel by pixel, the mean or the median of all training frames, and divide by the standard
deviation of what is left. "minus127" is the listing's.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .images import eight_bit_units
from .median import Stack


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

    def check(self, frame, size):
        """Raise InputError unless a frame of this (height, width) can be scaled."""
        if self.image is not None and self.image.shape != tuple(size):
            raise InputError(f"{frame}: {size[0]} x {size[1]} pixels, but the image that is subtracted has "
                             f"{self.image.shape[0]} x {self.image.shape[1]}; crop or pad the frames to that size")


def fit(kind, frames, read):
    """Return the Scaling of a kind, fitted to frames.

    Parameters
    ----------
    kind : {"standard", "mean-image", "median-image", "minus127"}
    frames : list
        Frames that `read` takes, each of them once.
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
        return Scaling(*_moments(map(read, frames), "every pixel of the training frames is"))
    with Stack() as stack:              # an image takes two passes over the frames, which may be more than memory holds
        for frame in frames:
            stack.append(read(frame))
        if kind == "mean-image":
            image = sum(eight_bit_units(each).astype(np.float64) for each in stack.frames()) / stack.count
        else:
            image = eight_bit_units(stack.median(), stack.dtype)
        image = image.astype(np.float32)
        _, std = _moments((eight_bit_units(each) - image for each in stack.frames()),
                          f"minus their {kind.replace('-', ' ')} every pixel of them is")
        return Scaling(0.0, std, image)


def _moments(frames, left):
    """Return mean and standard deviation of all pixels, in 8-bit units; raise InputError where they are constant."""
    count, total, squares, first = 0, 0.0, 0.0, None
    for pixels in map(eight_bit_units, frames):
        first = float(pixels.flat[0]) if first is None else first       # sums of differences keep their digits
        difference = pixels.astype(np.float64) - first
        count += pixels.size
        total += difference.sum()
        squares += np.square(difference).sum()
    variance = squares / count - (total / count) ** 2
    if not variance > 1e-12:
        raise InputError(f"--frames: {left} {first:g}; frames without contrast cannot be learned from")
    return first + total / count, float(np.sqrt(variance))


LISTING = Scaling(mean=127.0, std=1.0)
