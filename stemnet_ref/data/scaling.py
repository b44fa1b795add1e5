"""Scaling of the input (thesis section 6.1): x = (frame - mean) / std, in 8-bit units.

"standard" takes mean and standard deviation of all pixels of the training frames; "minus127" is the listing's.
"""

from dataclasses import dataclass

import numpy as np

from ..device import blocks, launch
from ..errors import InputError
from .images import eight_bit_units

# By the bits of a pixel: what scales it, and its unit on the scale of 8 bits
KERNELS = {8: ("data/scaling.scale_8_bits", 1.0), 16: ("data/scaling.scale_16_bits", 1 / 257)}


@dataclass(frozen=True)
class Scaling:
    """The numbers that belong to a trained network: its frames must be scaled as those it was trained on."""

    mean: float
    std: float

    def apply(self, pixels):
        """Return (pixels - mean) / std as float32; `pixels` as `data.images.read_frame` returns them."""
        return (eight_bit_units(pixels) - np.float32(self.mean)) * np.float32(1 / self.std)

    def fill(self, x, example, channel, pixels, piece):
        """Write a piece (`plan.Piece`) of a frame, scaled, into x[example, :, :, channel], all on a GPU."""
        kernel, unit = KERNELS[8 * pixels.dtype.itemsize]
        launch(kernel, blocks(piece.height * piece.width), pixels, x, *_place(pixels, piece), example, channel,
               x.shape[3], unit, self.mean, 1 / self.std)


def cut_labels(out, example, classes, piece):
    """Write a piece of a mask's classes into out[example], all on a GPU."""
    launch("data/scaling.cut_labels", blocks(piece.height * piece.width), classes, out, *_place(classes, piece),
           example)


def _place(pixels, piece):
    return (*pixels.shape, piece.top, piece.left, piece.height, piece.width, int(piece.mirror), piece.quarter_turns)


def measure(frames, read):
    """Return the Scaling that gives the frames zero mean and unit standard deviation.

    Parameters
    ----------
    frames : iterable
        What `read` takes; each is read once.
    read : callable
        Returns the pixels of a frame.

    Raises
    ------
    InputError
        If all frames are constant and alike.
    """
    count, total, squares, first = 0, 0.0, 0.0, None
    for frame in frames:
        pixels = eight_bit_units(read(frame))
        first = float(pixels.flat[0]) if first is None else first       # sums of differences keep their digits
        difference = pixels.astype(np.float64) - first
        count += pixels.size
        total += difference.sum()
        squares += np.square(difference).sum()
    variance = squares / count - (total / count) ** 2
    if not variance > 1e-12:
        raise InputError(f"--frames: every pixel of the training frames is {first:g}; "
                         "frames without contrast cannot be learned from")
    return Scaling(mean=first + total / count, std=float(np.sqrt(variance)))


LISTING = Scaling(mean=127.0, std=1.0)
