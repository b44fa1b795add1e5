"""Convolution, stride 1, as in every framework a cross-correlation: the kernel is not flipped.

Forward    y[n,i,j,o] = sum over a,b,c of x[n, i+a-top, j+b-left, c] * w[a,b,c,o]         (thesis section 4; eq. 30
           with a shared weight: the sum runs over the receptive field)
Backward   dw[a,b,c,o] = sum over n,i,j of x[n, i+a-top, j+b-left, c] * dy[n,i,j,o]       (eq. 36, 47)
           dx[n,i,j,c] = sum over a,b,o of dy[n, i-a+top, j-b+left, o] * w[a,b,c,o]       (eq. 34, 41-44 without the
           activation's derivative: that is the next layer's)

x is 0 outside. "same" pads k-1 rows so that y has the size of x, top = (k-1)//2 of them above; "valid" pads none.
The thesis (section 4) also divides by the sum of the kernel; neither its listing nor this code does.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..device import device_of
from ._gpu import Product, exchange
from ._shapes import check_shapes

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
    return _correlate(x, weight, pads)


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
    flipped = np.ascontiguousarray(weight[::-1, ::-1].transpose(0, 1, 3, 2))        # (kh, kw, O, C)
    return _correlate(dy, flipped, ((kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)))


def backward_weight(dy, x, shape, padding="same", into=None):
    """Return dweight of the given shape (kh, kw, C, O), summed over the bands in their order (eq. 36)."""
    kh, kw, c, o = shape
    pads = _pads(x, kh, kw, padding)
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), x=(x, "N Hx Wx C"))
    expected = (len(x), *(x.shape[1 + axis] + sum(pads[axis]) - shape[axis] + 1 for axis in (0, 1)), o)
    if dy.shape != expected or x.shape[3] != c:
        raise ValueError(f"conv2d.backward: dy has shape {dy.shape}; x of shape {x.shape} and weight of shape "
                         f"{tuple(shape)} with padding={padding!r} need {expected}")
    device = device_of(dy, x)
    if device:
        product = Product.weight_gradient(device, dy.shape[:3], (kh, kw), c, o, x.dtype, (c, o))
        return product.run("conv2d.conv2d_backward_weight", (dy, x), [shape],
                           _sizes(x.shape, shape, pads).values(), into)[0]
    dweight = np.zeros((kh * kw * c, o), x.dtype) if into is None else into.reshape(kh * kw * c, o)
    dweight[...] = 0
    for image, rows, columns in _bands(x, kh, kw, pads):
        dweight += columns.T @ dy[image, rows].reshape(-1, o)
    return dweight.reshape(shape)


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
    (n, h, w, _), (kh, kw, c, o) = x_shape, weight_shape
    (top, bottom), (left, right) = pads
    return {"N": n, "H": h, "W": w, "C": c, "O": o, "KH": kh, "KW": kw, "HO": h + top + bottom - kh + 1,
            "WO": w + left + right - kw + 1, "top": top, "left": left}


def _correlate(x, weight, pads):
    """Return the correlation of `x`, padded with zeros, as one matrix product per band of rows."""
    kh, kw, c, o = weight.shape
    (top, bottom), (left, right) = pads
    y = np.empty((len(x), x.shape[1] + top + bottom - kh + 1, x.shape[2] + left + right - kw + 1, o), x.dtype)
    matrix = weight.reshape(kh * kw * c, o)
    for image, rows, columns in _bands(x, kh, kw, pads):
        np.matmul(columns, matrix, out=y[image, rows].reshape(-1, o))
    return y


def _bands(x, kh, kw, pads):
    """Yield (image, rows, columns) for bands of output rows.

    `columns` has a row per output pixel of the band, holding the kh*kw*C inputs under the kernel (im2col). One buffer
    of BAND_BYTES serves all bands: the whole of it would be kh*kw times the size of `x`.
    """
    if kh == kw == 1:                                               # a pixel is its own receptive field
        for image in range(len(x)):
            yield image, slice(None), x[image].reshape(-1, x.shape[3])
        return
    windows = sliding_window_view(np.pad(x, ((0, 0), *pads, (0, 0))), (kh, kw), axis=(1, 2))
    windows = windows.transpose(0, 1, 2, 4, 5, 3)                   # (N, H, W, kh, kw, C), a view
    n, height = windows.shape[:2]
    row_bytes = windows[0, 0].size * x.itemsize if windows.size else 1
    band = max(1, min(height, BAND_BYTES // row_bytes))
    buffer = np.empty((band, *windows.shape[2:]), x.dtype)
    for image in range(n):
        for start in range(0, height, band):
            rows = slice(start, min(start + band, height))
            unfolded = buffer[:rows.stop - rows.start]
            np.copyto(unfolded, windows[image, rows])
            yield image, rows, unfolded.reshape(-1, kh * kw * x.shape[3])
