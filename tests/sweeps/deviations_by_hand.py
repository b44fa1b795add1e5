"""Deviations planted in NumPy, where every gradient is written by hand: of layers, and of gradients alone."""

import numpy as np
from deviation import Catalogue, only
from network_numpy import in_windows, log_softmax, out_of_windows, softmax

NUMPY = Catalogue("convolution")


def add(name, right, family, layers=None, steps=None, hint="", settings=None, **changes):
    """Add a deviation of places of the NumPy implementation."""
    hint = "format" if family == "precision" else hint
    NUMPY.add(f"{name}, NumPy", right, family=family, layers=layers, hint=hint, numpy={
        place: only(layers, change) if layers else change for place, change in changes.items()}, **(settings or {}))


def of_filters(change, back_change):
    def conv(net, plain, x, w, layer):
        if layer == "output":
            return plain(x, w, layer)
        y, back = plain(x, change(w), layer)

        def changed(dy):
            dx, dw = back(dy)
            return dx, back_change(dw)
        return y, changed
    return conv


def flip(w):
    return w[::-1, ::-1]


def turned(w):
    return w.transpose(1, 0, 2, 3)


add("kernel flipped", "kernel_flipped", "convolution", conv=of_filters(flip, flip))
add("kernel flipped on the way up", "kernel_flipped", "convolution", "up0 up1", conv=of_filters(flip, flip))
add("rows and columns exchanged", "filter_axes_transposed", "convolution", conv=of_filters(turned, turned))
add("transposed kernel flipped", "transposed_kernel_flipped", "upsampling", deconv=of_filters(flip, flip))
add("transposed rows and columns exchanged", "transposed_axes_transposed", "upsampling",
    deconv=of_filters(turned, turned))


def of_padding(mode):
    def pad(net, plain, x, kernel, layer):
        if kernel == 1:
            return plain(x, kernel, layer)
        n, h, w, c = x.shape
        rows, columns = (np.pad(np.arange(side), 2, mode) for side in (h, w))

        def back(dy):
            dx = np.zeros((n, h, w + 4, c), dy.dtype)
            np.add.at(dx, (slice(None), rows), dy)
            whole = np.zeros_like(x)
            np.add.at(whole, (slice(None), slice(None), columns), dx)
            return whole
        return x[:, rows][:, :, columns], back
    return pad


for _name, _mode in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
    add(f"{_name} padding", f"padding_{_name}", "padding", pad=of_padding(_mode))

add("bias before dropout", "bias_before_dropout", "dropout", order=lambda net, plain, layer: "conv bias dropout relu")
add("dropout after ReLU", "dropout_after_relu", "dropout", order=lambda net, plain, layer: "conv bias relu dropout")
add("ReLU before bias", "relu_before_bias", "activation", order=lambda net, plain, layer: "conv dropout relu bias")


def scaled_by(factor):
    return lambda net, plain, x, mask, keep_prob, layer: (x * mask * factor(keep_prob), lambda dy: dy * mask * factor(
        keep_prob))


add("dropout not rescaled", "dropout_not_rescaled", "dropout", dropout=scaled_by(lambda keep: 1.0))
add("dropout divided by what is dropped", "dropout_keep_for_drop", "dropout",
    dropout=scaled_by(lambda keep: 1 / (1 - keep)))
add("mask inverted", "dropout_mask_inverted", "dropout", dropout=lambda net, plain, x, mask, keep, layer: (
    x * (1 - mask) / keep, lambda dy: dy * (1 - mask) / keep))
add("dropout ignored", "dropout_ignored", "dropout",
    dropout=lambda net, plain, x, mask, keep, layer: (x, lambda dy: dy))
add("dropout without scale in the gradient", "", "dropout", hint="factor",
    dropout=lambda net, plain, x, mask, keep, layer: (x * mask / keep, lambda dy: dy * mask))
add("bias missing", "bias_missing", "bias", bias=lambda net, plain, x, b, layer: (x, lambda dy: (dy, 0 * b)))
add("bias gradient by the mean", "", "bias", hint="factor", bias=lambda net, plain, x, b, layer: (
    x + b, lambda dy: (dy, dy.mean((0, 1, 2)))))


def of_activation(f, slope):
    def activation(net, plain, x, layer):
        return f(x), lambda dy: dy * slope(x)
    return {"activation": activation, "deconv_activation": activation}


_GELU = float(np.sqrt(2 / np.pi))     # a float of NumPy would turn float32 into float64


def tanh_of_gelu(x):
    return np.tanh(_GELU * (x + 0.044715 * x ** 3))


for _slope in (0.01, 0.05, 0.2):
    add(f"LeakyReLU {_slope}", f"leaky_relu_{_slope}", "activation", **of_activation(
        lambda x, a=_slope: np.where(x > 0, x, x.dtype.type(a) * x),
        lambda x, a=_slope: np.where(x > 0, x.dtype.type(1), x.dtype.type(a))))
add("ELU", "elu", "activation", **of_activation(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
                                              lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))))
