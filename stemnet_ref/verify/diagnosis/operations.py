"""The network's operations, each as the reference does it, and under the conventions in which others differ.

A function takes and returns `rounding.Value`s, in the reference's layouts, and asks the `rounding.Assumptions` whether
each convention holds that could change its result. It computes by `stemnet_ref.layers`, in float64. The names of the
conventions are those of `conventions.CONVENTIONS`.
"""

import numpy as np

from ...layers import conv2d as conv2d_layer
from ...layers import conv_transpose2d as conv_transpose2d_layer
from .rounding import WHOLE_SUM, Value, bilinear, total


def conv2d(x, weight, assumed, padding="same"):
    """Return the convolution (eq. 30)."""
    kh, kw, c, _ = weight.array.shape
    filters, pads = weight.map(_arrangement(weight.array.shape, assumed)), _pads(kh, kw, padding, assumed)
    return bilinear(lambda a, b: conv2d_layer.forward(_padded(a, pads), b, "valid"), x, filters, kh * kw * c, assumed)


def conv2d_input(dy, weight, assumed, padding="same"):
    """Return dx of the convolution (eq. 34)."""
    kh, kw, _, o = weight.array.shape
    filters, pads = weight.map(_arrangement(weight.array.shape, assumed)), _pads(kh, kw, padding, assumed)

    def f(a, b):
        (top, bottom), (left, right) = pads
        dx = conv2d_layer.backward_input(a, b, "valid")
        return dx[:, top:dx.shape[1] - bottom, left:dx.shape[2] - right]

    return bilinear(f, dy, filters, kh * kw * o, assumed)


def conv2d_weight(dy, x, shape, assumed, padding="same"):
    """Return dweight of the convolution (eq. 36)."""
    kh, kw = shape[:2]
    pads = _pads(kh, kw, padding, assumed)
    arrange = _arrangement(shape, assumed)
    arranged = arrange(np.zeros(shape)).shape
    dweight = bilinear(lambda a, b: conv2d_layer.backward_weight(a, _padded(b, pads), arranged, "valid"), dy, x,
                       int(np.prod(dy.array.shape[:3])), assumed)
    return dweight.map(_undo(arrange, shape))


