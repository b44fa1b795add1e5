"""Which pieces of which frames an epoch trains on: order, crops and augmentation.

Everything random of an epoch is drawn from (seed, epoch) before it begins, so that a run that stops in the middle goes
on with the same batches.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class Piece:
    """A part of one frame, as a training step sees it."""

    frame: int              # index into the frames
    top: int
    left: int
    height: int
    width: int
    mirror: bool = False
    quarter_turns: int = 0

    def cut(self, pixels):
        """Return the piece of `pixels`, an array of shape (H, W, ...), mirrored and then turned."""
        part = pixels[self.top:self.top + self.height, self.left:self.left + self.width]
        part = part[:, ::-1] if self.mirror else part
        return np.rot90(part, self.quarter_turns)


def plan_epoch(dataset, indices, crop, multiple, per_frame, augment, seed, epoch):
    """Return the pieces of one epoch, in the order in which they are trained on.

    Every frame of `indices` gives `per_frame` pieces. Where all frames fit into memory the order is a random
    permutation; else frames are read in the order of their sequences, the sequences shuffled, and pieces are drawn from
    a pool of those read, so that each frame is decoded once.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Frames to train on.
    crop : int or None
        Side of the pieces in pixels; None for whole frames.
    multiple : int
        Whole frames are cropped, at a random place, to multiples of this, for the network's pooling.
    per_frame : int
        Pieces of each frame.
    augment : bool
        Mirror and turn by quarters at random: all eight views of a square, four of another piece.
    seed, epoch : int

    Raises
    ------
    InputError
        If a frame is smaller than `crop` or `multiple`.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1 << 32], np.uint64),
                                               counter=np.array([0, epoch, 0, 0], np.uint64)))
    order = _order(dataset, np.asarray(indices), per_frame, rng)
    places = rng.random((len(order), 2))
    views = rng.integers(0, 8, len(order)) if augment else np.zeros(len(order), int)
    pieces = []
    for index, (down, right), view in zip(order.tolist(), places, views.tolist(), strict=True):
        h, w = dataset.sizes[index]
        height, width = (crop, crop) if crop else (h // multiple * multiple, w // multiple * multiple)
        if not 0 < height <= h or not 0 < width <= w:
            raise InputError(f"{dataset.frames[index]}: {h} x {w} pixels are less than the {height or multiple} x "
                             f"{width or multiple} that a training step takes; use a smaller --crop, or fewer --levels")
        turns = view % 4 if height == width else 2 * (view % 2)
        pieces.append(Piece(index, int(down * (h - height + 1)), int(right * (w - width + 1)), height, width,
                            mirror=view >= 4, quarter_turns=turns))
    return pieces


def _order(dataset, indices, per_frame, rng):
    """Return the frames' indices, each `per_frame` times, in random order."""
    if dataset.fits:
        return rng.permutation(np.repeat(indices, per_frame))
    sequences = {}
    for index in indices.tolist():
        sequences.setdefault(dataset.frames[index].sequence, []).append(index)
    names = list(sequences)
    stream = [index for name in rng.permutation(len(names)) for index in sequences[names[name]]
              for _ in range(per_frame)]
    pool_size = max(1, dataset.capacity // 4) * per_frame       # a frame stays until its last window is drawn
    pool, order = [], []
    for index in stream:
        pool.append(index)
        if len(pool) >= pool_size:
            order.append(_draw_from(pool, rng))
    while pool:
        order.append(_draw_from(pool, rng))
    return np.array(order)


def _draw_from(pool, rng):
    """Take one element at random out of the pool."""
    at = int(rng.integers(len(pool)))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()
