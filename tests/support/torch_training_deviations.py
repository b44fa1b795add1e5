"""Deviations of PyTorch's twin in how it trains: its optimizer, its learning rate, its weight decay, its precision."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from stemnet_ref.verify.twins import torch_twin as twin


def without_zeroing(patch, golden):
    patch.setattr(torch.optim.Optimizer, "zero_grad", lambda self: None)
    return golden


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


def adam(correct=True, inside=0.0, amsgrad=False, late=0):
    """Return a deviation: Adam by hand; with `amsgrad` it keeps the largest v_hat."""
    def change(training, w, g, state, group, step):
        m, v = (state.setdefault(name, torch.zeros_like(w)) for name in "mv")
        m.mul_(training["beta1"]).add_((1 - training["beta1"]) * g)
        v.mul_(training["beta2"]).add_((1 - training["beta2"]) * g * g)
        one, two = (1 - training[beta] ** (step + late) if correct else 1.0 for beta in ("beta1", "beta2"))
        epsilon, largest = training["epsilon"], v / two
        if amsgrad:
            largest = state["largest"] = torch.maximum(largest, state.get("largest", largest))
        w.sub_(group["lr"] * m / one / (torch.sqrt(largest + epsilon * inside) + epsilon * (1 - inside)))
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


def with_factor(factor):
    """Return a deviation in the learning rate; `factor` takes the step, counted from 1."""
    return with_rate(lambda training, step: factor(step + 1) * training["learning_rate"] * training["decay_rate"] ** (
        step // training["steps_per_epoch"]))


def with_epoch(epoch):
    """Return a deviation in the schedule; `epoch` takes the step, from 0, and the steps of an epoch."""
    return with_rate(lambda training, step: training["learning_rate"] * training["decay_rate"] ** epoch(
        step, training["steps_per_epoch"]))


def around_step(change):
    """Return a deviation of the optimizer's step; `change` takes it, the optimizer, its parameters and the settings."""
    def plant(patch, golden):
        plain = twin.make_optimizer

        def make(training, model):
            optimizer = plain(training, model)
            step, parameters = optimizer.step, [w for group in optimizer.param_groups for w in group["params"]]
            optimizer.step = lambda: change(step, optimizer, parameters, training)
            return optimizer

        patch.setattr(twin, "make_optimizer", make)
        return golden
    return plant


def twice(step, optimizer, parameters, training):
    step()
    step()


def biases_slowly(step, optimizer, parameters, training):
    for w in parameters:
        w.grad.mul_(0.3 if w.ndim == 1 else 1)
    step()


def made_anew(step, optimizer, parameters, training):
    optimizer.count = getattr(optimizer, "count", 0) + 1
    if optimizer.count % training["steps_per_epoch"] == 1:
        optimizer.state.clear()
    step()


def clipped(clip, limit):
    """Return a deviation that clips the gradients before the step, after they are saved."""
    def change(step, optimizer, parameters, training):
        clip(parameters, limit)
        step()
    return around_step(change)


def clipped_each(parameters, limit):
    for w in parameters:
        torch.nn.utils.clip_grad_norm_([w], limit)


def after_backward(change):
    """Return a deviation of the gradients as soon as they are there; `change` takes a list of parameters."""
    def plant(patch, golden):
        plain, parameters = torch.Tensor.backward, []
        make = twin.make_optimizer

        def remember(training, model):
            parameters[:] = list(model.parameters())
            return make(training, model)

        def backward(loss, *arguments, **named):
            plain(loss, *arguments, **named)
            change(parameters)

        patch.setattr(twin, "make_optimizer", remember)
        patch.setattr(torch.Tensor, "backward", backward)
        return golden
    return plant


def summed(parameters):
    for w in parameters:
        w.grad.mul_(2)


def without_gradient(parameters):
    for w in parameters:
        w.grad.zero_()


def with_penalty(strength, in_cost, kinds=("weight",), keep=False):
    """Return a deviation: a penalty in the cost and its gradient, or in the gradient alone.

    It is on parameters whose name ends in one of `kinds`; `keep` says whether the weights decay as well.
    """
    def plant(patch, golden):
        plain, models = twin.cost, []

        class Model(twin.StemNet):
            def __init__(self, *arguments, **named):
                super().__init__(*arguments, **named)
                models[:] = [self]

        def cost(*arguments):
            squares = sum(w.square().sum() for name, w in models[0].reference_names().items()
                          if name.endswith(kinds))
            added = strength / 2 * squares
            return plain(*arguments) + (added if in_cost else added - added.detach())

        patch.setattr(twin, "StemNet", Model)
        patch.setattr(twin, "cost", cost)
        training = golden.training if keep else {**golden.training, "weight_decay": 0.0}
        return replace(golden, about={**golden.about, "training": training})
    return plant


def gliding(training, step):
    return training["learning_rate"] * training["decay_rate"] ** (step / training["steps_per_epoch"])


def in_short(training, step):
    epoch = step // training["steps_per_epoch"]
    return torch.tensor(training["learning_rate"] * training["decay_rate"] ** epoch, dtype=torch.float32).item()


def computed_in_short(training, step):
    eta, decay, epoch = (np.float32(each) for each in (training["learning_rate"], training["decay_rate"],
                                                       step // training["steps_per_epoch"]))
    return float(eta * decay ** epoch)


def adamw(**more):
    return with_optimizer(lambda training, groups: torch.optim.AdamW(
        [{"params": group["params"], "weight_decay": more.get("weight_decay", group["weight_decay"])}
         for group in groups], training["learning_rate"], eps=training["epsilon"]))


def with_groups(change):
    """Return a deviation of the optimizer's groups; `change` takes that of the weights and that of the biases."""
    def plant(patch, golden):
        plain = twin.make_optimizer

        def make(training, model):
            optimizer = plain(training, model)
            change(*optimizer.param_groups)
            return optimizer

        patch.setattr(twin, "make_optimizer", make)
        return golden
    return plant


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
