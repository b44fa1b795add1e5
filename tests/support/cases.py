"""What is compared with PyTorch, by test_torch.py in one process and through golden files by test_golden.py.

A case has inputs drawn from a seed; the reference and PyTorch each turn them into a dict of outputs.
"""

import numpy as np

from stemnet_ref import StemNet
from stemnet_ref.cost import Cost
from stemnet_ref.layers import (
    batch_norm,
    bias,
    concat,
    conv2d,
    conv_transpose2d,
    dense,
    dice,
    dropout,
    max_pool2d,
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)
from stemnet_ref.optimizers import SGD, Adam, Momentum
from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import Options

CONVOLUTIONS = {                # name: (kh, kw, padding)
    "conv2d_5x5": (5, 5, "same"), "conv2d_1x1": (1, 1, "same"), "conv2d_even": (4, 2, "same"),
    "conv2d_valid": (3, 5, "valid"),
}
TRANSPOSED = {                  # name: (kh, kw, stride, padding)
    "conv_transpose2d_2x2": (2, 2, 2, "same"), "conv_transpose2d_wide": (5, 3, 2, "same"),
    "conv_transpose2d_valid": (5, 4, 3, "valid"), "conv_transpose2d_narrow": (1, 2, 3, "same"),
}
OTHERS = ("bias", "relu", "sigmoid", "dense", "max_pool2d", "dropout", "concat", "softmax", "weighted_cross_entropy",
          "cross_entropy", "weighted_pixels_cross_entropy", "dice", "quadratic", "batch_norm")
LAYERS = (*CONVOLUTIONS, *TRANSPOSED, *OTHERS)
KEEP_PROB, EPSILON, WEIGHTS = 0.75, 1e-3, (1.0, 2.0, 0.5)

# name: (optimizer of the reference, whether the learning rate decays, preset of logits and class weights)
NETWORKS = {
    "sgd": (lambda rate: SGD(rate), True, "thesis"),
    "momentum": (lambda rate: Momentum(rate, 0.2), False, "thesis"),
    "momentum_tensorflow": (lambda rate: Momentum(rate, 0.2, "tensorflow"), True, "thesis"),
    "adam": (lambda rate: Adam(rate), True, "thesis"),
    "listing": (lambda rate: Momentum(rate, 0.2, "tensorflow"), True, "listing"),
}
STEPS, RATE, DECAY = 10, 0.01, 0.9


def layer_of(name):
    """Return the layer of a case, and its `verify.Options`."""
    weights = WEIGHTS if name.startswith("weighted") else (1.0, 1.0, 1.0)
    if name in CONVOLUTIONS:
        return "conv2d", Options(padding=CONVOLUTIONS[name][2])
    if name in TRANSPOSED:
        return "conv_transpose2d", Options(padding=TRANSPOSED[name][3], stride=TRANSPOSED[name][2])
    return {"cross_entropy": "weighted_cross_entropy"}.get(name, name), Options(
        keep_prob=KEEP_PROB, epsilon=EPSILON, class_weights=weights)


