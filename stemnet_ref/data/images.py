"""Read frames and masks.

Values of frames are handled in 8-bit units: whole numbers of 16 and more bits are divided by 257, so that 65535 is 255
and a model does not depend on the bit depth of its frames; floats and whole numbers of 8 bits or less are taken as they
are, but those of one bit, which are 0 and 255.
"""

import numpy as np

from ..errors import InputError
from .formats.damage import REPLACE
from .formats.pixels import facts, projected, read_bytes, read_remark, read_size, read_values
from .masks.regions import regions
from .masks.values import check_values

MAX_FLOAT = 1e18    # largest float of a frame, so that sums of squares fit into 32 bits

__all__ = ["Remarks", "eight_bit_units", "read_bytes", "read_frame", "read_instances", "read_mask", "read_numbers",
           "read_remark", "read_size", "read_values"]


def read_frame(frame):
    """Return the pixels of a frame, uint8, uint16 or float32 of shape (H, W), as stored.

    Whole numbers become uint8 or uint16 where they fit, else float32 in 8-bit units: those below 0, and above 65535. Of
    several slices the maximum is taken. A palette of grey gives its grey.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN, infinity, or floats beyond 1e18.
    """
    pixels = projected(frame, False)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "f":
        with np.errstate(over="ignore"):
            pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise InputError(f"{frame}: {np.sum(~np.isfinite(pixels))} pixels are NaN or infinite; {REPLACE}")
        if (largest := max(pixels.max(), -pixels.min())) > MAX_FLOAT:
            raise InputError(f"{frame}: the largest of its pixels is {largest:g}, and those above {MAX_FLOAT:g} cannot "
                             f"be computed with; divide them by a number, or {REPLACE}")
        return pixels
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels
    small = pixels.dtype.itemsize == 1
    if pixels.min() < 0 or pixels.max() > 65535:
        return pixels.astype(np.float32) if small else (pixels / 257).astype(np.float32)
    return pixels.astype(np.uint8 if small else np.uint16)


def read_instances(frame):
    """Return the numbered cells of a mask: int32 ndarray of shape (H, W), 0 in the background.

    Where the mask does not number its cells, cells that touch, also at a corner, are one.

    Raises
    ------
    InputError
        If `read_mask` raises it.
    """
    return read_mask(frame, numbered=True)[0]


def read_numbers(frame):
    """Return a mask's pixels for a PNG, as they are, uint8 or uint16; raise the errors of `read_mask`."""
    pixels, _ = _read_mask(frame)
    if not _numbered(pixels):
        return (pixels > 0).astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating) or pixels.max() > 65535:
        pixels = _renumbered(pixels)
    return pixels.astype(np.uint8 if pixels.max() < 256 else np.uint16)


def read_mask(frame, numbered=False):
    """Return the classes of a mask's pixels, or its numbered cells, and a remark on its values.

    Masks may be 0/1, 0/255 or numbers of cells.

    Returns
    -------
    classes : uint8 ndarray of shape (H, W)
        1 where the value is above 0 (a cell), else 0; or, if `numbered`, what `read_instances` returns.
    remark : (str, str) or None
        Kind and text of the remark, from `masks.values.check_values`.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or a value may be something else than background or cell.
    """
    pixels, remark = _read_mask(frame)
    if numbered:
        return _renumbered(pixels) if _numbered(pixels) else regions(pixels), remark
    return (pixels > 0).astype(np.uint8), remark


def _read_mask(frame):
    """Return a mask's pixels, and the remark on them, which is made once."""
    known = facts(frame)
    pixels = read_values(frame)
    if "remark" not in known:
        remark = None if pixels.dtype == bool else check_values(pixels, frame)
        if remark is None or remark[0] == "numbers":
            remark = read_remark(frame, True) or remark
        known["remark"] = remark
    return pixels, known["remark"]


def _numbered(pixels):
    """Return whether there are several values above 0."""
    return bool(np.any((pixels > 0) & (pixels != pixels.max(initial=0))))


def _renumbered(pixels):
    """Return the values above 0 numbered from 1, in their order, int32; 0 elsewhere."""
    cell = pixels > 0
    return np.where(cell, 1 + np.searchsorted(np.unique(pixels[cell]), pixels), 0).astype(np.int32)


class Remarks:
    """Logs the first remark of each kind on frames and on masks."""

    def __init__(self, log=print):
        self.log, self._logged = log, set()

    def add(self, file, remark, mask=False):
        """Tell a remark, (kind, words) or None, on a frame or a mask."""
        if remark and (mask, remark[0]) not in self._logged:
            self._logged.add((mask, remark[0]))
            self.log(f"note: {file} {remark[1]}")


def eight_bit_units(pixels, dtype=None):
    """Return pixels as float32 on the scale of 8 bits: those of 16 bits divided by 257, others as they are.

    `dtype` is what they were read as, if they are computed values.
    """
    if (pixels.dtype if dtype is None else dtype) == np.uint16:
        return pixels * np.float32(1 / 257)
    return pixels.astype(np.float32)
