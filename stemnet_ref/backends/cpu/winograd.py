"""The convolution of conv2d.py with fewer products, in float32 on a CPU: Winograd's method.

Along one axis, m = 9-k outputs of a kernel with k elements take m*k products directly, and 8 in this way:

Forward    y[j] = sum over b of d[j+b] * g[b] = sum over t of A[t,j] * (G g)[t] * (B d)[t]          j < m, b < k, t < 8
Backward   dg[b] = sum over j of d[j+b] * dy[j] = sum over t of G[t,b] * (B d)[t] * (A dy)[t]

Why: let s(x) = a(x) g(x) be the product of two polynomials, with m and k coefficients. Its 8 coefficients s[i] follow
from its values at 7 points p and its leading one (Lagrange): s(x) = sum over p of s(p) N_p(x) / N_p(p) + a[m-1] g[k-1]
N(x), where N has the root p for all of them, and N_p for all but p. Now the sum over i of d[i] s[i] is, for every a,
the sum over j of a[j] y[j]. Compare what stands beside a[j]: G holds the powers of p divided by N_p(p), A the powers, B
the coefficients of N_p; their last rows, for the leading coefficient, are 1 at the end, and the coefficients of N. The
same sum, with dy for a, is the sum over b of g[b] dg[b].

In two dimensions both axes do so, one after the other: a tile of 8 x 8 pixels gives m x m outputs, 4 x 4 for a kernel
of 5 x 5, and takes 64 products for each pair of channels where the sum has 400. With the sum over channels these are 64
matrix products, (tiles, C) by (C, O). All other steps are matrix products too, with A, B and G, on views of the arrays.

It costs accuracy, since large numbers cancel: measured on normal random numbers, rounding errors are 5 to 10 times
those of direct sums, and 15 to 20 times in the weight gradient. They go by the largest numbers in a tile, so that
outputs much smaller than their neighbours have fewer digits. A NaN reaches all outputs of the tiles that see it, an
infinity becomes NaN, and numbers above 1e36 may. The sums of `--backend plain` are direct.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .jobs import divide
from .threads import share

POINTS = (0, 1, -1, 2, -2, 0.5, -0.5)           # near 1, so that powers stay small, and exact in B and A
MAX_ELEMENTS = 1 << 20                          # of transformed pixels at once, so that they stay in the cache
MIN_TILES = 16                                  # for which the transforms of the weights pay
MIN_TERMS = 100                                 # of a sum, at least


def use_winograd(dtype, kernel, terms, pixels):
    """Return whether Winograd's method computes a convolution.

    Parameters
    ----------
    dtype : numpy dtype
        It must be float32: float64 is for checks, and takes direct sums.
    kernel : tuple of int
        Its sides, 3 to 6 pixels.
    terms : int
        Products in each sum: enough that its rounding errors stay below the bound of a direct sum of so many.
    pixels : tuple of int
        N, H and W of the output, of which there must be tiles enough.
    """
    (kh, kw), (n, h, w) = kernel, pixels
    return (dtype == np.float32 and min(kh, kw) > 2 and max(kh, kw) < 7 and terms >= MIN_TERMS
            and n * (-(-h // (9 - kh)) * -(-w // (9 - kw))) >= MIN_TILES)


def correlate(inputs, weight, pads, outputs, epilogue=None, flipped=False):
    """Write what `conv2d.correlate` writes, with fewer products."""
    tiles = _Tiles(inputs[0].shape, weight.shape, pads)

    def work(job):
        parts, columns, bands = job
        factors = _of_weight(weight[:, :, columns] if flipped else weight[..., columns], flipped)
        for image, first, count in bands:
            seen = _of_image(inputs, tiles, image, first, count)
            products = np.empty((8, count * tiles.across, 8, factors.shape[3]), weight.dtype)
            np.matmul(seen.transpose(0, 2, 1, 3), factors,                  # (tiles, C) by (C, O), 8 x 8 times
                      out=products.transpose(0, 2, 1, 3))
            row = first * tiles.mh
            down = _down(products, tiles, count)
            for y, channels, mine in parts:
                piece = y[image, row:row + count * tiles.mh, :, channels]
                _to_image(down[..., mine.start - columns.start:mine.stop - columns.start], tiles, piece)
                if epilogue:
                    epilogue(piece, image, row, channels)

    share(work, divide(outputs, tiles.bands(len(inputs[0]))))


def weight_gradient(inputs, dy, pads, dweight):
    """Write what `conv2d.weight_gradient` writes, with fewer products."""
    shape = dweight.shape
    tiles = _Tiles(inputs[0].shape, shape, pads)
    kh, kw, _, o = shape

    def work(job):
        parts, _, bands = job
        mine, total = [x[..., channels] for x, channels, _ in parts], None
        for image, first, count in bands:
            seen = _of_image(mine, tiles, image, first, count)
            spread = _of_gradient(dy[image, first * tiles.mh:(first + count) * tiles.mh], tiles, count)
            part = np.matmul(seen.transpose(0, 2, 3, 1), spread.transpose(0, 2, 1, 3))     # (C, tiles) by (tiles, O)
            total = part if total is None else np.add(total, part, out=total)
        gh, gw = (_matrices(k, total.dtype.char).g for k in (kh, kw))
        across = np.matmul(gw.T, total.reshape(8, 8, -1))
        return np.matmul(gh.T, across.reshape(8, -1)).reshape(kh, kw, -1, o)

    jobs = divide(inputs, tiles.bands(len(dy)))
    dweight[...] = 0
    for (_, columns, _), part in zip(jobs, share(work, jobs), strict=True):
        dweight[:, :, columns] += part


class _Tiles:
    """How tiles lie on an image: their number down and across, their distances mh and mw, and the padding."""

    def __init__(self, x_shape, w_shape, pads):
        self.h, self.w = x_shape[1:3]
        self.kh, self.kw, *self.channels = w_shape
        (self.top, bottom), (self.left, right) = pads
        self.mh, self.mw = 9 - self.kh, 9 - self.kw
        self.ho, self.wo = self.h + self.top + bottom - self.kh + 1, self.w + self.left + right - self.kw + 1
        self.down, self.across = -(-self.ho // self.mh), -(-self.wo // self.mw)

    def bands(self, images):
        """Return (image, first row of tiles, number of rows) of all that is multiplied at once."""
        count = max(1, min(self.down, MAX_ELEMENTS // (64 * max(self.channels) * self.across)))
        return [(image, first, min(count, self.down - first))
                for image in range(images) for first in range(0, self.down, count)]


class _Matrices(NamedTuple):
    """A (8, m), B (8, 8) and G (8, k)."""

    a: np.ndarray
    b: np.ndarray
    g: np.ndarray


@cache
def _matrices(k, dtype):
    """Return the matrices for a kernel of k elements."""
    def powers(number):
        return np.vstack([np.power.outer(POINTS, np.arange(number)), np.eye(number)[-1]])

    b = np.zeros((8, 8))
    b[:7, :7] = [np.poly([q for q in POINTS if q != p])[::-1] for p in POINTS]      # N_p, from x^0 on
    b[7] = np.poly(POINTS)[::-1]
    g = powers(k)
    g[:7] /= [[row @ np.power(p, np.arange(8.0))] for row, p in zip(b, POINTS, strict=False)]
    return _Matrices(*(matrix.astype(dtype) for matrix in (powers(9 - k), b, g)))


def _of_weight(weight, flipped):
    """Return G weight G^T, shape (8, 8, C, O)."""
    kh, kw, c, o = weight.shape
    gh, gw = (_matrices(k, weight.dtype.char).g[:, ::-1 if flipped else 1] for k in (kh, kw))
    down = np.matmul(gh, weight.reshape(kh, -1)).reshape(8, kw, c * o)
    both = np.matmul(gw, down).reshape(8, 8, c, o)
    return both.swapaxes(2, 3) if flipped else both


def _of_image(inputs, tiles, image, first, count):
    """Return B d B^T for `count` rows of tiles, shape (8, tiles, 8, C)."""
    rows, top = (count - 1) * tiles.mh + 8, first * tiles.mh - tiles.top
    lo, hi = max(top, 0), min(top + rows, tiles.h)                          # those that the image has
    channels, dtype = sum(x.shape[3] for x in inputs), inputs[0].dtype
    across = np.empty((rows, tiles.across, 8, channels), dtype)
    across[:lo - top], across[hi - top:] = 0, 0
    start = 0
    for x in inputs:
        stop = start + x.shape[3]
        _across(x[image, lo:hi], tiles, across[lo - top:hi - top, ..., start:stop])
        start = stop
    down = sliding_window_view(across.reshape(rows, -1), 8, axis=0)[::tiles.mh].transpose(0, 2, 1)
    both = np.empty((8, count, down.shape[2]), dtype)
    np.matmul(_matrices(tiles.kh, dtype.char).b, down, out=both.transpose(1, 0, 2))
    return both.reshape(8, count * tiles.across, 8, channels)


def _across(lines, tiles, out):
    """Write B d for the tiles of every line (rows, W, C) into `out` (rows, tiles, 8, C)."""
    b = _matrices(tiles.kw, lines.dtype.char).b
    whole = range(-(-tiles.left // tiles.mw), (tiles.w - 8 + tiles.left) // tiles.mw + 1)    # tiles within the lines
    if whole:
        windows = sliding_window_view(lines, 8, axis=1)[:, whole[0] * tiles.mw - tiles.left::tiles.mw][:, :len(whole)]
        np.matmul(b, windows.swapaxes(2, 3), out=out[:, whole[0]:whole[-1] + 1])
    for tile in range(tiles.across):
        if tile not in whole:
            start = tile * tiles.mw - tiles.left
            lo, hi = max(start, 0), min(start + 8, tiles.w)
            np.matmul(b[:, lo - start:hi - start], lines[:, lo:hi], out=out[:, tile])


def _of_gradient(dy, tiles, count):
    """Return A dy A^T for `count` rows of tiles, shape (8, tiles, 8, O); the rows of the last may be fewer."""
    (rows, width, o), dtype = dy.shape, dy.dtype
    across = np.empty((rows, tiles.across, 8, o), dtype)
    a, whole = _matrices(tiles.kw, dtype.char).a, width // tiles.mw
    np.matmul(a, dy[:, :whole * tiles.mw].reshape(rows, whole, tiles.mw, o), out=across[:, :whole])
    if whole < tiles.across:
        np.matmul(a[:, :width % tiles.mw], dy[:, whole * tiles.mw:], out=across[:, whole])
    both = np.empty((8, count, tiles.across * 8 * o), dtype)
    a, whole = _matrices(tiles.kh, dtype.char).a, rows // tiles.mh
    lines = across.reshape(rows, -1)
    np.matmul(a, lines[:whole * tiles.mh].reshape(whole, tiles.mh, lines.shape[1]),
              out=both[:, :whole].transpose(1, 0, 2))
    if whole < count:
        np.matmul(a[:, :rows % tiles.mh], lines[whole * tiles.mh:], out=both[:, whole])
    return both.reshape(8, count * tiles.across, 8, o)


def _down(products, tiles, count):
    """Return A^T products for `count` rows of tiles, shape (rows, tiles, 8, O)."""
    down = np.matmul(_matrices(tiles.kh, products.dtype.char).a.T, products.reshape(8, count, -1).transpose(1, 0, 2))
    return down.reshape(count * tiles.mh, tiles.across, 8, products.shape[3])


def _to_image(down, tiles, y):
    """Write down A into y (rows, W, O); rows and W may end within a tile."""
    rows, width, o = y.shape
    a, whole, down = _matrices(tiles.kw, y.dtype.char).a.T, width // tiles.mw, down[:rows]
    np.matmul(a, down[:, :whole], out=y[:, :whole * tiles.mw].reshape(rows, whole, tiles.mw, o))
    if whole < tiles.across:
        np.matmul(a[:width % tiles.mw], down[:, whole], out=y[:, whole * tiles.mw:])
