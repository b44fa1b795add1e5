"""Deviations in a block of the network: convolution, padding, dropout, bias, activation. In PyTorch."""

import re

import numpy as np
import torch
from deviation import BLOCKS, Catalogue, only
from torch.nn import functional

CONVOLUTION, PADDING, DROPOUT, BIAS, ACTIVATION = (Catalogue(family) for family in (
    "convolution", "padding", "dropout", "bias", "activation"))


def add_filters(name, right, change, layers=None, **more):
    """Add a deviation of the convolutions' filters (out, in, kh, kw) on their way into the product."""
    def conv(net, plain, x, w, layer):
        return plain(x, change(w) if layer != "output" else w, layer)
    CONVOLUTION.add(name, right, torch={"conv": only(layers, conv) if layers else conv}, layers=layers, **more)


def as_oihw(w):
    """Take the memory of (kh, kw, in, out) for (out, in, kh, kw)."""
    return w.permute(2, 3, 1, 0).contiguous().reshape(w.shape)


def exchanged(w):
    return w.transpose(0, 1) if w.shape[0] == w.shape[1] else w


def without_a_row(w):
    return torch.cat([0 * w[:, :, :1], w[:, :, 1:]], 2)


for _name, _layers in (("", None), (" on the way down", "down0 down1 down2"), (" in one layer", "up1"),
                       (" in two layers", "down0 up0")):
    add_filters(f"kernel flipped{_name}", "kernel_flipped", lambda w: w.flip(2, 3), _layers)
add_filters("rows and columns exchanged", "filter_axes_transposed", lambda w: w.transpose(2, 3))
add_filters("rows and columns exchanged in the first layers", "filter_axes_transposed", lambda w: w.transpose(2, 3),
            "down0 down1")
add_filters("filters reshaped", "filters_reshaped", as_oihw)
add_filters("in and out exchanged", "filter_channels_swapped", exchanged, features=3, family="filters")
add_filters("kernel turned by a quarter", "", lambda w: w.rot90(1, (2, 3)))
add_filters("rows flipped", "", lambda w: w.flip(2))
add_filters("a row of the kernel left out", "", without_a_row)
add_filters("kernel halved", "", lambda w: w / 2, hint="factor")
add_filters("kernel standardised", "", lambda w: (w - w.mean((1, 2, 3), keepdim=True)) / w.std(
    (1, 2, 3), keepdim=True) * 0.1)
add_filters("inputs in reverse order", "", lambda w: w.flip(1), "down1 down2 up0 up1")
add_filters("centre of the kernel alone", "", lambda w: functional.pad(w[:, :, 1:-1, 1:-1], (1, 1, 1, 1)))
CONVOLUTION.add("dilated", "", torch={"conv": only("down0", lambda net, plain, x, w, layer: functional.conv2d(
    x, w, padding=4, dilation=2))}, layers="down0")
CONVOLUTION.add("a border row zeroed", "", torch={"conv": lambda net, plain, x, w, layer: functional.pad(
    plain(x, w, layer)[:, :, 1:], (0, 0, 1, 0))})
CONVOLUTION.add("a border row zeroed in one layer", "", layers="down1", torch={"conv": only(
    "down1", lambda net, plain, x, w, layer: functional.pad(plain(x, w, layer)[:, :, :-1], (0, 0, 0, 1)))})
CONVOLUTION.add("a pixel to the right", "", torch={
    "conv": lambda net, plain, x, w, layer: plain(x, w, layer).roll(1, 3)})
CONVOLUTION.add("one wrong element", "", layers="up1", torch={"conv": only("up1", lambda net, plain, x, w, layer: (
    plain(x, w, layer) + 0.5 * (torch.arange(w.shape[0]) == 1)[:, None, None] * (
        torch.arange(x.shape[3]) == 3) * (torch.arange(x.shape[2]) == 2)[:, None]))})


def add_padding(name, right, mode=None, value=0.0, sides=(2, 2, 2, 2), layers=None):
    def pad(net, plain, x, kernel, layer):
        return x if kernel == 1 else functional.pad(x, sides, mode, *([value] if mode == "constant" else []))
    PADDING.add(name, right, torch={"pad": only(layers, pad) if layers else pad}, layers=layers)


for _mode in ("reflect", "replicate", "circular"):
    add_padding(_mode, f"padding_{_mode}", _mode)
add_padding("reflect in one layer", "padding_reflect", "reflect", layers="down0")
add_padding("circular on the way up", "padding_circular", "circular", layers="up0 up1")
add_padding("ones", "", "constant", 1.0)
add_padding("one more above", "", "constant", sides=(2, 2, 3, 1))
add_padding("at the left alone", "", "constant", sides=(4, 0, 4, 0))


def add_order(name, right, order, layers=None, family="dropout", **more):
    """Add another order of a block."""
    def change(net, plain, layer):
        return order
    (DROPOUT if family == "dropout" else ACTIVATION).add(
        name, right, torch={"order": only(layers, change) if layers else change}, layers=layers, **more)


