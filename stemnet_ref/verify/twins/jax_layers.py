"""Every layer in JAX, on arrays of the reference's layouts: the calls that do what the reference does."""

import jax
import jax.numpy as jnp
from jax import lax

from .jax_twin import LAYOUT, cost_of_probabilities


def conv_transpose2d(x, weight, o):
    """"SAME" and "VALID" are TensorFlow's here too."""
    return lax.conv_transpose(x, weight, (o.stride, o.stride), o.padding.upper(), dimension_numbers=LAYOUT,
                              transpose_kernel=True)


def cost(layer, z, labels, o):
    """Costs of logits (N, H, W, K), the means over pixels."""
    if layer == "weighted_cross_entropy":
        log_p = jnp.take_along_axis(jax.nn.log_softmax(z), labels[..., None], axis=-1)[..., 0]
        return -jnp.mean(jnp.asarray(o.weights(z.shape[-1]), z.dtype)[labels] * log_p)
    return cost_of_probabilities(layer, z, labels)


def max_pool2d(x, o):
    """The gradient of reduce_window goes to the first of those that tie; that of jnp.max would be shared."""
    window = (1, o.size, o.size, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def batch_norm(x, scale, shift, o):
    """The variance is that of the batch, divided by n (eq. 56-58)."""
    return scale * (x - x.mean((0, 1, 2))) / jnp.sqrt(x.var((0, 1, 2)) + o.epsilon) + shift


LAYERS = {
    "conv2d": lambda t, o: lax.conv_general_dilated(t["x"], t["weight"], (1, 1), o.padding.upper(),
                                                    dimension_numbers=LAYOUT),
    "conv_transpose2d": lambda t, o: conv_transpose2d(t["x"], t["weight"], o),
    "bias": lambda t, o: t["x"] + t["b"],
    "relu": lambda t, o: jax.nn.relu(t["x"]),
    "sigmoid": lambda t, o: jax.nn.sigmoid(t["x"]),
    "dense": lambda t, o: t["x"] @ t["weight"] + t["b"],
    "max_pool2d": lambda t, o: max_pool2d(t["x"], o),
    "dropout": lambda t, o: t["x"] * t["mask"] / o.keep_prob,
    "concat": lambda t, o: jnp.concatenate([t["a"], t["b"]], axis=-1),
    "softmax": lambda t, o: jax.nn.softmax(t["x"]),
    "batch_norm": lambda t, o: batch_norm(t["x"], t["scale"], t["shift"], o),
}


def run(layer, inputs, options):
    """Return what JAX makes of a layer's inputs; arguments as for `expected.layer.LayerTrace`."""
    if any(array.dtype == "float64" for array in inputs.values()):
        jax.config.update("jax_enable_x64", True)
    leaves = {name: jnp.asarray(array) for name, array in inputs.items() if array.dtype.kind == "f" and name != "dy"}
    others = {name: jnp.asarray(array) for name, array in inputs.items() if name not in leaves}
    if layer in LAYERS:
        y, back = jax.vjp(lambda leaves: LAYERS[layer]({**leaves, **others}, options), leaves)
        outputs, (gradients,) = {"y": y}, back(others["dy"])
    else:
        value, gradients = jax.value_and_grad(lambda t: cost(layer, t["x"], others["labels"], options))(leaves)
        outputs = {"cost": value}
    return {**outputs, **{f"d{name}": gradient for name, gradient in gradients.items()}}
