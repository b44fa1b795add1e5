"""Whether masks are lines around cells, their outlines or membranes, where they should hold the cells themselves."""

import numpy as np

BORDER = 3              # pixels that `eroded` takes off
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
    return are_lines(masks) and (inverted or sum(int(enclosed(mask).sum()) for mask in some) > ENCLOSED * area)


def are_lines(masks):
    """Return whether what masks, as for `are_outlines`, hold is thin."""
    some, area = _some(masks)
    return area > 0 and sum(int(eroded(mask).sum()) for mask in some) <= LEFT * area


def _some(masks):
    """Return some of the masks as booleans, and their area in pixels."""
    some = [masks[round(at)] > 0 for at in np.linspace(0, len(masks) - 1, min(SOME, len(masks)))]
    return some, sum(int(mask.sum()) for mask in some)


def eroded(mask):
    """Return a boolean mask less BORDER pixels along every border of its regions."""
    mask = np.pad(mask, 1)
    for _ in range(BORDER):
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        mask = np.pad(inner, 1)
    return mask[1:-1, 1:-1]


def enclosed(mask):
    """Return the pixels outside of a boolean mask from which no way leads to the picture's border."""
    outside = ~np.pad(mask, 1)
    reached = np.zeros_like(outside)
    reached[[0, -1]] = reached[:, [0, -1]] = True
    before = 0
    while (count := np.count_nonzero(reached)) > before:
        before = count
        reached = _along_rows(reached, outside)
        reached = _along_rows(reached.T, outside.T).T
    return (outside & ~reached)[1:-1, 1:-1]


def _along_rows(reached, outside):
    """Return the pixels outside of a mask whose run, within its row, holds a pixel that was reached."""
    runs = np.cumsum(np.diff(outside, axis=1, prepend=False) & outside).reshape(outside.shape)
    found = np.zeros(runs[-1, -1] + 1, bool)
    found[runs[reached]] = True
    return found[runs] & outside
