"""Layers as people write them in NumPy, with their gradients.

Nothing of them is taken from the package: convolutions are sums over the elements of the kernel, with "same" padding of
an odd kernel, and the transposed convolution is of stride 2 with an even kernel; the rest is one line each.
"""

import numpy as np

from stemnet_ref.verify.expected.layer import Options, sample_inputs

KEEP_PROB, EPSILON, PIXELS = 0.75, 1e-3, (0, 1, 2)


def padded(x, kh, kw):
    return np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))


def correlate(x, w):
    (kh, kw), (_, h, width, _) = w.shape[:2], x.shape
    x = padded(x, kh, kw)
    return sum(x[:, a:a + h, b:b + width] @ w[a, b] for a in range(kh) for b in range(kw))


def conv2d_dx(dy, x, w):
    return correlate(dy, w[::-1, ::-1].swapaxes(2, 3))


def conv2d_dw(dy, x, w):
    (kh, kw), (_, h, width, _) = w.shape[:2], x.shape
    x, dw = padded(x, kh, kw), np.empty_like(w)
    for a, b in np.ndindex(kh, kw):
        dw[a, b] = np.tensordot(x[:, a:a + h, b:b + width], dy, (PIXELS, PIXELS))
    return dw


def spread_out(x, w, stride=2):
    """Return the transposed convolution, w (kh, kw, out, in), cropped to stride times the size."""
    (n, h, width, _), (kh, kw, o, _) = x.shape, w.shape
    y = np.zeros((n, stride * h + kh, stride * width + kw, o), x.dtype)
    for a, b in np.ndindex(kh, kw):
        y[:, a:a + stride * h:stride, b:b + stride * width:stride] += x @ w[a, b].T
    top, left = max(kh - stride, 0) // 2, max(kw - stride, 0) // 2
    return y[:, top:top + stride * h, left:left + stride * width]


def seen(dy, x, w, stride=2):
    """Yield for every element of the kernel the pixels of dy that it sees."""
    (kh, kw), (_, h, width, _) = w.shape[:2], x.shape
    top, left = max(kh - 2, 0) // 2, max(kw - 2, 0) // 2
    dy = np.pad(dy, ((0, 0), (top, kh), (left, kw), (0, 0)))
    for a, b in np.ndindex(kh, kw):
        yield a, b, dy[:, a:a + stride * h:stride, b:b + stride * width:stride]


def transpose_dx(dy, x, w, stride=2):
    return sum(each @ w[a, b] for a, b, each in seen(dy, x, w, stride))


