"""The block of layers/block.py, fused, so that a map is written once: ReLU or no activation, without normalisation.

What follows the convolution is done to each piece of the map while it is in the cache (`epilogue`). Two inputs are seen
side by side, which spares the concatenation.
"""

import sys

import numpy as np

from ...layers import block as reference
from ...layers._shapes import check_shapes
from ...layers.block import Saved
from ...layers.conv2d import pads
from ...layers.dropout import check_key
from . import conv2d, conv_transpose2d, dropout
from .bias import sum_over_pixels
from .jobs import bands
from .threads import share

MAX_WHOLE = 1 << 20         # elements of a map whose dropout mask is drawn at once: it may be divided by channels


def forward(inputs, weight, b, kind="conv", activation="relu", scale=None, statistics=None, keep_prob=1.0,
            key=(0, 0, 0)):
    """Return what `layers.block.forward` returns; the convolution sums in another order."""
    reference.check(inputs, kind, activation)
    if not _is_fused(inputs, kind, activation, weight, scale, keep_prob):
        return reference.forward(inputs, weight, b, kind, activation, scale, statistics, keep_prob, key,
                                 layers=sys.modules[__package__])
    _check(inputs, weight, kind)
    check_shapes("block.forward", weight=(weight, "kh kw C O" if kind == "conv" else "kh kw O C"), b=(b, "O"))
    (n, h, w, _), enlarged = inputs[0].shape, 1 if kind == "conv" else 2
    y = np.empty((n, enlarged * h, enlarged * w, len(b)), inputs[0].dtype)
    mask = _mask(y.shape, keep_prob, key)

    def epilogue(z, image=0, row=0, channels=slice(None)):
        if keep_prob < 1:
            z *= mask(image, slice(row, row + len(z)))[..., channels]
            z *= z.dtype.type(1 / keep_prob)
        z += b[channels]
        if activation == "relu":
            np.maximum(z, 0, out=z)

    if kind == "conv":
        conv2d.correlate(inputs, weight, pads(y.shape, weight.shape, "same"), [y], epilogue)
    else:
        conv_transpose2d.enlarge(inputs[0], weight, y, epilogue)
    return y, Saved(inputs, y, kind, activation, keep_prob, key)


def backward(dy, saved, weight, scale=None, needs_dx=True, out=None):
    """Return what `layers.block.backward` returns; the convolution sums in another order."""
    inputs, y, kind, activation, keep_prob, key, *_ = saved
    reference.check(inputs, kind, activation, needs_dx)
    if not _is_fused(inputs, kind, activation, weight, scale, keep_prob):
        return reference.backward(dy, saved, weight, scale, needs_dx, out, layers=sys.modules[__package__])
    _check(inputs, weight, kind)
    check_shapes("block.backward", dy=(dy, "N H W O"), y=(y, "N H W O"))
    dweight, db = (np.empty(weight.shape, weight.dtype), np.empty(dy.shape[3], dy.dtype)) if out is None else out[:2]
    dz = _activation_gradient(dy, y, activation, keep_prob, key, db)
    dinputs = tuple(np.empty(each.shape, each.dtype) if needs_dx else None for each in inputs)
    if kind == "conv":
        margins = pads(dy.shape, weight.shape, "same")
        conv2d.weight_gradient(inputs, dz, margins, dweight)
        if needs_dx:
            conv2d.correlate_back(dz, weight, margins, dinputs)
    else:
        conv_transpose2d.gradients(dz, inputs[0], weight, dinputs[0], dweight)
    return dinputs, dweight, db, None


def _activation_gradient(dy, y, activation, keep_prob, key, db):
    """Return the gradient before the activation, bias and dropout; write that of the bias into `db`."""
    dz, mask = np.empty(dy.shape, dy.dtype), _mask(dy.shape, keep_prob, key)

    def work(band):
        d = dz[band]
        if activation == "relu":
            np.multiply(dy[band], y[band] > 0, out=d)
        else:
            d[...] = dy[band]
        summed = sum_over_pixels(d)
        if keep_prob < 1:
            d *= mask(*band)
            d *= d.dtype.type(1 / keep_prob)
        return summed

    db[...] = sum(share(work, bands(dy)))
    return dz


def _is_fused(inputs, kind, activation, weight, scale, keep_prob):
    return scale is None and activation in ("relu", "linear") and (
        kind == "conv" or (len(inputs) == 1 and weight.shape[:2] == (2, 2) and keep_prob == 1))


def _check(inputs, weight, kind):
    """Raise ValueError unless the inputs fit to each other and to the weight."""
    for each in inputs:
        check_shapes("block", x=(inputs[0], "N H W C1"), second=(each, "N H W C2"), weight=(weight, "kh kw I J"))
    channels, expected = sum(each.shape[3] for each in inputs), weight.shape[2 if kind == "conv" else 3]
    if channels != expected:
        raise ValueError(f"block: x has {channels} channels; weight of shape {weight.shape} needs {expected}")


def _mask(shape, keep_prob, key):
    """Return a function of an image and a slice of its rows: their dropout mask, bool of shape (rows, W, O).

    The rows of large maps are drawn where they are used: with masks drawn before, a step takes some 7 % longer.
    """
    n, h, w, o = shape
    check_key(keep_prob, *key)
    if keep_prob == 1 or n * h * w * o <= MAX_WHOLE:
        whole = dropout.draw_mask(shape, keep_prob, *key) if keep_prob < 1 else None
        return lambda image, rows: whole[image, rows]

    def sample_rows(image, rows):
        rows = range(*rows.indices(h))
        start, count = (image * h + rows[0]) * w * o, len(rows) * w * o
        return dropout.draw_elements(start, count, keep_prob, *key).reshape(-1, w, o)

    return sample_rows
