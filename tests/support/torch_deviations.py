"""The network in PyTorch with a deviation planted, for each convention that `verify compare` knows.

A deviation takes a MonkeyPatch and the golden file, changes the twin, and returns the golden file that the twin is to
be trained from: often the same, sometimes one with other settings or another input.
"""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from stemnet_ref.verify.diagnosis.conventions import EPSILONS
from stemnet_ref.verify.golden import Golden
from stemnet_ref.verify.twins import torch_twin as twin


def with_training(**changes):
    """Return a deviation that gives the twin other settings."""
    def plant(patch, golden):
        about = {**golden.about, "training": {**golden.training, **changes}}
        return Golden(about, golden.arrays)
    return plant


def with_logits(logits):
    def plant(patch, golden):
        return Golden({**golden.about, "network": {**golden.network, "logits": logits}}, golden.arrays)
    return plant


def with_input(change):
    """Return a deviation that gives the twin another input; `change` takes frames, mean, deviation and the input."""
    def plant(patch, golden):
        x = change(golden.frames, *golden.scaling, golden.input).astype(golden.input.dtype)
        return Golden(golden.about, {**golden.arrays, "input": x})
    return plant


def nhwc_as_nchw(frames, mean, std, x):
    n, h, w, c = x.shape
    return torch.as_tensor(x).reshape(n, c, h, w).permute(0, 2, 3, 1).numpy()


def with_filters(function, change):
    """Return a deviation that changes the filters on their way into torch.nn.functional."""
    def plant(patch, golden):
        plain = getattr(functional, function)
        patch.setattr(functional, function, lambda x, w, *rest, **named: plain(x, change(w), *rest, **named))
        return golden
    return plant


def read_as_oihw(w):
    """Take the memory of (kh, kw, in, out) for (out, in, kh, kw)."""
    return w if w.shape[2] == 1 else w.permute(2, 3, 1, 0).contiguous().reshape(w.shape)


def read_as_in_out(w):
    """Take the memory of (kh, kw, out, in) for (kh, kw, in, out), then to (in, out, kh, kw)."""
    i, o, kh, kw = w.shape
    return w.permute(2, 3, 1, 0).contiguous().reshape(kh, kw, i, o).permute(2, 3, 0, 1)


def with_block(forward):
    """Return a deviation of ConvBlock.forward; `forward` takes the plain one and its arguments."""
    def plant(patch, golden):
        plain = twin.ConvBlock.forward
        patch.setattr(twin.ConvBlock, "forward", lambda self, x, mask=None, keep_prob=1.0, keep=twin._pass:
                      forward(plain, self, x, mask, keep_prob, keep))
        return golden
    return plant


def bias_first(plain, block, x, mask, keep_prob, keep):
    z = keep(f"{block.name}.conv", block.conv(x))
    z = keep(f"{block.name}.bias", z + block.bias[:, None, None])
    return keep(f"{block.name}.relu", functional.relu(keep(f"{block.name}.dropout", z * mask / keep_prob)))


def with_function(function, change):
    """Return a deviation in place of a function of torch.nn.functional; `change` takes the plain one."""
    def plant(patch, golden):
        patch.setattr(functional, function, change(getattr(functional, function)))
        return golden
    return plant


def shared_pool(plain):
    def pool(x, size):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // size, size, w // size, size).amax((3, 5))
    return pool


def concat_swapped(patch, golden):
    plain = torch.cat
    patch.setattr(torch, "cat", lambda tensors, dim: plain(tensors[::-1], dim=dim))
    return golden


def without_deconv_relu(patch, golden):
    """Leave out the ReLU of what comes from below: the twin calls it by its name in the module, the blocks too."""
    plain = twin.StemNet.forward

    def forward(self, *arguments, **named):
        calls = iter([True] * len(self.down) + [False, True] * len(self.up))
        relu = functional.relu
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(functional, "relu", lambda x: relu(x) if next(calls) else x)
            return plain(self, *arguments, **named)

    patch.setattr(twin.StemNet, "forward", forward)
    return golden