add("SiLU", "silu", "activation", **of_activation(lambda x: x / (1 + np.exp(-x)), lambda x: (
    1 + x * (1 - 1 / (1 + np.exp(-x)))) / (1 + np.exp(-x))))
add("GELU by tanh", "gelu_tanh", "activation", **of_activation(
    lambda x: x / 2 * (1 + tanh_of_gelu(x)), lambda x: (1 + (t := tanh_of_gelu(x))) / 2 + x / 2 * (
        1 - t ** 2) * _GELU * (1 + 0.134145 * x ** 2)))
add("sigmoid", "activation_sigmoid", "activation", **of_activation(
    lambda x: 1 / (1 + np.exp(-x)), lambda x: (s := 1 / (1 + np.exp(-x))) * (1 - s)))
add("tanh", "tanh", "activation", **of_activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2))
add("no activation in one layer", "activation_missing", "activation", "up1", activation=of_activation(
    lambda x: x, np.ones_like)["activation"])
add("ReLU's gradient where dy > 0", "", "activation", **dict.fromkeys(
    ("activation", "deconv_activation"), lambda net, plain, x, layer: (np.maximum(x, 0), lambda dy: np.maximum(dy, 0))))
add("ReLU's gradient without a mask", "", "activation", activation=lambda net, plain, x, layer: (
    np.maximum(x, 0), lambda dy: dy))
add("guided ReLU's gradient", "", "activation", activation=lambda net, plain, x, layer: (
    np.maximum(x, 0), lambda dy: np.maximum(dy, 0) * (x > 0)))


def wrong_back(change):
    """Return a convolution whose gradient alone is wrong; `change` takes dx and dw, the right back and dy, and w."""
    def conv(net, plain, x, w, layer):
        y, back = plain(x, w, layer)
        return y, lambda dy: change(*back(dy), plain(x, flip(w), layer)[1], dy)
    return conv


add("dx with the kernel unflipped", "", "convolution", conv=wrong_back(lambda dx, dw, other, dy: (other(dy)[0], dw)))
add("dw flipped", "", "convolution", conv=wrong_back(lambda dx, dw, other, dy: (dx, flip(dw))))
add("dw divided by the batch", "", "convolution", hint="factor",
    conv=wrong_back(lambda dx, dw, other, dy: (dx, dw / 2)))
add("dw with the wrong sign", "", "convolution", hint="factor uphill",
    conv=wrong_back(lambda dx, dw, other, dy: (dx, -dw)))
add("dx halved", "", "convolution", hint="factor", conv=wrong_back(lambda dx, dw, other, dy: (dx / 2, dw)))


def pool(value, gradient):
    """Return a pooling of windows; `gradient` takes the windows and dy and returns dy of the windows."""
    def change(net, plain, x, layer):
        windows = in_windows(x)
        return value(windows), lambda dy: out_of_windows(gradient(windows, dy[..., None]).astype(x.dtype))
    return change


def ties(windows):
    return windows == windows.max(-1, keepdims=True)


add("average pooling", "pool_average", "pooling", pool=pool(lambda w: w.mean(-1), lambda w, dy: 0 * w + dy / 4))
add("pooling's ties share", "pool_ties_share", "pooling", pool=pool(
    lambda w: w.max(-1), lambda w, dy: dy * ties(w) / ties(w).sum(-1, keepdims=True)))
add("pooling's ties to the last", "pool_ties_to_last", "pooling", pool=pool(lambda w: w.max(-1), lambda w, dy: dy * (
    np.arange(4) == 3 - ties(w)[..., ::-1].argmax(-1)[..., None])))
add("pooling's ties take all", "", "pooling", pool=pool(lambda w: w.max(-1), lambda w, dy: dy * ties(w)))
add("every other pixel", "pool_subsampled", "pooling", pool=pool(
    lambda w: w[..., 0], lambda w, dy: dy * np.array([1, 0, 0, 0])))
add("pooling's gradient spread", "", "pooling", pool=pool(lambda w: w.max(-1), lambda w, dy: 0 * w + dy / 4))


def swapped(net, plain, skip, x, layer):
    cut = x.shape[-1]
    return np.concatenate([x, skip], -1), lambda dy: (dy[..., cut:], dy[..., :cut])


add("concatenation swapped", "concat_swapped", "skip", concat=swapped)
add("concatenation swapped at one level", "concat_swapped", "skip", "up1", concat=swapped)
add("concatenation's gradient swapped", "", "skip", concat=lambda net, plain, skip, x, layer: (
    plain(skip, x, layer)[0], lambda dy: plain(skip, x, layer)[1](dy)[::-1]))
add("skip detached", "skip_detached", "skip", joined=lambda net, plain, dskip, dpool, layer: dpool)
add("skip detached at one level", "skip_detached", "skip", "up1", joined=lambda net, plain, dskip, dpool, layer: dpool)


