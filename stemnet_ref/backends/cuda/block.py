"""The network's block on the GPU: `layers.block`, fused where it is a convolution, bias and ReLU.

A map is written once then: what follows the convolution is done to its sums in the kernel that makes them. Two inputs
are read side by side without being concatenated. With another activation or with batch normalisation the block is the
reference's composition of this package's layers.
"""

import sys

from ...dispatch import device_of
from ...layers import block as plain
from ...layers._shapes import check_shapes
from ...layers.block import Saved
from . import conv_transpose2d
from .dropout import mask_arguments
from .gemm import GemmConfig
from .launch import BLOCK, MAX_BLOCKS, add_parts, blocks, launch, swap_channels

LAYERS = sys.modules[__package__]


def forward(inputs, weight, b, kind="conv", activation="relu", scale=None, statistics=None, keep_prob=1.0,
            key=(0, 0, 0)):
    plain.check(inputs, kind, activation)
    if not _is_fused(inputs, weight, kind, activation, scale, keep_prob):
        return plain.forward(inputs, weight, b, kind, activation, scale, statistics, keep_prob, key, LAYERS)
    if kind == "deconv":
        y = _enlarge(*inputs, weight, b)
    else:
        y = _convolve(inputs, weight, b, keep_prob, key)
    return y, Saved(inputs, y, kind, activation, keep_prob, key)


def backward(dy, saved, weight, scale=None, needs_dx=True, out=None):
    inputs, y, kind, activation, keep_prob, key, *_ = saved
    plain.check(inputs, kind, activation, needs_dx)
    out = out or (None, None, None)
    if not _is_fused(inputs, weight, kind, activation, scale, keep_prob):
        dinputs, *gradients = plain.backward(dy, saved, weight, scale, needs_dx, None, LAYERS)
        return dinputs, *map(_written, gradients, out)
    check_shapes("block.backward", dy=(dy, "N H W O"), y=(y, "N H W O"))
    dz, db = _activation_gradient(dy, y, keep_prob, key, out[1])
    if kind == "deconv":
        dx, dweight = conv_transpose2d.gradients(dz, *inputs, weight, out=out[0])
        return (dx,), dweight, db, None
    (first, other, sizes), device = _inputs("backward", inputs, weight), device_of(dz)
    (kh, kw, c, o), channels = weight.shape, (first.shape[3], other.shape[3], weight.shape[3])
    config = GemmConfig.weight_gradient(device, dy.shape[:3], (kh, kw), c, o, dy.dtype, channels)
    dweight, = config.run("block.block_backward_weight", (config.operand(dz), first, other), [weight.shape], sizes,
                          out[0])
    if not needs_dx:
        return (None,) * len(inputs), dweight, db, None
    shapes = [first.shape, (*first.shape[:3], sizes[4])]            # CB may be 0
    config = GemmConfig.convolve(device, dy.shape[:3], (kh, kw), o, c, dy.dtype, channels)
    dinputs = config.run("block.block_backward_input", (dz, config.operand(weight, swapped=True)), shapes, sizes)
    return tuple(dinputs[:len(inputs)]), dweight, db, None


def _is_fused(inputs, weight, kind, activation, scale, keep_prob):
    """Return whether there are kernels for the whole block; a transposed convolution has them for 2 x 2."""
    return activation == "relu" and scale is None and (
        kind == "conv" or (len(inputs) == 1 and keep_prob == 1 and weight.shape[:2] == (2, 2)))


def _convolve(inputs, weight, b, keep_prob, key):
    """Return relu(m / keep_prob * conv(x, w) + b)."""
    first, other, sizes = _inputs("forward", inputs, weight)
    check_shapes("block.forward", weight=(weight, "kh kw C O"), b=(b, "O"))
    (n, h, w, ca, cb, o, kh, kw), device = sizes, device_of(inputs, weight, b)
    config = GemmConfig.convolve(device, (n, h, w), (kh, kw), ca + cb, o, first.dtype, (ca, cb, o))
    mask, y, weight = _mask(device, keep_prob, key), device.empty((n, h, w, o), first.dtype), config.operand(weight)
    if config.split_k == 1:
        config.launch("block.block_forward", 1, first, other, weight, b, y, *sizes, *mask)
        return y
    parts = device.empty((config.split_k, *y.shape), y.dtype)
    config.launch("block.block_sums", config.split_k, first, other, weight, parts, *sizes)
    launch("block.block_activation", blocks(n * h * w * blocks(o, 4)), parts, b, y, len(parts), n * h * w, o, *mask,
           options=(("VECTOR", dict(config.options)["VECTOR"]),))
    return y


def _enlarge(x, weight, b):
    """Return relu(conv_transpose2d(x, w) + b) for a kernel of 2 x 2."""
    check_shapes("block.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"), b=(b, "O"))
    (n, h, w, c), o, device = x.shape, len(b), device_of(x, weight, b)
    y = device.empty((n, 2 * h, 2 * w, o), x.dtype)
    config = GemmConfig.convolve(device, (n, h, w), (1, 1), c, 4 * o, x.dtype, (c, o))
    matrix = swap_channels(weight.reshape(4 * o, c))
    config.launch("block_transpose.block_transpose_forward", 1, x, matrix, b, y, n, h, w, c, o)
    return y


def _activation_gradient(dy, y, keep_prob, key, out):
    """Return dz and db, this in the array `out` if given: back through ReLU, bias and dropout."""
    device, o = device_of(dy, y), dy.shape[3]
    pixels, dz = dy.size // o, device.empty(dy.shape, dy.dtype)
    across = 1 << min(4, (blocks(o, 16) - 1).bit_length())          # groups of 16 channels in a block: 1, 2, 4, 8 or 16
    down = blocks(o, 16 * across)
    parts = device.empty((max(1, min(MAX_BLOCKS // down, blocks(pixels, BLOCK // across))), o), dy.dtype)
    launch("block.block_gradient", (len(parts), down), dy, y, dz, parts,
           *_mask(device, keep_prob, key), pixels, o, across, options=(("VECTOR", int(o % 4 == 0)),))
    return dz, add_parts(parts, out=out)


def _inputs(function, inputs, weight):
    """Return the first input, the second or in its place the first, and the sizes N H W CA CB O KH KW."""
    first, other = inputs[0], inputs[-1]
    check_shapes(f"block.{function}", x=(first, "N H W CA"), weight=(weight, "kh kw C O"))
    check_shapes(f"block.{function}", x=(first, "N H W CA"), second=(other, "N H W CB"))
    ca, cb = first.shape[3], other.shape[3] if len(inputs) > 1 else 0
    kh, kw, c, o = weight.shape
    if c != ca + cb:
        raise ValueError(f"block.{function}: x has {ca + cb} channels; weight of shape {weight.shape} needs {c}")
    return first, other, (*first.shape[:3], ca, cb, o, kh, kw)


def _mask(device, keep_prob, key):
    """Return what the kernels take to draw the mask: its scale, and `mask_arguments`."""
    return 1 / keep_prob, *mask_arguments(device, keep_prob, *key)


def _written(gradient, out):
    """Return the gradient in the array `out`, if there is one for it."""
    if out is None or gradient is None:
        return gradient
    return add_parts(gradient.reshape(1, *gradient.shape), out=out)
