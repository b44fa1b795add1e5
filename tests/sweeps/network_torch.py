"""The network of docs/golden.md in PyTorch: functions of tensors, (N, C, H, W), and autograd."""

import torch
from implementation import Implementation
from torch.nn import functional


class Torch(Implementation):
    """The network in PyTorch; each method is a place for deviations."""

    layout, xp = "NCHW", torch

    def tensor(self, array):
        return torch.tensor(array)

    def array(self, tensor):
        tensor = tensor.detach()
        return (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).clone().numpy()

    def passes(self, parameters, x, labels):
        """Return cost and gradients of a step, and keep its tensors."""
        self.parameters = {name: w.clone().requires_grad_() for name, w in parameters.items()}
        x.requires_grad_()
        self.forward_tensors = {}
        z = self.forward(x)
        cost = self.cost(z, torch.from_numpy(labels))
        cost.backward()
        for name, tensor in self.forward_tensors.items():
            self.record(f"forward/{name}", tensor)
            if tensor.grad is not None:
                self.record(f"backward/{name}", tensor.grad)
        self.record("forward/probabilities", torch.softmax(z.detach(), 1))
        self.record("backward/input", x.grad)
        return cost.detach(), {name: torch.zeros_like(w) if w.grad is None else w.grad
                               for name, w in self.parameters.items()}

    def keep(self, name, tensor):
        """Return a tensor that is kept under its name, and its gradient with it."""
        if tensor.requires_grad:
            tensor.retain_grad()
        self.forward_tensors[name] = tensor
        return tensor

    def forward(self, x):
        skips = []
        for level in range(self.levels):
            if level:
                x = self.keep(f"down{level - 1}.pool", self.pool(x, f"down{level - 1}"))
            x = self.block(x, f"down{level}")
            skips.append(self.skip(x, f"down{level}"))
        for level in reversed(range(self.levels - 1)):
            name = f"up{level}"
            x = self.keep(f"{name}.deconv", self.deconv(x, self.parameters[f"{name}.deconv.weight"], name))
            x = self.keep(f"{name}.deconv_bias", self.bias(x, self.parameters[f"{name}.deconv.bias"], name))
            x = self.keep(f"{name}.deconv_relu", self.deconv_activation(x, name))
            x = self.keep(f"{name}.concat", self.concat(skips[level], x, name))
            x = self.block(x, name)
        z = self.keep("output.conv", self.conv(x, self.parameters["output.weight"], "output"))
        z = self.keep("output.bias", self.bias(z, self.parameters["output.bias"], "output"))
        return self.keep("logits", self.logits(z))

    def logits(self, z):
        return torch.relu(z) if self.network["logits"] == "relu" else z * 1

    def order(self, layer):
        """Return what a block is made of, in the order of the data; a word that ends in * is not kept."""
        return "conv dropout bias relu"

    def block(self, x, layer):
        for what in self.order(layer).split():
            done = getattr(self, f"do_{what.rstrip('*')}")(x, layer)
            x = done if what.endswith("*") else self.keep(f"{layer}.{what}", done)
        return x

    def do_conv(self, x, layer):
        return self.conv(x, self.parameters[f"{layer}.conv.weight"], layer)

    def do_dropout(self, x, layer):
        keep_prob = self.training["keep_prob"]
        return x * 1 if keep_prob == 1 else self.dropout(x, torch.from_numpy(self.mask(layer)), keep_prob, layer)

    def do_bias(self, x, layer):
        return self.bias(x, self.parameters[f"{layer}.conv.bias"], layer)

    def do_relu(self, x, layer):
        return self.activation(x, layer)

    def pad(self, x, kernel, layer):
        before, after = (kernel - 1) // 2, kernel // 2
        return functional.pad(x, (before, after, before, after))

    def conv(self, x, w, layer):
        return functional.conv2d(self.pad(x, w.shape[2], layer), w)

    def dropout(self, x, mask, keep_prob, layer):
        return x * mask / keep_prob

    def bias(self, x, b, layer):
        return x + b[:, None, None]

    def activation(self, x, layer):
        return torch.relu(x)

    def deconv_activation(self, x, layer):
        return torch.relu(x)

    def pool(self, x, layer):
        return functional.max_pool2d(x, 2)

    def skip(self, x, layer):
        """Return what goes across from a block of the way down, whose output is x."""
        return x

    def deconv(self, x, w, layer):
        return functional.conv_transpose2d(x, w, stride=2)

    def concat(self, skip, x, layer):
        return torch.cat([skip, x], 1)

    def pixel_cost(self, z, labels):
        """Return -log p of each pixel's class (N, H, W)."""
        return functional.cross_entropy(z, labels, reduction="none")

    def cost(self, z, labels):
        weights = torch.from_numpy(self.pixel_weights(labels.numpy())).to(z.dtype)
        return (self.pixel_cost(z, labels) * weights).sum()
