"""StemNet in JAX, as one would write it there: plain functions of a dict of parameters.

Arrays and filters have the reference's layouts. Dropout takes the reference's masks, so that both can be compared
number for number.
"""

import jax
import jax.numpy as jnp
from jax import lax

from ...cost import OF_PROBABILITIES

LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(x, weight):
    """Return the convolution, "same"."""
    return lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=LAYOUT)


def deconv(x, weight):
    """Return the transposed convolution, stride 2; weight (kh, kw, out, in), as transpose_kernel takes it."""
    return lax.conv_transpose(x, weight, (2, 2), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True)


def max_pool(x):
    """Return the largest of each 2 x 2 pixels."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def forward(parameters, x, levels, masks=None, keep_prob=1.0, logits="linear", keep=lambda name, tensor: tensor):
    """Return the logits (N, H, W, classes).

    `masks`: one for each 5x5 convolution, in the order of the data; none at prediction. `keep` is shown every tensor
    under the reference's name, and returns it.
    """
    masks, skips = iter(masks or [None] * (2 * levels)), []

    def block(name, x):
        z = keep(f"{name}.conv", conv(x, parameters[f"{name}.conv.weight"]))
        mask = next(masks)
        z = keep(f"{name}.dropout", z if mask is None else z * mask / keep_prob)
        z = keep(f"{name}.bias", z + parameters[f"{name}.conv.bias"])
        return keep(f"{name}.relu", jax.nn.relu(z))

    for level in range(levels):
        if level:
            x = keep(f"down{level - 1}.pool", max_pool(x))
        x = block(f"down{level}", x)
        skips.append(x)
    skips.pop()
    for level in reversed(range(levels - 1)):
        x = keep(f"up{level}.deconv", deconv(x, parameters[f"up{level}.deconv.weight"]))
        x = keep(f"up{level}.deconv_bias", x + parameters[f"up{level}.deconv.bias"])
        x = keep(f"up{level}.deconv_relu", jax.nn.relu(x))
        x = keep(f"up{level}.concat", jnp.concatenate([skips.pop(), x], axis=-1))
        x = block(f"up{level}", x)
    z = keep("output.conv", conv(x, parameters["output.weight"]))
    z = keep("output.bias", z + parameters["output.bias"])
    return keep("logits", jax.nn.relu(z) if logits == "relu" else z)


def cost(logits, labels, class_weights):
    """Return the weighted cross-entropy, the mean over pixels (eq. 60)."""
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)[..., 0]
    return -jnp.mean(class_weights[labels] * log_p)


def cost_of_probabilities(name, logits, labels):
    """Return the cost named "dice" (eq. 6-7) or "quadratic" (eq. 3-4)."""
    p, truth = jax.nn.softmax(logits), jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if name == "quadratic":
        return jnp.sum((truth - p) ** 2) / 2 / labels.size
    return 1 - 2 * jnp.sum((p * truth)[..., 1:]) / (jnp.sum(p[..., 1:]) + jnp.sum(truth[..., 1:]))


def update(training, step, rate, parameters, gradients, state):
    """Return parameters and averages after a step, counted from 1 (eq. 15, 28-29, 20-27)."""
    new, mu = {}, training["momentum"]
    for name, w in parameters.items():
        g = gradients[name] + (training["weight_decay"] * w if name.endswith("weight") else 0)
        if training["optimizer"] == "sgd":
            new[name] = w - rate * g
        elif training["optimizer"] == "momentum":
            v = state.get(name, jnp.zeros_like(w))
            if training["momentum_form"] == "thesis":
                v = mu * v - rate * g
                new[name] = w + v
            else:
                v = mu * v + g
                new[name] = w - rate * v
            state[name] = v
        else:
            beta1, beta2, epsilon = training["beta1"], training["beta2"], training["epsilon"]
            m, v = state.get(name, (jnp.zeros_like(w), jnp.zeros_like(w)))
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            if training["adam_form"] == "tensorflow":
                epsilon = epsilon / (1 - beta2 ** step) ** 0.5                              # "epsilon hat"
            new[name] = w - rate * m / (1 - beta1 ** step) / (jnp.sqrt(v / (1 - beta2 ** step)) + epsilon)
            state[name] = m, v
    return new, state


def train(golden):
    """Train for a golden file's steps from its parameters, input and masks; return the tensors by its keys."""
    if golden.input.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    training, tensors, state = golden.training, {}, {}
    x, labels = jnp.asarray(golden.input), jnp.asarray(golden.labels, jnp.int32)
    class_weights = jnp.asarray(golden.class_weights, x.dtype)
    parameters = {name: jnp.asarray(array) for name, array in golden.parameters.items()}

    def loss(parameters, probes, x, masks):
        """Return the cost, and the tensors; the gradient by a probe, which is 0, is that by what it is added to."""
        by_name = {}

        def keep(name, tensor):
            by_name[name] = tensor + probes[name] if name in probes else tensor
            return by_name[name]

        z = forward(parameters, x, golden.network["levels"], masks, training["keep_prob"], golden.network["logits"],
                    keep)
        if training["cost"] in OF_PROBABILITIES:
            return cost_of_probabilities(training["cost"], z, labels), by_name
        return cost(z, labels, class_weights), by_name

    for step in range(1, golden.steps + 1):
        masks = [jnp.asarray(mask, x.dtype) for mask in golden.masks_of(step)]
        probes = {}
        if step == 1:
            _, by_name = jax.eval_shape(loss, parameters, {}, x, masks)
            probes = {name: jnp.zeros(tensor.shape, tensor.dtype) for name, tensor in by_name.items()}
        run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
        (value, by_name), (gradients, by_probes, by_x) = run(parameters, probes, x, masks)
        if step == 1:
            tensors.update({f"1/forward/{name}": tensor for name, tensor in by_name.items()})
            tensors.update({f"1/backward/{name}": tensor for name, tensor in by_probes.items()})
            tensors["1/backward/input"] = by_x
        rate = training["learning_rate"] * training["decay_rate"] ** ((step - 1) // training["steps_per_epoch"])
        parameters, state = update(training, step, rate, parameters, gradients, state)
        tensors[f"{step}/cost"] = value
        tensors.update({f"{step}/gradient/{name}": array for name, array in gradients.items()})
        tensors.update({f"{step}/parameter/{name}": array for name, array in parameters.items()})
    return tensors
