"""Pictures and tables of a segmented frame: mask, heat map, overlay, border pixels, numbered cells."""

import numpy as np
from scipy import ndimage

from .data.images import eight_bit_units
from .data.masks.regions import regions
from .errors import InputError
from .storage.columns import EDGE_COLUMNS
from .storage.files import write_csv, write_png
from .storage.outputs import PREDICTION

BLUE, ORANGE, YELLOW = (86, 180, 233), (213, 94, 0), (240, 228, 66)     # told apart by the colour-blind too


def edges(mask):
    """Return the border pixels of the cells: those with a background pixel among their eight neighbours.

    Parameters
    ----------
    mask : bool or int ndarray of shape (H, W)
        Above 0 in cells. Outside the frame there is no background.

    Returns
    -------
    int ndarray of shape (n, 2)
        Row and column of each border pixel, from 0.
    """
    cell = np.asarray(mask) > 0
    return np.argwhere(cell & ~_inside(cell, 1))


def _inside(cell, border):
    """Return the cell pixels within so many pixels of which no background lies: bool of shape (H, W)."""
    return ndimage.binary_erosion(cell, np.ones((3, 3)), border, border_value=1)


def stretch_contrast(pixels):
    """Return the frame from 0 to 1, with the darkest and brightest half percent clipped: float32 of shape (H, W)."""
    pixels = eight_bit_units(pixels)
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)


def overlay(pixels, mask, truth=None, border=1, stretch=True):
    """Return the frame with the borders of the cells in blue: RGB, uint8 of shape (H, W, 3).

    Background that was taken for cell is tinted orange, and cell that was missed yellow.

    Parameters
    ----------
    pixels : ndarray of shape (H, W)
        Frame; from 0 to 1 without `stretch`.
    mask : bool or int ndarray of shape (H, W)
        Predicted mask, above 0 in cells.
    truth : int ndarray of shape (H, W), optional
        True mask, above 0 in cells.
    border : int
        Width of the borders in pixels, inwards; those of width 1 are the `edges`.
    stretch : bool
        Whether to stretch the contrast of the frame.
    """
    picture = np.repeat(230 * (stretch_contrast(pixels) if stretch else pixels)[..., None], 3, axis=2)
    if truth is not None:
        for wrong, colour in (((mask > 0) & (truth == 0), ORANGE), ((mask == 0) & (truth > 0), YELLOW)):
            picture[wrong] = 0.45 * picture[wrong] + 0.55 * np.array(colour)
    cell = np.asarray(mask) > 0
    picture[cell & ~_inside(cell, border)] = BLUE
    return picture.astype(np.uint8)


def heat_palette():
    """Return 256 colours from dark blue (probability 0) to yellow (1), uint8 of shape (256, 3)."""
    from matplotlib import colormaps

    return (255 * colormaps["viridis"](np.arange(256))[:, :3]).round().astype(np.uint8)


def write_pictures(stem, cell, pixels, truth=None):
    """Write the mask, the heat map, the overlay and the border pixels of a frame to STEM_mask.png and so on.

    Parameters
    ----------
    stem : path
        Beginning of the files' names.
    cell : float32 ndarray of shape (H, W)
        Probability of cell.
    pixels : ndarray of shape (H, W)
        Frame.
    truth : int ndarray of shape (H, W), optional
        True mask, above 0 in cells.
    """
    mask = cell > 0.5
    write_csv(f"{stem}_edges.csv", EDGE_COLUMNS, edges(mask).tolist())
    write_png(f"{stem}_mask.png", mask.astype(np.uint8) * np.uint8(255), PREDICTION)
    write_png(f"{stem}_probability.png", np.round(255 * cell).astype(np.uint8), PREDICTION, heat_palette())
    write_png(f"{stem}_overlay.png", overlay(pixels, mask, truth), PREDICTION)


def number_cells(mask, frame):
    """Return the cells of a mask numbered from 1, pixels that touch as one cell: uint16 of shape (H, W).

    Raises
    ------
    InputError
        If there are more than 65535 cells.
    """
    numbers = regions(mask)
    if numbers.max(initial=0) > 65535:
        raise InputError(f"{frame}: {numbers.max()} cells are more than 16 bits can number; the model is not for these "
                         "frames")
    return numbers.astype(np.uint16)
