"""PyTorch's side of the cases in cases.py."""

import cases
import torch
from torch.nn import functional

from stemnet_ref.verify.torch_twin import StemNet, from_reference, nchw, nhwc, to_reference


def leaf(tensor):
    return tensor.clone().requires_grad_()


def layer_outputs(name, inputs):
    """Return what PyTorch makes of the inputs, in the reference's layouts."""
    if name in cases.CONVOLUTIONS or name in cases.TRANSPOSED:
        return _convolution(name, inputs)
    if name == "dense":
        x, weight, b = (leaf(torch.as_tensor(inputs[key])) for key in ("x", "weight", "b"))
        y = functional.linear(x, weight.T, b)
        y.backward(torch.as_tensor(inputs["dy"]))
        return {"y": y.detach().numpy(), "dx": x.grad.numpy(), "dweight": weight.grad.numpy(), "db": b.grad.numpy()}
    if "labels" in inputs:
        return _cost(name, inputs)
    x, dy = leaf(nchw(inputs.get("x", inputs.get("a")))), nchw(inputs["dy"])
    vectors = {key: leaf(torch.as_tensor(inputs[key])) for key in ("b", "scale", "shift") if key in inputs}
    if name == "concat":
        b = leaf(nchw(inputs["b"]))
        y = torch.cat([x, b], dim=1)
        y.backward(dy)
        return {"y": nhwc(y), "da": nhwc(x.grad), "db": nhwc(b.grad)}
    y = {
        "bias": lambda: x + vectors["b"][:, None, None],
        "relu": lambda: functional.relu(x),
        "sigmoid": lambda: torch.sigmoid(x),
        "softmax": lambda: functional.softmax(x, dim=1),
        "max_pool2d": lambda: functional.max_pool2d(x, 2),
        "dropout": lambda: x * nchw(inputs["mask"]) / cases.KEEP_PROB,
        "batch_norm": lambda: functional.batch_norm(x, None, None, vectors["scale"], vectors["shift"], training=True,
                                                    eps=cases.EPSILON),
    }[name]()
    y.backward(dy)
    return {"y": nhwc(y), "dx": nhwc(x.grad), **{f"d{key}": value.grad.numpy() for key, value in vectors.items()}}


def _convolution(name, inputs):
    x, weight = leaf(nchw(inputs["x"])), leaf(from_reference(inputs["weight"]))
    if name in cases.CONVOLUTIONS:
        kh, kw, padding = cases.CONVOLUTIONS[name]
        pads = ((kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2) if padding == "same" else (0, 0, 0, 0)
        y = functional.conv2d(functional.pad(x, pads), weight)
    else:
        kh, kw, stride, padding = cases.TRANSPOSED[name]
        h, w = stride * x.shape[2], stride * x.shape[3]
        # PyTorch ends at the last tap; TensorFlow's "same" and "valid" go on to a multiple of the stride
        y = functional.pad(functional.conv_transpose2d(x, weight, stride=stride),
                           (0, max(stride - kw, 0), 0, max(stride - kh, 0)))
        if padding == "same":
            top, left = max(kh - stride, 0) // 2, max(kw - stride, 0) // 2
            y = y[:, :, top:top + h, left:left + w]
    y.backward(nchw(inputs["dy"]))
    return {"y": nhwc(y), "dx": nhwc(x.grad), "dweight": to_reference(weight.grad)}


def _cost(name, inputs):
    z, labels = leaf(nchw(inputs["z"])), torch.as_tensor(inputs["labels"])
    weights = torch.tensor(cases.WEIGHTS if name.startswith("weighted") else (1.0, 1.0, 1.0), dtype=torch.float64)
    if name.endswith("cross_entropy"):
        # mean over pixels; reduction="mean" with weights would divide by the sum of the weights
        cost = functional.cross_entropy(z, labels, weights, reduction="none").mean()
        if "pixel_weights" in inputs:
            own = torch.as_tensor(inputs["pixel_weights"])
            cost = cost + (own * functional.cross_entropy(z, labels, reduction="none")).mean()
    else:
        p = functional.softmax(z, dim=1)
        truth = functional.one_hot(labels, 3).permute(0, 3, 1, 2).to(p.dtype)
        if name == "quadratic":
            cost = ((truth - p) ** 2).sum() / 2 / labels.numel()
        else:
            cost = 1 - 2 * (p * truth)[:, 1:].sum() / (p[:, 1:].sum() + truth[:, 1:].sum())
    cost.backward()
    return {"cost": cost.detach().numpy(), "dz": nhwc(z.grad)}


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, cases.RATE),
    "momentum": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "momentum_tensorflow": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "listing": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "adam": lambda parameters: torch.optim.Adam(parameters, cases.RATE),
}


def network_outputs(name):
    """Return PyTorch's costs, first gradients and parameters over ten steps of training."""
    decays, listing = cases.NETWORKS[name][1], cases.NETWORKS[name][2] == "listing"
    reference = cases.small_network()
    twin = StemNet(3, levels=3, features=2, logits="relu" if listing else "linear").double()
    twin.load_reference(reference.parameters)
    optimizer, outputs, costs = OPTIMIZERS[name](twin.parameters()), {}, []
    for step in range(cases.STEPS):
        x, labels = cases.batch(step)
        masks = [nchw(mask) for mask in cases.masks(reference, step)]
        z = twin(nchw(x), masks, cases.KEEP_PROB)
        weights = torch.tensor([1.0, 3.0 if listing else 2.0], dtype=torch.float64)
        cost = functional.cross_entropy(z, torch.as_tensor(labels), weights, reduction="none").mean()
        optimizer.zero_grad()
        cost.backward()
        if step == 0:
            outputs.update({f"gradient/{key}": to_reference(value.grad).copy()
                            for key, value in twin.reference_names().items()})
        for group in optimizer.param_groups:
            group["lr"] = cases.rate_of(step, decays)
        optimizer.step()
        costs.append(cost.item())
    return {"costs": torch.tensor(costs, dtype=torch.float64).numpy(), **outputs,
            **{f"parameter/{key}": to_reference(value) for key, value in twin.reference_names().items()}}
