"""Deviations in the layers and the loss of the Keras implementation: other layers, other arguments of them."""

import re

import keras
import numpy as np
from deviation import Catalogue, only
from keras import layers
from network_keras import Bias, MaskedDropout

KERAS_LAYERS = Catalogue("convolution")
OUTPUT = {"output"}


def add(family, name, right, planted=None, only_in=None, hint="", settings=None, **changes):
    """Add a deviation of some places; `only_in` are the layers in which alone it is planted, `planted` in words."""
    KERAS_LAYERS.add(f"{name}, Keras", right, family=family, layers=only_in or planted, hint=hint, keras={
        place: only(only_in, change) if only_in else change for place, change in changes.items()}, **(settings or {}))


def options(**more):
    """Return a change of a place that takes options of its layer: these beside its own."""
    return lambda net, plain, *rest, **own: plain(*rest, **{**own, **more})


def replaced(make):
    """Return a change of a place that makes a layer: another one, which `make` makes."""
    return lambda net, plain, *rest: make()


def followed(*others):
    """Return a change of a place that makes a layer: what others, functions that make layers, make of its output."""
    def change(net, plain, *rest, **own):
        layer = plain(*rest, **own)
        if rest[-1] in OUTPUT:
            return layer
        more = [make() for make in others]

        def call(x):
            x = layer(x)
            for each in more:
                x = each(x)
            return x
        return Called(layer, call)
    return change


class Called:
    """A layer, its kernel and its bias, and what is called in its place."""

    def __init__(self, layer, call):
        self.layer, self.call = layer, call

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def __call__(self, *inputs):
        return self.call(*inputs)


class Filtered(layers.Conv2D):
    """A convolution with its kernel changed on the way into the product."""

    def __init__(self, *arguments, change, **more):
        super().__init__(*arguments, **more)
        self.change = change

    def call(self, x):
        return keras.ops.conv(x, self.change(self.kernel), padding="same")


def filters(change):
    return lambda net, plain, features, kernel, layer: plain(features, kernel, layer) if layer == "output" else (
        Filtered(features, kernel, padding="same", use_bias=False, change=change))


def padded(mode):
    def conv(net, plain, features, kernel, layer):
        made = plain(features, kernel, layer, padding="valid")
        side = (kernel - 1) // 2
        return Called(made, lambda x: made(keras.ops.pad(x, [(0, 0), (side, side), (side, side), (0, 0)], mode)))
    return conv


def with_zeros(sides):
    def conv(net, plain, features, kernel, layer):
        made = plain(features, kernel, layer, padding="valid")
        return made if layer == "output" else Called(made, lambda x: made(layers.ZeroPadding2D(sides)(x)))
    return conv


# convolutions
add("convolution", "kernel flipped", "kernel_flipped", conv=filters(lambda w: w[::-1, ::-1]))
add("convolution", "rows and columns exchanged", "filter_axes_transposed",
    conv=filters(lambda w: keras.ops.transpose(w, (1, 0, 2, 3))))
add("convolution", "a bias of its own beside it", "", conv=options(use_bias=True))
add("convolution", "dilation_rate=2", "", "down0", conv=only("down0", options(dilation_rate=2)))
add("convolution", "kernel_constraint of norm 1", "", hint="factor",
    conv=options(kernel_constraint=keras.constraints.MaxNorm(1.0)))
add("convolution", "activity_regularizer", "", conv=options(activity_regularizer=keras.regularizers.L2(1e-4)))
add("convolution", "BatchNormalization", "", conv=followed(layers.BatchNormalization))
add("convolution", "BatchNormalization without training", "", hint="factor", conv=followed(
    lambda: layers.BatchNormalization(trainable=False)))
add("convolution", "LayerNormalization", "", conv=followed(layers.LayerNormalization))
add("convolution", "GroupNormalization", "", conv=followed(lambda: layers.GroupNormalization(2)))
add("convolution", "UnitNormalization", "", conv=followed(layers.UnitNormalization))
add("convolution", "GaussianNoise", "", conv=followed(lambda: layers.GaussianNoise(0.01)))
for _mode, _right in (("reflect", "padding_reflect"), ("symmetric", "padding_symmetric")):
    add("padding", _mode, _right, conv=padded(_mode))
