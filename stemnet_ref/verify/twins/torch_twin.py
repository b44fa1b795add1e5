"""StemNet in PyTorch, as one would write it there: the reference's twin, and a place to start from.

Arrays are (N, C, H, W) here, filters (out, in, kh, kw), transposed-conv filters (in, out, kh, kw): `from_reference` and
`to_reference` convert. Dropout takes the reference's masks, so that both can be compared number for number.
"""

import torch
from torch import nn
from torch.nn import functional

from ...cost import OF_PROBABILITIES


def _pass(name, tensor):
    return tensor


class ConvBlock(nn.Module):
    """Convolution, dropout, bias, ReLU: the bias comes after the dropout, so the convolution has none."""

    def __init__(self, name, inputs, outputs, kernel):
        super().__init__()
        self.name, self.kernel = name, kernel
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding="same", bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, mask=None, keep_prob=1.0, keep=_pass):
        z = keep(f"{self.name}.conv", self.conv(x))
        if mask is not None:
            z = z * mask / keep_prob
        elif keep_prob < 1:
            z = functional.dropout(z, 1 - keep_prob)
        z = keep(f"{self.name}.bias", keep(f"{self.name}.dropout", z) + self.bias[:, None, None])
        return keep(f"{self.name}.relu", functional.relu(z))


class StemNet(nn.Module):
    """The network of the thesis; arguments as those of `stemnet_ref.StemNet`."""

    def __init__(self, channels=1, levels=6, features=16, classes=2, kernel=5, logits="linear"):
        super().__init__()
        widths = [features * 2 ** level for level in range(levels)]
        self.logits = logits
        self.down = nn.ModuleList(ConvBlock(f"down{level}", i, o, kernel)
                                  for level, (i, o) in enumerate(zip([channels, *widths], widths, strict=False)))
        self.deconv = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[:-1])
        self.up = nn.ModuleList(ConvBlock(f"up{level}", 2 * width, width, kernel)
                                for level, width in enumerate(widths[:-1]))
        self.output = nn.Conv2d(features, classes, 1)

    def forward(self, x, masks=None, keep_prob=1.0, keep=_pass):
        """Return the logits (N, classes, H, W).

        `masks`: one for each 5x5 convolution, in the order of the data; without them PyTorch draws its own. `keep` is
        shown every tensor under the reference's name, and returns it.
        """
        masks = iter(masks if masks is not None else [None] * (len(self.down) + len(self.up)))
        skips = []
        for level, block in enumerate(self.down):
            if level:
                x = keep(f"down{level - 1}.pool", functional.max_pool2d(x, 2))
            x = block(x, next(masks), keep_prob, keep)
            skips.append(x)
        skips.pop()
        for level in reversed(range(len(self.up))):
            x = keep(f"up{level}.deconv_bias", self.deconv[level](x))
            x = keep(f"up{level}.deconv_relu", functional.relu(x))
            x = keep(f"up{level}.concat", torch.cat([skips.pop(), x], dim=1))
            x = self.up[level](x, next(masks), keep_prob, keep)
        z = keep("output.bias", self.output(x))
        return keep("logits", functional.relu(z) if self.logits == "relu" else z)

    def reference_names(self):
        """Return {the reference's name of a parameter: the parameter}."""
        named = {}
        for block in (*self.down, *self.up):
            named[f"{block.name}.conv.weight"], named[f"{block.name}.conv.bias"] = block.conv.weight, block.bias
        for level, deconv in enumerate(self.deconv):
            named[f"up{level}.deconv.weight"], named[f"up{level}.deconv.bias"] = deconv.weight, deconv.bias
        named["output.weight"], named["output.bias"] = self.output.weight, self.output.bias
        return named

    def load_reference(self, parameters):
        """Take over the parameters of the reference, a dict of NumPy arrays by name."""
        with torch.no_grad():
            for name, parameter in self.reference_names().items():
                parameter.copy_(from_reference(parameters[name]))


