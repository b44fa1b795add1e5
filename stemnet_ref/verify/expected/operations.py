"""The layers without products of a weight, as the reference has them, and under the conventions in which others differ.

The arguments and results of a layer are as `products` describes them.
"""

from functools import partial, reduce

import numpy as np

from ...layers import batch_norm as batch_norm_layer
from ...layers import max_pool2d as max_pool2d_layer
from ...layers import sigmoid as sigmoid_layer
from . import products
from .activations import ACTIVATIONS
from .rounding import WHOLE_SUM, Value
from .sums import total


def add(x, b, assumed):
    """Return x + b: the output of a bias (eq. 30), or the gradient with respect to a map that went two ways."""
    y = x.array + b.array
    error = assumed.roundoff() * (abs(x.array) + abs(b.array) + abs(y)) + assumed.smallest()
    shared = [each.shared for each in (x, b) if each.shared is not None]
    shared = reduce(np.hypot, shared, np.zeros(y.shape)) if shared else None
    return Value(y, error, shared).uncertain(x.error, b.error)


def bias(v, o, assumed):
    """Return x + b (eq. 30) and its gradients (eq. 35)."""
    if assumed.holds("bias_missing"):
        return {"y": lambda: v("x"), "dx": lambda: v("dy"), "db": lambda: v("b").map(np.zeros_like)}
    return {"y": lambda: add(v("x"), v("b"), assumed), "dx": lambda: v("dy"),
            "db": lambda: total(v("dy"), assumed)}


def dense(v, o, assumed):
    """Return x weight + b and its gradients."""
    c, m = v("weight").array.shape
    found = products.outputs(v, assumed, None, c, np.matmul, m, lambda dy, w: dy @ w.T, "dy",
                             lambda dy, x: x.T @ dy)
    return {**found, "y": lambda: add(found["y"](), v("b"), assumed), "db": bias(v, o, assumed)["db"]}


def relu(v, o, assumed):
    """Return max(x, 0) (eq. 37) and its gradient."""
    other = assumed.choose(None, **ACTIVATIONS)
    if other:
        return other.outputs(v, assumed)

    def y():
        x = v("x")
        return x.map(lambda a: np.where(x.array > -x.error, a, 0))._replace(array=np.maximum(x.array, 0))

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
    # (tanh(x / 2) + 1) / 2 and 1 - sigmoid(-x) are right, too: where x is far below 0 all but a rounding of 1 cancels
    near = assumed.roundoff() * (2 + (4 + abs(v("x").array)) * y)
    return {"y": lambda: Value(y, near + assumed.smallest()),
            "dx": lambda: Value(v("dy").array * y * (1 - y), 3 * near * abs(v("dy").array) + assumed.smallest())}


def dropout(v, o, assumed):
    """Return x under the mask, and scaled (section 8.1), and the same of dy."""
    def dropped(name):
        x, mask = v(name), v("mask").array
        if o.keep_prob == 1 or assumed.holds("dropout_ignored"):
            return x
        scale = assumed.choose(1 / o.keep_prob, dropout_not_rescaled=1.0)
        if o.keep_prob != 0.5:
            scale = assumed.choose(scale, dropout_keep_for_drop=1 / (1 - o.keep_prob))
        mask = assumed.choose(mask, dropout_mask_inverted=1 - mask)
        if mask.ndim == 4 and mask[0, ..., 0].size > 1:
            mask = assumed.choose(mask, dropout_of_channels=mask[:, :1, :1])
        factor = mask * scale
        return assumed.rounded(*x.map(lambda a: a * factor))

    return {"y": lambda: dropped("x"), "dx": lambda: dropped("dy")}