add("padding", "symmetric in one layer", "padding_symmetric", only_in="down1", conv=padded("symmetric"))
add("padding", "valid after ZeroPadding2D", "agrees", conv=with_zeros(2))
add("padding", "ZeroPadding2D above and left", "", conv=with_zeros(((4, 0), (4, 0))))

# dropout, and the order in a block


def dropout(scale=lambda keep: 1 / keep, mask=lambda mask: mask):
    class Other(MaskedDropout):
        def call(self, x, given):
            return x * keras.ops.cast(mask(given), x.dtype) * scale(self.keep_prob)
    return lambda net, plain, keep_prob, layer: Other(keep_prob)


def unmasked(make):
    """Return a change of the dropout: a layer that does not take the golden file's mask."""
    def change(net, plain, keep_prob, layer):
        made = make(keep_prob)
        return Called(made, lambda x, mask: made(x))
    return change


def ordered(order):
    return lambda net, plain, layer: order


add("dropout", "not rescaled", "dropout_not_rescaled", dropout=dropout(lambda keep: 1.0))
add("dropout", "rate for keep_prob", "dropout_keep_for_drop", dropout=dropout(lambda keep: 1 / (1 - keep)))
add("dropout", "SpatialDropout2D", "dropout_of_channels", dropout=dropout(mask=lambda mask: mask[:, :1, :1]))
add("dropout", "without training=True", "dropout_ignored", dropout=unmasked(lambda keep: layers.Identity()))
add("dropout", "Keras's own masks", "", hint="mask", dropout=unmasked(lambda keep: layers.Dropout(1 - keep, seed=1)))
add("dropout", "GaussianDropout", "", hint="mask", dropout=unmasked(lambda keep: layers.GaussianDropout(
    1 - keep, seed=1)))
add("dropout", "AlphaDropout", "", hint="mask", dropout=unmasked(lambda keep: layers.AlphaDropout(1 - keep, seed=1)))
add("dropout", "one mask for all steps", "dropout_mask_of_first_step", mask=lambda net, plain, layer: (
    net.file[f"1/mask/{layer}.conv"].astype(net.dtype)))
add("dropout", "after the ReLU of the convolution", "dropout_after_relu", order=ordered("conv* bias* relu dropout*"))
add("dropout", "after the convolution with its bias", "bias_before_dropout", order=ordered("conv* bias dropout* relu"))
add("dropout", "before the pooling too", "", pool=lambda net, plain, layer: keras.Sequential([
    layers.Dropout(0.25, seed=1), plain(layer)]))
add("activation", "ReLU of the convolution before the bias", "relu_before_bias",
    order=ordered("conv dropout relu* bias*"))
add("activation", "ReLU before the bias and after it", "", order=ordered("conv dropout relu* bias relu"))
add("activation", "ReLU of the transposed convolution before the bias", "deconv_relu_before_bias",
    deconv=options(activation="relu"), deconv_activation=replaced(lambda: layers.Activation("linear")), hint="factor",
    saved=lambda net, plain, tensors: {key: each for key, each in plain(tensors).items() if not re.search(
        r"\.deconv(_|$)", key)})

# activations
for _name, _right, _make in (
        ("LeakyReLU by its default", "leaky_relu_0.3", layers.LeakyReLU),
        ("LeakyReLU(0.2)", "leaky_relu_0.2", lambda: layers.LeakyReLU(negative_slope=0.2)),
        ("ReLU(negative_slope=0.1)", "leaky_relu_0.1", lambda: layers.ReLU(negative_slope=0.1)),
        ("ELU", "elu", layers.ELU), ("SELU", "selu", lambda: layers.Activation("selu")),
        ("GELU", "gelu", lambda: layers.Activation("gelu")),
        ("swish", "silu", lambda: layers.Activation("swish")),
        ("softplus", "softplus", lambda: layers.Activation("softplus")),
        ("ReLU(6)", "relu6", lambda: layers.ReLU(max_value=6)), ("linear", "activation_missing",
                                                                 lambda: layers.Activation("linear")),
        ("ReLU(threshold=0.05)", "", lambda: layers.ReLU(threshold=0.05)), ("PReLU", "", layers.PReLU),
        ("mish", "", lambda: layers.Activation("mish")), ("hard_sigmoid", "", lambda: layers.Activation(
            "hard_sigmoid"))):
    add("activation", _name, _right, **dict.fromkeys(("activation", "deconv_activation"), replaced(_make)))
