"""Cells of other frames pasted into a crop, the thesis's fake stem cells (section 11.5).

A cell is cut out of another frame of the same sequence with its surroundings but without other cells, mirrored and
turned by quarters, and blended into the crop over MARGIN pixels, its level shifted so that its surroundings meet those
of the crop. In a window each frame takes it from the frame at the same distance in time.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .crop import PASTE, Crop

MARGIN = 6          # pixels around a cell over which it is blended
EDGE = 2            # pixels over which a cell is blended towards another cell of its own frame
MAX_TRIES = 20      # positions to try until a pasted cell touches no other


class Paste(NamedTuple):
    """A cell to be pasted into a crop."""

    source: Crop            # crop of the frame that gives the cell
    alpha: np.ndarray       # float32 (h, w): 1 in the cell, falling to 0 around it
    cell: np.ndarray        # uint8 (h, w): 1 in the cell
    top: int                # first row and column that it covers in the crop
    left: int

    @property
    def place(self):
        """Rows and columns of the crop that the paste covers, as a pair of slices."""
        return np.s_[self.top:self.top + self.cell.shape[0], self.left:self.left + self.cell.shape[1]]


def boxes(instances):
    """Return (number, top, left, height, width) of each cell with MARGIN pixels around it, if these are inside."""
    found = []
    for number, box in enumerate(ndimage.find_objects(instances), 1):
        if box is None:
            continue
        (top, bottom), (left, right) = ((side.start - MARGIN, side.stop + MARGIN) for side in box)
        if min(top, left) >= 0 and bottom <= instances.shape[0] and right <= instances.shape[1]:
            found.append((number, top, left, bottom - top, right - left))
    return found


def choose_pastes(crop, labels, instances_of, boxes_of):
    """Return the cells to paste into a crop, and mark them in its labels.

    Parameters
    ----------
    crop : Crop
        Crop that the cells are pasted into.
    labels : uint8 ndarray of shape `crop.shape`
        Classes of the crop's pixels; changed in place.
    instances_of, boxes_of : callable
        Functions that return the numbered cells and the `boxes` of a frame.

    Returns
    -------
    list of Paste
        One cell for each donor of the crop, except donors without a cell that fits, or that finds a free position.
    """
    rng, height, width = crop.random(PASTE), *crop.shape
    pastes = []
    for donor in crop.donors:
        view, choice = int(rng.integers(8)), rng.random()
        spots = rng.random((MAX_TRIES, 2))
        fitting = [box for box in boxes_of(donor) if max(box[3:]) <= min(height, width)]
        if not fitting:
            continue
        number, *box = fitting[int(choice * len(fitting))]
        source = Crop(donor, *box, mirror=view >= 4, quarter_turns=view % 4, gain=crop.gain, offset=crop.offset)
        instances = source.cut(instances_of(donor))
        cell, alpha = instances == number, _blending(instances, number)
        h, w = cell.shape
        for down, right in spots:
            top, left = int(down * (height - h + 1)), int(right * (width - w + 1))
            target = labels[top:top + h, left:left + w]
            if not target[alpha > 0.5].any():
                pastes.append(Paste(source, np.where(target, np.float32(0), alpha), cell.astype(np.uint8), top, left))
                target[cell] = 1
                break
    return pastes


def _blending(instances, number):
    """Return float32 weights: 1 in the cell, falling to 0 over MARGIN pixels, and over EDGE towards other cells."""
    distance, others = ndimage.distance_transform_edt, (instances > 0) & (instances != number)
    near = np.clip(1 - distance(instances != number) / MARGIN, 0, 1)
    if others.any():
        near = np.where(instances == number, 1, np.minimum(near, np.clip(distance(~others) / EDGE - 0.5, 0, 1)))
    return (near * near * (3 - 2 * near)).astype(np.float32)


def paste(x, patch, alpha):
    """Blend a patch into x, both float32 of shape (h, w, channels), in place, by the weights `alpha` (h, w).

    In every channel the patch is first shifted by a constant, so that its mean equals that of x where the two mix.
    """
    ring = alpha * (1 - alpha)
    shift = np.einsum("hwc,hw->c", x - patch, ring, dtype=np.float64) / max(ring.sum(dtype=np.float64), 1e-6)
    x += alpha[..., None] * (patch + shift.astype(np.float32) - x)
