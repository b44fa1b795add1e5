"""Read masks: which pixels are cell, and which cell they are of."""

import numpy as np

from .formats.pixels import facts, read_remark, read_values
from .mask_values import check_values
from .regions import regions


def read_instances(frame):
    """Return the numbered cells of a mask: int32 ndarray of shape (H, W), 0 in the background.

    Where the mask does not number its cells, those that touch, also at a corner, are one.

    Raises
    ------
    InputError
        As `read_mask`.
    """
    pixels, _ = _read_mask(frame)
    return _renumbered(pixels) if _numbered(pixels) else regions(pixels)


def read_numbers(frame):
    """Return a mask's pixels as they are, uint8 or uint16, for a PNG; raises as `read_mask`."""
    pixels, _ = _read_mask(frame)
    if not _numbered(pixels):
        return (pixels > 0).astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating) or pixels.max() > 65535:
        pixels = _renumbered(pixels)
    return pixels.astype(np.uint8 if pixels.max() < 256 else np.uint16)


def read_mask(frame):
    """Return the classes of a mask's pixels, and what is to be said of its values.

    Masks may be 0/1, 0/255 or numbers of cells.

    Returns
    -------
    classes : uint8 ndarray of shape (H, W)
        1 where the value is above 0 (a cell), else 0.
    remark : (str, str) or None
        As `mask_values.check_values` returns it.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or a value may be something else than background or cell.
    """
    pixels, remark = _read_mask(frame)
    return (pixels > 0).astype(np.uint8), remark


def _read_mask(frame):
    """Return a mask's pixels, and what is to be said of them, which is found out once."""
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