def add_dropout(name, right, dropout, layers=None, **more):
    """Add a deviation of the dropout; `dropout` takes the input, the mask, and the probability to keep."""
    def change(net, plain, x, mask, keep_prob, layer):
        return dropout(x, mask, keep_prob)
    DROPOUT.add(name, right, torch={"dropout": only(layers, change) if layers else change}, layers=layers, **more)


add_dropout("not rescaled", "dropout_not_rescaled", lambda x, mask, keep: x * mask)
add_dropout("divided by what is dropped", "dropout_keep_for_drop", lambda x, mask, keep: x * mask / (1 - keep))
add_dropout("mask inverted", "dropout_mask_inverted", lambda x, mask, keep: x * (1 - mask) / keep)
add_dropout("ignored", "dropout_ignored", lambda x, mask, keep: x * 1)
add_dropout("ignored on the way up", "dropout_ignored", lambda x, mask, keep: x * 1, "up0 up1")
add_dropout("not rescaled in one layer", "dropout_not_rescaled", lambda x, mask, keep: x * mask, "down1")
add_dropout("of whole channels", "dropout_of_channels", lambda x, mask, keep: x * mask[:, :, :1, :1] / keep)
add_dropout("no mask, times keep_prob", "", lambda x, mask, keep: x * keep, hint="factor")
add_dropout("times keep_prob", "", lambda x, mask, keep: x * mask * keep, hint="factor")
add_dropout("scaled by the mask's mean", "", lambda x, mask, keep: x * mask / mask.mean(), hint="factor")
add_dropout("mask upside down", "", lambda x, mask, keep: x * mask.flip(2) / keep, hint="mask")
add_dropout("mask of the other image", "", lambda x, mask, keep: x * mask.flip(0) / keep, hint="mask")
add_dropout("filled with -0.1", "", lambda x, mask, keep: torch.where(mask > 0, x / keep, x.new_tensor(-0.1)),
            hint="mask")
DROPOUT.add("after the transposed convolutions too", "", torch={
    "deconv": lambda net, plain, x, w, layer: plain(x, w, layer) / 0.75 * (
        torch.arange(x.shape[2] * 2) % 4 > 0)[:, None]})
DROPOUT.add("of the input too", "", torch={"scaled": lambda net, plain, *rest: plain(*rest) * (
    np.random.default_rng(0).random(rest[-1].shape) < 0.75) / 0.75})
DROPOUT.add("mask of the first step", "dropout_mask_of_first_step", torch={"mask": lambda net, plain, layer: (
    net.file[f"1/mask/{layer}.conv"].astype(net.dtype))})
DROPOUT.add("one mask for two layers", "", layers="up0", hint="mask", torch={
    "mask": lambda net, plain, layer: plain("down0" if layer == "up0" else layer)})
DROPOUT.add("masks of its own", "", hint="mask", torch={"mask": lambda net, plain, layer: (np.random.default_rng(
    [net.step, len(layer)]).random(plain(layer).shape) < 0.75).astype(net.dtype)})
add_order("bias before dropout", "bias_before_dropout", "conv bias dropout relu")
add_order("bias before dropout in one layer", "bias_before_dropout", "conv bias dropout relu", "down1")
add_order("dropout after ReLU", "dropout_after_relu", "conv bias relu dropout")
add_order("dropout after ReLU in one layer", "dropout_after_relu", "conv bias relu dropout", "up0")
add_order("dropout after ReLU, kept at the ReLU", "dropout_after_relu", "conv* bias* relu dropout*")
DROPOUT.add("before the convolution", "", layers="up0 up1", torch={
    "dropout": only("up0 up1", lambda net, plain, x, mask, keep_prob, layer: x * 1),
    "concat": lambda net, plain, skip, x, layer: torch.cat([skip, x * (torch.arange(x.shape[3]) % 4 > 0) / 0.75], 1)})
add_order("dropout twice", "", "conv dropout* dropout bias relu", hint="mask factor")
add_order("ReLU before bias", "relu_before_bias", "conv dropout relu bias", family="activation")
add_order("ReLU before bias, kept at the end", "relu_before_bias", "conv dropout relu* bias*", family="activation")
IN_DECONV = {"deconv_activation": lambda net, plain, x, layer: x * 1,
             "deconv": lambda net, plain, *rest: torch.relu(plain(*rest)),
             "saved": lambda net, plain, tensors: {key: each for key, each in plain(tensors).items() if not re.search(
                 r"\.deconv(_|$)", key)}}       # whoever has them in another order has none of these names
ACTIVATION.add("ReLU before bias, after the transposed convolutions too", "relu_before_bias+deconv_relu_before_bias",
               torch={**IN_DECONV, "order": lambda net, plain, layer: "conv dropout relu bias"})
ACTIVATION.add("ReLU before bias, after the transposed convolutions alone", "deconv_relu_before_bias", torch=IN_DECONV)
add_order("an extra ReLU before the bias", "", "conv dropout relu* bias relu", family="activation")
add_order("an extra ReLU before the bias, in one layer", "", "conv dropout relu* bias relu", "down1",
          family="activation")


def add_bias(name, right, bias, layers=None, **more):
    def change(net, plain, x, b, layer):
        return bias(x, b)
    BIAS.add(name, right, torch={"bias": only(layers, change) if layers else change}, layers=layers, **more)


