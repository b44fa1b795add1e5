"""Which pieces of which frames an epoch trains on: order, crops and augmentation (thesis sections 6.2, 8.2 and 11.2).

Everything random of an epoch is drawn from (seed, epoch) before it begins, so that a run that stops in the middle goes
on with the same batches. What takes longer to draw, such as an elastic deformation, is drawn from the key of the piece
by whoever cuts it.
"""

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np

from ..errors import InputError

NEAR = 8        # frames: how far away the donor of pasted cells may be where not all frames fit into memory


@dataclass(frozen=True)
class Piece:
    """A part of one frame, as a training step sees it: mirrored, then turned by quarters, then as below."""

    frame: int              # index into the frames
    top: int
    left: int
    height: int
    width: int
    mirror: bool = False
    quarter_turns: int = 0
    angle: float = 0.0      # radians, anticlockwise about its middle
    elastic: float = 0.0    # pixels: standard deviation of the displacements of `augment.places`
    gain: float = 1.0       # contrast: factor on the scaled pixels
    offset: float = 0.0     # brightness: added to them after that
    on_cell: bool = False   # whether it is to be moved so that it holds a cell pixel
    donors: tuple = ()      # frames of which a cell each is pasted into it
    key: int = 0            # of what is drawn later

    @property
    def shape(self):
        """Height and width in pixels, after turning."""
        return (self.width, self.height) if self.quarter_turns % 2 else (self.height, self.width)

    @property
    def warped(self):
        """Whether its pixels lie between the frame's."""
        return bool(self.angle or self.elastic)

    def random(self, stream):
        """Return a random generator for one purpose, always the same."""
        return np.random.Generator(np.random.Philox(key=np.array([self.key, stream], np.uint64)))

    def cut(self, pixels):
        """Return the piece of `pixels`, an array of shape (H, W, ...), mirrored and turned by quarters only.

        Beyond its lower and right end a frame goes on as its mirror image.
        """
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        if rows.stop > len(pixels) or columns.stop > pixels.shape[1]:
            part = pixels[np.ix_(_folded(rows, len(pixels)), _folded(columns, pixels.shape[1]))]
        else:
            part = pixels[rows, columns]
        part = part[:, ::-1] if self.mirror else part
        return np.rot90(part, self.quarter_turns)


@dataclass(frozen=True)
class Variety:
    """How the pieces of an epoch are drawn and varied; the fields are settings of that name."""

    augment: bool = False       # all eight views of a square, four of another piece
    rotation: float = 0.0       # degrees: any angle up to it, to either side
    elastic: float = 0.0        # pixels
    brightness: float = 0.0     # most that is added to scaled pixels, or taken off
    contrast: float = 0.0       # most that their factor differs from 1
    on_cells: float = 0.0       # the part of the pieces that are moved onto a cell
    paste: int = 0              # cells pasted into each piece

    @classmethod
    def of(cls, settings):
        """Return that of a run's settings."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def plan_epoch(dataset, indices, crop, multiple, per_frame, variety, seed, epoch, chances=None):
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
    variety : Variety
    seed, epoch : int
    chances : sequence of float, optional
        With which probability a piece is of each frame, in place of the same number of each.

    Raises
    ------
    InputError
        If a frame is smaller than `crop` or `multiple`.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1 << 32], np.uint64),
                                               counter=np.array([0, epoch, 0, 0], np.uint64)))
    order = _order(dataset, np.asarray(indices), per_frame, rng, chances)
    places = rng.random((len(order), 2))
    views = rng.integers(0, 8, len(order)) if variety.augment else np.zeros(len(order), int)
    angles, gains, offsets, luck = rng.uniform(-1, 1, (4, len(order)))
    keys = rng.integers(0, 1 << 63, len(order))
    donors = _donors(dataset, order, np.asarray(indices), variety.paste, rng)
    pieces = []
    for number, index in enumerate(order.tolist()):
        h, w = dataset.sizes[index]
        height, width = (crop, crop) if crop else (h // multiple * multiple, w // multiple * multiple)
        if not 0 < height <= h or not 0 < width <= w:
            raise InputError(f"{dataset.frames[index]}: {h} x {w} pixels are less than the {height or multiple} x "
                             f"{width or multiple} that a training step takes; use a smaller --crop, or fewer --levels")
        down, right = places[number]
        view = int(views[number])
        turns = view % 4 if height == width else 2 * (view % 2)
        pieces.append(Piece(
            index, int(down * (h - height + 1)), int(right * (w - width + 1)), height, width, mirror=view >= 4,
            quarter_turns=turns, angle=float(np.deg2rad(variety.rotation) * angles[number]), elastic=variety.elastic,
            gain=1 + variety.contrast * float(gains[number]), offset=variety.brightness * float(offsets[number]),
            on_cell=bool(luck[number] < 2 * variety.on_cells - 1), donors=donors[number], key=int(keys[number])))
    return pieces


def _order(dataset, indices, per_frame, rng, chances):
    """Return the frames' indices, each `per_frame` times or as chance has it, in random order."""
    if chances is None:
        stream = np.repeat(indices, per_frame)
    else:
        stream = np.repeat(indices, rng.multinomial(per_frame * len(indices), chances))
    if dataset.fits:
        return rng.permutation(stream)
    sequences = {}
    for index in stream.tolist():
        sequences.setdefault(dataset.frames[index].sequence, []).append(index)
    names = list(sequences)
    stream = [index for name in rng.permutation(len(names)) for index in sequences[names[name]]]
    pool, frames, order = [], Counter(), []                     # pieces read and not drawn, and of which frames
    for index in stream:
        pool.append(index)
        frames[index] += 1
        while len(frames) > max(1, dataset.capacity // 4):      # a frame stays until its last window is drawn
            order.append(_draw_from(pool, rng))
            frames -= Counter(order[-1:])
    while pool:
        order.append(_draw_from(pool, rng))
    return np.array(order)


def _donors(dataset, order, indices, count, rng):
    """Return for each piece the frames that its pasted cells are from: of its sequence, and near if need be."""
    if count == 0:
        return [()] * len(order)
    of_sequence, place = {}, {}
    for index in indices.tolist():
        same = of_sequence.setdefault(dataset.frames[index].sequence, [])
        place[index] = len(same)
        same.append(index)
    donors = []
    for index in order.tolist():
        same = of_sequence[dataset.frames[index].sequence]
        low, high = (0, len(same)) if dataset.fits else (max(0, place[index] - NEAR), place[index] + NEAR)
        near = [other for other in same[low:high] if other != index] or [index]
        donors.append(tuple(near[at] for at in rng.integers(0, len(near), count).tolist()))
    return donors


def _draw_from(pool, rng):
    """Take one element at random out of the pool."""
    at = int(rng.integers(len(pool)))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()


def _folded(places, length):
    """Return the indices of a slice that may run past `length`, folded back without repeating the last element."""
    period = max(2 * (length - 1), 1)
    folded = np.arange(places.start, places.stop) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(folded)
