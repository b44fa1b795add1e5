"""Read masks: which pixels are cell, and which cell they are of."""

import numpy as np

from ..errors import InputError
from ..extras import scipy_ndimage
from .images import REPLACE, read_values


def read_instances(frame):
    """Return the numbered cells of a mask: int32 ndarray of shape (H, W), 0 in the background.

    Where the mask does not number its cells, those that touch, also at a corner, are one.

    Raises
    ------
    InputError
        As `read_mask`.
    """
    pixels, numbered = _read_mask(frame)
    if numbered:
        return _renumbered(pixels)
    return connected(pixels > 0, f"{frame}, whose cells are not numbered")


def read_numbers(frame):
    """Return a mask's pixels as they are, uint8 or uint16, for a PNG; raises as `read_mask`."""
    pixels, numbered = _read_mask(frame)
    pixels = np.maximum(pixels, 0)
    if not numbered:
        return (pixels > 0).astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating) or pixels.max() > 65535:
        pixels = _renumbered(pixels)
    return pixels.astype(np.uint8 if pixels.max() < 256 else np.uint16)


def _renumbered(pixels):
    """Return the values above 0 numbered from 1, in their order, int32; 0 elsewhere."""
    cell = pixels > 0
    return np.where(cell, 1 + np.searchsorted(np.unique(pixels[cell]), pixels), 0).astype(np.int32)


def connected(cell, option):
    """Return numbers of cells that are connected, also at a corner: int32 of the shape of `cell`, 0 elsewhere.

    `option` is what needs them, if SciPy must be asked for.
    """
    return scipy_ndimage(option).label(cell, np.ones((3, 3)), output=np.int32)[0]


def read_mask(frame):
    """Return the classes of a mask's pixels, and whether the mask numbers its cells.

    Masks may be 0/1, 0/255 or numbers of cells.

    Returns
    -------
    classes : uint8 ndarray of shape (H, W)
        1 where the value is above 0 (a cell), else 0.
    numbered : bool
        Whether there are several values above 0.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN.
    """
    pixels, numbered = _read_mask(frame)
    return (pixels > 0).astype(np.uint8), numbered


def _read_mask(frame):
    """Return a mask's pixels, and whether there are several values above 0."""
    pixels = read_values(frame)
    if np.issubdtype(pixels.dtype, np.floating) and np.isnan(pixels).any():
        raise InputError(f"{frame}: {np.sum(np.isnan(pixels))} pixels are NaN; {REPLACE}")
    if pixels.dtype == bool:
        return pixels, False
    return pixels, bool(np.any((pixels > 0) & (pixels != pixels.max(initial=0))))