def max_pool2d(v, o, assumed):
    """Return the largest value of each window (section 4.3), and the gradient: the first that is largest takes it."""
    size = o.size

    def over_windows(f, x):
        n, h, w, c = x.shape
        return f(x.reshape(n, h // size, size, w // size, size, c), axis=(2, 4))

    def spread(y):
        return y.repeat(size, 1).repeat(size, 2)

    def y():
        x = v("x")
        if assumed.holds("pool_average"):
            largest = x.map(partial(over_windows, np.max))
            return assumed.rounded(over_windows(np.mean, x.array), largest.error, largest.shared, 2 * size * size)
        if assumed.holds("pool_subsampled"):
            return x.map(lambda a: a[:, ::size, ::size])
        return x.map(partial(over_windows, np.max))

    def dx():
        dy, x = v("dy"), v("x")
        if assumed.holds("pool_average"):
            return dy.map(lambda a: spread(a) / size ** 2)
        if assumed.holds("pool_subsampled"):
            return dy.map(lambda a: spread(a) * (np.indices(x.array.shape[1:3]) % size == 0).all(0)[..., None])
        largest = spread(over_windows(np.max, x.array))
        if assumed.holds("pool_ties_to_last"):
            _, argmax = max_pool2d_layer.forward(x.array[:, ::-1, ::-1], size)
            found = dy.map(lambda a: max_pool2d_layer.backward(a[:, ::-1, ::-1], argmax, size)[:, ::-1, ::-1])
        elif assumed.holds("pool_ties_share"):
            ties = x.array == largest
            found = dy.map(lambda a: spread(a) * (ties / spread(over_windows(np.sum, ties))))
        else:
            _, argmax = max_pool2d_layer.forward(x.array, size)
            found = dy.map(lambda a: max_pool2d_layer.backward(a, argmax, size))
        if not x.error.any():
            return found
        uncertain = x.array >= largest - x.error - spread(over_windows(np.max, x.error))
        uncertain &= spread(over_windows(np.sum, uncertain)) > 1
        return found.uncertain(WHOLE_SUM * spread(abs(dy.array)) * uncertain)

    return {"y": y, "dx": dx}


def concat(v, o, assumed):
    """Return a and b side by side, a first (section 9), and their gradients."""
    def y():
        parts = (v("b"), v("a")) if assumed.holds("concat_swapped") else (v("a"), v("b"))
        if any(each.shared is not None for each in parts):
            parts = [each if each.shared is not None else each._replace(shared=np.zeros_like(each.array))
                     for each in parts]
        return Value(*(None if each[0] is None else np.concatenate(each, -1) for each in zip(*parts, strict=True)))

    def gradient(is_a):
        if is_a and assumed.holds("skip_detached"):
            return v("a").map(np.zeros_like)
        dy, channels = v("dy"), v("a").array.shape[-1]
        swapped = assumed.holds("concat_swapped")
        cut = dy.array.shape[-1] - channels if swapped else channels
        return dy.map(lambda a: a[..., :cut] if is_a != swapped else a[..., cut:])

    return {"y": y, "da": lambda: gradient(True), "db": lambda: gradient(False)}


def batch_norm(v, o, assumed):
    """Return the normalised input (eq. 56) and its gradients."""
    x, scale, shift = (v(name).array for name in ("x", "scale", "shift"))
    _, mean, variance = batch_norm_layer.forward(x, scale, shift, o.epsilon)
    axes, n, centred = batch_norm_layer.PIXELS, x[..., 0].size, x - mean
    inverse, slope = _inverse_std(variance, n, o, assumed)
    unit = assumed.roundings(n)
    z = (abs(x) + abs(mean)) * inverse                  # what cancels in x - mean
    slack = unit * (z + abs(centred) * inverse * (1 + np.mean(z ** 2, axes)))

    def y():
        y = scale * centred * inverse + shift
        return Value(y, abs(scale) * slack + assumed.roundoff() * (abs(y) + abs(shift)) * 2 + assumed.smallest())

    def dx():
        dy = v("dy").array
        dx = scale * (inverse * (dy - dy.mean(axes)) + 2 * slope * centred * (dy * centred).mean(axes))
        size = abs(dy) + (abs(dy).sum(axes) + z * (abs(dy) * z).sum(axes)) / n
        return Value(dx, abs(scale) * inverse * (
            4 * unit * size * (1 + np.mean(z ** 2, axes))
            + (slack * (abs(dy) * z).sum(axes) + z * (abs(dy) * slack).sum(axes)) / n) + assumed.smallest())

    def dscale():
        dy = v("dy").array
        error = unit * (abs(dy) * z).sum(axes) + (abs(dy) * slack).sum(axes)
        return Value((dy * centred * inverse).sum(axes), error + assumed.smallest())

    return {"y": y, "dx": dx, "dscale": dscale, "dshift": lambda: total(v("dy"), assumed)}


def _inverse_std(variance, n, o, assumed):
    """Return 1 / std as a layer normalises n pixels by it, and its derivative with respect to the variance."""
    held = assumed.held("batch_norm_epsilon")
    epsilon = held.value if held else o.epsilon
    share = assumed.choose(1.0, batch_norm_unbiased=n / max(n - 1, 1))
    if assumed.holds("batch_norm_epsilon_outside"):
        std = np.sqrt(share * variance)
        return 1 / (std + epsilon), -share / (2 * std * (std + epsilon) ** 2)
    if epsilon and assumed.holds("batch_norm_epsilon_subtracted"):
        epsilon = -epsilon
    inverse = (share * variance + epsilon) ** -0.5
    return inverse, -share / 2 * inverse ** 3
