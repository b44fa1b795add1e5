"""Every layer in PyTorch, on arrays of the reference's layouts: the calls that do what the reference does."""

import torch
from torch.nn import functional

from .torch_twin import cost_of_probabilities, from_reference, nchw, nhwc, to_reference


def conv2d(x, weight, o):
    """PyTorch pads as many rows below as above: the odd one of an even kernel has to be added by hand."""
    kh, kw = weight.shape[2:]
    pads = ((kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2) if o.padding == "same" else (0, 0, 0, 0)
    return functional.conv2d(functional.pad(x, pads), weight)


def conv_transpose2d(x, weight, o):
    """PyTorch ends at the last tap and crops nothing; TensorFlow's "same" cuts to a multiple of the stride."""
    s, (kh, kw), (h, w) = o.stride, weight.shape[2:], x.shape[2:]
    y = functional.pad(functional.conv_transpose2d(x, weight, stride=s), (0, max(s - kw, 0), 0, max(s - kh, 0)))
    if o.padding == "valid":
        return y
    top, left = max(kh - s, 0) // 2, max(kw - s, 0) // 2
    return y[:, :, top:top + s * h, left:left + s * w]


def cost(layer, z, labels, o):
    """Costs of logits (N, K, H, W), the means over pixels."""
    if layer == "weighted_cross_entropy":
        weights = torch.tensor(o.weights(z.shape[1]), dtype=z.dtype)
        return functional.cross_entropy(z, labels, weights, reduction="none").mean()
    return cost_of_probabilities(layer, z, labels)


LAYERS = {
    "conv2d": lambda t, o: conv2d(t["x"], t["weight"], o),
    "conv_transpose2d": lambda t, o: conv_transpose2d(t["x"], t["weight"], o),
    "bias": lambda t, o: t["x"] + t["b"][:, None, None],
    "relu": lambda t, o: functional.relu(t["x"]),
    "sigmoid": lambda t, o: torch.sigmoid(t["x"]),
    "dense": lambda t, o: functional.linear(t["x"], t["weight"].T, t["b"]),
    "max_pool2d": lambda t, o: functional.max_pool2d(t["x"], o.size),
    "dropout": lambda t, o: t["x"] * t["mask"] / o.keep_prob,
    "concat": lambda t, o: torch.cat([t["a"], t["b"]], dim=1),
    "softmax": lambda t, o: functional.softmax(t["x"], dim=1),
    "batch_norm": lambda t, o: functional.batch_norm(t["x"], None, None, t["scale"], t["shift"], training=True,
                                                     eps=o.epsilon),
}


def run(layer, inputs, options):
    """Return what PyTorch makes of a layer's inputs, both in the reference's layouts.

    Arguments are those of `expected.layer.LayerTrace`.
    """
    tensors = {}
    for name, array in inputs.items():
        tensor = from_reference(array) if name == "weight" else nchw(array) if array.ndim == 4 else \
            torch.as_tensor(array)
        tensors[name] = tensor.clone().requires_grad_() if array.dtype.kind == "f" and name != "dy" else tensor
    leaves = {name: tensor for name, tensor in tensors.items() if tensor.requires_grad}
    if layer in LAYERS:
        y = LAYERS[layer](tensors, options)
        y.backward(tensors["dy"])
        outputs = {"y": nhwc(y) if y.ndim == 4 else y.detach().numpy()}
    else:
        y = cost(layer, tensors["x"], tensors["labels"].long(), options)
        y.backward()
        outputs = {"cost": y.detach().numpy()}
    for name, leaf in leaves.items():
        to = to_reference if name == "weight" and leaf.ndim == 4 else nhwc if leaf.ndim == 4 else torch.Tensor.numpy
        outputs[f"d{name}"] = to(leaf.grad)
    return outputs