add("activation", "LeakyReLU in one layer", "leaky_relu_0.3", only_in="up1", activation=replaced(layers.LeakyReLU))
add("activation", "sigmoid of the logits", "", logits=replaced(lambda: layers.Activation("sigmoid")))
add("activation", "softmax in the last layer", "", logits=replaced(layers.Softmax))

# biases, pooling, transposed convolutions, skips


class Unused(Bias):
    """A bias that is not added."""

    def call(self, x):
        return x * 1.0


add("bias", "not added in the output layer", "bias_missing", only_in="output", bias=replaced(Unused))
add("bias", "not added", "bias_missing", bias=replaced(Unused))
add("pooling", "AveragePooling2D", "pool_average", pool=replaced(lambda: layers.AveragePooling2D(2)))
add("pooling", "AveragePooling2D in one layer", "pool_average", only_in="down0",
    pool=replaced(lambda: layers.AveragePooling2D(2)))
add("pooling", "MaxPooling2D(3, 2, same)", "", pool=replaced(lambda: layers.MaxPooling2D(3, 2, "same")))
add("pooling", "MaxPooling2D(2, same)", "agrees", pool=replaced(lambda: layers.MaxPooling2D(2, padding="same")))
add("pooling", "strided convolutions", "pool_strided", pool=replaced(layers.Identity), conv=only(
    "down1 down2", options(strides=2)), saved=lambda net, plain, tensors: {
        key: each for key, each in plain(tensors).items() if "pool" not in key})


class Upsampled(layers.Layer):
    """UpSampling2D and a convolution with the filters (2, 2, out, in) of the transposed convolution."""

    def __init__(self, features, interpolation):
        super().__init__()
        self.features, self.upsampling = features, layers.UpSampling2D(2, interpolation=interpolation)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(2, 2, self.features, shape[-1]), name="kernel")

    def call(self, x):
        return keras.ops.conv(self.upsampling(x), keras.ops.swapaxes(self.kernel, 2, 3), padding="same")


for _mode, _right in (("nearest", "upsample_nearest"), ("bilinear", "upsample_bilinear"), ("bicubic", "")):
    add("upsampling", f"UpSampling2D, {_mode}", _right, deconv=lambda net, plain, features, layer, mode=_mode: (
        Upsampled(features, mode)))
add("upsampling", "Conv2DTranspose, valid", "agrees", deconv=options(padding="valid"))
add("upsampling", "Conv2DTranspose cropped a pixel further", "", deconv=lambda net, plain, features, layer: (
    made := plain(features, layer)) and Called(made, lambda x: layers.ZeroPadding2D(((0, 1), (0, 1)))(
        layers.Cropping2D(((1, 0), (1, 0)))(made(x)))))
add("skip", "swapped", "concat_swapped", joined=lambda net, plain, skip, x, layer: [x, skip])
add("skip", "swapped at one level", "concat_swapped", only_in="up1",
    joined=lambda net, plain, skip, x, layer: [x, skip])
add("skip", "stop_gradient", "skip_detached", skip=lambda net, plain, x, layer: keras.ops.stop_gradient(x))
add("skip", "before the ReLU", "skip_before_activation",
    skip=lambda net, plain, x, layer: net.kept[f"{layer}.bias"])
add("skip", "before the bias", "", skip=lambda net, plain, x, layer: net.kept[f"{layer}.dropout"])
add("skip", "twice what comes from below", "", joined=lambda net, plain, skip, x, layer: [x, x])

# the loss