def transpose_dw(dy, x, w, stride=2):
    return np.stack([np.tensordot(each, x, (PIXELS, PIXELS)) for *_, each in seen(dy, x, w, stride)]).reshape(w.shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def windows(x, size=2):
    n, h, w, c = x.shape
    return x.reshape(n, h // size, size, w // size, size, c).transpose(0, 1, 3, 5, 2, 4).reshape(
        n, h // size, w // size, c, size * size)


def from_windows(a, size=2):
    n, h, w, c, _ = a.shape
    return a.reshape(n, h, w, c, size, size).transpose(0, 1, 4, 2, 5, 3).reshape(n, h * size, w * size, c)


def pool_dx(dy, x, chosen=None):
    at = windows(x).argmax(-1) if chosen is None else chosen(windows(x))
    return from_windows((np.arange(4) == at[..., None]) * dy[..., None])


def tied(x):
    return windows(x) == windows(x).max(-1, keepdims=True)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def through_softmax(dp, p):
    return p * (dp - (p * dp).sum(-1, keepdims=True))


def normalised(x, epsilon=EPSILON):
    return (x - x.mean(PIXELS)) / std(x, epsilon)


def std(x, epsilon=EPSILON):
    return np.sqrt(x.var(PIXELS) + epsilon)


def batch_norm_dx(dy, x, scale, epsilon=EPSILON, of_mean=1.0, of_variance=1.0, axes=PIXELS, less=0):
    z, s = normalised(x, epsilon), std(x, epsilon)
    n = np.prod([x.shape[axis] for axis in axes]) - less
    through_mean, through_variance = dy.sum(axes, keepdims=True) / n, z * (dy * z).sum(axes, keepdims=True) / n
    return (scale / s * (dy - of_mean * through_mean - of_variance * through_variance)).astype(x.dtype)


def truth(x, labels):
    return np.eye(x.shape[-1], dtype=x.dtype)[labels]


def weights(x, labels):
    return np.arange(1, x.shape[-1] + 1, dtype=x.dtype)[labels]


def cross_entropy(x, labels):
    p = np.take_along_axis(softmax(x), labels[..., None], -1)[..., 0]
    return -(weights(x, labels) * np.log(p)).mean()


def entropy_dx(x, labels):
    return weights(x, labels)[..., None] * (softmax(x) - truth(x, labels)) / labels.size


def dice(x, labels):
    p, t = softmax(x)[..., 1:], truth(x, labels)[..., 1:]
    return 1 - 2 * (p * t).sum() / (p.sum() + t.sum())


def dice_dp(x, labels, of_total=1.0):
    p, t = softmax(x), truth(x, labels)
    total = p[..., 1:].sum() + t[..., 1:].sum()
    dp = (of_total * 2 * (p * t)[..., 1:].sum() / total - 2 * t) / total
    dp[..., 0] = 0
    return dp


def quadratic(x, labels):
    return ((softmax(x) - truth(x, labels)) ** 2).sum() / 2 / labels.size


def quadratic_dp(x, labels):
    return (softmax(x) - truth(x, labels)) / labels.size


def passed(dp):
    return lambda x, labels: through_softmax(dp(x, labels), softmax(x))


# By layer: forward, and its gradients by name, each a function of dy and the inputs
RIGHT = {
    "conv2d": (correlate, {"dx": conv2d_dx, "dweight": conv2d_dw}),
    "conv_transpose2d": (spread_out, {"dx": transpose_dx, "dweight": transpose_dw}),
    "bias": (lambda x, b: x + b, {"dx": lambda dy, x, b: dy, "db": lambda dy, x, b: dy.sum(PIXELS)}),
    "relu": (lambda x: x * (x > 0), {"dx": lambda dy, x: dy * (x > 0)}),
    "sigmoid": (sigmoid, {"dx": lambda dy, x: dy * sigmoid(x) * (1 - sigmoid(x))}),
    "dense": (lambda x, w, b: x @ w + b, {
        "dx": lambda dy, x, w, b: dy @ w.T, "dweight": lambda dy, x, w, b: x.T @ dy,
        "db": lambda dy, x, w, b: dy.sum(0)}),
    "max_pool2d": (lambda x: windows(x).max(-1), {"dx": pool_dx}),
    "dropout": (lambda x, m: x * m / np.float32(KEEP_PROB), {"dx": lambda dy, x, m: dy * m / np.float32(KEEP_PROB)}),
    "concat": (lambda a, b: np.concatenate([a, b], -1), {
        "da": lambda dy, a, b: dy[..., :a.shape[-1]], "db": lambda dy, a, b: dy[..., a.shape[-1]:]}),
    "softmax": (softmax, {"dx": lambda dy, x: through_softmax(dy, softmax(x))}),
    "batch_norm": (lambda x, scale, shift: scale * normalised(x) + shift, {
        "dx": lambda dy, x, scale, shift: batch_norm_dx(dy, x, scale),
        "dscale": lambda dy, x, scale, shift: (dy * normalised(x)).sum(PIXELS),
        "dshift": lambda dy, x, scale, shift: dy.sum(PIXELS)}),
    "weighted_cross_entropy": (cross_entropy, {"dx": entropy_dx}),
    "dice": (dice, {"dx": passed(dice_dp)}),
    "quadratic": (quadratic, {"dx": passed(quadratic_dp)}),
}


def backward_of(layer, **wrong):
    """Return the backward pass of a layer with some of its gradients replaced."""
    gradients = {**RIGHT[layer][1], **wrong}
    return lambda *inputs: tuple(gradient(*inputs) for gradient in gradients.values())


SQUARE = {"conv2d": ((5, 6, 8, 4), 4, (3, 3)), "dense": ((5, 6, 8, 4), 4, (3, 3)),
          "conv_transpose2d": ((5, 6, 8, 4), 4, (4, 4))}


def square_inputs(layer, dtype=np.float32, seed=0):
    """Return inputs with as many channels in as out and a square kernel, so that all that can be exchanged fits."""
    sizes = dict(zip(("shape", "filters", "kernel"), SQUARE.get(layer, ()), strict=False))
    inputs = sample_inputs(layer, Options(), dtype=dtype, seed=seed, **sizes)
    inputs.pop("dy", None)
    return inputs
