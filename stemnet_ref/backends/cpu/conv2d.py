"""The convolution of layers/conv2d.py as matrix products of the image unfolded under the kernel, band by band (im2col).

In float32 winograd.py does the same with fewer multiplications. `correlate` and `weight_gradient` take several arrays
that are seen side by side, which winograd.py does not concatenate.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...layers._shapes import check_shapes
from ...layers.conv2d import check_gradient, output_shape, pads
from . import winograd
from .jobs import bands, divide
from .threads import share

BAND_BYTES = 1 << 22    # of unfolded pixels at once: small enough to stay in the cache until the product reads them


def forward(x, weight, padding="same"):
    """Return what `layers.conv2d.forward` returns, in another order of sums."""
    check_shapes("conv2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw C O"))
    y = np.empty(output_shape(x.shape, weight.shape, padding), x.dtype)
    correlate([x], weight, pads(x.shape, weight.shape, padding), [y])
    return y


def backward(dy, x, weight, padding="same"):
    """Return what `layers.conv2d.backward` returns, in another order of sums."""
    return backward_input(dy, weight, padding), backward_weight(dy, x, weight.shape, padding)


def backward_input(dy, weight, padding="same"):
    """Return what `layers.conv2d.backward_input` returns: dy correlated with the flipped kernel."""
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), weight=(weight, "kh kw C O"))
    (n, ho, wo, _), (kh, kw, c, _) = dy.shape, weight.shape
    margins = rows, columns = pads((n, ho + kh - 1, wo + kw - 1), weight.shape, padding)
    dx = np.empty((n, ho + kh - 1 - sum(rows), wo + kw - 1 - sum(columns), c), dy.dtype)
    correlate_back(dy, weight, margins, [dx])
    return dx


def backward_weight(dy, x, shape, padding="same"):
    """Return what `layers.conv2d.backward_weight` returns, in another order of sums."""
    check_gradient(dy, x, shape, padding)
    dweight = np.empty(shape, x.dtype)
    weight_gradient([x], dy, pads(x.shape, shape, padding), dweight)
    return dweight


def correlate_back(dy, weight, margins, dinputs):
    """Write dx, dy correlated with the flipped kernel, into `dinputs`; `margins` is the padding of `forward`."""
    back = tuple((side - 1 - before, side - 1 - after)
                 for side, (before, after) in zip(weight.shape[:2], margins, strict=True))
    correlate([dy], weight, back, dinputs, flipped=True)


def correlate(inputs, weight, pads, outputs, epilogue=None, flipped=False):
    """Write the correlation of `inputs`, padded with zeros, with `weight` into `outputs` (NumPy arrays).

    Parameters
    ----------
    inputs : list of float ndarray of shape (N, H, W, Ci)
        Arrays that are concatenated along the channels: C is the sum of theirs.
    weight : float ndarray of shape (kh, kw, C, O)
    pads : ((top, bottom), (left, right))
        Rows and columns of zeros around the inputs, each less than the kernel's side.
    outputs : list of float ndarray of shape (N, H+top+bottom-kh+1, W+left+right-kw+1, Oi)
        C-contiguous; O is the sum of their channels.
    epilogue : callable, optional
        Called as epilogue(y, image, row, channels) with every piece of an output, complete and still in the cache, its
        first row, and the slice of its channels, to be changed in place.
    flipped : bool
        Take the kernel flipped, and its channels in and out swapped: weight has shape (kh, kw, O, C) then.
    """
    kh, kw, c, o = weight.shape
    if winograd.use_winograd(weight.dtype, (kh, kw), kh * kw * (o if flipped else c), outputs[0].shape[:3]):
        winograd.correlate(inputs, weight, pads, outputs, epilogue, flipped)
        return
    windows = _windows(inputs, kh, kw, pads)
    if flipped:
        weight = weight[::-1, ::-1].swapaxes(2, 3)

    def work(job):
        parts, _, mine = job
        matrices = [weight[..., columns].reshape(-1, columns.stop - columns.start) for _, _, columns in parts]
        for image, rows in mine:
            unfolded = _unfolded(windows, image, rows)
            for (y, channels, _), matrix in zip(parts, matrices, strict=True):
                piece = y[image, rows, :, channels]
                np.matmul(unfolded, matrix, out=piece.reshape(-1, matrix.shape[1]))
                if epilogue:
                    epilogue(piece, image, rows.start, channels)

    share(work, divide(outputs, bands(windows, BAND_BYTES // windows.itemsize)))


def weight_gradient(inputs, dy, pads, dweight):
    """Write the gradient by a weight (kh, kw, C, O) into `dweight`, summed over the bands in a fixed order.

    Parameters
    ----------
    inputs : list of float ndarray of shape (N, H, W, Ci)
    dy : float ndarray of shape (N, H+top+bottom-kh+1, W+left+right-kw+1, O)
    pads : ((top, bottom), (left, right))
    """
    kh, kw, _, o = dweight.shape
    if winograd.use_winograd(dy.dtype, (kh, kw), dy.size // o, dy.shape[:3]):
        winograd.weight_gradient(inputs, dy, pads, dweight)
        return
    windows = _windows(inputs, kh, kw, pads)

    def work(job):
        _, columns, mine = job
        return sum(_unfolded(windows[..., columns], image, rows).T @ dy[image, rows].reshape(-1, o)
                   for image, rows in mine)

    jobs = divide(inputs, bands(windows, BAND_BYTES // windows.itemsize))
    dweight[...] = 0
    for (_, columns, _), part in zip(jobs, share(work, jobs), strict=True):
        dweight[:, :, columns] += np.reshape(part, (kh, kw, -1, o))


def _windows(inputs, kh, kw, pads):
    """Return what is under the kernel at every output pixel, a view of shape (N, H, W, kh, kw, C)."""
    x = inputs[0] if len(inputs) == 1 else np.concatenate(inputs, axis=3)
    if np.any(pads):
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    windows = sliding_window_view(x, (kh, kw), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3)


def _unfolded(windows, image, rows):
    """Return a row for every output pixel of a band, holding the kh*kw*C inputs under the kernel (im2col).

    The whole image would take kh*kw times its size.
    """
    return windows[image, rows].reshape(-1, np.prod(windows.shape[3:]))
