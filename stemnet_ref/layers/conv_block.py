"""Convolution, dropout, bias and ReLU as one: the block of which the network is made (thesis section 9).

Forward    y = relu(m / keep_prob * conv(x, w) + b)
Backward   dz = dy where y > 0, else 0;  db = sum of dz over the pixels;  dz' = m / keep_prob * dz
           dx, dw = those of the convolution for dz'

The layers one after the other, on NumPy arrays; on a GPU fused, so that a map is written once. The input may be two
arrays that are seen side by side, which spares a GPU the concatenation. The mask is drawn anew in the backward pass
from its key, never kept.
"""

from ..device import blocks, device_of, launch
from . import bias as bias_layer
from . import concat, conv2d, dropout, relu
from ._gpu import Product, add_parts, exchange, no_schedule, parts_of, write_schedule
from ._shapes import check_shapes


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
        (`_gpu.write_schedule`), so that the kernels can be recorded and repeated.

    Returns
    -------
    y : ndarray of shape (N, H, W, O), dtype of `x`

    Raises
    ------
    ValueError
        If shapes, dtypes or devices do not fit.
    """
    first, second = _pair(x)
    device = device_of(first, weight, b)
    if device:
        sizes = _sizes("forward", first, second, weight)
        check_shapes("conv_block.forward", weight=(weight, "kh kw C O"), b=(b, "O"))
        return _forward_on(device, first, second, weight, b, sizes, _mask(device, keep_prob, key))
    z = conv2d.forward(first if second is None else concat.forward(first, second), weight)
    if keep_prob < 1:
        z = dropout.forward(z, dropout.draw_mask(z.shape, keep_prob, *key), keep_prob)
    return relu.forward(bias_layer.forward(z, b))


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
    device = device_of(dy, first, y, weight)
    if device:
        return _backward_on(device, dy, first, second, y, weight, keep_prob, key, needs_dx, into)
    dz, db = bias_layer.backward(relu.backward(dy, y), into[1])
    if keep_prob < 1:
        dz = dropout.backward(dz, dropout.draw_mask(dz.shape, keep_prob, *key), keep_prob)
    whole = first if second is None else concat.forward(first, second)
    dweight = conv2d.backward_weight(dz, whole, weight.shape, into=into[0])
    if not needs_dx:
        return None, dweight, db
    dx = conv2d.backward_input(dz, weight)
    return dx if second is None else concat.backward(dx, first.shape[3]), dweight, db


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


def _backward_on(device, dy, first, second, y, weight, keep_prob, key, needs_dx, into):
    """The GPU's side of `backward`."""
    check_shapes("conv_block.backward", dy=(dy, "N H W O"), y=(y, "N H W O"))
    sizes, mask = _sizes("backward", first, second, weight), _mask(device, keep_prob, key)
    o = dy.shape[3]
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
