"""Cropping or padding to one size, centred (thesis sections 6.3 and 6.4), and the way back."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, reason
from ..storage.readers import read_json

RECORD = "preprocess.json"          # the file in which `data.preprocess` records what it did
MAX_PIXELS = 1 << 30                # pixels of a frame


class Geometry(NamedTuple):
    """The crop or padding of pictures of `original` height and width, in pixels, to `size`."""

    original: tuple
    size: tuple

    def apply(self, pixels, fill=0):
        """Return pixels (H, W) of the original size, each axis cropped, or padded with `fill`, to the new size."""
        if pixels.shape != tuple(self.original):
            raise ValueError(f"pixels have shape {pixels.shape}; this geometry is for {tuple(self.original)}")
        moved = np.full(self.size, fill, pixels.dtype)
        moved[_middle(self.size, self.original)] = pixels[_middle(self.original, self.size)]
        return moved

    def undo(self, pixels, fill=0):
        """Return pixels of the new size at their place in the original size; what had been cropped is `fill`."""
        return Geometry(self.size, self.original).apply(pixels, fill)

    @property
    def padding(self):
        """Share of the pixels of the new size that are padding, from 0 to 1."""
        return float(1 - np.prod(np.minimum(self.size, self.original) / self.size))

    def shared(self, pixels):
        """Return what both sizes hold of pixels (H, W, ...) of the new size: neither padding nor what was cropped."""
        return pixels[_middle(self.size, self.original)]


def _middle(size, other):
    """Return the slices of the middle of a picture of a size, as much of it as a picture of another size holds."""
    shared = np.minimum(size, other)
    starts = np.subtract(size, shared) // 2
    return tuple(map(slice, starts.tolist(), (starts + shared).tolist()))


def geometry_of(record, name):
    """Return the Geometry of a written frame from the record."""
    frame = record["frames"][name]
    written = frame.get("written_size") or record["sequences"][frame["sequence"]]["written_size"]       # as it was once
    return Geometry(tuple(frame["size"]), tuple(written))


def read_record(frames):
    """Return the record that belongs to preprocessed frames, OUT/frames.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    folder = Path(frames)
    path = (folder if folder.is_dir() else folder.parent).absolute().parent / RECORD
    if not path.exists():
        raise InputError(f"--restore: {path} is missing, so that the original sizes are not known; give the frames "
                         "that stemnet_ref.data.preprocess wrote, or leave --restore out")
    remedy = "preprocess the frames again"
    record = read_json(path, remedy, frames=dict, sequences=dict)
    for name in record["frames"]:
        try:
            geometry = geometry_of(record, name)
            if not all(_is_size(size) for size in geometry):
                raise ValueError(f"its sizes are {str(geometry.original)[:40]} and {str(geometry.size)[:40]}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: {name} cannot be used ({reason(error)}); {remedy}") from None
    return record


def _is_size(size):
    """Return whether these are a height and a width in pixels, of a frame that memory holds."""
    return (len(size) == 2 and all(type(side) is int and side > 0 for side in size)
            and size[0] * size[1] <= MAX_PIXELS)
