"""The network in PyTorch with a deviation planted, for each convention that `verify compare` knows.

A deviation takes a MonkeyPatch and the golden file, changes the twin, and returns the golden file that the twin is to
be trained from: often the same, sometimes one with other settings or another input.
"""

import numpy as np
import pytest
import torch
import torch_block_deviations as blocks
import torch_cost_deviations as costs
import torch_training_deviations as trained
from torch.nn import functional

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


def with_labels(change):
    """Return a deviation that gives the twin other labels."""
    def plant(patch, golden):
        return Golden(golden.about, {**golden.arrays, "labels": np.ascontiguousarray(change(golden.labels))})
    return plant


def by_itself(axes, unbiased=0):
    """Return a scaling of the input by its own mean and standard deviation."""
    return with_input(lambda frames, mean, std, x: (frames - frames.mean(axes, keepdims=True)) / frames.std(
        axes, ddof=unbiased, keepdims=True))


def from_0_to_1(frames, mean, std, x):
    return (frames - frames.min((1, 2), keepdims=True)) / np.ptp(frames, (1, 2), keepdims=True)


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


def with_weights_in(dtype):
    """Return a deviation that rounds the filters to a short format, and not their gradients."""
    def plant(patch, golden):
        for function in ("conv2d", "conv_transpose2d"):
            with_filters(function, lambda w: w + (w.to(dtype).to(w.dtype) - w).detach())(patch, golden)
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


def relu_in_deconv(patch, golden):
    """Take the ReLU of what comes from below before its bias is added."""
    class Deconv(torch.nn.ConvTranspose2d):
        def forward(self, x):
            self.active = torch.relu(functional.conv_transpose2d(x, self.weight, stride=2))
            return self.active + self.bias[:, None, None]

    patch.setattr(twin.nn, "ConvTranspose2d", Deconv)
    without_deconv_relu(patch, golden)
    plain = twin.StemNet.forward

    def forward(self, x, masks, keep_prob, keep):
        def kept(name, tensor):
            if name.endswith("deconv_bias"):
                keep(name.replace("bias", "relu"), self.deconv[int(name[2:name.index(".")])].active)
            return tensor if name.endswith("deconv_relu") else keep(name, tensor)
        return plain(self, x, masks, keep_prob, kept)

    patch.setattr(twin.StemNet, "forward", forward)
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


