"""Convolution, stride 1, as in every framework a cross-correlation: the kernel is not flipped.

Forward    y[n,i,j,o] = sum over a,b,c of x[n, i+a-top, j+b-left, c] * w[a,b,c,o]         (thesis section 4; eq. 30
           with a shared weight: the sum runs over the receptive field)
Backward   dw[a,b,c,o] = sum over n,i,j of x[n, i+a-top, j+b-left, c] * dy[n,i,j,o]       (eq. 36, 47)
           dx[n,i,j,c] = sum over a,b,o of dy[n, i-a+top, j-b+left, o] * w[a,b,c,o]       (eq. 34, 41-44 without the
           activation's derivative: that is the next layer's)

x is 0 outside. "same" pads k-1 rows so that y has the size of x, top = (k-1)//2 of them above; "valid" pads none.
The thesis (section 4) also divides by the sum of the kernel; neither its listing nor this code does.

In NumPy both are matrix products of the image unfolded under the kernel, `correlate` and `weight_gradient`; in float32
winograd.py does the same with fewer multiplications.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..backends.cpu import winograd as _winograd
from ..backends.cpu.threads import bands, divide, share
from ..backends.cuda.device import device_of
from ..backends.cuda.shared import Product, exchange
from ._shapes import check_shapes

FAST = True             # whether float32 goes through winograd.py; else sums are direct, as they are in float64
BAND_BYTES = 1 << 22    # of unfolded pixels at once: small enough to stay in the cache until the product reads them


def forward(x, weight, padding="same"):
    """Return the convolution of `x` with every filter of `weight`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    weight : float ndarray of shape (kh, kw, C, O), dtype of `x`
    padding : {"same", "valid"}

    Returns
    -------
    y : ndarray of shape (N, H, W, O), or (N, H-kh+1, W-kw+1, O) for "valid", dtype of `x`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or a "valid" kernel is larger than `x`.
    """
    check_shapes("conv2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw C O"))
    kh, kw = weight.shape[:2]
    pads = _pads(x, kh, kw, padding)
    device = device_of(x, weight)
    if device:
        sizes = _sizes(x.shape, weight.shape, pads)
        n, ho, wo, c, o = (sizes[name] for name in ("N", "HO", "WO", "C", "O"))
        product = Product.convolve(device, (n, ho, wo), (kh, kw), c, o, x.dtype, (c, o))
        return product.run("conv2d.conv2d_forward", (x, weight), [(n, ho, wo, o)], sizes.values())[0]
    y = np.empty(_output_shape(x.shape, weight.shape, pads), x.dtype)
    correlate([x], weight, pads, [y])
    return y


def backward(dy, x, weight, padding="same", into=None):
    """Return the gradients by input and weight.

    Parameters
    ----------
    dy : float ndarray, shape of the output
    x, weight, padding
        As given to `forward`.
    into : ndarray, optional
        To write dweight into.

    Returns
    -------
    dx : ndarray, shape of `x`
    dweight : ndarray, shape of `weight`
    """
    return (backward_input(dy, weight, padding),
            backward_weight(dy, x, weight.shape, padding, into))


def backward_input(dy, weight, padding="same"):
    """Return dx: `dy` correlated with the flipped kernel, channels in and out exchanged (eq. 34)."""
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), weight=(weight, "kh kw C O"))
    kh, kw = weight.shape[:2]
    pads = (top, bottom), (left, right) = _pads(None, kh, kw, padding)
    device = device_of(dy, weight)
    if device:
        (n, ho, wo, o), c = dy.shape, weight.shape[2]
        h, w = ho + kh - 1 - top - bottom, wo + kw - 1 - left - right
        product = Product.convolve(device, (n, h, w), (kh, kw), o, c, dy.dtype, (c, o))
        return product.run("conv2d.conv2d_backward_input", (dy, exchange(device, weight)), [(n, h, w, c)],
                           _sizes((n, h, w, c), weight.shape, pads).values())[0]
    back = (kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)
    dx = np.empty(_output_shape(dy.shape, (kh, kw, None, weight.shape[2]), back), dy.dtype)
    correlate([dy], weight, back, [dx], flipped=True)
    return dx


def backward_weight(dy, x, shape, padding="same", into=None):
    """Return dweight of the given shape (kh, kw, C, O), summed over the bands in their order (eq. 36)."""
    kh, kw, c, o = shape
    pads = _pads(x, kh, kw, padding)
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), x=(x, "N Hx Wx C"))
    expected = _output_shape(x.shape, shape, pads)
    if dy.shape != expected or x.shape[3] != c:
        raise ValueError(f"conv2d.backward: dy has shape {dy.shape}; x of shape {x.shape} and weight of shape "
                         f"{tuple(shape)} with padding={padding!r} need {expected}")
    device = device_of(dy, x)
    if device:
        product = Product.weight_gradient(device, dy.shape[:3], (kh, kw), c, o, x.dtype, (c, o))
        return product.run("conv2d.conv2d_backward_weight", (dy, x), [shape],
                           _sizes(x.shape, shape, pads).values(), into)[0]
    dweight = np.empty(shape, x.dtype) if into is None else into
    weight_gradient([x], dy, pads, dweight)
    return dweight


def _pads(x, kh, kw, padding):
    """Return ((top, bottom), (left, right)) in pixels."""
    if padding == "same":
        return tuple(((k - 1) // 2, k // 2) for k in (kh, kw))
    if padding != "valid":
        raise ValueError(f'conv2d: padding={padding!r} must be "same" or "valid"')
    if x is not None and (x.shape[1] < kh or x.shape[2] < kw):
        raise ValueError(f'conv2d: a {kh} x {kw} kernel does not fit into x, {x.shape[1]} x {x.shape[2]} pixels, '
                         'with padding="valid"; use "same" or a larger x')
    return (0, 0), (0, 0)


def _sizes(x_shape, weight_shape, pads):
    """Return the sizes that the kernels take, in their order."""
    (n, h, w, _), (kh, kw, c, o), ((top, _), (left, _)) = x_shape, weight_shape, pads
    _, ho, wo, _ = _output_shape(x_shape, weight_shape, pads)
    return {"N": n, "H": h, "W": w, "C": c, "O": o, "KH": kh, "KW": kw, "HO": ho, "WO": wo, "top": top, "left": left}


def _output_shape(x_shape, weight_shape, pads):
    """Return (N, HO, WO, O)."""
    return (x_shape[0], *(x_shape[1 + axis] + sum(pads[axis]) - weight_shape[axis] + 1 for axis in (0, 1)),
            weight_shape[3])


def correlate(inputs, weight, pads, outputs, finish=None, flipped=False):
    """Write the correlation of `inputs`, padded with zeros, with `weight` into `outputs` (NumPy arrays).

    Parameters
    ----------
    inputs : list of float ndarray of shape (N, H, W, Ci)
        Seen side by side: C is the sum of their channels.
    weight : float ndarray of shape (kh, kw, C, O)
    pads : ((top, bottom), (left, right))
        In pixels, below the kernel's sides.
    outputs : list of float ndarray of shape (N, H+top+bottom-kh+1, W+left+right-kw+1, Oi)
        C-contiguous; O is the sum of their channels.
    finish : callable, optional
        Called as finish(y, image, row, channels) with every piece of an output, complete and still in the cache, its
        first row, and the slice of its channels, to be changed in place.
    flipped : bool
        Take the kernel flipped, and its channels in and out exchanged: weight has shape (kh, kw, O, C) then.
    """
    kh, kw, c, o = weight.shape
    if FAST and _winograd.pays(weight.dtype, (kh, kw), kh * kw * (o if flipped else c), outputs[0].shape[:3]):
        _winograd.correlate(inputs, weight, pads, outputs, finish, flipped)
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
                if finish:
                    finish(piece, image, rows.start, channels)

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
    if FAST and _winograd.pays(dy.dtype, (kh, kw), dy.size // o, dy.shape[:3]):
        _winograd.weight_gradient(inputs, dy, pads, dweight)
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
