"""Transposed convolution: the backward pass of a strided convolution by its input, used to enlarge maps.

Forward    y[n, s*i+a-top, s*j+b-left, o] += x[n,i,j,c] * w[a,b,o,c]  for all i, j, a, b, c        (thesis section 5.1)
Backward   dx[n,i,j,c]  = sum over a,b,o of dy[n, s*i+a-top, s*j+b-left, o] * w[a,b,o,c]           (eq. 34, 41-44)
           dw[a,b,o,c]  = sum over n,i,j of dy[n, s*i+a-top, s*j+b-left, o] * x[n,i,j,c]           (eq. 36, 47)

TensorFlow's convention: "same" gives s*H rows and crops top = max(k-s, 0)//2 of them above; "valid" crops nothing and
gives s*H + max(k-s, 0). With k = s = 2, as in the network, neighbouring windows do not overlap.
"""

import itertools

import numpy as np

from ..backends.cpu.threads import bands, divide, share
from ..backends.cuda.device import blocks, device_of
from ..backends.cuda.shared import Product, exchange
from ._shapes import check_shapes


def forward(x, weight, stride=2, padding="same"):
    """Return `x` enlarged `stride` times.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    weight : float ndarray of shape (kh, kw, O, C), dtype of `x`
    stride : int
        Output pixels per input pixel.
    padding : {"same", "valid"}

    Returns
    -------
    y : ndarray of shape (N, s*H, s*W, O), or (N, s*H+max(kh-s,0), s*W+max(kw-s,0), O) for "valid", dtype of `x`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or stride is below 1.
    """
    check_shapes("conv_transpose2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    n, h, w, _ = x.shape
    kh, kw, o, _ = weight.shape
    device = device_of(x, weight)
    if device:
        return launch_forward(device, "conv_transpose2d.conv_transpose2d_forward", x, weight, stride, padding)
    crop = _crop(h, w, kh, kw, stride, padding)
    if kh == kw == stride:
        y = np.empty((n, stride * h, stride * w, o), x.dtype)
        enlarge(x, weight, y)
        return y
    full = np.zeros((n, *_full_size(h, w, kh, kw, stride), o), x.dtype)
    for a, b, places in _taps(h, w, kh, kw, stride):
        full[places] += x @ weight[a, b].T
    return full[crop]


def backward(dy, x, weight, stride=2, padding="same", into=None):
    """Return the gradients by input and weight.

    Parameters
    ----------
    dy : float ndarray, shape of the output
    x, weight, stride, padding
        As given to `forward`.
    into : ndarray, optional
        To write dweight into.

    Returns
    -------
    dx : ndarray, shape of `x`
    dweight : ndarray, shape of `weight`
    """
    check_shapes("conv_transpose2d.backward", dy=(dy, "N Hy Wy O"), x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    n, h, w, c = x.shape
    kh, kw, o, _ = weight.shape
    device, sizes = device_of(dy, x, weight), _sizes(x.shape, weight.shape, stride, padding)
    if dy.shape != (n, *sizes[8:10], o):
        raise ValueError(f"conv_transpose2d.backward: dy has shape {dy.shape}; x of shape {x.shape} with "
                         f"stride={stride}, padding={padding!r} needs {(n, *sizes[8:10], o)}")
    if device:
        dx, = Product.convolve(device, (n, h, w), (kh, kw), o, c, x.dtype, (c, o), stride=2).run(
            "conv_transpose2d.conv_transpose2d_backward_input", (dy, weight), [x.shape], sizes)
        dweight, = Product.weight_gradient(device, (n, h, w), (1, 1), o * kh * kw, c, x.dtype, (c, o)).run(
            "conv_transpose2d.conv_transpose2d_backward_weight", (dy, x), [weight.shape], sizes, into)
        return dx, dweight
    dx, dweight = np.zeros(x.shape, x.dtype), np.empty(weight.shape, weight.dtype) if into is None else into
    if kh == kw == stride:
        _shrink(dy, x, weight, dx, dweight)
        return dx, dweight
    full = np.zeros((n, *_full_size(h, w, kh, kw, stride), o), dy.dtype)
    full[_crop(h, w, kh, kw, stride, padding)] = dy
    for a, b, places in _taps(h, w, kh, kw, stride):
        dx += full[places] @ weight[a, b]
        dweight[a, b] = full[places].reshape(-1, o).T @ x.reshape(-1, c)
    return dx, dweight


def enlarge(x, weight, y, finish=None):
    """Write the output into `y` where neighbouring windows do not overlap, kernel and stride being s (NumPy arrays).

    Row s*i+a of y, seen as (W, s*O), is row i of x times the kernel's row a, seen as (C, s*O). `finish` is called as
    finish(y) with every piece of the output while it is in the cache, to be changed in place.
    """
    s, _, o, c = weight.shape

    def work(job):
        (image, rows), a = job
        lines, piece = x[image, rows], y[image, s * rows.start + a:s * rows.stop:s]
        piece[...] = (lines.reshape(-1, c) @ weight[a].reshape(s * o, c).T).reshape(piece.shape)
        if finish:
            finish(piece)

    share(work, itertools.product(bands(x), range(s)))


def _shrink(dy, x, weight, dx, dweight):
    """Write the gradients where neighbouring windows do not overlap: row s*i+a of dy belongs to row i of x."""
    s, _, o, _ = weight.shape

    def lines(image, rows, a):
        return dy[image, s * rows.start + a:s * rows.stop:s].reshape(-1, s * o)

    def by_input(job):
        _, channels, mine = job
        for image, rows in mine:
            out = dx[image, rows, :, channels]
            out[...] = sum(lines(image, rows, a) @ weight[a, ..., channels].reshape(s * o, -1)
                           for a in range(s)).reshape(out.shape)

    def by_weight(job):
        _, channels, mine = job
        width = channels.stop - channels.start
        return sum(np.stack([lines(image, rows, a).T @ x[image, rows, :, channels].reshape(-1, width)
                             for a in range(s)]) for image, rows in mine)

    jobs = divide([x], bands(x))
    share(by_input, jobs)
    dweight[...] = 0
    for (_, channels, _), part in zip(jobs, share(by_weight, jobs), strict=True):
        dweight[..., channels] += part.reshape(s, s, o, -1)


def launch_forward(device, kernel, x, weight, stride, padding, *more):
    """Return the output of a kernel with the arguments x, weight, `more`, y and the sizes."""
    sizes = _sizes(x.shape, weight.shape, stride, padding)
    n, _, _, c, o, _, _, _, ho, wo, *_ = sizes
    y = device.empty((n, ho, wo, o), x.dtype)
    largest = n, blocks(ho, stride), blocks(wo, stride)             # of stride * stride phases
    product = Product.convolve(device, largest, (1, 1), c, o, x.dtype, (c, o))
    product.launch(kernel, stride ** 2, x, exchange(device, weight), *more, y, *sizes)
    return y


def _sizes(x_shape, weight_shape, stride, padding):
    """Return the sizes that the kernels take: N H W C O KH KW stride HO WO top left."""
    (n, h, w, c), (kh, kw, o, _) = x_shape, weight_shape
    full, crop = _full_size(h, w, kh, kw, stride), _crop(h, w, kh, kw, stride, padding)
    (top, ho), (left, wo) = ((0, side) if crop is ... else (part.start, part.stop - part.start)
                             for side, part in zip(full, ((), ()) if crop is ... else crop[1:], strict=True))
    return n, h, w, c, o, kh, kw, stride, ho, wo, top, left


def _full_size(h, w, kh, kw, stride):
    """Return rows and columns before cropping."""
    if stride < 1:
        raise ValueError(f"conv_transpose2d: stride={stride} must be at least 1")
    return stride * h + max(kh - stride, 0), stride * w + max(kw - stride, 0)


def _crop(h, w, kh, kw, stride, padding):
    """Return the index of the output within the full array."""
    if padding == "valid":
        return ...
    if padding != "same":
        raise ValueError(f'conv_transpose2d: padding={padding!r} must be "same" or "valid"')
    top, left = max(kh - stride, 0) // 2, max(kw - stride, 0) // 2
    return slice(None), slice(top, top + stride * h), slice(left, left + stride * w)


def _taps(h, w, kh, kw, stride):
    """Yield each kernel element with the places in the full array that it writes."""
    for a in range(kh):
        for b in range(kw):
            yield a, b, (slice(None), slice(a, a + stride * h, stride), slice(b, b + stride * w, stride))