TF, ADAM, L2 = {"momentum_form": "tensorflow"}, {"optimizer": "adam"}, {"l2": 0.1}
# By convention: the settings of the golden file, and the deviation
DEVIATIONS = {
    **blocks.DEVIATIONS,
    "input_divided_by_255": ({}, with_input(lambda frames, mean, std, x: frames / 255)),
    "input_divided_by_256": ({}, with_input(lambda frames, mean, std, x: frames / 256)),
    "input_raw": ({}, with_input(lambda frames, mean, std, x: frames)),
    "input_by_imagenet": ({}, with_input(lambda frames, mean, std, x: (
        frames / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225))),
    "input_minus_one_to_one": ({}, with_input(lambda frames, mean, std, x: (frames / 255 - 0.5) / 0.5)),
    "input_scaled_by_frame": ({}, by_itself((1, 2))),
    "input_scaled_by_frame_unbiased": ({}, by_itself((1, 2, 3), 1)),
    "input_from_0_to_1": ({}, with_input(from_0_to_1)),
    "input_not_centred": ({}, with_input(lambda frames, mean, std, x: frames / std)),
    "input_not_divided": ({}, with_input(lambda frames, mean, std, x: frames - mean)),
    "input_centred_over_255": ({}, with_input(lambda frames, mean, std, x: (frames - mean) / 255)),
    "input_divided_by_variance": ({}, with_input(lambda frames, mean, std, x: (frames - mean) / std ** 2)),
    "input_by_255_before_mean": ({}, with_input(lambda frames, mean, std, x: (frames / 255 - mean) / std)),
    "input_minus_127": ({}, with_input(lambda frames, mean, std, x: frames - 127)),
    "input_times_255": ({}, with_input(lambda frames, mean, std, x: x * 255)),
    "input_over_255": ({}, with_input(lambda frames, mean, std, x: x / 255)),
    "nhwc_read_as_nchw": ({}, with_input(nhwc_as_nchw)),
    "input_transposed": ({}, with_input(lambda frames, mean, std, x: x.swapaxes(1, 2))),
    "input_in_reverse_order": ({}, with_input(lambda frames, mean, std, x: x[::-1])),
    "input_flipped_rows": ({}, with_input(lambda frames, mean, std, x: x[:, ::-1])),
    "input_flipped_columns": ({}, with_input(lambda frames, mean, std, x: x[:, :, ::-1])),
    "labels_transposed": ({}, with_labels(lambda y: y.swapaxes(1, 2))),
    "labels_in_reverse_order": ({}, with_labels(lambda y: y[::-1])),
    "labels_flipped_rows": ({}, with_labels(lambda y: y[:, ::-1])),
    "labels_flipped_columns": ({}, with_labels(lambda y: y[:, :, ::-1])),
    "labels_shifted": ({}, with_labels(lambda y: np.roll(y, (1, -1), (1, 2)))),
    "labels_swapped": ({}, with_labels(lambda y: 1 - y)),
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
    "logits_linear": (costs.LISTING, with_logits("linear")),
    "pool_ties_to_last": (
        {}, with_function("max_pool2d", lambda plain: lambda x, size: plain(x.flip(2, 3), size).flip(2, 3))),
    "pool_ties_share": ({}, with_function("max_pool2d", shared_pool)),
    "concat_swapped": ({}, concat_swapped),
    "pool_average": ({}, with_function("max_pool2d", lambda plain: functional.avg_pool2d)),
    "deconv_relu_missing": ({}, without_deconv_relu),
    "deconv_relu_before_bias": ({}, relu_in_deconv),
    "frames_reversed": ({}, with_input(lambda frames, mean, std, x: x[..., ::-1])),
    **costs.DEVIATIONS,
    "decay_every_step": ({}, with_training(steps_per_epoch=1)),
    "decay_not_staircase": ({}, trained.with_rate(trained.gliding)),
    "decay_step_early": ({}, trained.with_epoch(lambda step, of: (step + 1) // of)),
    "decay_step_late": ({}, trained.with_epoch(lambda step, of: max(step - 1, 0) // of)),
    "decay_epoch_early": ({}, trained.with_epoch(lambda step, of: step // of + 1)),
    "decay_epoch_late": ({}, trained.with_epoch(lambda step, of: max(step // of - 1, 0))),
    "rate_factor": ({}, trained.with_factor(lambda step: 0.37)),
    "rate_of_biases": ({}, trained.around_step(trained.biases_slowly)),
    "rate_warmup": ({}, trained.with_factor(lambda step: min(step / 4, 1))),
    "not_updated": ({}, trained.with_factor(lambda step: 0.0)),
    "without_gradient": ({}, trained.after_backward(trained.without_gradient)),
    "updated_twice": ({}, trained.around_step(trained.twice)),
    "optimizer_made_anew": (ADAM, trained.around_step(trained.made_anew)),
    "gradients_summed": ({}, trained.after_backward(trained.summed)),
    "gradients_clipped_by_norm": ({}, trained.clipped(torch.nn.utils.clip_grad_norm_, 0.07)),
    "gradients_clipped_each": ({}, trained.clipped(trained.clipped_each, 0.02)),
    "gradients_clipped_by_value": ({}, trained.after_backward(
        lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 0.01))),
    "gradients_accumulated": ({}, trained.without_zeroing),
    "rate_in_float32": ({"float64": True}, trained.with_rate(trained.in_short)),
    "keras_in_float32": ({"float64": True, "optimizer": "sgd"}, trained.with_rate(trained.computed_in_short)),
    "constants_in_float32": ({"float64": True}, with_training(momentum=torch.tensor(0.2).item())),
    "decay_ignored": ({}, with_training(decay_rate=1.0)),
    "momentum_other_form": ({}, with_training(momentum_form="tensorflow")),
    "momentum_dampening": (TF, trained.sgd(dampening=0.2)),
    "momentum_average": ({}, trained.custom(trained.averaged)),
    "momentum_nesterov": (TF, trained.sgd(nesterov=True)),
    "momentum_other": ({}, with_training(momentum=0.6)),
    "momentum_ignored": ({}, with_training(optimizer="sgd")),
    "adam_epsilon_in_root": (ADAM, trained.adam(inside=1.0)),
    "adam_other_epsilon_hat": (ADAM, with_training(adam_form="tensorflow")),
    "adam_beta1": (ADAM, with_training(beta1=0.85)),
    "adam_beta2": (ADAM, with_training(beta2=0.99)),
    "adam_betas": (ADAM, with_training(beta1=0.85, beta2=0.97)),
    "adam_epsilon": (ADAM, with_training(epsilon=3e-7)),
    "adam_amsgrad": (ADAM, trained.with_groups(lambda *groups: [each.update(amsgrad=True) for each in groups])),
    "adam_amsgrad_corrected": (ADAM, trained.adam(amsgrad=True)),
    "adam_no_bias_correction": (ADAM, trained.adam(correct=False)), "adam_step_late": (ADAM, trained.adam(late=1)),
    "weight_decay_on_biases": (L2, trained.with_groups(lambda w, b: b.update(weight_decay=w["weight_decay"]))),
    "l2_in_cost": (L2, trained.with_penalty(0.003, in_cost=True)),
    "l2_in_gradients": (L2, trained.with_penalty(0.003, in_cost=False)),
    "l2_of_all_in_cost": (L2, trained.with_penalty(0.003, True, ("weight", "bias"))),
    "l2_in_cost_and_decay": (L2, trained.with_penalty(0.003, True, keep=True)),
    "weight_decay_other": (L2, with_training(weight_decay=0.01)),
    "weight_decay_added": ({}, trained.with_groups(lambda w, b: [each.update(weight_decay=0.02) for each in (w, b)])),
    "weight_decay_decoupled": ({**ADAM, **L2}, trained.adamw()),
    "weight_decay_ignored": (L2, with_training(weight_decay=0.0)),
    "adamw_default": (ADAM, trained.adamw(weight_decay=0.01)),
    "tf32": ({}, trained.tf32),
    "half": ({}, trained.autocast(torch.float16)),
    "bfloat16": ({}, trained.autocast(torch.bfloat16)),
    "half_weights": ({}, with_weights_in(torch.float16)),
    "bfloat16_weights": ({}, with_weights_in(torch.bfloat16)),
    "float32": ({"float64": True}, trained.in_float32),
}
# By convention: the value that is planted
VALUES = {"rate_factor": 0.37, "rate_warmup": 4, "gradients_summed": 2, "gradients_clipped_by_norm": 0.07,
          "gradients_clipped_each": 0.02, "gradients_clipped_by_value": 0.01, "momentum_other": 0.6,
          "adam_beta1": 0.85, "adam_beta2": 0.99, "adam_epsilon": 3e-7, "l2_in_cost": 0.003, "l2_in_gradients": 0.003,
          "rate_of_biases": 0.3, "without_gradient": "parameters", "adam_betas": (0.85, 0.97),
          "l2_of_all_in_cost": 0.003, "l2_in_cost_and_decay": 0.003, "weight_decay_other": 0.01,
          "weight_decay_added": 0.02, "not_updated": "parameters", "adamw_default": 0.01, "cost_times": 3.5,
          "weights_other": (1.0, 5.0)}
