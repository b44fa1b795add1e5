"""Which crops of which frames an epoch trains on: order, crops and augmentation (thesis sections 6.2, 8.2 and 11.2).

Everything random of an epoch is drawn from (seed, epoch) before it begins, so that a run that stops in the middle goes
on with the same batches. What takes longer to draw, such as an elastic deformation, is drawn from the key of the crop
by whoever cuts it.
"""

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np

from ...errors import InputError
from .crop import Crop

NEAR = 8        # frames: how far away the donor of pasted cells may be where not all frames fit into memory


@dataclass(frozen=True)
class Augmentation:
    """How the crops of an epoch are drawn and varied; the fields are settings of that name."""

    augment: bool = False       # all eight views of a square, four of another crop
    rotation: float = 0.0       # degrees: any angle up to it, to either side
    elastic: float = 0.0        # pixels
    brightness: float = 0.0     # most that is added to scaled pixels, or taken off
    contrast: float = 0.0       # most that their factor differs from 1
    on_cells: float = 0.0       # the part of the crops that are moved onto a cell
    paste: int = 0              # cells pasted into each crop

    @classmethod
    def of(cls, settings):
        """Return the augmentation of a run's settings."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def plan_epoch(dataset, indices, side, size_divisor, per_frame, augmentation, seed, epoch, sampling_weights=None):
    """Return the crops of one epoch, in the order in which they are trained on.

    Every frame of `indices` gives `per_frame` crops. Where all frames fit into memory the order is a random
    permutation; else frames are read in the order of their sequences, the sequences shuffled, and crops are drawn from
    a pool of those read, so that each frame is decoded once.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Frames to train on.
    side : int or None
        Side of the crops in pixels; None for whole frames.
    size_divisor : int
        Whole frames are cropped, at a random place, to multiples of this, for the network's pooling.
    per_frame : int
        Crops of each frame.
    augmentation : Augmentation
    seed, epoch : int
    sampling_weights : sequence of float, optional
        With which probability a crop is of each frame, in place of the same number of each.

    Raises
    ------
    InputError
        If a frame is smaller than `side` or `size_divisor`.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1 << 32], np.uint64),
                                               counter=np.array([0, epoch, 0, 0], np.uint64)))
    order = _order(dataset, np.asarray(indices), per_frame, rng, sampling_weights)
    places = rng.random((len(order), 2))
    views = rng.integers(0, 8, len(order)) if augmentation.augment else np.zeros(len(order), int)
    angles, gains, offsets, luck = rng.uniform(-1, 1, (4, len(order)))
    keys = rng.integers(0, 1 << 63, len(order))
    donors = _donors(dataset, order, np.asarray(indices), augmentation.paste, rng)
    crops = []
    for number, index in enumerate(order.tolist()):
        h, w = dataset.sizes[index]
        height, width = (side, side) if side else (h // size_divisor * size_divisor, w // size_divisor * size_divisor)
        if not 0 < height <= h or not 0 < width <= w:
            raise InputError(
                f"{dataset.frames[index]}: {h} x {w} pixels are less than the {height or size_divisor} x "
                f"{width or size_divisor} that a training step takes; use a smaller --crop, or fewer --levels")
        down, right = places[number]
        view = int(views[number])
        turns = view % 4 if height == width else 2 * (view % 2)
        crops.append(Crop(
            index, int(down * (h - height + 1)), int(right * (w - width + 1)), height, width, mirror=view >= 4,
            quarter_turns=turns, angle=float(np.deg2rad(augmentation.rotation) * angles[number]),
            elastic=augmentation.elastic, gain=1 + augmentation.contrast * float(gains[number]),
            offset=augmentation.brightness * float(offsets[number]),
            on_cell=bool(luck[number] < 2 * augmentation.on_cells - 1), donors=donors[number], key=int(keys[number])))
    return crops


def _order(dataset, indices, per_frame, rng, sampling_weights):
    """Return the frames' indices, each `per_frame` times or by the sampling weights, in random order."""
    if sampling_weights is None:
        stream = np.repeat(indices, per_frame)
    else:
        stream = np.repeat(indices, rng.multinomial(per_frame * len(indices), sampling_weights))
    if dataset.fits:
        return rng.permutation(stream)
    sequences = {}
    for index in stream.tolist():
        sequences.setdefault(dataset.frames[index].sequence, []).append(index)
    names = list(sequences)
    stream = [index for name in rng.permutation(len(names)) for index in sequences[names[name]]]
    pool, frames, order = [], Counter(), []                     # crops read and not drawn, and of which frames
    for index in stream:
        pool.append(index)
        frames[index] += 1
        while len(frames) > max(1, dataset.capacity // 4):      # a frame stays until its last window is drawn
            order.append(_pop_random(pool, rng))
            frames -= Counter(order[-1:])
    while pool:
        order.append(_pop_random(pool, rng))
    return np.array(order)


def _donors(dataset, order, indices, count, rng):
    """Return for each crop the frames that its pasted cells are from: of its sequence, and near if need be."""
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


def _pop_random(pool, rng):
    """Take one element at random out of the pool."""
    at = int(rng.integers(len(pool)))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()