class Momentum(torch.optim.Optimizer):
    """v' = mu v - eta g, w' = w + v' (eq. 28-29). torch.optim.SGD keeps eta outside v, and so differs as it decays."""

    def __init__(self, parameters, lr, momentum, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                v = self.state[w].setdefault("velocity", torch.zeros_like(w))
                v.mul_(group["momentum"]).sub_(w.grad + group["weight_decay"] * w, alpha=group["lr"])
                w.add_(v)


def make_optimizer(training, model):
    """Return the optimizer of a golden file's settings; the weights decay, the biases do not."""
    named = model.reference_names()
    groups = [{"params": [w for name, w in named.items() if name.endswith("weight")],
               "weight_decay": training["weight_decay"]},
              {"params": [b for name, b in named.items() if name.endswith("bias")], "weight_decay": 0.0}]
    rate = training["learning_rate"]
    if training["optimizer"] == "adam":
        return torch.optim.Adam(groups, rate, (training["beta1"], training["beta2"]), training["epsilon"])
    if training["optimizer"] == "momentum" and training["momentum_form"] == "thesis":
        return Momentum(groups, rate, training["momentum"])
    return torch.optim.SGD(groups, rate, training["momentum"] if training["optimizer"] == "momentum" else 0.0)


def cost(logits, labels, class_weights):
    """Return the weighted cross-entropy, the mean over pixels (eq. 60).

    With reduction="mean" PyTorch would divide by the sum of the pixels' weights.
    """
    return functional.cross_entropy(logits, labels, class_weights, reduction="none").mean()


def cost_of_probabilities(name, logits, labels):
    """Return the cost named "dice" (eq. 6-7) or "quadratic" (eq. 3-4)."""
    p = functional.softmax(logits, dim=1)
    truth = functional.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(p.dtype)
    if name == "quadratic":
        return ((truth - p) ** 2).sum() / 2 / labels.numel()
    return 1 - 2 * (p * truth)[:, 1:].sum() / (p[:, 1:].sum() + truth[:, 1:].sum())


def train(golden):
    """Train for a golden file's steps from its parameters, input and masks; return the tensors by its keys, in NCHW."""
    training, tensors = golden.training, {}
    x = nchw(golden.input)
    model = StemNet(**golden.network).to(x.dtype)
    model.load_reference(golden.parameters)
    labels, class_weights = torch.as_tensor(golden.labels).long(), torch.as_tensor(golden.class_weights).to(x.dtype)
    optimizer = make_optimizer(training, model)
    for step in range(1, golden.steps + 1):
        forward = {}

        def keep(name, tensor, forward=forward):
            tensor.retain_grad()
            forward[name] = tensor
            return tensor

        x.requires_grad_().grad = None
        z = model(x, [nchw(mask) for mask in golden.masks_of(step)] or None, training["keep_prob"], keep)
        if training["cost"] in OF_PROBABILITIES:
            loss = cost_of_probabilities(training["cost"], z, labels)
        else:
            loss = cost(z, labels, class_weights)
        optimizer.zero_grad()
        loss.backward()
        epoch = (step - 1) // training["steps_per_epoch"]
        for group in optimizer.param_groups:
            group["lr"] = training["learning_rate"] * training["decay_rate"] ** epoch       # constant within an epoch
            if training["optimizer"] == "adam" and training["adam_form"] == "tensorflow":
                group["eps"] = training["epsilon"] / (1 - training["beta2"] ** step) ** 0.5     # "epsilon hat"
        if step == 1:
            tensors.update({f"1/forward/{name}": tensor for name, tensor in forward.items()})
            tensors.update({f"1/backward/{name}": tensor.grad for name, tensor in forward.items()})
            tensors["1/backward/input"] = x.grad
        tensors[f"{step}/cost"] = loss
        for name, parameter in model.reference_names().items():
            tensors[f"{step}/gradient/{name}"] = parameter.grad.clone()
        optimizer.step()
        for name, parameter in model.reference_names().items():
            tensors[f"{step}/parameter/{name}"] = parameter.detach().clone()
    return {name: tensor.detach() for name, tensor in tensors.items()}


def from_reference(array):
    """Return a tensor from a NumPy array: filters (kh, kw, a, b) become (b, a, kh, kw), vectors stay.

    For a convolution that is (out, in, kh, kw); for a transposed one, (kh, kw, out, in) there, (in, out, kh, kw).
    """
    tensor = torch.as_tensor(array)
    return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor


def to_reference(tensor):
    """Return a NumPy array in the reference's layout."""
    return (tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor).detach().numpy()


def nchw(array):
    """Return a tensor (N, C, H, W) from a NumPy array (N, H, W, C)."""
    return torch.as_tensor(array).permute(0, 3, 1, 2)


def nhwc(tensor):
    """Return a NumPy array (N, H, W, C) from a tensor (N, C, H, W)."""
    return tensor.permute(0, 2, 3, 1).detach().numpy()
