"""Every layer in TensorFlow, on arrays of the reference's layouts: the calls that do what the reference does."""

import tensorflow as tf

from .tensorflow_twin import cost_of_probabilities


def conv_transpose2d(x, weight, o):
    """TensorFlow asks for the size: it is that of a gradient, and several sizes have one."""
    (n, h, w, _), (kh, kw, outputs, _), s = x.shape, weight.shape, o.stride
    more = (0, 0) if o.padding == "same" else (max(kh - s, 0), max(kw - s, 0))
    return tf.nn.conv2d_transpose(x, weight, (n, s * h + more[0], s * w + more[1], outputs), s, o.padding.upper())


def cost(layer, z, labels, o):
    """Costs of logits (N, H, W, K), the means over pixels."""
    if layer == "weighted_cross_entropy":
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z)
        return tf.reduce_mean(tf.gather(tf.constant(o.weights(z.shape[-1]), z.dtype), labels) * entropy)
    return cost_of_probabilities(layer, z, labels)


def batch_norm(x, scale, shift, o):
    """Moments are those of the batch (eq. 56-58)."""
    mean, variance = tf.nn.moments(x, (0, 1, 2))
    return tf.nn.batch_normalization(x, mean, variance, shift, scale, o.epsilon)


LAYERS = {
    "conv2d": lambda t, o: tf.nn.conv2d(t["x"], t["weight"], 1, o.padding.upper()),
    "conv_transpose2d": lambda t, o: conv_transpose2d(t["x"], t["weight"], o),
    "bias": lambda t, o: tf.nn.bias_add(t["x"], t["b"]),
    "relu": lambda t, o: tf.nn.relu(t["x"]),
    "sigmoid": lambda t, o: tf.sigmoid(t["x"]),
    "dense": lambda t, o: t["x"] @ t["weight"] + t["b"],
    "max_pool2d": lambda t, o: tf.nn.max_pool2d(t["x"], o.size, o.size, "VALID"),
    "dropout": lambda t, o: t["x"] * tf.cast(t["mask"], t["x"].dtype) / o.keep_prob,
    "concat": lambda t, o: tf.concat([t["a"], t["b"]], axis=-1),
    "softmax": lambda t, o: tf.nn.softmax(t["x"]),
    "batch_norm": lambda t, o: batch_norm(t["x"], t["scale"], t["shift"], o),
}


def run(layer, inputs, options):
    """Return what TensorFlow makes of a layer's inputs; arguments as for `expected.layer.LayerTrace`."""
    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    leaves = {name: tensor for name, tensor in tensors.items() if tensor.dtype.is_floating and name != "dy"}
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        if layer in LAYERS:
            y = LAYERS[layer](tensors, options)
        else:
            y = cost(layer, tensors["x"], tf.cast(tensors["labels"], tf.int32), options)
    gradients = tape.gradient(y, leaves, output_gradients=tensors.get("dy"))
    return {"y" if layer in LAYERS else "cost": y, **{f"d{name}": gradient for name, gradient in gradients.items()}}