def cost(value, gradient):
    """Return a cost; both take the probabilities, the one-hot labels and the pixels' weights."""
    def change(net, plain, z, labels):
        weights = net.pixel_weights(labels)[..., None].astype(z.dtype)
        target = np.eye(2, dtype=z.dtype)[labels]
        return value(z, target, weights), gradient(softmax(z), target, weights)
    return change


def smoothed(target, epsilon=0.1):
    return target * (1 - epsilon) + epsilon / 2


add("label smoothing", "label_smoothing=0.1", "cost", cost=cost(
    lambda z, y, w: -(w * smoothed(y) * log_softmax(z)).sum(), lambda p, y, w: w * (p - smoothed(y))))
add("gradient of the logits twice", "gradients_summed=2", "cost", hint="factor", cost=cost(
    lambda z, y, w: -(w * y * log_softmax(z)).sum(), lambda p, y, w: 2 * w * (p - y)))
add("gradient of the logits without the other class", "", "cost", cost=cost(
    lambda z, y, w: -(w * y * log_softmax(z)).sum(), lambda p, y, w: w * (p - y) * y))


def of_share(value, slope):
    """Return a cost of the share p that the softmax gives the label; both take p and log p, and slope is p dcost/dp."""
    def change(net, plain, z, labels):
        p, log_p, target = softmax(z), log_softmax(z), weighted(net, z, labels)
        of_p = target * slope(p, log_p)
        return (target * value(p, log_p)).sum(), of_p - p * of_p.sum(-1, keepdims=True)
    return change


def weighted(net, z, labels):
    return np.eye(2, dtype=z.dtype)[labels] * net.pixel_weights(labels)[..., None].astype(z.dtype)


def over(axis, divided=False):
    """Return a cost whose softmax is over another axis; its gradient may be divided by p, which can be 0."""
    def change(net, plain, z, labels):
        p, target = softmax(z, axis), weighted(net, z, labels)
        of_p = p * (target / p) if divided else target
        return -(target * log_softmax(z, axis)).sum(), p * of_p.sum(axis, keepdims=True) - of_p
    return change


for _axis, _what in enumerate(("the batch", "rows", "columns")):
    add(f"softmax over {_what}", f"softmax_over_{_what.split()[-1]}", "cost", cost=over(_axis))
add("softmax over rows, and a gradient divided by 0", "softmax_over_rows", "cost", hint="nan", cost=over(1, True))
for _epsilon in (1e-6, 1e-7, 1e-10):
    add(f"p clipped at {_epsilon}", f"log_clipped_{_epsilon}", "cost", cost=of_share(
        lambda p, _, e=_epsilon: -np.log(np.maximum(p, e)), lambda p, _, e=_epsilon: np.where(p > e, -1, 0)))
    add(f"p + {_epsilon}", f"log_plus_{_epsilon}", "cost", cost=of_share(
        lambda p, _, e=_epsilon: -np.log(p + e), lambda p, _, e=_epsilon: -p / (p + e)))
for _gamma in (1, 2):
    add(f"focal, gamma {_gamma}", f"focal={_gamma}", "cost", cost=of_share(
        lambda p, log_p, g=_gamma: -(1 - p) ** g * log_p,
        lambda p, log_p, g=_gamma: g * p * (1 - p) ** (g - 1) * log_p - (1 - p) ** g))
add("no logarithm", "logarithm_missing", "cost", cost=of_share(lambda p, _: -p, lambda p, _: -p))
add("no softmax", "softmax_missing", "cost", cost=lambda net, plain, z, labels: (
    -(weighted(net, z, labels) * z).sum(), -weighted(net, z, labels)))


def tf32(mode):
    """Return a change that rounds the operands of every product to 10 bits behind the point."""
    def cut(array):
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
        if mode == "nearest":
            bits += 1 << 12
        elif mode == "even":
            bits += (1 << 12) - 1 + (bits >> 13 & 1)
        return (bits >> 13 << 13).astype(np.uint32).view(np.float32)
    return lambda net, plain, a, b: plain(cut(a), cut(b))


for _mode in ("nearest", "even", "truncated"):
    add(f"TF32, {_mode}", "tf32|tf32_even|tf32_truncated", "precision", product=tf32(_mode))
add("products in float16", "half|tf32|tf32_even", "precision", product=lambda net, plain, a, b: plain(
    a.astype(np.float16).astype(a.dtype), b.astype(np.float16).astype(b.dtype)))


def to_bfloat16(w):
    bits = np.ascontiguousarray(w).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).view(np.float32)


for _name, _round in (("half", lambda w: w.astype(np.float16)), ("bfloat16", to_bfloat16)):
    add(f"weights in {_name}", f"{_name}_weights", "precision", conv=lambda net, plain, x, w, layer, f=_round: plain(
        x, f(w).astype(w.dtype), layer), deconv=lambda net, plain, x, w, layer, f=_round: plain(
            x, f(w).astype(w.dtype), layer))
add("float32 in float64", "float32", "precision", settings={"float64": True}, product=lambda net, plain, a, b: plain(
    a.astype(np.float32), b.astype(np.float32)).astype(a.dtype))
