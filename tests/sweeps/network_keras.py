"""The network of docs/golden.md in Keras, (N, H, W, C): a functional model, its losses, schedules and optimizers.

The model gives every tensor by its name. Convolutions have no bias of their own, because a dropout stands between.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from implementation import Implementation
from keras import layers


class MaskedDropout(layers.Layer):
    """Dropout by a mask that is an input of the model."""

    def __init__(self, keep_prob, **options):
        super().__init__(**options)
        self.keep_prob = keep_prob

    def call(self, x, mask):
        return x * keras.ops.cast(mask, x.dtype) / self.keep_prob


class Bias(layers.Layer):
    """A number for each channel that is added."""

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias


class Keras(Implementation):
    """The network in Keras; each method is a place for deviations."""

    def train(self):
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        keras.config.set_floatx(self.floatx())
        keras.config.set_dtype_policy(self.policy())
        return super().train()

    def floatx(self):
        return self.dtype.name

    def policy(self):
        """Return the name of the layers' dtype policy."""
        return self.floatx()

    def tensor(self, array):
        return array

    def array(self, tensor):
        array = keras.ops.convert_to_numpy(tensor)
        return np.array(array if array.dtype in (np.float32, np.float64) else array.astype(np.float32))

    def passes(self, parameters, x, labels):
        """Return cost and gradients of a step, and keep its tensors."""
        if self.step == 1:
            self.make(x, parameters)
        x = tf.convert_to_tensor(x)
        variables = {name: each for name, each in self.variables().items() if each.trainable}
        with tf.GradientTape() as tape:
            tape.watch(x)
            tensors = self.model([x, *(tf.convert_to_tensor(self.mask(layer)) for layer in self.masked)], training=True)
            cost = self.total(tensors["logits"], tensors["probabilities"], labels)
        owned = {id(each) for each in self.variables().values()}
        others = [each for each in self.model.trainable_variables if id(each) not in owned]
        of_variables, of_tensors, dx, of_others = tape.gradient(cost, (
            {name: each.value for name, each in variables.items()}, tensors, x, [each.value for each in others]))
        self.others = [pair for pair in zip(of_others, others, strict=True) if pair[0] is not None]
        for name, tensor in tensors.items():
            self.record(f"forward/{name}", tensor)
            if of_tensors[name] is not None and name != "probabilities":
                self.record(f"backward/{name}", of_tensors[name])
        self.record("backward/input", dx)
        return self.array(cost), {name: np.zeros(each.shape, each.dtype) if of_variables[name] is None
                                  else self.array(of_variables[name]) for name, each in variables.items()}

    # the model

    def make(self, x, parameters):
        """Make the model with the initial parameters."""
        self.kept, self.owners, self.masked = {}, {}, []
        self.inputs = [keras.Input(x.shape[1:], dtype=x.dtype.name)]
        logits = self.forward(self.inputs[0])
        self.keep("probabilities", layers.Softmax()(logits))
        self.model = keras.Model(self.inputs, self.kept)
        for name, (layer, attribute) in self.owners.items():
            getattr(layer, attribute).assign(parameters[name])
        self.freeze(self.model)
        self.optimizer = self.make_optimizer()

    def freeze(self, model):
        """Say which layers of the model do not learn."""

    def variables(self):
        """Return the model's variables by the names of docs/golden.md."""
        return {name: getattr(layer, attribute) for name, (layer, attribute) in self.owners.items()}

    def keep(self, name, tensor):
        self.kept[name] = tensor
        return tensor

    def own(self, name, layer):
        """Return a layer whose kernel or bias is the parameter with a name, in the words of docs/golden.md."""
        self.owners[name] = layer, "bias" if name.endswith("bias") else "kernel"
        return layer

    def forward(self, x):
        skips = []
        for level in range(self.levels):
            if level:
                x = self.keep(f"down{level - 1}.pool", self.pool(f"down{level - 1}")(x))
            x = self.block(x, self.features(level), f"down{level}")
            skips.append(self.skip(x, f"down{level}"))
        for level in reversed(range(self.levels - 1)):
            name, features = f"up{level}", self.features(level)
            deconv = self.own(f"{name}.deconv.weight", self.deconv(features, name))
            x = self.keep(f"{name}.deconv", deconv(x))
            x = self.keep(f"{name}.deconv_bias", self.own(f"{name}.deconv.bias", self.bias(name))(x))
            x = self.keep(f"{name}.deconv_relu", self.deconv_activation(name)(x))
            x = self.keep(f"{name}.concat", self.concat(name)(self.joined(skips[level], x, name)))
            x = self.block(x, features, name)
        conv = self.own("output.weight", self.conv(self.network["classes"], 1, "output"))
        x = self.keep("output.conv", conv(x))
        x = self.keep("output.bias", self.own("output.bias", self.bias("output"))(x))
        return self.keep("logits", self.logits()(x))

    def features(self, level):
        return self.network["features"] * 2 ** level

    def order(self, layer):
        """Return what a block is made of, in the order of the data; a word that ends in * is not kept."""
        return "conv dropout bias relu"

    def block(self, x, features, layer):
        for what in self.order(layer).split():
            done = getattr(self, f"do_{what.rstrip('*')}")(x, features, layer)
            x = done if what.endswith("*") else self.keep(f"{layer}.{what}", done)
        return x

    def do_conv(self, x, features, layer):
        return self.own(f"{layer}.conv.weight", self.conv(features, self.network["kernel"], layer))(x)

    def do_dropout(self, x, features, layer):
        if self.training["keep_prob"] == 1:
            return x
        mask = keras.Input(x.shape[1:], dtype=x.dtype)
        self.inputs.append(mask)
        self.masked.append(layer)
        return self.dropout(self.training["keep_prob"], layer)(x, mask)

    def do_bias(self, x, features, layer):
        return self.own(f"{layer}.conv.bias", self.bias(layer))(x)

    def do_relu(self, x, features, layer):
        return self.activation(layer)(x)

    # its layers: what is returned is called with their input

    def conv(self, features, kernel, layer, **options):
        return layers.Conv2D(features, kernel, **{"padding": "same", "use_bias": False, **options})

    def dropout(self, keep_prob, layer):
        return MaskedDropout(keep_prob)

    def bias(self, layer, **options):
        return Bias(**options)

    def activation(self, layer):
        return layers.ReLU()

    def deconv_activation(self, layer):
        return layers.ReLU()

    def pool(self, layer):
        return layers.MaxPooling2D(2)

    def skip(self, x, layer):
        """Return what goes across from a block of the way down, whose output is x."""
        return x

    def deconv(self, features, layer, **options):
        return layers.Conv2DTranspose(features, 2, **{"strides": 2, "padding": "same", "use_bias": False, **options})

    def joined(self, skip, x, layer):
        """Return what is concatenated."""
        return [skip, x]

    def concat(self, layer):
        return layers.Concatenate()

    def logits(self):
        return layers.Activation(self.network["logits"])

    # the cost

    def loss(self):
        """Return the loss of all pixels."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    def total(self, z, p, labels):
        """Return the cost with all penalties."""
        return self.cost(z, p, labels) + sum(keras.ops.cast(each, z.dtype) for each in self.model.losses)

    def cost(self, z, p, labels):
        """Return the cost of logits and probabilities."""
        return self.loss()(labels, z, sample_weight=self.pixel_weights(labels).astype(self.dtype))

    # the optimizer

    def schedule(self):
        """Return the learning rate, that changes with the optimizer's iterations."""
        t = self.training
        return keras.optimizers.schedules.ExponentialDecay(
            t["learning_rate"], t["steps_per_epoch"], t["decay_rate"], staircase=True)

    def make_optimizer(self, **options):
        """Return Keras's optimizer, or None for forms that Keras does not have."""
        t = self.training
        if (t["optimizer"], t["momentum_form"]) == ("momentum", "thesis"):
            return keras.optimizers.SGD(self.schedule(), **{"momentum": t["momentum"], **options})
        if (t["optimizer"], t["adam_form"]) == ("adam", "tensorflow"):
            return keras.optimizers.Adam(self.schedule(), **{"beta_1": t["beta1"], "beta_2": t["beta2"],
                                                             "epsilon": t["epsilon"], **options})
        return keras.optimizers.SGD(self.schedule(), **options) if t["optimizer"] == "sgd" else None

    def updated(self, parameters, gradients):
        """Return the parameters after the step, by name."""
        variables = self.variables()
        if self.optimizer is None:
            for name, w in super().updated(parameters, gradients).items():
                variables[name].assign(w)
        else:
            self.apply({name: self.decayed(name, parameters[name], g) for name, g in gradients.items()}, variables)
        return {name: self.array(variable) for name, variable in variables.items()}

    def apply(self, gradients, variables):
        """Let the optimizer change the variables, and those that docs/golden.md does not have."""
        self.optimizer.apply_gradients([*((tf.convert_to_tensor(g), variables[name])
                                          for name, g in gradients.items()), *self.others])