def layer_inputs(name, seed):
    """Return the inputs of a layer's case, float64 (labels and masks are integers)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 6, 7, 3))
    if name in CONVOLUTIONS:
        kh, kw, padding = CONVOLUTIONS[name]
        weight = rng.standard_normal((kh, kw, 3, 4))
        return {"x": x, "weight": weight, "dy": rng.standard_normal(conv2d.forward(x, weight, padding).shape)}
    if name in TRANSPOSED:
        kh, kw, stride, padding = TRANSPOSED[name]
        weight = rng.standard_normal((kh, kw, 4, 3))
        shape = conv_transpose2d.forward(x, weight, stride, padding).shape
        return {"x": x, "weight": weight, "dy": rng.standard_normal(shape)}
    dy = rng.standard_normal(x.shape)
    if name == "bias":
        return {"x": x, "b": rng.standard_normal(3), "dy": dy}
    if name == "dense":
        return {"x": rng.standard_normal((5, 4)), "weight": rng.standard_normal((4, 3)), "b": rng.standard_normal(3),
                "dy": rng.standard_normal((5, 3))}
    if name == "max_pool2d":
        return {"x": rng.standard_normal((2, 6, 8, 3)), "dy": rng.standard_normal((2, 3, 4, 3))}
    if name == "dropout":
        return {"x": x, "mask": dropout.draw_mask(x.shape, KEEP_PROB, seed, 0, 0).astype(np.uint8), "dy": dy}
    if name == "concat":
        return {"a": x, "b": rng.standard_normal((2, 6, 7, 2)), "dy": rng.standard_normal((2, 6, 7, 5))}
    if name == "batch_norm":
        return {"x": x, "scale": rng.standard_normal(3), "shift": rng.standard_normal(3), "dy": dy}
    if name.endswith("cross_entropy") or name in ("dice", "quadratic"):
        pixels = {"pixel_weights": rng.uniform(0, 9, (2, 6, 7))} if "pixels" in name else {}
        return {"z": 2 * x, "labels": rng.integers(0, 3, (2, 6, 7)), **pixels}
    return {"x": x, "dy": dy}


def layer_outputs(name, inputs):
    """Return what the reference makes of the inputs."""
    x, dy = inputs.get("x"), inputs.get("dy")
    if name in CONVOLUTIONS:
        padding = CONVOLUTIONS[name][2]
        dx, dweight = conv2d.backward(dy, x, inputs["weight"], padding)
        return {"y": conv2d.forward(x, inputs["weight"], padding), "dx": dx, "dweight": dweight}
    if name in TRANSPOSED:
        stride, padding = TRANSPOSED[name][2:]
        dx, dweight = conv_transpose2d.backward(dy, x, inputs["weight"], stride, padding)
        return {"y": conv_transpose2d.forward(x, inputs["weight"], stride, padding), "dx": dx, "dweight": dweight}
    if name == "bias":
        dx, db = bias.backward(dy)
        return {"y": bias.forward(x, inputs["b"]), "dx": dx, "db": db}
    if name == "dense":
        dx, dweight, db = dense.backward(dy, x, inputs["weight"])
        return {"y": dense.forward(x, inputs["weight"], inputs["b"]), "dx": dx, "dweight": dweight, "db": db}
    if name == "max_pool2d":
        y, argmax = max_pool2d.forward(x)
        return {"y": y, "dx": max_pool2d.backward(dy, argmax)}
    if name == "dropout":
        mask = inputs["mask"].astype(bool)
        return {"y": dropout.forward(x, mask, KEEP_PROB), "dx": dropout.backward(dy, mask, KEEP_PROB)}
    if name == "concat":
        da, db = concat.backward(dy, 3)
        return {"y": concat.forward(inputs["a"], inputs["b"]), "da": da, "db": db}
    if name == "batch_norm":
        scale, shift = inputs["scale"], inputs["shift"]
        y, mean, variance = batch_norm.forward(x, scale, shift, EPSILON)
        dx, dscale, dshift = batch_norm.backward(dy, x, scale, mean, variance, EPSILON)
        return {"y": y, "dx": dx, "dscale": dscale, "dshift": dshift}
    if name in ("relu", "sigmoid", "softmax"):
        layer = {"relu": relu, "sigmoid": sigmoid, "softmax": softmax}[name]
        y = layer.forward(x)
        return {"y": y, "dx": layer.backward(dy, y)}
    z, labels = inputs["z"], inputs["labels"]
    if name.endswith("cross_entropy"):
        weights = WEIGHTS if name.startswith("weighted") else (1.0, 1.0, 1.0), inputs.get("pixel_weights")
        cost, p = weighted_cross_entropy.forward(z, labels, *weights)
        return {"cost": np.array(cost), "dz": weighted_cross_entropy.backward(p, labels, *weights)}
    layer = {"dice": dice, "quadratic": quadratic}[name]
    p = softmax.forward(z)
    return {"cost": np.array(layer.forward(p, labels)), "dz": softmax.backward(layer.backward(p, labels), p)}


def small_network(logits="linear", seed=0, **alternatives):
    """Return a float64 network of three levels whose biases and scales are not all alike."""
    network = StemNet(3, levels=3, features=2, logits=logits, dtype=np.float64, seed=seed, **alternatives)
    rng = np.random.default_rng(seed)
    for name, array in network.parameters.items():
        if name.endswith(("bias", "scale")):
            array[:] = rng.uniform(0, 0.2, array.shape) + name.endswith("scale")
    return network


def batch(step):
    """Return a batch of two frames and labels for a step."""
    rng = np.random.default_rng(1000 + step)
    return rng.standard_normal((2, 16, 16, 3)), rng.integers(0, 2, (2, 16, 16))


def masks(network, step):
    """Return the dropout masks of a step, in the order of the data."""
    _, cache = network.forward(batch(step)[0], KEEP_PROB, seed=0, step=step)
    shapes = [saved.y.shape for block, saved in zip(network.blocks, cache, strict=True) if block.dropout]
    return [dropout.draw_mask(shape, KEEP_PROB, 0, step, number) for number, shape in enumerate(shapes)]


def rate_of(step, decays):
    """Return the learning rate of a step."""
    return RATE * DECAY ** (step // 3) if decays else RATE


def network_outputs(name):
    """Return the reference's costs, first gradients and parameters over ten steps of training."""
    make, decays, preset = NETWORKS[name]
    settings, optimizer, outputs, costs = Settings.from_options({"preset": preset}), make(RATE), {}, []
    network, cost = small_network(settings.logits), Cost.of(settings)
    for step in range(STEPS):
        x, labels = batch(step)
        z, cache = network.forward(x, KEEP_PROB, seed=0, step=step)
        value, p = cost.forward(z, labels)
        dlogits = cost.backward(p, labels)
        gradients = network.backward(dlogits, cache)
        if step == 0:
            outputs.update({f"gradient/{key}": value.copy() for key, value in gradients.items()})
        optimizer.learning_rate = rate_of(step, decays)
        optimizer.update(network.parameters, gradients)
        costs.append(value)
    return {"costs": np.array(costs), **outputs,
            **{f"parameter/{key}": value for key, value in network.parameters.items()}}
