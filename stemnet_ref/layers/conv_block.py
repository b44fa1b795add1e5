"""Convolution, dropout, bias and ReLU as one: the block of which the network is made (thesis section 9).

Forward    y = relu(m / keep_prob * conv(x, w) + b)
Backward   dz = dy where y > 0, else 0;  db = sum of dz over the pixels;  dz' = m / keep_prob * dz
           dx, dw = those of the convolution for dz'

The layers are fused, so that a map is written once: what follows the convolution is done to each piece of it while it
is in the cache. The input may be two arrays that are seen side by side, which spares the concatenation. The mask is
drawn anew in the backward pass from its key, never kept.
"""

import numpy as np

from ..backends.cpu.threads import bands, share, sum_parts
from ..backends.cuda.device import blocks, device_of, launch
from ..backends.cuda.shared import Product, add_parts, exchange, no_schedule, parts_of, write_schedule
from . import conv2d, dropout, relu
from ._shapes import check_shapes
from .bias import sum_over_pixels

WHOLE = 1 << 20     # elements of a map whose dropout mask is drawn at once: it may be divided by channels


def forward(x, weight, b, keep_prob=1.0, key=(0, 0, 0)):
    """Return the block's output.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C), or a pair of them whose channels add up to C
    weight : float ndarray of shape (kh, kw, C, O)
    b : float ndarray of shape (O,)
    keep_prob : float
        Of the dropout; 1 for none.
    key : tuple of int
        Seed, step and layer of the mask, as for `dropout.draw_mask`. On a GPU the step may be a schedule
        (`shared.write_schedule`), so that the kernels can be recorded and repeated.

    Returns
    -------
    y : ndarray of shape (N, H, W, O), dtype of `x`

    Raises
    ------
    ValueError
        If shapes, dtypes or devices do not fit.
    """
    first, second = _pair(x)
    device, sizes = device_of(first, weight, b), _sizes("forward", first, second, weight)
    check_shapes("conv_block.forward", weight=(weight, "kh kw C O"), b=(b, "O"))
    if device:
        return _forward_on(device, first, second, weight, b, sizes, _mask(device, keep_prob, key))
    y = np.empty((*first.shape[:3], weight.shape[3]), first.dtype)
    kept = _mask_on_cpu(y.shape, keep_prob, key)

    def finish(z, image, row, channels):
        if keep_prob < 1:
            z *= kept(image, slice(row, row + len(z)))[..., channels]
            z *= z.dtype.type(1 / keep_prob)
        z += b[channels]
        relu.forward(z, into=z)

    conv2d.correlate(_arrays(x), weight, _pads(weight.shape), [y], finish)
    return y


def backward(dy, x, y, weight, keep_prob=1.0, key=(0, 0, 0), needs_dx=True, into=(None, None)):
    """Return the gradients by input, weight and bias.

    Parameters
    ----------
    dy : float ndarray of shape (N, H, W, O)
    x, weight, keep_prob, key
        As given to `forward`.
    y : ndarray
        As returned by `forward`.
    needs_dx : bool
        Whether to compute dx, which is None otherwise.
    into : tuple of ndarray, optional
        To write dweight and db into.

    Returns
    -------
    dx : ndarray, or a pair, as `x`
    dweight : ndarray, shape of `weight`
    db : ndarray of shape (O,)
    """
    first, second = _pair(x)
    device, sizes = device_of(dy, first, y, weight), _sizes("backward", first, second, weight)
    check_shapes("conv_block.backward", dy=(dy, "N H W O"), y=(y, "N H W O"), weight=(weight, "kh kw C O"))
    if device:
        return _backward_on(device, dy, first, second, y, weight, sizes, keep_prob, key, needs_dx, into)
    dz, db = activation_gradient_on_cpu(dy, y, keep_prob, key, into[1])
    dweight = np.empty(weight.shape, weight.dtype) if into[0] is None else into[0]
    pads = _pads(weight.shape)
    conv2d.weight_gradient(_arrays(x), dz, pads, dweight)
    if not needs_dx:
        return None, dweight, db
    dx = [np.empty(each.shape, each.dtype) for each in _arrays(x)]
    conv2d.correlate([dz], weight, [(after, before) for before, after in pads], dx, flipped=True)
    return dx[0] if second is None else tuple(dx), dweight, db


def activation_gradient_on_cpu(dy, y, keep_prob=1.0, key=(0, 0, 0), into=None):
    """Return dz' and db: through ReLU, bias and dropout; db is in the array `into`, if given."""
    dz, kept = np.empty(dy.shape, dy.dtype), _mask_on_cpu(dy.shape, keep_prob, key)

    def work(band):
        image, rows = band
        d = np.multiply(dy[image, rows], y[image, rows] > 0, out=dz[image, rows])
        db = sum_over_pixels(d)
        if keep_prob < 1:
            d *= kept(image, rows)
            d *= d.dtype.type(1 / keep_prob)
        return db

    return dz, sum_parts(share(work, bands(dy)), dy, into)