add_bias("missing", "bias_missing", lambda x, b: x * 1)
add_bias("missing on the way up", "bias_missing", lambda x, b: x * 1, "up0 up1")
add_bias("missing in the output layer", "bias_missing", lambda x, b: x * 1, "output")
add_bias("doubled in one layer", "", lambda x, b: x + 2 * b[:, None, None], "down0")
add_bias("twice", "", lambda x, b: x + 2 * b[:, None, None])
add_bias("subtracted", "", lambda x, b: x - b[:, None, None])
add_bias("on the wrong axis", "", lambda x, b: x + b, "down1", size=(16, 16))
add_bias("on the rows", "", lambda x, b: x + b[:, None], "down1", size=(16, 16))
add_bias("of the mean channel", "", lambda x, b: x + b.mean())
add_bias("without a gradient", "without_gradient=biases", lambda x, b: x + b.detach()[:, None, None])


def add_activation(name, right, activation, layers=None, deconv=True, **more):
    """Add an activation; `deconv`: after the transposed convolutions too."""
    def change(net, plain, x, layer):
        return activation(x)
    changes = {"activation": only(layers, change) if layers else change}
    if deconv:
        changes["deconv_activation"] = changes["activation"]
    ACTIVATION.add(name, right, torch=changes, layers=layers, **more)


for _slope in (0.01, 0.1, 0.2, 0.3):
    add_activation(f"LeakyReLU {_slope}", f"leaky_relu_{_slope}", lambda x, a=_slope: functional.leaky_relu(x, a))
for _name, _right in (("elu", "elu"), ("selu", "selu"), ("gelu", "gelu"), ("silu", "silu"), ("softplus", "softplus"),
                      ("relu6", "relu6"), ("mish", ""), ("hardswish", ""), ("celu", "elu"), ("softsign", ""),
                      ("hardtanh", "")):
    add_activation(_name, _right, getattr(functional, _name))
add_activation("GELU by tanh", "gelu_tanh", lambda x: functional.gelu(x, approximate="tanh"))
add_activation("tanh", "tanh", torch.tanh)
add_activation("sigmoid", "activation_sigmoid", torch.sigmoid)
add_activation("missing", "activation_missing", lambda x: x * 1)
add_activation("LeakyReLU 0.05", "leaky_relu_0.05", lambda x: functional.leaky_relu(x, 0.05))
add_activation("ELU with alpha 0.5", "", lambda x: functional.elu(x, 0.5))
add_activation("squared ReLU", "", lambda x: torch.relu(x) ** 2, hint="nan")
add_activation("|x|", "", abs)
add_activation("ReLU from 0.05 on", "", lambda x: functional.threshold(x, 0.05, 0))
add_activation("LeakyReLU in one layer", "leaky_relu_0.01", functional.leaky_relu, "down1", deconv=False)
add_activation("ELU on the way up", "elu", functional.elu, "up0 up1")
add_activation("GELU on the way down", "gelu", functional.gelu, "down0 down1 down2")
add_activation("missing in one layer", "activation_missing", lambda x: x * 1, "down2", deconv=False)
for _name, _right, _activation in (("missing", "deconv_relu_missing|activation_missing", lambda x: x * 1),
                                   ("LeakyReLU 0.2", "leaky_relu_0.2", lambda x: functional.leaky_relu(x, 0.2))):
    ACTIVATION.add(f"{_name} after the transposed convolutions", _right, layers="up0 up1" if "Leaky" in _name else None,
                   torch={"deconv_activation": lambda net, plain, x, layer, change=_activation: change(x)})


def normalised(axes, epsilon=1e-5):
    def conv(net, plain, x, w, layer):
        y = plain(x, w, layer)
        return y if layer == "output" else (y - y.mean(axes, keepdim=True)) / (
            y.var(axes, keepdim=True, unbiased=False) + epsilon) ** 0.5
    return {"conv": conv}


CONVOLUTION.add("spectral norm inserted", "", torch={"conv": lambda net, plain, x, w, layer: plain(
    x, w / torch.linalg.matrix_norm(w.flatten(1), 2), layer)}, hint="factor")
CONVOLUTION.add("local response norm inserted", "", torch={"conv": lambda net, plain, x, w, layer: (
    functional.local_response_norm(plain(x, w, layer), 2))})
CONVOLUTION.add("group norm inserted", "", torch={"conv": only(
    " ".join(BLOCKS), lambda net, plain, x, w, layer: functional.group_norm(plain(x, w, layer), 2))})
CONVOLUTION.add("in one piece of unfolded windows", "agrees", torch={"conv": lambda net, plain, x, w, layer: (
    w.flatten(1) @ functional.unfold(x, w.shape[2:], padding=w.shape[2] // 2)).unflatten(2, x.shape[2:])})
CONVOLUTION.add("batch norm inserted", "", torch=normalised((0, 2, 3)))
CONVOLUTION.add("instance norm inserted", "", torch=normalised((2, 3)))
CONVOLUTION.add("layer norm inserted", "", torch=normalised((1, 2, 3)))
