"""Other right ways to compute what the network computes, planted in PyTorch's twin: none of them may be accused.

A way takes a MonkeyPatch and the golden file, changes the twin, and returns the golden file that it is to be trained
from: often the same, sometimes one whose input has been computed from the frames.
"""

from dataclasses import replace

import numpy as np
import torch
from right_convolutions import CONVS, DECONVS
from torch.nn import functional

from stemnet_ref.verify.twins import torch_twin as twin


def with_cost(cost):
    """Return a way to compute the cost."""
    def plant(patch, golden):
        patch.setattr(twin, "cost", cost)
        return golden
    return plant


def of_label(values, labels):
    """Return each pixel's value of its own class, shape (N, H, W)."""
    return values.gather(1, labels[:, None])[:, 0]


def logsumexp(z, y, w):
    return (w[y] * (torch.logsumexp(z, 1) - of_label(z, y))).mean()


def log_of_sum(z, y, w):
    """Without the maximum taken off, where nothing overflows."""
    if abs(z).max() > 80:
        return logsumexp(z, y, w)
    return (w[y] * (torch.log(torch.exp(z).sum(1)) - of_label(z, y))).mean()


def log_of_softmax(z, y, w):
    """The probabilities first, where none is tiny."""
    if (z.max(1).values - z.min(1).values).max() > 60:
        return logsumexp(z, y, w)
    return (w[y] * -torch.log(of_label(functional.softmax(z, 1), y))).mean()


def plain_softmax(z, y, w):
    if abs(z).max() > 40:
        return logsumexp(z, y, w)
    p = torch.exp(z) / torch.exp(z).sum(1, keepdim=True)
    return -(w[y] * torch.log(of_label(p, y))).sum() / y.numel()


def binary(z, y, w):
    """Two classes as one, by the difference of their logits."""
    return functional.binary_cross_entropy_with_logits(z[:, 1] - z[:, 0], y.to(z.dtype), w[y])


def softplus(z, y, w):
    sign = 1 - 2 * y.to(z.dtype)
    return (w[y] * functional.softplus(sign * (z[:, 1] - z[:, 0]), threshold=40)).mean()


def one_hot(z, y, w):
    truth = functional.one_hot(y, 2).permute(0, 3, 1, 2).to(z.dtype)
    return -(truth * w[:, None, None] * functional.log_softmax(z, 1)).sum(1).mean()


COSTS = {
    "logsumexp": logsumexp, "log_of_sum": log_of_sum, "log_of_softmax": log_of_softmax, "plain_softmax": plain_softmax,
    "binary": binary, "softplus": softplus, "one_hot": one_hot,
    "log_softmax": lambda z, y, w: -(w[y] * of_label(functional.log_softmax(z, 1), y)).mean(),
    "nll": lambda z, y, w: functional.nll_loss(functional.log_softmax(z, 1), y, w, reduction="sum") / y.numel(),
    "weights_of_classes_times_mean": lambda z, y, w: functional.cross_entropy(z, y, w) * w[y].mean(),
    "sum_over_count": lambda z, y, w: functional.cross_entropy(z, y, w, reduction="sum") / y.numel(),
    "image_by_image": lambda z, y, w: torch.stack(
        [functional.cross_entropy(each[None], label[None], w, reduction="none").mean() for each, label in zip(z, y,
         strict=True)]).mean(),
    "pixel_by_pixel": lambda z, y, w: torch.cumsum((w[y] * functional.cross_entropy(z, y, reduction="none")).ravel(),
                                                   0)[-1] / y.numel(),
    "double": lambda z, y, w: functional.cross_entropy(z.double(), y, w.double(), reduction="none").mean().to(z.dtype),
}


