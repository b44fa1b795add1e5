"""Whether masks are lines around cells, their outlines or membranes, where they should hold the cells themselves."""

import numpy as np
from scipy import ndimage

BORDER = 3              # pixels taken off along every border of a mask
LEFT = 0.4              # part of a mask that is left of lines, at most
ENCLOSED = 0.25         # of the area of lines: what they enclose, at least; it is 0 for filled cells
SOME = 5                # masks looked at, at most


def are_outlines(masks, inverted=False):
    """Return whether masks are lines that enclose background.

    Parameters
    ----------
    masks : sequence of uint8 ndarray of shape (H, W)
        1 where a mask is above 0; SOME of them are looked at.
    inverted : bool
        Whether masks are known to lie where frames show no cells: then lines need not be closed.
    """
    some, area = _some(masks)
    return are_lines(masks) and (
        inverted or sum(int(ndimage.binary_fill_holes(mask).sum()) for mask in some) > (1 + ENCLOSED) * area)


def are_lines(masks):
    """Return whether what masks, as for `are_outlines`, hold is thin."""
    some, area = _some(masks)
    return area > 0 and sum(int(ndimage.binary_erosion(mask, iterations=BORDER).sum()) for mask in some) <= LEFT * area


def _some(masks):
    """Return some of the masks as booleans, and their area in pixels."""
    some = [masks[round(at)] > 0 for at in np.linspace(0, len(masks) - 1, min(SOME, len(masks)))]
    return some, sum(int(mask.sum()) for mask in some)
