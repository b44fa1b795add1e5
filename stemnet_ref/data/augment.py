"""What a piece of a frame shows: turned by any angle, deformed, and with cells of other frames pasted into it.

Frames and mask of a window are sampled at the same places, frames between pixels linearly, masks at the nearest pixel
(thesis sections 6.2 and 8.2). The elastic deformation is U-net's (Ronneberger et al. 2015, section 3.1): displacements
drawn from a normal distribution on a coarse grid, with cubic interpolation between its points. Here the points are
KNOTS pixels apart whatever the piece's size, and none is displaced by more than two standard deviations, so that slopes
are at most 6 elastic / KNOTS: as long as that is below 1/2, nothing folds.

A pasted cell is the thesis's fake stem cell (section 11.5): cut out of another frame of the same sequence with its
surroundings but without other cells, mirrored and turned by quarters, and blended into the piece over MARGIN pixels,
its level shifted so that its surroundings meet those of the piece. In a window each frame takes it from the frame at
the same distance in time.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .plan import Piece

KNOTS = 128         # pixels between the points of the grid
MARGIN = 6          # pixels around a cell over which it is blended
EDGE = 2            # pixels over which it ends before another cell of its own frame
TRIES = 20          # places to look for one where a pasted cell touches no other
ELASTIC, PLACE, PASTE = 0, 1, 2     # streams of a piece's random numbers


class Paste(NamedTuple):
    """A cell to be pasted into a piece."""

    piece: Piece            # of the frame that it is from
    alpha: np.ndarray       # float32 (h, w): 1 in the cell, falling to 0 around it
    cell: np.ndarray        # uint8 (h, w): 1 in the cell
    top: int                # where it goes, in the piece
    left: int


def places(piece):
    """Return where in its frame a warped piece's pixels lie: float32 of shape (2, height, width), rows and columns.

    None for a piece whose pixels are the frame's. Beyond its ends the frame goes on as its mirror image.
    """
    if not piece.warped:
        return None
    height, width = piece.shape
    u, v = (np.arange(side) - (side - 1) / 2 for side in (height, width))       # from the middle
    u, v = u[:, None], v[None, :]
    if piece.elastic:
        down, right = displacements(piece)
        u, v = u + down, v + right
    angle = piece.angle + np.pi / 2 * piece.quarter_turns
    cos, sin, side = np.cos(angle), np.sin(angle), -1 if piece.mirror else 1
    where = np.empty((2, height, width), np.float32)
    where[0] = cos * u + (sin * v + (piece.top + (piece.height - 1) / 2))
    where[1] = -side * sin * u + (side * cos * v + (piece.left + (piece.width - 1) / 2))
    return where


def displacements(piece):
    """Return by how much every pixel of a piece is displaced: float64 of shape (2, height, width), in pixels."""
    across = [_cubic(side) for side in piece.shape]
    knots = piece.random(ELASTIC).standard_normal((2, across[0].shape[1], across[1].shape[1]))
    knots = piece.elastic * np.clip(knots, -2, 2)
    return across[0] @ knots @ across[1].T


@cache
def _cubic(side):
    """Return the weights of the grid's points in every pixel of one side: (side, points), Catmull and Rom's cubic.

    There is a point before the first pixel and one beyond the last, so that every pixel has two on either hand.
    """
    first, t = np.divmod(np.arange(side) / KNOTS, 1)
    weights = np.zeros((side, int(first[-1]) + 4))
    cubics = ((-t + 2 * t ** 2 - t ** 3) / 2, (2 - 5 * t ** 2 + 3 * t ** 3) / 2,
              (t + 4 * t ** 2 - 3 * t ** 3) / 2, (t ** 3 - t ** 2) / 2)
    for number, cubic in enumerate(cubics):
        weights[np.arange(side), first.astype(int) + number] = cubic
    return weights


def cut(pixels, piece, where, nearest=False):
    """Return what a piece shows of `pixels` (H, W).

    Parameters
    ----------
    pixels : ndarray of shape (H, W)
    piece : Piece
    where : ndarray or None
        `places(piece)`.
    nearest : bool
        Take the nearest pixel, of a mask; else interpolate linearly, float32.
    """
    if where is None:
        return piece.cut(pixels)
    return ndimage.map_coordinates(
        pixels, where, order=0 if nearest else 1, mode="mirror", prefilter=False,
        output=pixels.dtype if nearest else np.float32)


def moved_onto_cell(piece, classes):
    """Return the piece moved so that it holds a random cell pixel of its frame, at a random place; as it is without.

    That is before it is warped: at its corners a pixel can be turned out of it.
    """
    cells = np.flatnonzero(classes)
    if not len(cells):
        return piece
    rng = piece.random(PLACE)
    row, column = divmod(int(cells[rng.integers(len(cells))]), classes.shape[1])
    down, right = rng.integers(0, (piece.height, piece.width))
    top = min(max(0, row - int(down)), classes.shape[0] - piece.height)
    left = min(max(0, column - int(right)), classes.shape[1] - piece.width)
    return replace(piece, top=top, left=left)


def boxes(instances):
    """Return (number, top, left, height, width) of the cells with MARGIN pixels around, if those are in the frame."""
    found = []
    for number, box in enumerate(ndimage.find_objects(instances), 1):
        if box is None:
            continue
        (top, bottom), (left, right) = ((side.start - MARGIN, side.stop + MARGIN) for side in box)
        if min(top, left) >= 0 and bottom <= instances.shape[0] and right <= instances.shape[1]:
            found.append((number, top, left, bottom - top, right - left))
    return found


def choose_pastes(piece, labels, instances_of, boxes_of):
    """Return the cells to paste into a piece, and mark them in its labels.

    Parameters
    ----------
    piece : Piece
    labels : uint8 ndarray of shape `piece.shape`
        Classes of the piece's pixels; changed in place.
    instances_of, boxes_of : callable
        Return the numbered cells and the `boxes` of a frame.

    Returns
    -------
    list of Paste
        Fewer than the piece has donors where these have no cell that fits, or there is no place free.
    """
    rng, height, width = piece.random(PASTE), *piece.shape
    pastes = []
    for donor in piece.donors:
        view, choice = int(rng.integers(8)), rng.random()
        spots = rng.random((TRIES, 2))
        fitting = [box for box in boxes_of(donor) if max(box[3:]) <= min(height, width)]
        if not fitting:
            continue
        number, *box = fitting[int(choice * len(fitting))]
        patch = Piece(donor, *box, mirror=view >= 4, quarter_turns=view % 4, gain=piece.gain, offset=piece.offset)
        instances = patch.cut(instances_of(donor))
        cell, alpha = instances == number, _blending(instances, number)
        h, w = cell.shape
        for down, right in spots:
            top, left = int(down * (height - h + 1)), int(right * (width - w + 1))
            target = labels[top:top + h, left:left + w]
            if not target[alpha > 0.5].any():
                pastes.append(Paste(patch, np.where(target, np.float32(0), alpha), cell.astype(np.uint8), top, left))
                target[cell] = 1
                break
    return pastes


def _blending(instances, number):
    """Return float32 weights: 1 in the cell, falling smoothly to 0 over MARGIN pixels, and over EDGE to other cells."""
    distance, others = ndimage.distance_transform_edt, (instances > 0) & (instances != number)
    near = np.clip(1 - distance(instances != number) / MARGIN, 0, 1)
    if others.any():
        near = np.where(instances == number, 1, np.minimum(near, np.clip(distance(~others) / EDGE - 0.5, 0, 1)))
    return (near * near * (3 - 2 * near)).astype(np.float32)


def paste(x, patch, alpha):
    """Blend a patch into x, both float32 of shape (h, w, channels), in place, by the weights `alpha` (h, w).

    In every channel the patch is first shifted by a constant, so that it meets x where the two are mixed.
    """
    ring = alpha * (1 - alpha)
    shift = np.einsum("hwc,hw->c", x - patch, ring, dtype=np.float64) / max(ring.sum(dtype=np.float64), 1e-6)
    x += alpha[..., None] * (patch + shift.astype(np.float32) - x)