def with_conv(conv):
    """Return a way to compute convolutions; `conv` takes padded x and the filters."""
    def plant(patch, golden):
        def conv2d(x, w, bias=None, stride=1, padding=0, *rest):
            if padding == "same" or isinstance(padding, tuple):
                kh, kw = w.shape[2:]
                x = functional.pad(x, ((kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2))
            y = conv(x, w)
            return y if bias is None else y + bias[:, None, None]
        patch.setattr(functional, "conv2d", conv2d)
        return golden
    return plant


def channels_last(patch, golden):
    plain = torch.conv2d
    return with_conv(lambda x, w: plain(x.contiguous(memory_format=torch.channels_last),
                                        w.contiguous(memory_format=torch.channels_last)))(patch, golden)


def with_deconv(deconv):
    """Return a way to compute transposed convolutions of stride 2, 2 x 2; filters are (in, out, 2, 2)."""
    def plant(patch, golden):
        patch.setattr(functional, "conv_transpose2d", lambda x, w, bias=None, *rest:
                      deconv(x, w) + (0 if bias is None else bias[:, None, None]))
        return golden
    return plant


def pool_by_max(patch, golden):
    """By the maximum over the elements of each window; of several that tie the first takes the gradient."""
    def max_pool2d(x, size):
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // size, size, w // size, size).transpose(3, 4)
        return windows.flatten(4).max(4).values
    patch.setattr(functional, "max_pool2d", max_pool2d)
    return golden


def with_input(change):
    """Return a way to compute the input; `change` takes frames, mean, deviation and the dtype's scalar type."""
    def plant(patch, golden):
        x = change(golden.frames.astype(golden.input.dtype), *golden.scaling, golden.input.dtype.type)
        assert x.dtype == golden.input.dtype
        return replace(golden, arrays={**golden.arrays, "input": x})
    return plant


INPUTS = {
    "normalized": lambda f, m, s, real: (f / real(255) - real(m / 255)) / real(s / 255),
    "normalized_twice": lambda f, m, s, real: (f * real(1 / 255) - real(m) / real(255)) / (real(s) / real(255)),
    "scaled_and_shifted": lambda f, m, s, real: f * real(1 / s) + real(-m / s),
    "scaled_and_shifted_of_1": lambda f, m, s, real: f / real(255) * real(255 / s) - real(m / s),
    "divided": lambda f, m, s, real: (f - real(m)) / real(s),
    "in_double": lambda f, m, s, real: ((f.astype(np.float64) - m) / s).astype(real),
    "shifted_late": lambda f, m, s, real: f / real(s) - real(m) / real(s),
}


def with_biased_conv(patch, golden):
    """With the bias in the convolution, where there is no dropout between."""
    plain = twin.ConvBlock.forward

    def forward(self, x, mask=None, keep_prob=1.0, keep=twin._pass):
        if mask is not None:
            return plain(self, x, mask, keep_prob, keep)
        z = functional.conv2d(x, self.conv.weight, self.bias, 1, "same")
        return keep(f"{self.name}.relu", functional.relu(keep(f"{self.name}.bias", z)))

    patch.setattr(twin.ConvBlock, "forward", forward)
    return golden


def with_dropout(scale):
    """Return a way to compute dropout."""
    def plant(patch, golden):
        def forward(self, x, mask=None, keep_prob=1.0, keep=twin._pass):
            z = keep(f"{self.name}.conv", self.conv(x))
            z = z if mask is None else scale(z, mask, keep_prob)
            z = keep(f"{self.name}.bias", keep(f"{self.name}.dropout", z) + self.bias[:, None, None])
            return keep(f"{self.name}.relu", z.clamp_min(0))

        patch.setattr(twin.ConvBlock, "forward", forward)
        return golden
    return plant


def with_optimizer(**options):
    """Return a way to step: forms of torch's optimizers that do the same."""
    def plant(patch, golden):
        plain = twin.make_optimizer

        def make(training, model):
            optimizer = plain(training, model)
            if not isinstance(optimizer, twin.Momentum):
                for group in optimizer.param_groups:
                    group.update(options)
            return optimizer

        patch.setattr(twin, "make_optimizer", make)
        return golden
    return plant


def torch_momentum(patch, golden):
    """torch.optim.SGD in place of the thesis's form, where the learning rate does not change."""
    if golden.training["momentum_form"] == "thesis" and (
            golden.training["decay_rate"] == 1 or golden.steps <= golden.training["steps_per_epoch"]):
        patch.setattr(twin, "Momentum", torch.optim.SGD)
    return golden


def by_hand(patch, golden):
    """SGD, Momentum and Adam as one would write them down."""
    class Optimizer(torch.optim.Optimizer):
        def __init__(self, training, groups):
            super().__init__(groups, {"lr": training["learning_rate"], "eps": training["epsilon"], "weight_decay": 0.0})
            self.training, self.t = training, 0

        @torch.no_grad()
        def step(self):
            t, self.t = self.training, self.t + 1
            for group in self.param_groups:
                for w in group["params"]:
                    state, g = self.state[w], w.grad + group["weight_decay"] * w
                    if t["optimizer"] == "adam":
                        m, v = (state.get(name, torch.zeros_like(w)) for name in "mv")
                        m, v = m + (1 - t["beta1"]) * (g - m), t["beta2"] * v + (1 - t["beta2"]) * g ** 2
                        state["m"], state["v"] = m, v
                        by = m / (1 - t["beta1"] ** self.t) / ((v / (1 - t["beta2"] ** self.t)) ** 0.5 + group["eps"])
                        w -= group["lr"] * by
                    elif t["optimizer"] == "sgd":
                        w -= group["lr"] * g
                    elif t["momentum_form"] == "thesis":
                        state["v"] = t["momentum"] * state.get("v", 0 * w) - group["lr"] * g
                        w += state["v"]
                    else:
                        state["v"] = t["momentum"] * state.get("v", 0 * w) + g
                        w -= group["lr"] * state["v"]

    plain = twin.make_optimizer
    patch.setattr(twin, "make_optimizer", lambda training, model: Optimizer(training, [
        {"params": group["params"], "weight_decay": group["weight_decay"]}
        for group in plain(training, model).param_groups]))
    return golden


WAYS = {
    **{f"cost: {name}": with_cost(cost) for name, cost in COSTS.items()},
    **{f"convolution: {name}": with_conv(conv) for name, conv in CONVS.items()},
    "convolution: channels_last": channels_last,
    "convolution: biased": with_biased_conv,
    **{f"transposed convolution: {name}": with_deconv(deconv) for name, deconv in DECONVS.items()},
    "pooling: max": pool_by_max,
    **{f"input: {name}": with_input(change) for name, change in INPUTS.items()},
    "dropout: scaled mask": with_dropout(lambda z, mask, keep: z * (mask.to(z.dtype) / keep)),
    "dropout: where": with_dropout(lambda z, mask, keep: torch.where(mask > 0, z * (1 / keep), 0.0)),
    "optimizer: foreach": with_optimizer(foreach=True),
    "optimizer: one by one": with_optimizer(foreach=False),
    "optimizer: fused": with_optimizer(fused=True),
    "optimizer: by hand": by_hand,
    "optimizer: torch's momentum": torch_momentum,
}