def with_cost(cost):
    def plant(patch, golden):
        patch.setattr(twin, "cost", cost)
        return golden
    return plant


def entropy(z, y, w):
    return functional.cross_entropy(z, y, w, reduction="none")


def clipped(least, most=1.0):
    def cost(z, y, w):
        p = functional.softmax(z, dim=1).gather(1, y[:, None])[:, 0]
        return -(w[y] * torch.log(torch.clamp(p, least, most))).mean()
    return with_cost(cost)


def with_more(epsilon):
    return with_cost(lambda z, y, w: -(w[y] * torch.log(
        functional.softmax(z, dim=1).gather(1, y[:, None])[:, 0] + epsilon)).mean())


def without_zeroing(patch, golden):
    patch.setattr(torch.optim.Optimizer, "zero_grad", lambda self: None)
    return golden


def with_weights(change):
    return with_cost(lambda z, y, w: entropy(z, y, change(w)).mean())


def with_optimizer(make):
    """Return a deviation in the optimizer; `make` takes the training's settings and the twin's groups."""
    def plant(patch, golden):
        plain = twin.make_optimizer
        patch.setattr(twin, "make_optimizer",
                      lambda training, model: make(training, plain(training, model).param_groups))
        return golden
    return plant


def sgd(**more):
    return with_optimizer(lambda training, groups: torch.optim.SGD(
        [{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups],
        training["learning_rate"], training["momentum"], **more))


class Custom(torch.optim.Optimizer):
    """An optimizer whose step is a function of parameter, gradient, state, group and number of the step."""

    def __init__(self, groups, step):
        super().__init__([{"params": group["params"], "weight_decay": group["weight_decay"], "lr": 0.0}
                          for group in groups], {})
        self.change, self.count = step, 0

    @torch.no_grad()
    def step(self):
        self.count += 1
        for group in self.param_groups:
            for w in group["params"]:
                self.change(w, w.grad + group["weight_decay"] * w, self.state[w], group, self.count)


def custom(change):
    return with_optimizer(lambda training, groups: Custom(
        groups, lambda *arguments: change(training, *arguments)))


def averaged(training, w, g, state, group, step):
    v = state.setdefault("v", torch.zeros_like(w))
    v.mul_(training["momentum"]).sub_(group["lr"] * (1 - training["momentum"]) * g)
    w.add_(v)


def adam(correct=True, root=torch.sqrt, inside=0.0):
    def change(training, w, g, state, group, step):
        m, v = (state.setdefault(name, torch.zeros_like(w)) for name in "mv")
        m.mul_(training["beta1"]).add_((1 - training["beta1"]) * g)
        v.mul_(training["beta2"]).add_((1 - training["beta2"]) * g * g)
        one, two = (1 - training["beta1"] ** step, 1 - training["beta2"] ** step) if correct else (1.0, 1.0)
        epsilon = training["epsilon"]
        w.sub_(group["lr"] * m / one / (torch.sqrt(v / two + epsilon * inside) + epsilon * (1 - inside)))
    return custom(change)


def with_rate(rate):
    """Return a deviation in the learning rate; `rate` takes the training's settings and the step, from 0."""
    def plant(patch, golden):
        plain = twin.make_optimizer

        def make(training, model):
            optimizer = plain(training, model)
            step, count = optimizer.step, iter(range(golden.steps))

            def with_own_rate():
                own = rate(training, next(count))
                for group in optimizer.param_groups:
                    group["lr"] = own
                step()

            optimizer.step = with_own_rate
            return optimizer

        patch.setattr(twin, "make_optimizer", make)
        return golden
    return plant


def gliding(training, step):
    return training["learning_rate"] * training["decay_rate"] ** (step / training["steps_per_epoch"])


def in_short(training, step):
    epoch = step // training["steps_per_epoch"]
    return torch.tensor(training["learning_rate"] * training["decay_rate"] ** epoch, dtype=torch.float32).item()


def adamw(**more):
    return with_optimizer(lambda training, groups: torch.optim.AdamW(
        [{"params": group["params"], "weight_decay": more.get("weight_decay", group["weight_decay"])}
         for group in groups], training["learning_rate"], eps=training["epsilon"]))


def decay_on_biases(patch, golden):
    plain = twin.make_optimizer

    def make(training, model):
        optimizer = plain(training, model)
        for group in optimizer.param_groups:
            group["weight_decay"] = training["weight_decay"]
        return optimizer

    patch.setattr(twin, "make_optimizer", make)
    return golden


def to_tf32(tensor):
    """Cut a float32 tensor to 10 bits behind the leading one, to the nearest, as a GPU's tensor cores take it."""
    return ((tensor.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


class Tf32Conv(torch.autograd.Function):
    """A convolution whose products are of TF32 numbers, forward and backward."""

    @staticmethod
    def forward(ctx, x, w, convolve):
        ctx.save_for_backward(x, w)
        ctx.convolve = convolve
        return convolve(to_tf32(x), to_tf32(w))

    @staticmethod
    def backward(ctx, dy):
        x, w = (to_tf32(each).requires_grad_() for each in ctx.saved_tensors)
        with torch.enable_grad():
            y = ctx.convolve(x, w)
        return *torch.autograd.grad(y, (x, w), to_tf32(dy)), None


def tf32(patch, golden):
    for name in ("conv2d", "conv_transpose2d"):
        plain = getattr(functional, name)

        def convolve(x, w, bias=None, stride=1, padding=0, *rest, plain=plain):
            y = Tf32Conv.apply(x, w, lambda a, b: plain(a, b, None, stride, padding))
            return y if bias is None else y + bias[:, None, None]

        patch.setattr(functional, name, convolve)
    return golden


def autocast(dtype):
    def plant(patch, golden):
        plain = twin.StemNet.forward

        def forward(self, *arguments, **named):
            with torch.autocast("cpu", dtype=dtype):
                return plain(self, *arguments, **named).float()

        patch.setattr(twin.StemNet, "forward", forward)
        return golden
    return plant


def in_float32(patch, golden):
    arrays = {key: array.astype("float32") if array.dtype == "float64" else array
              for key, array in golden.arrays.items()}
    return replace(golden, arrays=arrays)


TF, ADAM, L2, LISTING = ({"momentum_form": "tensorflow"}, {"optimizer": "adam"}, {"l2": 0.1}, {"preset": "listing"})
# By convention: the settings of the golden file, and the deviation
DEVIATIONS = {
    "input_divided_by_255": ({}, with_input(lambda frames, mean, std, x: frames / 255)),
    "input_raw": ({}, with_input(lambda frames, mean, std, x: frames)),
    "input_not_centred": ({}, with_input(lambda frames, mean, std, x: frames / std)),
    "input_not_divided": ({}, with_input(lambda frames, mean, std, x: frames - mean)),
    "input_minus_127": ({}, with_input(lambda frames, mean, std, x: frames - 127)),
    "input_times_255": ({}, with_input(lambda frames, mean, std, x: x * 255)),
    "input_over_255": ({}, with_input(lambda frames, mean, std, x: x / 255)),
    "nhwc_read_as_nchw": ({}, with_input(nhwc_as_nchw)),
    "kernel_flipped": ({}, with_filters("conv2d", lambda w: w.flip(2, 3))),
    "filter_axes_transposed": ({}, with_filters("conv2d", lambda w: w.transpose(2, 3))),
    "filters_reshaped": ({}, with_filters("conv2d", read_as_oihw)),
    "transposed_kernel_flipped": ({}, with_filters("conv_transpose2d", lambda w: w.flip(2, 3))),
    "transposed_axes_transposed": ({}, with_filters("conv_transpose2d", lambda w: w.transpose(2, 3))),
    "transposed_channels_swapped": ({}, with_filters("conv_transpose2d", read_as_in_out)),
    "dropout_not_rescaled": ({}, with_block(lambda plain, b, x, mask, keep_prob, keep: plain(b, x, mask, 1.0, keep))),
    "dropout_keep_for_drop": (
        {}, with_block(lambda plain, b, x, mask, keep_prob, keep: plain(b, x, mask, 1 - keep_prob, keep))),
    "dropout_mask_inverted": (
        {}, with_block(lambda plain, b, x, mask, keep_prob, keep: plain(b, x, 1 - mask, keep_prob, keep))),
    "dropout_ignored": ({}, with_block(lambda plain, b, x, mask, keep_prob, keep: plain(b, x, None, 1.0, keep))),
    "bias_before_dropout": ({}, with_block(bias_first)),
    "relu_on_logits": ({}, with_logits("relu")),
    "logits_linear": (LISTING, with_logits("linear")),
    "pool_ties_to_last": (
        {}, with_function("max_pool2d", lambda plain: lambda x, size: plain(x.flip(2, 3), size).flip(2, 3))),
    "pool_ties_share": ({}, with_function("max_pool2d", shared_pool)),
    "concat_swapped": ({}, concat_swapped),
    "pool_average": ({}, with_function("max_pool2d", lambda plain: functional.avg_pool2d)),
    "deconv_relu_missing": ({}, without_deconv_relu),
    "frames_reversed": ({}, with_input(lambda frames, mean, std, x: x[..., ::-1])),
    "softmax_twice": ({}, with_cost(lambda z, y, w: entropy(functional.softmax(z, dim=1), y, w).mean())),
    "cost_over_weights": ({}, with_cost(lambda z, y, w: functional.cross_entropy(z, y, w))),
    "cost_summed": ({}, with_cost(lambda z, y, w: functional.cross_entropy(z, y, w, reduction="sum"))),
    "cost_summed_over_image": ({}, with_cost(lambda z, y, w: entropy(z, y, w).sum((1, 2)).mean())),
    "weight_plus_one": ({}, with_weights(lambda w: w + torch.tensor([0.0, 1.0]))),
    "weight_without_one": (LISTING, with_weights(lambda w: w - torch.tensor([0.0, 1.0]))),
    "weights_ignored": ({}, with_weights(torch.ones_like)),
    "weights_exchanged": ({}, with_weights(lambda w: w.flip(0))),
    **{f"log_clipped_{epsilon}": ({}, clipped(epsilon)) for epsilon in EPSILONS},
    **{f"log_plus_{epsilon}": ({}, with_more(epsilon)) for epsilon in EPSILONS},
    "log_clipped_twice": ({"float64": True}, clipped(1e-7, 1 - 1e-7)),
    "decay_every_step": ({}, with_training(steps_per_epoch=1)),
    "decay_not_staircase": ({}, with_rate(gliding)),
    "gradients_accumulated": ({}, without_zeroing),
    "rate_in_float32": ({"float64": True}, with_rate(in_short)),
    "constants_in_float32": ({"float64": True}, with_training(momentum=torch.tensor(0.2).item())),
    "decay_ignored": ({}, with_training(decay_rate=1.0)),
    "momentum_other_form": ({}, with_training(momentum_form="tensorflow")),
    "momentum_dampening": (TF, sgd(dampening=0.2)),
    "momentum_average": ({}, custom(averaged)),
    "momentum_nesterov": (TF, sgd(nesterov=True)),
    "momentum_ignored": ({}, with_training(optimizer="sgd")),
    "adam_epsilon_in_root": (ADAM, adam(inside=1.0)),
    "adam_other_epsilon_hat": (ADAM, with_training(adam_form="tensorflow")),
    "adam_epsilon_keras": (ADAM, with_training(epsilon=1e-7)),
    "adam_no_bias_correction": (ADAM, adam(correct=False)),
    "weight_decay_on_biases": (L2, decay_on_biases),
    "weight_decay_decoupled": ({**ADAM, **L2}, adamw()),
    "weight_decay_ignored": (L2, with_training(weight_decay=0.0)),
    "adamw_default": (ADAM, adamw(weight_decay=0.01)),
    "tf32": ({}, tf32),
    "half": ({}, autocast(torch.float16)),
    "bfloat16": ({}, autocast(torch.bfloat16)),
    "float32": ({"float64": True}, in_float32),
}
