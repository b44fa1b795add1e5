"""Segment frames of any size with a trained network.

A frame is padded by reflection, below and at the right, to multiples of 2^(L-1) pixels, and the output cropped back. A
frame larger than one tile is done in tiles, aligned to 2^(L-1) pixels, each with a halo that covers what its outputs
can see, so that the tiles put together equal the whole up to rounding.
"""

from pathlib import Path

import numpy as np

from . import metrics
from .data.batches import Dataset, Part, assemble
from .data.frames import find, find_neighbours, spans
from .data.images import eight_bit_units
from .data.pairing import mask_of, pair
from .data.plan import Piece
from .device import device_of, to_host
from .errors import InputError, counted
from .files import check_folder, make_folder, write_csv, write_png
from .layers import softmax

TILE = 1024                     # pixels; a tile with its halo needs about 1 GB
BLUE, ORANGE, YELLOW = (86, 180, 233), (213, 94, 0), (240, 228, 66)     # told apart by the colour-blind too


def logits(network, scaling, window, tile=TILE):
    """Return the logits of one frame.

    Parameters
    ----------
    network : StemNet
    scaling : data.scaling.Scaling
    window : list of `network.channels` arrays of shape (H, W)
        The frame in the middle of its neighbours in time, as read.
    tile : int
        Side of a tile without its halo, in pixels, rounded up to a multiple of 2^(L-1). A frame no larger than a tile
        with its halo is done in one piece.

    Returns
    -------
    float32 ndarray of shape (H, W, classes)
    """
    height, width = window[0].shape
    multiple = network.multiple
    halo = -(-max(network.halo()) // multiple) * multiple
    tile = -(-tile // multiple) * multiple
    padded_h, padded_w = (-(-side // multiple) * multiple for side in (height, width))
    out = np.empty((height, width, network.classes), np.float32)
    device = device_of(*network.parameters.values())
    if device:
        window = [pixels if isinstance(pixels, device.array_type) else device.to_device(pixels) for pixels in window]
    for rows, around_rows in _tiles(padded_h, tile, halo):
        for columns, around_columns in _tiles(padded_w, tile, halo):
            piece = Piece(0, around_rows.start, around_columns.start, around_rows.stop - around_rows.start,
                          around_columns.stop - around_columns.start)
            x, _, _ = assemble(scaling, [Part(piece, window)], device)
            z = to_host(network.forward(x, with_cache=False)[0])
            inner = z[0, rows.start - around_rows.start:, columns.start - around_columns.start:]
            place = out[rows, columns]                          # smaller than the tile where the frame ends
            place[:] = inner[:place.shape[0], :place.shape[1]]
    return out


def probability(network, scaling, window, tile=TILE):
    """Return the probability of cell (classes 1 and above) of every pixel, float32 of shape (H, W)."""
    return 1 - softmax.forward(logits(network, scaling, window, tile))[..., 0]


def edges(mask):
    """Return the border pixels of the cells: those with a background pixel among their eight neighbours.

    Parameters
    ----------
    mask : bool or int ndarray of shape (H, W), above 0 in cells

    Returns
    -------
    int ndarray of shape (n, 2)
        Row and column, from 0. What is outside the frame is not background.
    """
    cell = np.asarray(mask) > 0
    return np.argwhere(cell & ~_eroded(cell))


def _eroded(cell):
    """Return the cell pixels whose eight neighbours are cell too, or outside the frame."""
    padded = np.pad(cell, 1, constant_values=True)
    height, width = cell.shape
    inner = np.ones_like(cell)
    for down in range(3):
        for right in range(3):
            inner &= padded[down:down + height, right:right + width]
    return inner


def stretched(pixels):
    """Return the frame from 0 to 1, its darkest and brightest half percent clipped: float32 of shape (H, W)."""
    pixels = eight_bit_units(pixels)
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)


def overlay(pixels, mask, truth=None, border=1):
    """Return the frame with the cells' borders in blue, RGB uint8 of shape (H, W, 3).

    With a true mask, what was taken for cell wrongly is tinted orange, and what was missed yellow. The borders
    are `border` pixels wide, inwards; with 1 they are those of `edges`.
    """
    picture = np.repeat(230 * stretched(pixels)[..., None], 3, axis=2)
    if truth is not None:
        for wrong, colour in (((mask > 0) & (truth == 0), ORANGE), ((mask == 0) & (truth > 0), YELLOW)):
            picture[wrong] = 0.45 * picture[wrong] + 0.55 * np.array(colour)
    cell = inner = np.asarray(mask) > 0
    for _ in range(border):
        inner = _eroded(inner)
    picture[cell & ~inner] = BLUE
    return picture.astype(np.uint8)


def run(model, frames, out, masks=None, tile=TILE, show=print, progress=iter):
    """Segment frames and write the results into a folder.

    Writes NAME_mask.png (0 and 255), NAME_probability.png (heat map; the palette index is 255 times the probability),
    NAME_overlay.png and NAME_edges.csv for every frame, and metrics.csv where masks are given.

    Parameters
    ----------
    model : checkpoint.Model
    frames, masks : path or str
        Folder, glob pattern or file.
    out : path
        Made if it does not exist.
    tile : int
        As for `logits`.
    show : callable
        Takes lines of text for the user.
    progress : callable
        Wraps the list of frames, to show progress.

    Returns
    -------
    dict of str to float, or None
        Measures over all frames, where masks are given.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """
    network = model.network
    if tile < 1:
        raise InputError(f"--tile {tile}: must be at least 1 pixel")
    check_folder(out)
    chosen, around = find_neighbours(frames, "FRAMES", network.channels)
    masks_of = _masks_of(chosen, find(masks, "--masks"), show) if masks is not None else {}
    data = Dataset(around, [masks_of.get(frame) for frame in around], network.channels, tell=show,
                   device=device_of(*network.parameters.values()))
    _check_names(chosen, masks_of.values(), out)
    make_folder(out)
    show(f"{counted(len(chosen), 'frame')}: {spans(chosen)}")
    table = Path(out) / "metrics.csv"
    if masks is None and table.exists():
        show(f"note: {table} is of an earlier call; measures are written only with --masks")
    place = {frame: index for index, frame in enumerate(around)}
    scores = []
    for frame in chosen:
        model.scaling.check(frame, data.sizes[place[frame]])
    for frame, (window, truth, _) in zip(progress(chosen), data.whole([place[frame] for frame in chosen]),
                                         strict=True):
        cell = probability(network, model.scaling, window, tile)
        mask = cell > 0.5
        stem = Path(out) / frame.name
        write_png(f"{stem}_mask.png", mask.astype(np.uint8) * np.uint8(255))
        write_png(f"{stem}_probability.png", np.round(255 * cell).astype(np.uint8), heat_palette())
        write_png(f"{stem}_overlay.png", overlay(to_host(window[network.channels // 2]), mask, truth))
        write_csv(f"{stem}_edges.csv", ["row", "column"], edges(mask).tolist())
        if truth is not None:
            scores.append(metrics.count(mask, truth))
    if not scores:
        return None
    total = sum(scores[1:], scores[0])
    if total.tp + total.fn > 0.95 * total.pixels:
        show("warning: nearly all of the masks is cell; are frames and --masks swapped, or the masks inverted?")
    return write_scores(table, chosen, scores)


def write_scores(path, frames, scores):
    """Write the measures of each frame, their mean and the pooled ones as CSV; return the summary."""
    summary = metrics.summarise(scores)
    names = list(scores[0].measures())
    rows = [[frame.name, *counts.measures().values()] for frame, counts in zip(frames, scores, strict=True)]
    pooled = sum(scores[1:], scores[0]).measures()
    rows += [["mean", *(summary[name] for name in names)], ["pooled", *pooled.values()]]
    write_csv(path, ["frame", *names], rows)
    return summary


def heat_palette():
    """Return 256 colours from dark blue (0) to yellow (1), uint8 of shape (256, 3)."""
    from matplotlib import colormaps

    return (255 * colormaps["viridis"](np.arange(256))[:, :3]).round().astype(np.uint8)


def _masks_of(frames, masks, tell):
    """Return the mask of every frame; a single frame may come with the masks of its whole folder."""
    if len(frames) == 1 < len(masks):
        return {frames[0]: mask_of(frames[0], masks)}
    return dict(zip(frames, pair(frames, masks, tell), strict=True))


def _check_names(frames, masks, out):
    """Raise InputError where writing the results would overwrite an input, a run, or one another."""
    if (Path(out) / "model.npz").exists():
        raise InputError(f"--out {out}: holds a run of run_train.py; choose another folder for predictions")
    if Path(out).resolve() in {each.path.resolve().parent for each in (*frames, *masks)}:
        raise InputError(f"--out {out}: the frames or masks are in it, and pictures written there would be taken for "
                         "frames the next time; choose another folder")
    written = {}
    for frame in frames:
        if frame.name in written:
            raise InputError(f"FRAMES: {written[frame.name]} and {frame} would both be written as {frame.name}_mask.png"
                             "; rename one, or segment them apart")
        written[frame.name] = frame


def _tiles(length, tile, halo):
    """Yield (inside, around) along one side: the slice of a tile, and that with its halo, cut at the frame's ends.

    The padded frame's own border is a border for the network too, so there the halo ends.
    """
    if length <= tile + 2 * halo:
        tile = length
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield slice(start, stop), slice(max(0, start - halo), min(length, stop + halo))
