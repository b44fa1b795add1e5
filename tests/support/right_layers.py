"""Right layers with random settings and inputs, in NumPy and PyTorch, of which `check` must accuse none."""

from functools import partial

import numpy as np
import torch
from numpy_layers import RIGHT, backward_of
from torch.nn import functional

from stemnet_ref.verify import Options
from stemnet_ref.verify.expected.layer import COSTS, LAYERS, sample_inputs

ODD_KERNELS = (1, 3, 5)
IN_PLACE = {"relu": lambda x, o: functional.relu_(x), "dropout": lambda x, m, o: x.mul_(m).div_(o.keep_prob),
            "sigmoid": lambda x, o: x.sigmoid_(), "bias": lambda x, b, o: x.add_(b),
            "softmax": lambda x, o: x.copy_(x.softmax(-1))}
# The gradients of those that x is needed for, computed from y, which is where x was
FROM_Y = {"sigmoid": lambda dy, y: dy * y * (1 - y),
          "softmax": lambda dy, y: y * (dy - (dy * y).sum(-1, keepdim=True))}


def conv2d(x, weight, o):
    kh, kw = weight.shape[:2]
    if o.padding == "same":
        x = functional.pad(x, (0, 0, (kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2))
    return functional.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1).contiguous()).permute(0, 2, 3, 1)


def unfolded_conv2d(x, weight, o):
    """Multiply the patches of an image by the filters: im2col."""
    kh, kw = weight.shape[:2]
    if o.padding == "same":
        x = functional.pad(x, (0, 0, (kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2))
    patches = x.unfold(1, kh, 1).unfold(2, kw, 1)                   # (N, H, W, C, kh, kw)
    return torch.einsum("nhwcab,abck->nhwk", patches, weight)


def conv_transpose2d(x, weight, o):
    (kh, kw), s, (h, w) = weight.shape[:2], o.stride, x.shape[1:3]
    y = functional.conv_transpose2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1).contiguous(), stride=s)
    y = y.permute(0, 2, 3, 1)
    y = functional.pad(y, (0, 0, 0, max(s - kw, 0), 0, max(s - kh, 0)))
    if o.padding == "valid":
        return y
    top, left = max(kh - s, 0) // 2, max(kw - s, 0) // 2
    return y[:, top:top + s * h, left:left + s * w]


def normalised(x, scale, shift, o):
    mean = x.mean((0, 1, 2))
    return (x - mean) * torch.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + o.epsilon) * scale + shift


def one_pass(x, scale, shift, o):
    """Fold scale and shift into one factor and one addend, as fused kernels do."""
    variance, mean = torch.var_mean(x, (0, 1, 2), correction=0)
    factor = scale / torch.sqrt(variance + o.epsilon)
    return x * factor + (shift - mean * factor)


def fast_variance(x, scale, shift, o):
    """Take the variance as mean(x^2) - mean(x)^2, as Flax does."""
    mean = x.mean((0, 1, 2))
    return (x - mean) * torch.rsqrt((x * x).mean((0, 1, 2)) - mean * mean + o.epsilon) * scale + shift


def cross_entropy(x, labels, o):
    weights = torch.tensor(o.weights(x.shape[-1]), dtype=x.dtype)
    picked = torch.take_along_dim(x, labels.long()[..., None], -1)[..., 0]
    return (weights[labels.long()] * (x.logsumexp(-1) - picked)).mean()


def of_probabilities(x, labels, o, quadratic):
    p, truth = x.softmax(-1), functional.one_hot(labels.long(), x.shape[-1]).to(x.dtype)
    if quadratic:
        return ((p - truth) ** 2).sum(-1).mean() / 2
    p, truth = p[..., 1:], truth[..., 1:]
    return 1 - 2 * (p * truth).sum() / (p.sum() + truth.sum())


