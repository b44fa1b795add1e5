"""The layers without products of a weight, as the reference has them, and under the conventions in which others differ.

The arguments and results of a layer are as `products` describes them.
"""

import numpy as np

from ...layers import batch_norm as batch_norm_layer
from ...layers import sigmoid as sigmoid_layer
from . import products
from .rounding import WHOLE_SUM, Value, total


def add(x, b, assumed):
    """Return x + b: the output of a bias (eq. 30), or the gradient by a map that went two ways."""
    y = x.array + b.array
    error = assumed.result_unit() * (abs(x.array) + abs(b.array) + abs(y)) + assumed.smallest()
    return Value(y, error).uncertain(x.error, b.error)


def bias(v, o, assumed):
    """Return x + b (eq. 30) and its gradients (eq. 35)."""
    return {"y": lambda: add(v("x"), v("b"), assumed), "dx": lambda: v("dy"),
            "db": lambda: total(v("dy"), tuple(range(v("dy").array.ndim - 1)), assumed)}


def dense(v, o, assumed):
    """Return x weight + b and its gradients."""
    found = products.dense(v, o, assumed)
    return {**found, "y": lambda: add(found["y"](), v("b"), assumed), "db": bias(v, o, assumed)["db"]}


def relu(v, o, assumed):
    """Return max(x, 0) (eq. 37) and its gradient."""
    def y():
        x = v("x")
        return Value(np.maximum(x.array, 0), np.where(x.array > -x.error, x.error, 0))

    def dx():
        dy, y, x = v("dy"), v("y"), v("x")
        passed = y.array > 0
        dx = dy.map(lambda a: a * passed)
        if not y.error.any():
            return dx
        return dx.uncertain(WHOLE_SUM * abs(dy.array) * (abs(x.array) <= x.error))     # the sign may be the other

    return {"y": y, "dx": dx}


def sigmoid(v, o, assumed):
    """Return the sigmoid and its gradient."""
    y = sigmoid_layer.forward(v("x").array)
    near = assumed.result_unit() * (4 + abs(v("x").array))
    return {"y": lambda: Value(y, near * y + assumed.smallest()),
            "dx": lambda: Value(v("dy").array * y * (1 - y), 3 * near * y * abs(v("dy").array) + assumed.smallest())}


def dropout(v, o, assumed):
    """Return x under the mask, and scaled (section 8.1), and the same of dy."""
    def dropped(name):
        x, mask = v(name), v("mask").array
        if o.keep_prob == 1 or assumed.holds("dropout_ignored"):
            return x
        scale = 1 / o.keep_prob
        if assumed.holds("dropout_not_rescaled"):
            scale = 1.0
        if o.keep_prob != 0.5 and assumed.holds("dropout_keep_for_drop"):
            scale = 1 / (1 - o.keep_prob)
        if assumed.holds("dropout_mask_inverted"):
            mask = 1 - mask
        factor = mask * scale
        return assumed.rounded(*x.map(lambda a: a * factor))

    return {"y": lambda: dropped("x"), "dx": lambda: dropped("dy")}


def max_pool2d(v, o, assumed):
    """Return the largest value of each window (section 4.3), and the gradient: the first that is largest takes it."""
    size = o.size

    def y():
        x = v("x")
        if assumed.holds("pool_average"):
            return assumed.rounded(_windows(x.array, size).mean(-1), _windows(x.error, size).max(-1), 2 * size * size)
        return x.map(lambda a: _windows(a, size).max(-1))

    def dx():
        dy, x = v("dy"), v("x")
        if assumed.holds("pool_average"):
            return dy.map(lambda a: _from_windows(np.repeat(a[..., None], size * size, -1) / size ** 2, size))
        windows, slack = _windows(x.array, size), _windows(x.error, size)
        best = windows.max(-1, keepdims=True)
        ties = windows == best
        if assumed.holds("pool_ties_to_last"):
            share = _only(ties[..., ::-1])[..., ::-1]
        elif assumed.holds("pool_ties_share"):
            share = ties / ties.sum(-1, keepdims=True)
        else:
            share = _only(ties)
        found = dy.map(lambda a: _from_windows(a[..., None] * share, size))
        if not x.error.any():
            return found
        uncertain = windows >= best - slack - slack.max(-1, keepdims=True)
        uncertain &= uncertain.sum(-1, keepdims=True) > 1
        return found.uncertain(WHOLE_SUM * _from_windows(abs(dy.array)[..., None] * uncertain, size))

    return {"y": y, "dx": dx}


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


def concat(v, o, assumed):
    """Return a and b side by side, a first (section 9), and their gradients."""
    def y():
        parts = (v("b"), v("a")) if assumed.holds("concat_swapped") else (v("a"), v("b"))
        return Value(*(np.concatenate(each, -1) for each in zip(*parts, strict=True)))

    def gradient(is_a):
        dy, channels = v("dy"), v("a").array.shape[-1]
        swapped = assumed.holds("concat_swapped")
        cut = dy.array.shape[-1] - channels if swapped else channels
        return dy.map(lambda a: a[..., :cut] if is_a != swapped else a[..., cut:])

    return {"y": y, "da": lambda: gradient(True), "db": lambda: gradient(False)}


def batch_norm(v, o, assumed):
    """Return the normalised input (eq. 56) and its gradients."""
    x, scale, shift = (v(name).array for name in ("x", "scale", "shift"))
    y, mean, variance = batch_norm_layer.forward(x, scale, shift, o.epsilon)
    axes, n = batch_norm_layer.PIXELS, x[..., 0].size
    std = np.sqrt(variance + o.epsilon)
    unit = assumed.roundings(n)
    centred = abs(x) + abs(mean)                        # what cancels in x - mean
    z = centred / std
    slack = unit * (z + abs(x - mean) / std * (1 + np.mean(z ** 2, axes)))

    def gradients(which):
        dy = v("dy").array
        found = batch_norm_layer.backward(dy, x, scale, mean, variance, o.epsilon)[which]
        sums = abs(dy).sum(axes), (abs(dy) * z).sum(axes)
        uncertain = (abs(dy) * slack).sum(axes)
        if which == 0:
            size = abs(dy) + (sums[0] + z * sums[1]) / n
            error = abs(scale) / std * (4 * unit * size * (1 + np.mean(z ** 2, axes))
                                              + (slack * sums[1] + z * uncertain) / n)
        else:
            error = unit * sums[2 - which] + (uncertain if which == 1 else 0)
        return Value(found, error + assumed.smallest())

    error = abs(scale) * slack + assumed.result_unit() * (abs(y) + abs(shift)) * 2 + assumed.smallest()
    return {"y": lambda: Value(y, error), "dx": lambda: gradients(0), "dscale": lambda: gradients(1),
            "dshift": lambda: gradients(2)}
