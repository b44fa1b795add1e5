"""The layers that multiply by a weight, as the reference has them, and under the conventions in which others differ.

A layer takes `v`, a function from the name of an input to its `rounding.Value`, `o`, the `layers.Options`, and the
`rounding.Assumptions`, which it asks whether each convention holds that could change its result. It returns a function
for each output, since one is often asked for alone. It computes by `stemnet_ref.layers`, in float64.
"""

import numpy as np

from ...layers import conv2d as conv2d_layer
from ...layers import conv_transpose2d as conv_transpose2d_layer
from . import resampling
from .sums import alike, bilinear

# How the other side may read the memory of filters (kh, kw, a, b): convention, where it shows, and what it does
CONV2D_MOVES = (
    ("kernel_flipped", lambda kh, kw, a, b: kh * kw > 1, lambda w: w[::-1, ::-1]),
    ("filter_axes_transposed", lambda kh, kw, a, b: kh == kw > 1, lambda w: w.swapaxes(0, 1)),
    ("filters_reshaped", lambda kh, kw, a, b: kh * kw > 1 or a != b > 1 != a,
     lambda w: w.reshape(*w.shape[:1:-1], *w.shape[:2]).transpose(2, 3, 1, 0)),
    ("filter_channels_swapped", lambda kh, kw, a, b: a == b > 1, lambda w: w.swapaxes(2, 3)))
CONV_TRANSPOSE2D_MOVES = (
    ("transposed_kernel_flipped", lambda kh, kw, a, b: kh * kw > 1, lambda w: w[::-1, ::-1]),
    ("transposed_axes_transposed", lambda kh, kw, a, b: kh == kw > 1, lambda w: w.swapaxes(0, 1)),
    ("transposed_channels_swapped", lambda kh, kw, a, b: a * b > 1,
     lambda w: w.reshape(*w.shape[:2], *w.shape[:1:-1]).swapaxes(2, 3)))


def conv2d(v, o, assumed):
    """Return the convolution (eq. 30) and its gradients (eq. 34, 36)."""
    shape = kh, kw, c, k = v("weight").array.shape
    order = _order(shape, CONV2D_MOVES, assumed)
    pads = [(0, 0)] * 2 if o.padding == "valid" else [((side - 1) // 2, side // 2) for side in (kh, kw)]
    if any(before != after for before, after in pads):
        pads = assumed.choose(pads, padding_other_side=[pad[::-1] for pad in pads])

    mode, x_shape = "constant", v("x").array.shape
    for name, other in resampling.PADDINGS.items():
        if resampling.fits(x_shape, pads, other) and assumed.holds(name):
            mode = other

    def padded(x):
        return resampling.pad(x, pads, mode)

    def backward_input(dy, w):
        (top, bottom), (left, right) = pads
        dx = conv2d_layer.backward_input(dy, w, "valid")
        if mode != "constant":
            return resampling.unpad(dx, pads, mode)
        return dx[:, top:dx.shape[1] - bottom, left:dx.shape[2] - right]

    return outputs(v, assumed, order, kh * kw * c, lambda x, w: conv2d_layer.forward(padded(x), w, "valid"),
                   kh * kw * k, backward_input, "dy",
                   lambda dy, x: conv2d_layer.backward_weight(dy, padded(x), shape, "valid"), kh * kw > 1)


def conv_transpose2d(v, o, assumed):
    """Return the transposed convolution, weight (kh, kw, out, in), and its gradients."""
    x_shape, shape, stride = v("x").array.shape, v("weight").array.shape, o.stride
    order = _order(shape, CONV_TRANSPOSE2D_MOVES, assumed)
    over = [0 if o.padding == "valid" else max(side - stride, 0) for side in shape[:2]]
    starts = [each // 2 for each in over]
    if any(each % 2 for each in over):
        starts = assumed.choose(starts, transposed_crop_other_side=[each - each // 2 for each in over])
    if any(each > 1 for each in over):
        starts = assumed.choose(starts, transposed_crop_at_end=[0, 0])
    full = conv_transpose2d_layer.full_shape(x_shape, shape, stride)
    crop = (slice(None), *(slice(start, start + side - more)
                           for start, side, more in zip(starts, full[1:3], over, strict=True)))

    def backward(dy, x=None, w=None):
        whole = np.zeros(full)
        whole[crop] = dy
        return conv_transpose2d_layer.backward(whole, np.zeros(x_shape) if x is None else x,
                                               np.zeros(shape) if w is None else w, stride, "valid")

    kh, kw, k, c = shape
    for name, mode in (("upsample_nearest", "nearest"), ("upsample_bilinear", "bilinear")):
        if shape[:2] == (2, 2) == (stride, stride) and (value := assumed.value(name)):
            forward, backward_input, backward_weight = resampling.upsampled(x_shape, shape[:2], mode, value)
            return outputs(v, assumed, order, 16 * c, forward, 16 * k, backward_input, "x", backward_weight)
    return outputs(v, assumed, order, -(-kh // stride) * -(-kw // stride) * c,
                   lambda x, w: conv_transpose2d_layer.forward(x, w, stride, "valid")[crop], kh * kw * k,
                   lambda dy, w: backward(dy, w=w)[0], "x", lambda dy, x: backward(dy, x)[1],
                   stride == 1 and kh * kw > 1)


def outputs(v, assumed, order, terms, forward, terms_of_dx, backward_input, summed, backward_weight, transforms=False):
    """Return the functions for y, dx and dweight.

    Parameters
    ----------
    v, assumed
        The arguments of the layer.
    order : int ndarray, shape of the weight, or None
        What `_order` returned.
    terms, terms_of_dx : int
        Number of products whose sum an element of y, and of dx, is.
    forward, backward_input, backward_weight : callable
        Functions of (x, weight), (dy, weight) and (dy, x), linear in each.
    summed : {"dy", "x"}
        The array over whose pixels dweight is summed.
    transforms : bool
        Whether others may compute it by transforms, as they do with a stride of 1 and a kernel above 1 x 1.
    """
    weight = v("weight") if order is None else v("weight").map(lambda w: w.ravel()[order])

    def dweight():
        pixels = int(np.prod(v(summed).array.shape[:-1]))
        weight_axes = (v("x"), v("dy")) if summed == "dy" else (v("dy"), v("x"))        # (kh, kw, in or out, ...)
        equal = [alike(value.array, assumed) for value in weight_axes]
        equal = np.minimum(equal[0][:, None], equal[1])
        found = bilinear(backward_weight, v("dy"), v("x"), pixels, assumed, equal, of_kernel)
        if order is None:
            return found
        inverse = np.argsort(order, axis=None).reshape(order.shape)
        return found.map(lambda w: w.ravel()[inverse])

    of_map, of_kernel = ((1, 2), (0, 1)) if transforms else ((), ())
    return {"y": lambda: bilinear(forward, v("x"), weight, terms, assumed, None, of_map, True), "dweight": dweight,
            "dx": lambda: bilinear(backward_input, v("dy"), weight, terms_of_dx, assumed, None, of_map, True)}


def _order(shape, moves, assumed):
    """Return where, in filters of a shape, the other side reads each element of its own.

    That is an array of flat indices, or None where it reads each in its place.
    """
    order = None
    for name, shows, move in moves:
        if shows(*shape) and assumed.holds(name):
            order = move(np.arange(np.prod(shape)).reshape(shape) if order is None else order)
    return order