# By layer: ways to write it in PyTorch, functions of the inputs and the Options
TORCH = {
    "conv2d": (conv2d, unfolded_conv2d), "conv_transpose2d": (conv_transpose2d,),
    "bias": (lambda x, b, o: x + b, lambda x, b, o: torch.add(b, x)),
    "relu": (lambda x, o: functional.relu(x), lambda x, o: x * (x > 0), lambda x, o: torch.where(x > 0, x, 0.0)),
    "sigmoid": (lambda x, o: torch.sigmoid(x), lambda x, o: 1 / (1 + torch.exp(-x))),
    "dense": (lambda x, w, b, o: functional.linear(x, w.T, b), lambda x, w, b, o: torch.addmm(b, x, w)),
    "max_pool2d": (lambda x, o: functional.max_pool2d(x.permute(0, 3, 1, 2), o.size).permute(0, 2, 3, 1),),
    "dropout": (lambda x, m, o: x * m / o.keep_prob, lambda x, m, o: torch.where(m > 0, x / o.keep_prob, 0.0)),
    "concat": (lambda a, b, o: torch.cat([a, b], -1),),
    "softmax": (lambda x, o: x.softmax(-1), lambda x, o: x.log_softmax(-1).exp(),
                lambda x, o: torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)),
    "batch_norm": (normalised, one_pass, fast_variance, lambda x, scale, shift, o: functional.batch_norm(
        x.movedim(-1, 1), None, None, scale, shift, training=True, eps=o.epsilon).movedim(1, -1)),
    "weighted_cross_entropy": (cross_entropy,),
    "dice": (partial(of_probabilities, quadratic=False),), "quadratic": (partial(of_probabilities, quadratic=True),)}


def random_layer(seed):
    """Return the arguments of `check` for a right layer, and a few words about it."""
    rng = np.random.default_rng(seed)
    layer, dtype = list(LAYERS)[seed % len(LAYERS)], [np.float32, np.float64][int(rng.integers(2))]
    size = int(rng.integers(1, 4))
    options = Options(padding=str(rng.choice(["same", "valid"])), stride=int(rng.integers(1, 4)), size=size,
                      keep_prob=float(rng.choice([0.25, 0.5, 0.75, 0.9, 1.0])),
                      epsilon=float(10 ** rng.uniform(-6, -1)))
    shape = (int(rng.integers(1, 4)), size * int(rng.integers(2, 7)), size * int(rng.integers(2, 7)),
             int(rng.integers(2 if layer in COSTS else 1, 7)))
    kernel = [min(int(rng.integers(1, 7)), side) for side in shape[1:3]]
    inputs = sample_inputs(layer, options, shape, int(rng.integers(1, 7)), tuple(kernel), dtype, seed)
    inputs.pop("dy", None)
    scale, offset = 10 ** rng.uniform(-2, 1), rng.choice([0.0, 0.0, 3.0])
    if layer not in ("softmax", *COSTS):
        inputs["x" if "x" in inputs else "a"] *= dtype(scale)
        inputs["x" if "x" in inputs else "a"] += dtype(offset)
    words = f"seed {seed}: {layer}, {np.dtype(dtype)}, {', '.join(f'{k} {v.shape}' for k, v in inputs.items())}"
    simple = (all(side in ODD_KERNELS for side in kernel) if layer == "conv2d" else size == options.stride == 2)
    if rng.random() < 0.3 and simple and options.padding == "same" and layer not in ("dropout", "batch_norm"):
        return (RIGHT[layer][0], backward_of(layer), inputs, layer, options), f"{words}, NumPy"
    way = int(rng.integers(len(TORCH[layer]) + (layer in IN_PLACE)))
    forward = (*TORCH[layer], IN_PLACE.get(layer))[way]
    differentiable = TORCH[layer][way % len(TORCH[layer])]

    if way == len(TORCH[layer]) and layer in FROM_Y:
        differentiable = None

    def backward(*arrays):
        if differentiable is None:
            return FROM_Y[layer](*arrays)
        *dy, = arrays[:1] if layer not in COSTS else ()
        leaves = [each.clone().requires_grad_(each.is_floating_point()) for each in arrays[len(dy):]]
        y = differentiable(*leaves, options)
        return torch.autograd.grad(y, [each for each in leaves if each.requires_grad], *dy)

    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    return (lambda *arrays: forward(*arrays, options), backward, tensors, layer, options), f"{words}, PyTorch {way}"
