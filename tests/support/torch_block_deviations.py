"""Deviations of PyTorch's twin in its blocks: activations, borders, interpolation, biases, dropout, pooling, skips."""

import numpy as np
import torch
from torch.nn import functional

from stemnet_ref.verify.twins import torch_twin as twin


def with_activation(function):
    """Return a deviation that has another function in place of every ReLU."""
    def plant(patch, golden):
        patch.setattr(functional, "relu", function)
        return golden
    return plant


def symmetric(x, sides, _):
    """Return a map mirrored at its borders, border pixels twice."""
    rows, columns = (torch.from_numpy(np.pad(np.arange(side), sides[0], "symmetric")) for side in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


def with_borders(mode, pad=functional.pad):
    """Return a deviation that pads in another way before the convolutions of 5 x 5 pixels."""
    def plant(patch, golden):
        plain = functional.conv2d

        def conv2d(x, w, *rest):
            return plain(pad(x, (2, 2, 2, 2), mode), w) if w.shape[2] == 5 else plain(x, w, *rest)

        patch.setattr(functional, "conv2d", conv2d)
        return golden
    return plant


def with_block(forward):
    """Return a deviation of ConvBlock.forward; `forward` takes the block, x, the mask, keep_prob and `keep`."""
    def plant(patch, golden):
        patch.setattr(twin.ConvBlock, "forward", lambda self, x, mask=None, keep_prob=1.0, keep=twin._pass:
                      forward(self, x, mask, keep_prob, keep))
        return golden
    return plant


def ordered(*order):
    """Return a deviation whose blocks have their layers in another order."""
    def forward(block, x, mask, keep_prob, keep):
        layers = {"dropout": lambda z: z * mask / keep_prob, "bias": lambda z: z + block.bias[:, None, None],
                  "relu": functional.relu}
        z = keep(f"{block.name}.conv", block.conv(x))
        for name in order:
            z = keep(f"{block.name}.{name}", layers[name](z))
        return z
    return with_block(forward)


def without_biases(patch, golden):
    """Leave out all biases, but have their gradients, which are 0."""
    def block(self, x, mask, keep_prob, keep):
        z = keep(f"{self.name}.dropout", keep(f"{self.name}.conv", self.conv(x)) * mask / keep_prob)
        return keep(f"{self.name}.relu", functional.relu(keep(f"{self.name}.bias", z + 0 * self.bias[:, None, None])))

    for name in ("conv2d", "conv_transpose2d"):
        plain = getattr(functional, name)
        patch.setattr(functional, name, lambda x, w, bias=None, *rest, plain=plain: plain(
            x, w, bias if bias is None else 0 * bias, *rest))
    return with_block(block)(patch, golden)


def with_masks(change):
    """Return a deviation whose blocks take other masks; `change` takes a mask (N, C, H, W) and the first step's."""
    def plant(patch, golden):
        plain, first = twin.ConvBlock.forward, {}

        def forward(self, x, mask=None, keep_prob=1.0, keep=twin._pass):
            return plain(self, x, change(mask, first.setdefault(self.name, mask)), keep_prob, keep)

        patch.setattr(twin.ConvBlock, "forward", forward)
        return golden
    return plant


def interpolated(mode):
    """Return a deviation that enlarges by interpolation, and then convolves with the transposed one's filters."""
    def plant(patch, golden):
        def conv_transpose2d(x, w, bias=None, *rest, **named):
            larger = functional.interpolate(x, scale_factor=2, mode=mode)
            return functional.conv2d(functional.pad(larger, (0, 1, 0, 1)), w.transpose(0, 1), bias)

        patch.setattr(functional, "conv_transpose2d", conv_transpose2d)
        return golden
    return plant


def subsampled(patch, golden):
    patch.setattr(functional, "max_pool2d", lambda x, size: x[:, :, ::size, ::size])
    return golden


def with_skips(change):
    """Return a deviation of what is concatenated from the way down; `change` takes it and that before the ReLU."""
    def plant(patch, golden):
        plain, relu, before = torch.cat, functional.relu, {}

        def keeping(x):
            y = relu(x)
            before[id(y)] = x, y
            return y

        def cat(tensors, dim):
            skip, x = tensors
            return plain([change(skip, before[id(skip)][0]), x], dim=dim)

        patch.setattr(functional, "relu", keeping)
        patch.setattr(torch, "cat", cat)
        return golden
    return plant


def _leaky(slope):
    return lambda x: functional.leaky_relu(x, slope)


DEVIATIONS = {              # as in torch_deviations
    "padding_symmetric": ({}, with_borders("symmetric", symmetric)),
    **{f"padding_{name}": ({}, with_borders(name)) for name in ("reflect", "replicate", "circular")},
    "bias_missing": ({}, without_biases),
    "relu_before_bias": ({}, ordered("dropout", "relu", "bias")),
    "dropout_after_relu": ({}, ordered("bias", "relu", "dropout")),
    "dropout_of_channels": ({}, with_masks(lambda mask, first: mask[:, :, :1, :1])),
    "dropout_mask_of_first_step": ({}, with_masks(lambda mask, first: first)),
    **{f"leaky_relu_{slope}": ({}, with_activation(_leaky(slope))) for slope in (0.01, 0.05, 0.1, 0.2, 0.3)},
    **{name: ({}, with_activation(getattr(functional, name))) for name in ("elu", "selu", "gelu", "silu", "softplus",
                                                                         "relu6")},
    "gelu_tanh": ({}, with_activation(lambda x: functional.gelu(x, approximate="tanh"))),
    "tanh": ({}, with_activation(torch.tanh)),
    "activation_sigmoid": ({}, with_activation(torch.sigmoid)),
    "activation_missing": ({}, with_activation(lambda x: 1 * x)),
    "pool_subsampled": ({}, subsampled),
    **{f"upsample_{mode}": ({}, interpolated(mode)) for mode in ("nearest", "bilinear")},
    "skip_detached": ({}, with_skips(lambda skip, before: skip.detach())),
    "skip_before_activation": ({}, with_skips(lambda skip, before: before)),
}