def loss(make):
    return {"loss": lambda net, plain: make()}


def cost(value):
    """Return the change that has another cost; `value` takes the implementation, logits, probabilities and labels."""
    return {"cost": lambda net, plain, z, p, labels: value(net, z, p, labels)}


def of_probabilities(loss):
    """Return the change that gives a loss the probabilities; of the model's own output Keras takes the logits."""
    return cost(lambda net, z, p, y: loss(y, p * 1.0, sample_weight=net.pixel_weights(y).astype(net.dtype)))


def onehot(y, classes=2):
    return np.eye(classes, dtype=np.float32)[y]


def of_onehot(loss):
    return cost(lambda net, z, p, y: loss(onehot(y), z, sample_weight=net.pixel_weights(y).astype(net.dtype)))


SPARSE = keras.losses.SparseCategoricalCrossentropy
CATEGORICAL = keras.losses.CategoricalCrossentropy
add("cost", "from_logits=False on logits", "logits_as_probabilities", **loss(lambda: SPARSE(reduction="sum")))
add("cost", "from_logits=False on logits, one-hot", "logits_as_shares", **of_onehot(CATEGORICAL(reduction="sum")))
add("cost", "from_logits=True on probabilities", "softmax_twice", **of_probabilities(SPARSE(
    from_logits=True, reduction="sum")))
add("cost", "from_logits=False on probabilities", "log_clipped_1e-07", **of_probabilities(SPARSE(reduction="sum")))
add("cost", "from_logits=False on the softmax layer", "agrees", **cost(lambda net, z, p, y: SPARSE(reduction="sum")(
    y, p, sample_weight=net.pixel_weights(y).astype(net.dtype))))
add("cost", "by one-hot labels", "agrees", **of_onehot(CATEGORICAL(from_logits=True, reduction="sum")))
for _share in (0.1, 0.05):
    add("cost", f"label_smoothing={_share}", f"label_smoothing={_share}", **of_onehot(CATEGORICAL(
        from_logits=True, reduction="sum", label_smoothing=_share)))
for _reduction, _right in (("sum", "cost_summed"), ("sum_over_batch_size", "agrees"),
                           ("mean_with_sample_weight", "cost_over_weights")):
    add("cost", f"reduction={_reduction}", _right, **cost(lambda net, z, p, y, how=_reduction: SPARSE(
        from_logits=True, reduction=how)(y, z, sample_weight=net.file["class_weights"][y].astype(net.dtype))))
add("cost", "class_weight twice", "weights_other=1 and 4", pixel_weights=lambda net, plain, y: (
    plain(y) * net.file["class_weights"][y]))
add("cost", "BinaryCrossentropy of each class", "sigmoid_of_each_class", **of_onehot(keras.losses.BinaryCrossentropy(
    from_logits=True, reduction="sum")))
add("cost", "CategoricalFocalCrossentropy", "focal_keras=0.25", **of_onehot(keras.losses.CategoricalFocalCrossentropy(
    from_logits=True, reduction="sum")))
add("cost", "CategoricalFocalCrossentropy, alpha 1", "focal_keras=1", **of_onehot(
    keras.losses.CategoricalFocalCrossentropy(1.0, from_logits=True, reduction="sum")))
add("cost", "Dice", "", **cost(lambda net, z, p, y: keras.losses.Dice()(onehot(y), p)))
add("cost", "MeanSquaredError of p", "another_cost=quadratic", **cost(
    lambda net, z, p, y: keras.losses.MeanSquaredError()(onehot(y), p)))
add("cost", "MeanSquaredError of z", "", **cost(lambda net, z, p, y: keras.losses.MeanSquaredError()(onehot(y), z)))
add("cost", "KLDivergence", "weights_ignored+log_clipped_1e-07", **cost(
    lambda net, z, p, y: keras.losses.KLDivergence()(onehot(y), p)))
add("cost", "an auxiliary loss", "", bias=lambda net, plain, layer: plain(layer) if layer != "up0" else plain(
    layer, activity_regularizer=keras.regularizers.L1(1e-4)))
