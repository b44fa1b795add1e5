"""A crop of a frame: mirrored, turned by any angle, and deformed.

The frames and the mask of a window are sampled at the same coordinates: frames are interpolated linearly, masks take
the nearest pixel (thesis sections 6.2 and 8.2). The elastic deformation is U-net's (Ronneberger et al. 2015, section
3.1): displacements are sampled from a normal distribution on a coarse grid, and interpolated by cubics between
its points. Here the points are KNOTS pixels apart whatever the crop's size, and no point is displaced by more than two
standard deviations, so that slopes are at most 6 elastic / KNOTS: below 1/2 nothing folds.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import ndimage

KNOTS = 128         # pixels between the points of the grid
ELASTIC, PLACE, PASTE = 0, 1, 2     # streams of a crop's random numbers


@dataclass(frozen=True)
class Crop:
    """A part of one frame as a training step sees it: mirrored, then turned by quarters, then turned and deformed."""

    frame: int              # index of the frame
    top: int                # first row and column, height and width in pixels
    left: int
    height: int
    width: int
    mirror: bool = False
    quarter_turns: int = 0
    angle: float = 0.0      # radians, anticlockwise about the middle of the crop
    elastic: float = 0.0    # standard deviation of the `displacements`, in pixels
    gain: float = 1.0       # factor on the scaled pixels: contrast
    offset: float = 0.0     # brightness, added to the scaled pixels after that
    on_cell: bool = False   # whether the crop is to be moved so that it holds a cell pixel
    donors: tuple = ()      # indices of the frames that each give a cell to be pasted into the crop
    key: int = 0            # key of the random numbers that are sampled when the crop is cut

    @property
    def shape(self):
        """Height and width in pixels, after turning."""
        return (self.width, self.height) if self.quarter_turns % 2 else (self.height, self.width)

    def random(self, stream):
        """Return the random generator of one stream; its numbers are the same at every call."""
        return np.random.Generator(np.random.Philox(key=np.array([self.key, stream], np.uint64)))

    def cut(self, pixels, coordinates=None, nearest=False):
        """Return what the crop holds of `pixels`; the first two axes of this array have the crop's `shape`.

        Beyond its lower and right end a frame goes on as its mirror image.

        Parameters
        ----------
        pixels : ndarray of shape (H, W); or (H, W, ...) without coordinates
            Frame, mask, or other numbers of the whole frame's pixels.
        coordinates : ndarray, optional
            The crop's `sampling_coordinates`. Without them the crop is mirrored and turned by quarters only.
        nearest : bool
            Whether to take the nearest pixel, for a mask; otherwise pixels are interpolated linearly, in float32.
        """
        if coordinates is not None:
            return ndimage.map_coordinates(
                pixels, coordinates, order=0 if nearest else 1, mode="mirror", prefilter=False,
                output=pixels.dtype if nearest else np.float32)
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        beyond = [max(0, span.stop - side) for span, side in zip((rows, columns), pixels.shape, strict=False)]
        if any(beyond):
            pixels = np.pad(pixels, [(0, more) for more in beyond] + [(0, 0)] * (pixels.ndim - 2), "reflect")
        part = pixels[rows, columns]
        return np.rot90(part[:, ::-1] if self.mirror else part, self.quarter_turns)

    def sampling_coordinates(self):
        """Return the rows and columns of the frame at which the crop's pixels lie: float32 of shape (2, height, width).

        They are None for a crop that is neither turned by an angle nor deformed. Beyond its ends the frame goes on as
        its mirror image.
        """
        if not (self.angle or self.elastic):
            return None
        height, width = self.shape
        u, v = (np.arange(side) - (side - 1) / 2 for side in (height, width))       # from the middle
        u, v = u[:, None], v[None, :]
        if self.elastic:
            down, right = self.displacements()
            u, v = u + down, v + right
        angle = self.angle + np.pi / 2 * self.quarter_turns
        cos, sin, side = np.cos(angle), np.sin(angle), -1 if self.mirror else 1
        coordinates = np.empty((2, height, width), np.float32)
        coordinates[0] = cos * u + (sin * v + (self.top + (self.height - 1) / 2))
        coordinates[1] = -side * sin * u + (side * cos * v + (self.left + (self.width - 1) / 2))
        return coordinates

    def displacements(self):
        """Return the displacement of every pixel down and to the right: float64 (2, height, width), in pixels."""
        across = [_cubic(side) for side in self.shape]
        knots = self.random(ELASTIC).standard_normal((2, across[0].shape[1], across[1].shape[1]))
        knots = self.elastic * np.clip(knots, -2, 2)
        return across[0] @ knots @ across[1].T

    def moved_onto_cell(self, classes):
        """Return the crop, moved so that it holds a random cell pixel of its frame at a random position.

        A frame without cells leaves the crop unchanged. A pixel in a corner may be turned out of the crop later.
        """
        cells = np.flatnonzero(classes)
        if not len(cells):
            return self
        rng = self.random(PLACE)
        row, column = divmod(int(cells[rng.integers(len(cells))]), classes.shape[1])
        down, right = rng.integers(0, (self.height, self.width))
        top = min(max(0, row - int(down)), classes.shape[0] - self.height)
        left = min(max(0, column - int(right)), classes.shape[1] - self.width)
        return replace(self, top=top, left=left)


@cache
def _cubic(side):
    """Return the weights of the grid's points for every pixel of one side: (side, points), by Catmull and Rom's cubic.

    The grid begins before the first pixel and ends beyond the last, so that every pixel has two points on either side.
    """
    first, t = np.divmod(np.arange(side) / KNOTS, 1)
    weights = np.zeros((side, int(first[-1]) + 4))
    cubics = ((-t + 2 * t ** 2 - t ** 3) / 2, (2 - 5 * t ** 2 + 3 * t ** 3) / 2,
              (t + 4 * t ** 2 - 3 * t ** 3) / 2, (t ** 3 - t ** 2) / 2)
    for number, cubic in enumerate(cubics):
        weights[np.arange(side), first.astype(int) + number] = cubic
    return weights
