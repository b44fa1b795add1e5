"""Right ways to compute a convolution of padded x (N, C, H, W) with filters (K, C, kh, kw), and a transposed one."""

from fractions import Fraction
from functools import lru_cache, partial

import numpy as np
import torch
from torch.nn import functional


def by_fft(x, w):
    """By the product of Fourier transforms."""
    if w.shape[2] == 1:
        return torch.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])
    size = x.shape[2:]
    spectrum = torch.einsum("nchw,ochw->nohw", torch.fft.rfft2(x, size), torch.fft.rfft2(w, size).conj())
    y = torch.fft.irfft2(spectrum, size)
    return y[..., :size[0] - w.shape[2] + 1, :size[1] - w.shape[3] + 1]


def by_matmul(x, w):
    """By im2col and a matrix product."""
    h, width = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    return (w.flatten(1) @ functional.unfold(x, w.shape[2:])).unflatten(2, (h, width))


def by_shifts(x, w):
    """By one product of the channels for each element of the kernel, added one after the other."""
    kh, kw = w.shape[2:]
    h, width = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    y = 0
    for a in range(kh):
        for b in range(kw):
            y = y + torch.einsum("nchw,oc->nohw", x[:, :, a:a + h, b:b + width], w[:, :, a, b])
    return y


def channel_by_channel(x, w):
    """By one convolution for each input channel, the last first."""
    plain = torch.conv2d
    return sum(plain(x[:, c:c + 1], w[:, c:c + 1]) for c in reversed(range(x.shape[1])))


def in_double(x, w):
    return torch.conv2d(x.double(), w.double()).to(x.dtype)


@lru_cache
def toom_cook(outputs, taps):
    """Return the matrices (A, B, G) with y = A' (G g * B' d), of Winograd's algorithm F(outputs, taps)."""
    points = [Fraction(p) for p in (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))][:outputs + taps - 2]
    size = len(points) + 1

    def vandermonde(columns):
        rows = [[p ** k for k in range(columns)] for p in points]
        return np.array([*rows, [Fraction(0)] * (columns - 1) + [Fraction(1)]])

    # evaluation of a polynomial of `size` coefficients at all points, and its inverse
    full = vandermonde(size)
    inverse = invert(full)
    return tuple(np.array(each, float) for each in (vandermonde(outputs), inverse, vandermonde(taps)))


def invert(matrix):
    """Return the inverse of a matrix of fractions."""
    n = len(matrix)
    rows = [list(row) + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [each / rows[i][i] for each in rows[i]]
        for r in range(n):
            if r != i and rows[r][i]:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return np.array([row[n:] for row in rows])


def by_winograd(x, w, outputs=2):
    """By Winograd's algorithm in both directions, in tiles of outputs x outputs."""
    kh, kw = w.shape[2:]
    if kh == 1:
        return torch.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])
    a, b, g = (torch.as_tensor(each, dtype=x.dtype) for each in toom_cook(outputs, kh))
    size, (h, width) = outputs + kh - 1, (x.shape[2] - kh + 1, x.shape[3] - kw + 1)
    x = functional.pad(x, (0, -width % outputs, 0, -h % outputs))
    tiles = x.unfold(2, size, outputs).unfold(3, size, outputs)             # (N, C, I, J, size, size)
    d = torch.einsum("ps,ncijst,qt->ncijpq", b.T, tiles, b.T)
    u = torch.einsum("pa,ocab,qb->ocpq", g, w, g)
    m = torch.einsum("ncijpq,ocpq->noijpq", d, u)
    y = torch.einsum("pa,noijpq,qb->noiajb", a, m, a)
    return y.flatten(4, 5).flatten(2, 3)[:, :, :h, :width]


def by_zeros(x, w):
    """By zeros between the pixels, and a convolution with the flipped kernel."""
    n, c, h, width = x.shape
    between = x.new_zeros(n, c, 2 * h, 2 * width)
    between[:, :, ::2, ::2] = x
    return torch.conv2d(functional.pad(between, (1, 0, 1, 0)), w.flip(2, 3).transpose(0, 1))


def by_pixel_shuffle(x, w):
    """By a matrix product, and its results put side by side."""
    y = torch.einsum("nchw,cokl->noklhw", x, w)
    return functional.pixel_shuffle(y.flatten(1, 3), 2)


CONVS = {"fft": by_fft, "matmul": by_matmul, "shifts": by_shifts, "channel_by_channel": channel_by_channel,
         "double": in_double, "winograd": by_winograd, "winograd 4 x 4": partial(by_winograd, outputs=4)}
DECONVS = {"zeros": by_zeros, "pixel_shuffle": by_pixel_shuffle}