def _pads(kh, kw, padding, assumed):
    """Return ((top, bottom), (left, right)), in pixels."""
    if padding == "valid":
        return (0, 0), (0, 0)
    pads = [((side - 1) // 2, side // 2) for side in (kh, kw)]
    if any(before != after for before, after in pads) and assumed.holds("padding_other_side"):
        return [pad[::-1] for pad in pads]
    return pads


def _padded(x, pads):
    return np.pad(x, ((0, 0), *pads, (0, 0)))


def _arrangement(shape, assumed):
    """Return a function that puts filters (kh, kw, a, b) into the order in which the other side takes them."""
    kh, kw, a, b = shape
    moves = []
    if kh * kw > 1 and assumed.holds("kernel_flipped"):
        moves.append(lambda w: w[::-1, ::-1])
    if kh == kw > 1 and assumed.holds("filter_axes_transposed"):
        moves.append(lambda w: w.swapaxes(0, 1))
    if (kh * kw > 1 or a != b > 1 != a) and assumed.holds("filters_reshaped"):
        moves.append(lambda w: w.reshape(b, a, kh, kw).transpose(2, 3, 1, 0))
    if a == b > 1 and assumed.holds("filter_channels_swapped"):
        moves.append(lambda w: w.swapaxes(2, 3))

    return _in_turn(moves)


def _in_turn(moves):
    """Return a function that does one move of an array's elements after the other."""
    def arrange(w):
        for move in moves:
            w = move(w)
        return np.ascontiguousarray(w)

    return arrange


def _undo(arrange, shape):
    """Return the inverse of an arrangement of filters."""
    order = arrange(np.arange(np.prod(shape)).reshape(shape)).ravel()

    def undo(w):
        out = np.empty(w.size)
        out[order] = w.ravel()
        return out.reshape(shape)

    return undo


def conv_transpose2d(x, weight, assumed, stride=2, padding="same"):
    """Return the transposed convolution; weight (kh, kw, out, in)."""
    kh, kw, _, c = weight.array.shape
    crop = _crop(x.array.shape, weight.array.shape, stride, padding, assumed)
    terms = -(-kh // stride) * -(-kw // stride) * c
    return bilinear(lambda a, b: crop(conv_transpose2d_layer.forward(a, b, stride, "valid")), x,
                    weight.map(_transposed_arrangement(weight.array.shape, assumed)), terms, assumed)


def conv_transpose2d_gradients(dy, x, weight, assumed, stride=2, padding="same"):
    """Return functions that give dx and dweight of the transposed convolution: one is often asked for alone."""
    shape = weight.array.shape
    crop = _crop(x.array.shape, shape, stride, padding, assumed)
    full = conv_transpose2d_layer.forward(np.zeros(x.array.shape), np.zeros(shape), stride, "valid")
    arrange = _transposed_arrangement(shape, assumed)
    filters = weight.map(arrange)

    def grown(a):
        out = np.zeros(full.shape)
        crop(out)[...] = a
        return out

    def dx():
        return bilinear(lambda a, b: conv_transpose2d_layer.backward(grown(a), np.zeros(x.array.shape), b, stride,
                                                                     "valid")[0],
                        dy, filters, int(np.prod(shape[:3])), assumed)

    def dweight():
        gradient = bilinear(lambda a, b: conv_transpose2d_layer.backward(grown(a), b, np.zeros(filters.array.shape),
                                                                         stride, "valid")[1],
                            dy, x, int(np.prod(x.array.shape[:3])), assumed)
        return gradient.map(_undo(arrange, shape))

    return dx, dweight


def _crop(x_shape, shape, stride, padding, assumed):
    """Return a function that cuts what "same" keeps out of the whole result."""
    if padding == "valid":
        return lambda y: y
    h, w = stride * x_shape[1], stride * x_shape[2]
    over = [max(side - stride, 0) for side in shape[:2]]
    top, left = over[0] // 2, over[1] // 2
    if any(each % 2 for each in over) and assumed.holds("transposed_crop_other_side"):
        top, left = over[0] - top, over[1] - left
    if any(each > 1 for each in over) and assumed.holds("transposed_crop_at_end"):
        top, left = 0, 0
    return lambda y: y[:, top:top + h, left:left + w]


def _transposed_arrangement(shape, assumed):
    """Return a function that puts filters (kh, kw, out, in) into the order in which the other side takes them."""
    kh, kw, a, b = shape
    moves = []
    if kh * kw > 1 and assumed.holds("transposed_kernel_flipped"):
        moves.append(lambda w: w[::-1, ::-1])
    if kh == kw > 1 and assumed.holds("transposed_axes_transposed"):
        moves.append(lambda w: w.swapaxes(0, 1))
    if a * b > 1 and assumed.holds("transposed_channels_swapped"):
        moves.append(lambda w: w.swapaxes(2, 3) if a == b else w.reshape(kh, kw, b, a).swapaxes(2, 3))

    return _in_turn(moves)


def dropout(x, mask, keep_prob, assumed):
    """Return x under the mask, and scaled (section 8.1); its own backward pass."""
    if keep_prob == 1 or assumed.holds("dropout_ignored"):
        return x
    scale = 1 / keep_prob
    if assumed.holds("dropout_not_rescaled"):
        scale = 1.0
    if keep_prob != 0.5 and assumed.holds("dropout_keep_for_drop"):
        scale = 1 / (1 - keep_prob)
    if assumed.holds("dropout_mask_inverted"):
        mask = 1 - mask
    factor = mask * scale
    return assumed.rounded(*x.map(lambda a: a * factor))


def add(x, b, assumed):
    """Return x + b: the output of a bias (eq. 30), or the gradient by a map that went two ways."""
    y = x.array + b.array
    error = assumed.result_unit() * (abs(x.array) + abs(b.array) + abs(y)) + assumed.smallest()
    return Value(y, error).uncertain(x.error, b.error)


def bias_gradient(dy, assumed):
    """Return db, the sum over the pixels (eq. 35)."""
    return total(dy, (0, 1, 2), assumed)


def relu(x):
    """Return max(x, 0) (eq. 37)."""
    return Value(np.maximum(x.array, 0), None if x.error is None else np.where(x.array > -x.error, x.error, 0))


def relu_gradient(dy, y, before=None):
    """Return dx; `before` is what the ReLU saw, where its sign is uncertain."""
    passed = y.array > 0
    dx = dy.map(lambda a: a * passed)
    if y.error is None or before is None:
        return dx
    return dx.uncertain(WHOLE_SUM * abs(dy.array) * (abs(before.array) <= before.error))


def max_pool2d(x, assumed, size=2):
    """Return the largest value of each window (section 4.3)."""
    y = x.map(lambda a: _windows(a, size).max(-1))
    if assumed.holds("pool_average"):
        return assumed.rounded(_windows(x.array, size).mean(-1), y.error, 2 * size * size)
    return y


def max_pool2d_gradient(dy, x, assumed, size=2):
    """Return dx; the lowest place wins a tie."""
    if assumed.holds("pool_average"):
        return dy.map(lambda a: _from_windows(np.repeat(a[..., None], size * size, -1) / size ** 2, size))
    windows = _windows(x.array, size)
    best = windows.max(-1, keepdims=True)
    ties = windows == best
    if assumed.holds("pool_ties_to_last"):
        share = _only(ties[..., ::-1])[..., ::-1]
    elif assumed.holds("pool_ties_share"):
        share = ties / ties.sum(-1, keepdims=True)
    else:
        share = _only(ties)
    dx = dy.map(lambda a: _from_windows(a[..., None] * share, size))
    if x.error is None:
        return dx
    slack = _windows(x.error, size)
    uncertain = (windows >= best - slack - slack.max(-1, keepdims=True))
    uncertain &= uncertain.sum(-1, keepdims=True) > 1
    return dx.uncertain(WHOLE_SUM * _from_windows(abs(dy.array)[..., None] * uncertain, size))


def _windows(x, size):
    n, h, w, c = x.shape
    windows = x.reshape(n, h // size, size, w // size, size, c).transpose(0, 1, 3, 5, 2, 4)
    return windows.reshape(*windows.shape[:4], size * size)


def _from_windows(windows, size):
    n, i, j, c, _ = windows.shape
    windows = windows.reshape(n, i, j, c, size, size).transpose(0, 1, 4, 2, 5, 3)
    return windows.reshape(n, i * size, j * size, c)


def _only(ties):
    """Return 1 at the first of those that tie."""
    return ties & (np.cumsum(ties, -1) == 1)


def concat(a, b, assumed):
    """Return a and b side by side, a first (section 9)."""
    arrays, errors = zip(*((b, a) if assumed.holds("concat_swapped") else (a, b)), strict=True)
    if all(error is None for error in errors):
        return Value(np.concatenate(arrays, -1))
    errors = [np.zeros(array.shape) if error is None else error for array, error in zip(arrays, errors, strict=True)]
    return Value(np.concatenate(arrays, -1), np.concatenate(errors, -1))


def concat_gradients(dy, channels_a, assumed):
    """Return da and db."""
    if assumed.holds("concat_swapped"):
        cut = dy.array.shape[-1] - channels_a
        return dy.map(lambda a: a[..., cut:]), dy.map(lambda a: a[..., :cut])
    return dy.map(lambda a: a[..., :channels_a]), dy.map(lambda a: a[..., channels_a:])
