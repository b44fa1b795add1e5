"""Plan the crops that an epoch trains on: their frames, order and augmentation (thesis sections 6.2, 8.2 and 11.2).

All random numbers of an epoch follow from (seed, epoch) and are sampled before it begins, so that a run that stops in
the middle goes on with the same batches. Longer work, such as an elastic deformation, follows from the key of the crop
and is done when the crop is cut.
"""

from collections import Counter

import numpy as np

from ...errors import InputError
from ..grouping import grouped
from .crop import Crop

MAX_DISTANCE = 8    # frames between a crop and the donor of its pasted cells, where not all frames fit into memory


def plan_epoch(dataset, indices, settings, epoch, sampling_weights=None):
    """Return the crops of one epoch, in the order in which they are trained on.

    Every frame gives as many crops as `crops_per_frame` says. Where all frames fit into memory the order is a random
    permutation. Otherwise frames are read in the order of their sequences, which are shuffled, and crops are sampled
    from a pool of those read, so that each frame is decoded once.

    Parameters
    ----------
    dataset, settings
        Common arguments of `data`.
    indices : sequence of int
        Indices of the frames to train on.
    epoch : int
        Number of the epoch.
    sampling_weights : sequence of float, optional
        Probability of each frame to give a crop; without it every frame gives the same number.

    Raises
    ------
    InputError
        If a frame is smaller than its crops.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([settings.seed, 1 << 32], np.uint64),
                                               counter=np.array([0, epoch, 0, 0], np.uint64)))
    order = _order(dataset, np.asarray(indices), crops_per_frame(dataset, indices, settings), rng, sampling_weights)
    positions = rng.random((len(order), 2))
    views = rng.integers(0, 8, len(order)) if settings.augment else np.zeros(len(order), int)
    angles, gains, offsets, luck = rng.uniform(-1, 1, (4, len(order)))
    keys = rng.integers(0, 1 << 63, len(order))
    donors = _donors(dataset, order, np.asarray(indices), settings.paste, rng)
    to_cell = luck < 2 * settings.on_cells - 1                  # luck is uniform in (-1, 1)
    crops = []
    for number, index in enumerate(order.tolist()):
        (h, w), (height, width) = dataset.sizes[index], crop_shape(dataset, index, settings)
        down, right = positions[number]
        view = int(views[number])
        turns = view % 4 if height == width else 2 * (view % 2)
        crops.append(Crop(
            index, int(down * (h - height + 1)), int(right * (w - width + 1)), height, width, mirror=view >= 4,
            quarter_turns=turns, angle=float(np.deg2rad(settings.rotation) * angles[number]),
            elastic=settings.elastic, gain=1 + settings.contrast * float(gains[number]),
            offset=settings.brightness * float(offsets[number]),
            on_cell=bool(to_cell[number]), donors=donors[number], key=int(keys[number])))
    return crops


def crops_per_frame(dataset, indices, settings):
    """Return the number of crops of each frame in an epoch: as many as cover a frame, unless it is set."""
    if settings.crops_per_frame is not None:
        return settings.crops_per_frame
    if settings.crop is None:
        return 1
    area = np.mean([dataset.sizes[index][0] * dataset.sizes[index][1] for index in indices])
    return max(1, round(area / settings.crop ** 2))


def crop_shape(dataset, index, settings):
    """Return height and width of a frame's crops, in pixels: without `crop` as much as can be pooled, of all of it."""
    (h, w), side, divisor = dataset.sizes[index], settings.crop, settings.size_divisor
    height, width = (side, side) if side else (h // divisor * divisor, w // divisor * divisor)
    if not 0 < height <= h or not 0 < width <= w:
        raise InputError(
            f"{dataset.frames[index]}: {h} x {w} pixels are less than the {height or divisor} x {width or divisor} "
            "that a training step takes; use a smaller --crop, or fewer --levels")
    return height, width


def _order(dataset, indices, per_frame, rng, sampling_weights):
    """Return the indices of the frames, each `per_frame` times or by the sampling weights, in random order."""
    if sampling_weights is None:
        stream = np.repeat(indices, per_frame)
    else:
        stream = np.repeat(indices, rng.multinomial(per_frame * len(indices), sampling_weights))
    if dataset.cache.fits:
        return rng.permutation(stream)
    sequences = [*grouped(stream.tolist(), lambda index: dataset.frames[index].sequence).values()]
    stream = [index for at in rng.permutation(len(sequences)) for index in sequences[at]]
    pool, frames, order = [], Counter(), []                     # crops read and not yet sampled, and their frames
    for index in stream:
        pool.append(index)
        frames[index] += 1
        while len(frames) > max(1, dataset.cache.capacity // 4):    # a frame stays until its last window is sampled
            order.append(_pop_random(pool, rng))
            frames -= Counter(order[-1:])
    while pool:
        order.append(_pop_random(pool, rng))
    return np.array(order)


def _donors(dataset, order, indices, count, rng):
    """Return the frames that give each crop its pasted cells, of its sequence, and near it where memory is short."""
    if count == 0:
        return [()] * len(order)
    of_sequence = grouped(indices.tolist(), lambda index: dataset.frames[index].sequence)
    number = {index: at for same in of_sequence.values() for at, index in enumerate(same)}
    donors = []
    for index in order.tolist():
        same = of_sequence[dataset.frames[index].sequence]
        low, high = (0, len(same)) if dataset.cache.fits else (max(0, number[index] - MAX_DISTANCE),
                                                               number[index] + MAX_DISTANCE)
        near = [other for other in same[low:high] if other != index] or [index]
        donors.append(tuple(near[at] for at in rng.integers(0, len(near), count).tolist()))
    return donors


def _pop_random(pool, rng):
    """Remove a random element from the pool, and return it."""
    at = int(rng.integers(len(pool)))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()
