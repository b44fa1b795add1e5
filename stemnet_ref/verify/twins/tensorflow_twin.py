"""StemNet in TensorFlow 2, as one would write it there.

Arrays and filters have the reference's layouts, which are TensorFlow's. Dropout takes the reference's masks, so that
both can be compared number for number.
"""

import tensorflow as tf

from ...cost import OF_PROBABILITIES


def forward(parameters, x, levels, masks=None, keep_prob=1.0, logits="linear", keep=lambda name, tensor: tensor):
    """Return the logits (N, H, W, classes).

    `parameters`: variables by the reference's names. `masks`: one for each 5x5 convolution, in the order of the data;
    none at prediction. `keep` is shown every tensor under the reference's name, and returns it.
    """
    masks, skips = iter(masks or [None] * (2 * levels)), []

    def block(name, x):
        z = keep(f"{name}.conv", tf.nn.conv2d(x, parameters[f"{name}.conv.weight"], 1, "SAME"))
        mask = next(masks)
        z = keep(f"{name}.dropout", z if mask is None else z * mask / keep_prob)
        z = keep(f"{name}.bias", tf.nn.bias_add(z, parameters[f"{name}.conv.bias"]))
        return keep(f"{name}.relu", tf.nn.relu(z))

    for level in range(levels):
        if level:
            x = keep(f"down{level - 1}.pool", tf.nn.max_pool2d(x, 2, 2, "VALID"))
        x = block(f"down{level}", x)
        skips.append(x)
    skips.pop()
    for level in reversed(range(levels - 1)):
        skip = skips.pop()
        x = keep(f"up{level}.deconv", tf.nn.conv2d_transpose(x, parameters[f"up{level}.deconv.weight"], skip.shape, 2,
                                                             "SAME"))
        x = keep(f"up{level}.deconv_bias", tf.nn.bias_add(x, parameters[f"up{level}.deconv.bias"]))
        x = keep(f"up{level}.deconv_relu", tf.nn.relu(x))
        x = keep(f"up{level}.concat", tf.concat([skip, x], axis=-1))
        x = block(f"up{level}", x)
    z = keep("output.conv", tf.nn.conv2d(x, parameters["output.weight"], 1, "SAME"))
    z = keep("output.bias", tf.nn.bias_add(z, parameters["output.bias"]))
    return keep("logits", tf.nn.relu(z) if logits == "relu" else z)


def cost(logits, labels, class_weights):
    """Return the weighted cross-entropy, the mean over pixels (eq. 60)."""
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_mean(tf.gather(class_weights, labels) * entropy)


def cost_of_probabilities(name, logits, labels):
    """Return the cost named "dice" (eq. 6-7) or "quadratic" (eq. 3-4)."""
    p, truth = tf.nn.softmax(logits), tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if name == "quadratic":
        return tf.reduce_sum((truth - p) ** 2) / 2 / tf.cast(tf.size(labels), logits.dtype)
    return 1 - 2 * tf.reduce_sum((p * truth)[..., 1:]) / (tf.reduce_sum(p[..., 1:]) + tf.reduce_sum(truth[..., 1:]))


class Momentum:
    """v' = mu v + g, w' = w - eta v', the form of TensorFlow 1. Its own, tf.compat.v1.train.MomentumOptimizer, rounds
    eta and mu to float32 even where the variables are float64.
    """

    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum, self.velocity = learning_rate, momentum, {}

    def apply_gradients(self, gradients):
        for g, w in gradients:
            v = self.velocity.get(w.ref(), tf.zeros_like(w))
            self.velocity[w.ref()] = v = self.momentum * v + g
            w.assign_sub(self.learning_rate * v)


def make_optimizer(training):
    """Return the optimizer of a golden file's settings.

    Keras's SGD has the velocity of eq. 28; Keras's Adam is that of eq. 22, with "epsilon hat".
    """
    rate, mu = training["learning_rate"], training["momentum"]
    if training["optimizer"] == "momentum" and training["momentum_form"] == "tensorflow":
        return Momentum(rate, mu)
    if training["optimizer"] == "adam":
        optimizer = tf.keras.optimizers.Adam(rate, training["beta1"], training["beta2"], training["epsilon"])
    else:
        optimizer = tf.keras.optimizers.SGD(rate, mu if training["optimizer"] == "momentum" else 0.0)
    for name in ("momentum", "beta_1", "beta_2"):           # Keras would round Python's numbers to float32
        if getattr(optimizer, name, 0.0):
            setattr(optimizer, name, tf.constant(getattr(optimizer, name), tf.keras.backend.floatx()))
    return optimizer


def train(golden):
    """Train for a golden file's steps from its parameters, input and masks; return the tensors by its keys."""
    tf.keras.backend.set_floatx(golden.input.dtype.name)        # else Keras keeps learning rates in float32
    training, tensors = golden.training, {}
    x, labels = tf.constant(golden.input), tf.constant(golden.labels, tf.int32)
    class_weights = tf.constant(golden.class_weights, x.dtype)
    parameters = {name: tf.Variable(array) for name, array in golden.parameters.items()}
    optimizer = make_optimizer(training)
    for step in range(1, golden.steps + 1):
        masks, forward_tensors = [tf.cast(mask, x.dtype) for mask in golden.masks_of(step)], {}

        def keep(name, tensor, tensors=forward_tensors):
            tensors[name] = tensor
            return tensor

        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            z = forward(parameters, x, golden.network["levels"], masks, training["keep_prob"],
                        golden.network["logits"], keep)
            if training["cost"] in OF_PROBABILITIES:
                loss = cost_of_probabilities(training["cost"], z, labels)
            else:
                loss = cost(z, labels, class_weights)
        gradients = tape.gradient(loss, parameters)
        if step == 1:
            by_tensor = tape.gradient(loss, {**forward_tensors, "input": x})
            tensors.update({f"1/forward/{name}": tensor for name, tensor in forward_tensors.items()})
            tensors.update({f"1/backward/{name}": tensor for name, tensor in by_tensor.items()})
        del tape
        tensors[f"{step}/cost"] = loss
        tensors.update({f"{step}/gradient/{name}": gradient for name, gradient in gradients.items()})
        epoch = (step - 1) // training["steps_per_epoch"]
        optimizer.learning_rate = training["learning_rate"] * training["decay_rate"] ** epoch    # constant within one
        if training["optimizer"] == "adam" and training["adam_form"] == "kingma":
            optimizer.epsilon = training["epsilon"] * (1 - training["beta2"] ** step) ** 0.5
        optimizer.apply_gradients(
            (gradients[name] + training["weight_decay"] * w if name.endswith("weight") else gradients[name], w)
            for name, w in parameters.items())
        tensors.update({f"{step}/parameter/{name}": w.numpy() for name, w in parameters.items()})
    return tensors
