"""Batches put together from pieces of frames: scaled, cut, with pasted cells, on the CPU and on a GPU."""

from typing import NamedTuple

import numpy as np

from .augment import cut, paste
from .plan import Piece
from .scaling import fill, fill_labels, paste_on, settle_weights


class Part(NamedTuple):
    """A piece, and all that it is made of; arrays are where they are computed with."""

    piece: Piece
    window: list                # the decoded frames
    classes: object = None      # of the whole frame
    weights: object = None      # of the whole frame's pixels
    where: object = None        # `augment.places` of the piece
    pastes: tuple = ()          # (Paste, alpha, cell, window of the donor) of each
    borders: object = None      # weights of the piece's pixels with pasted cells alone, where there are any


def assemble(scaling, parts, device=None, buffers=None):
    """Return a batch: x, labels and weights.

    Parameters
    ----------
    scaling : Scaling
    parts : list of Part
        All of one shape.
    device : optional
        That their arrays are on.
    buffers : dict, optional
        Of the device's arrays to use again: shape of x -> a batch.

    Returns
    -------
    x : float32 (N, H, W, channels)
        Scaled.
    labels : uint8 (N, H, W)
        None without masks.
    weights : float32 (N, H, W)
        Of the pixels; None where they have none of their own.
    """
    if device:
        return _assemble_on(device, scaling, parts, {} if buffers is None else buffers)
    x = np.stack([_scaled(scaling, part.window, part.piece, part.where) for part in parts])
    labels = weights = None
    if parts[0].classes is not None:
        labels = np.stack([cut(part.classes, part.piece, part.where, nearest=True) for part in parts])
    for example, part in enumerate(parts):
        for each, alpha, cell, window in part.pastes:
            place = np.s_[example, each.top:each.top + len(cell), each.left:each.left + cell.shape[1]]
            paste(x[place], _scaled(scaling, window, each.piece), alpha)
            labels[place][cell > 0] = 1
    if parts[0].weights is not None:
        weights = np.stack([cut(part.weights, part.piece, part.where) for part in parts])
        for own, part in zip(weights, parts, strict=True):
            if part.borders is not None:                    # another cell brings borders nearer, never away
                np.maximum(own, part.borders, out=own)
        weights[labels > 0] = 0
    return x, labels, weights


def _scaled(scaling, window, piece, where=None):
    """Return what a piece shows of a window, scaled: float32 (H, W, channels)."""
    return np.stack([scaling.apply(pixels, piece, where) for pixels in window], axis=-1)


def _assemble_on(device, scaling, parts, buffers):
    """Return a batch on the device."""
    first = parts[0]
    shape = len(parts), *first.piece.shape, len(first.window)
    if shape not in buffers:
        buffers[shape] = (device.empty(shape, np.float32), device.empty(shape[:3], np.uint8),
                          device.empty(shape[:3], np.float32))
    x, labels, weights = buffers[shape]
    for example, (piece, window, classes, own, where, pastes, borders) in enumerate(parts):
        for channel, pixels in enumerate(window):
            scaling.fill(x, example, channel, pixels, piece, where)
        if classes is not None:
            fill_labels(labels, example, classes, piece, where)
        for each, alpha, cell, donor in pastes:
            patch = device.empty((1, *cell.shape, len(donor)), np.float32)
            for channel, pixels in enumerate(donor):
                scaling.fill(patch, 0, channel, pixels, each.piece)
            paste_on(x, labels, example, patch, alpha, cell, each.top, each.left)
        if own is not None:
            fill(weights.reshape(*shape[:3], 1), example, 0, own, piece, where)
            settle_weights(weights, labels, example, borders)
    return x, None if first.classes is None else labels, None if first.weights is None else weights
