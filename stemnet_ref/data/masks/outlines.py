"""Find masks that hold the outlines or membranes of cells, where they should hold the cells themselves."""

import numpy as np
from scipy import ndimage

BORDER = 3              # pixels by which masks are eroded
MAX_LEFT = 0.4          # share of the area of lines that erosion leaves
MIN_ENCLOSED = 0.25     # area that lines enclose, as a share of their own; filled cells enclose none
MAX_MASKS = 5           # masks that are examined


def are_outlines(masks, inverted=False):
    """Return whether masks are lines that enclose background.

    Parameters
    ----------
    masks : sequence of uint8 ndarray of shape (H, W)
        1 where a mask is above 0; at most MAX_MASKS of them are examined.
    inverted : bool
        Whether masks are known to lie where frames show no cells; then lines need not be closed.
    """
    examined, area = _examined(masks)
    return are_lines(masks) and (
        inverted or sum(int(ndimage.binary_fill_holes(mask).sum()) for mask in examined) > (1 + MIN_ENCLOSED) * area)


def are_lines(masks):
    """Return whether masks, as `are_outlines` takes them, hold thin lines."""
    examined, area = _examined(masks)
    left = sum(int(ndimage.binary_erosion(mask, iterations=BORDER).sum()) for mask in examined)
    return area > 0 and left <= MAX_LEFT * area


def _examined(masks):
    """Return the masks that are examined, as booleans, and their area in pixels."""
    examined = [masks[round(at)] > 0 for at in np.linspace(0, len(masks) - 1, min(MAX_MASKS, len(masks)))]
    return examined, sum(int(mask.sum()) for mask in examined)