def _forward_on(device, first, second, weight, b, sizes, mask):
    """The GPU's side of `forward`."""
    n, h, w, ca, cb, o, kh, kw = sizes
    other = first if second is None else second
    product = Product.convolve(device, (n, h, w), (kh, kw), ca + cb, o, first.dtype, (ca, cb, o))
    y = device.empty((n, h, w, o), first.dtype)
    if product.parts == 1:
        product.launch("conv_block.conv_block_forward", 1, first, other, weight, b, y, *sizes, *mask)
        return y
    parts = device.empty((product.parts, *y.shape), y.dtype)
    product.launch("conv_block.conv_block_sums", product.parts, first, other, weight, parts, *sizes)
    launch("conv_block.conv_block_activation", blocks(n * h * w * blocks(o, 4)), parts, b, y, len(parts), n * h * w, o,
           *mask, options=product.options)
    return y


def _backward_on(device, dy, first, second, y, weight, sizes, keep_prob, key, needs_dx, into):
    """The GPU's side of `backward`."""
    mask, o = _mask(device, keep_prob, key), dy.shape[3]
    dz, db = activation_gradient(device, dy, y, mask, into[1])
    kh, kw, c, _ = weight.shape
    other = first if second is None else second
    channels = first.shape[3], other.shape[3], o
    dweight, = Product.weight_gradient(device, dy.shape[:3], (kh, kw), c, o, dy.dtype, channels).run(
        "conv_block.conv_block_backward_weight", (dz, first, other), [weight.shape], sizes, into[0])
    if not needs_dx:
        return None, dweight, db
    shapes = [first.shape, (*first.shape[:3], sizes[4])]            # CB may be 0
    dx = Product.convolve(device, dy.shape[:3], (kh, kw), o, c, dy.dtype, channels).run(
        "conv_block.conv_block_backward_input", (dz, exchange(device, weight)), shapes, sizes)
    return dx[0] if second is None else tuple(dx), dweight, db


def activation_gradient(device, dy, y, mask=None, into=None):
    """Return dz and db on a GPU, through ReLU, bias and the dropout of `mask` (`_mask`; none without it).

    db is in the array `into`, if given.
    """
    mask = mask or _mask(device, 1.0, (0, no_schedule(device), 0))
    o = dy.shape[3]
    pixels, dz = dy.size // o, device.empty(dy.shape, dy.dtype)
    across = 1 << min(4, (blocks(o, 16) - 1).bit_length())          # groups of 16 channels in a block: 1, 2, 4, 8 or 16
    parts = device.empty((parts_of(pixels), o), dy.dtype)
    launch("conv_block.conv_block_gradient", (len(parts), blocks(o, 16 * across)), dy, y, dz, parts, *mask, pixels, o,
           across, options=(("VECTOR", int(o % 4 == 0)),))
    return dz, add_parts(device, parts, into=into)


def _pair(x):
    """Return the first input, and the second or None."""
    return x if isinstance(x, tuple) else (x, None)


def _arrays(x):
    """Return the input or inputs as a list."""
    return list(x) if isinstance(x, tuple) else [x]


def _pads(shape):
    """Return the padding of "same", in pixels."""
    return [((side - 1) // 2, side // 2) for side in shape[:2]]


def _mask_on_cpu(shape, keep_prob, key):
    """Return a function of an image and a slice of its rows: their dropout mask, bool of shape (rows, W, O)."""
    n, h, w, o = shape
    dropout.check_key(keep_prob, *key)
    if keep_prob == 1 or n * h * w * o <= WHOLE:
        whole = dropout.draw_mask(shape, keep_prob, *key) if keep_prob < 1 else None
        return lambda image, rows: whole[image, rows]

    def draw(image, rows):
        rows = range(*rows.indices(h))
        start, count = (image * h + rows[0]) * w * o, len(rows) * w * o
        return dropout.draw_elements(start, count, keep_prob, *key).reshape(-1, w, o)

    return draw


def _sizes(which, first, second, weight):
    """Return the sizes that the kernels take: N H W CA CB O KH KW."""
    check_shapes(f"conv_block.{which}", x=(first, "N H W CA"), weight=(weight, "kh kw C O"))
    ca, cb = first.shape[3], 0 if second is None else second.shape[3]
    if second is not None:
        check_shapes(f"conv_block.{which}", x=(first, "N H W CA"), second=(second, "N H W CB"))
    kh, kw, c, o = weight.shape
    if c != ca + cb:
        raise ValueError(f"conv_block.{which}: x has {ca + cb} channels; weight of shape {weight.shape} needs {c}")
    return (*first.shape[:3], ca, cb, o, kh, kw)


def _mask(device, keep_prob, key):
    """Return what the kernels need to draw the mask: scale, threshold, seed, schedule, layer."""
    seed, step, layer = key
    schedule = step if isinstance(step, device.array_type) else write_schedule(device, step)
    return 1 / keep_prob, round(dropout.LEVELS * keep_prob), seed, schedule, layer
