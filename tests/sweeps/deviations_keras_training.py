"""Deviations in the training of the Keras implementation: optimizers, schedules, regularizers, what learns, formats."""

import keras
import numpy as np
from deviation import Catalogue, only
from keras import optimizers, regularizers

KERAS_TRAINING = Catalogue("optimizer")
ADAM = {"optimizer": "adam", "adam_form": "tensorflow"}
DECAY = {"l2": 0.1}
SCHEDULES = optimizers.schedules


def add(family, name, right, layers=None, hint="", settings=None, **changes):
    KERAS_TRAINING.add(f"{name}, Keras", right, family=family, layers=layers, hint=hint, keras=changes,
                       **(settings or {}))


def options(**more):
    """Return a change that gives options to Keras's optimizer."""
    return lambda net, plain, **own: plain(**own, **more)


def other(make):
    return lambda net, plain: make(net.schedule())


def add_options(name, right, settings=None, family="optimizer", hint="", **more):
    add(family, name, right, settings=settings, hint=hint, make_optimizer=options(**more))


# optimizers
add_options("Adam's default epsilon, 1e-7", "adam_epsilon=1e-7", ADAM, epsilon=1e-7)
add_options("Adam, epsilon 1e-3", "adam_epsilon=1e-3", ADAM, epsilon=1e-3)
add_options("Adam, amsgrad", "adam_amsgrad", ADAM, amsgrad=True)
add_options("Adam, beta_1 0.5", "adam_beta1=0.5", ADAM, beta_1=0.5)
add_options("Adam, beta_2 0.99", "adam_beta2=0.99", ADAM, beta_2=0.99)
add_options("Adam, two other betas", "adam_betas=0.5 and 0.9|adam_beta1=0.5+adam_beta2=0.9", ADAM,
            beta_1=0.5, beta_2=0.9)
add_options("Adam, clipnorm", "gradients_clipped_each=0.01", ADAM, "gradients", clipnorm=0.01)
add("optimizer", "Adam for Kingma's form", "adam_other_epsilon_hat", settings={"optimizer": "adam"},
    make_optimizer=lambda net, plain: optimizers.Adam(net.schedule(), epsilon=1e-8))
add_options("nesterov=True", "momentum_nesterov", nesterov=True)
add_options("momentum 0.9", "momentum_other=0.9", momentum=0.9)
add_options("no momentum", "momentum_ignored", momentum=0.0)
add_options("clipnorm=0.1", "gradients_clipped_each=0.1", family="gradients", clipnorm=0.1)
add_options("clipvalue=0.05", "gradients_clipped_by_value=0.05", family="gradients", clipvalue=0.05)
add_options("global_clipnorm=0.5", "gradients_clipped_by_norm=0.5", family="gradients", hint="factor rate",
            global_clipnorm=0.5)
add_options("use_ema, written back each step", "", hint="factor rate", use_ema=True, ema_overwrite_frequency=1)
add_options("gradient_accumulation_steps=2", "", hint="factor still", gradient_accumulation_steps=2)
add_options("loss_scale_factor without scale_loss", "rate_factor=0.125", family="rate", hint="factor rate",
            loss_scale_factor=8.0)
for _name, _right, _make in (
        ("RMSprop", "", optimizers.RMSprop), ("Nadam", "", optimizers.Nadam), ("Adamax", "", optimizers.Adamax),
        ("Adagrad", "", optimizers.Adagrad), ("Lion", "", optimizers.Lion), ("Ftrl", "", optimizers.Ftrl),
        ("Adadelta", "", optimizers.Adadelta),
        ("AdamW by its default, 0.004", "adamw_default=0.004", lambda rate: optimizers.AdamW(rate, epsilon=1e-8))):
    add("optimizer", _name, _right, settings=ADAM, hint="factor", make_optimizer=other(_make))


def anew(net, plain, gradients, variables):
    if net.step % net.training["steps_per_epoch"] == 1:
        net.optimizer = net.make_optimizer()
    plain(gradients, variables)


add("optimizer", "compiled anew each epoch", "optimizer_made_anew+decay_ignored", apply=anew)
add("optimizer", "compiled anew each epoch, Adam", "optimizer_made_anew+decay_ignored", apply=anew, settings=ADAM)
add("optimizer", "applied twice", "updated_twice+decay_every_step", apply=lambda net, plain, *rest: (
    plain(*rest), plain(*rest)))
add("optimizer", "biases at twice the rate", "rate_of_biases=2", hint="factor rate",
    apply=lambda net, plain, gradients, variables: plain(
        {name: g * 2 if name.endswith("bias") else g for name, g in gradients.items()}, variables))


# schedules


def add_schedule(name, right, make, **more):
    """Add a schedule; `make` takes the first rate, the decay, the steps of an epoch."""
    add("rate", name, right, hint="factor rate", schedule=lambda net, plain: make(
        net.training["learning_rate"], net.training["decay_rate"], net.training["steps_per_epoch"]), **more)


add_schedule("staircase=False", "decay_not_staircase", lambda eta, decay, of: SCHEDULES.ExponentialDecay(
    eta, of, decay))
add_schedule("decay_steps=1", "decay_every_step", lambda eta, decay, of: SCHEDULES.ExponentialDecay(
    eta, 1, decay, staircase=True))
add_schedule("decay_steps of three steps", "decay_step_late", lambda eta, decay, of: SCHEDULES.ExponentialDecay(
    eta, of + 1, decay, staircase=True))
add_schedule("decay_steps in images", "decay_epoch_late", lambda eta, decay, of: SCHEDULES.ExponentialDecay(
    eta, 2 * of, decay, staircase=True))
add_schedule("InverseTimeDecay", "", lambda eta, decay, of: SCHEDULES.InverseTimeDecay(
    eta, of, 1 / decay - 1, staircase=True))
add_schedule("InverseTimeDecay without staircase", "", lambda eta, decay, of: SCHEDULES.InverseTimeDecay(eta, of, 0.5))
add_schedule("PolynomialDecay", "", lambda eta, decay, of: SCHEDULES.PolynomialDecay(eta, 5))
add_schedule("CosineDecay", "", lambda eta, decay, of: SCHEDULES.CosineDecay(eta, 5))
add_schedule("CosineDecay, Adam", "", lambda eta, decay, of: SCHEDULES.CosineDecay(eta, 5), settings=ADAM)
add_schedule("PiecewiseConstantDecay, a step late", "decay_step_late", lambda eta, decay, of: (
    SCHEDULES.PiecewiseConstantDecay([of, 2 * of], [eta, eta * decay, eta * decay ** 2])))
add_schedule("a constant rate", "decay_ignored", lambda eta, decay, of: eta)
add_schedule("the default rate, 0.01", "decay_ignored+rate_factor=0.066667", lambda eta, decay, of: 0.01)
add_schedule("the tenth of the rate", "rate_factor=0.1", lambda eta, decay, of: SCHEDULES.ExponentialDecay(
    eta / 10, of, decay, staircase=True))
add("rate", "LearningRateScheduler that counts epochs from 1", "decay_epoch_early", hint="factor rate",
    make_optimizer=lambda net, plain: optimizers.SGD(lambda: net.training["learning_rate"] * net.training[
        "decay_rate"] ** ((net.step - 1) // net.training["steps_per_epoch"] + 1), momentum=net.training["momentum"]))
add("rate", "iterations counted from 1", "decay_step_early", hint="factor rate",
    make_optimizer=lambda net, plain: (made := plain()).iterations.assign(1) is None or made)


# regularizers and weight decay


def regularized(strength, kind=regularizers.L2):
    """Return changes with a kernel_regularizer; `strength` takes the file's weight decay."""
    def conv(net, plain, *rest, **own):
        return plain(*rest, **own, kernel_regularizer=kind(strength(net.training["weight_decay"])))
    return {"conv": conv, "deconv": conv}


def without_decay(net, plain, name, w, g):
    return g


add("weight decay", "kernel_regularizer of lambda", "l2_in_cost=0.2", decayed=without_decay, settings=DECAY,
    **regularized(lambda decay: decay))
add("weight decay", "kernel_regularizer of lambda / 2", "l2_in_cost=0.1", decayed=without_decay, settings=DECAY,
    **regularized(lambda decay: decay / 2))
add("weight decay", "kernel_regularizer of lambda, Adam", "l2_in_cost=0.2", decayed=without_decay, settings={
    **DECAY, **ADAM}, **regularized(lambda decay: decay))
add("weight decay", "kernel_regularizer that nobody asked for", "l2_in_cost=0.002", **regularized(lambda decay: 1e-3))
add("weight decay", "kernel_regularizer beside the decay", "l2_in_cost_and_decay=0.1", settings=DECAY,
    **regularized(lambda decay: decay / 2))
add("weight decay", "kernel_regularizer in one layer", "l2_in_cost=0.02", layers="down0",
    conv=only("down0", regularized(lambda decay: 1e-2)["conv"]))
add("weight decay", "kernel_regularizer and bias_regularizer", "l2_of_all_in_cost=0.1",
    decayed=without_decay, settings=DECAY, **regularized(lambda decay: decay / 2),
    bias=lambda net, plain, layer: with_regularizer(plain(layer), net.training["weight_decay"] / 2))
add("weight decay", "kernel_regularizer without model.losses", "weight_decay_ignored", decayed=without_decay,
    settings=DECAY, total=lambda net, plain, *rest: net.cost(*rest), **regularized(lambda decay: decay / 2))
add("weight decay", "kernel_regularizer L1", "", **regularized(lambda decay: 1e-3, regularizers.L1))
add("weight decay", "weight_decay= of the optimizer", "weight_decay_decoupled+weight_decay_on_biases", settings=DECAY,
    decayed=without_decay, make_optimizer=lambda net, plain: plain(weight_decay=net.training["weight_decay"]))
add("weight decay", "weight_decay= of Adam", "weight_decay_decoupled+weight_decay_on_biases", settings={
    **DECAY, **ADAM}, decayed=without_decay, make_optimizer=lambda net, plain: plain(
        weight_decay=net.training["weight_decay"]))


def excluding_biases(net, plain):
    made = plain(weight_decay=net.training["weight_decay"])
    made.exclude_from_weight_decay(var_names=["bias"])
    return made


add("weight decay", "weight_decay= but for biases", "weight_decay_decoupled", settings=DECAY, decayed=without_decay,
    make_optimizer=excluding_biases)
add("weight decay", "weight_decay= that nobody asked for", "adamw_default=0.1",
    make_optimizer=options(weight_decay=0.1))


def with_regularizer(layer, strength):
    build = layer.build

    def built(shape):
        build(shape)
        layer.bias.regularizer = regularizers.L2(strength)
    layer.build = built
    return layer


# what learns


def frozen(pattern):
    """Return a change that freezes the layers of the parameters for which a function is true."""
    def freeze(net, plain, model):
        for name, (layer, _) in net.owners.items():
            if pattern(name):
                layer.trainable = False
    return freeze


for _name, _layers in (("the output layer", "output"), ("the lowest level", "down2"),
                       ("the way down", "down0 down1 down2")):
    add("frozen", f"trainable=False: {_name}", "not_updated=parameters", layers=_layers, hint="factor still",
        freeze=frozen(lambda name, layers=_layers: name.split(".")[0] in layers.split()))
add("frozen", "trainable=False: the biases", "not_updated=biases", hint="factor still",
    freeze=frozen(lambda name: name.endswith("bias")))

# formats
for _policy, _right in (("mixed_bfloat16", "bfloat16"), ("mixed_float16", "half"), ("bfloat16", "bfloat16")):
    add("precision", f"policy {_policy}", _right, hint="format",
        policy=lambda net, plain, policy=_policy: policy)
for _optimizer in ({}, {"optimizer": "sgd"}, ADAM):
    add("precision", f"float64, {_optimizer.get('optimizer', 'momentum')}", "keras_in_float32", settings={
        **_optimizer, "float64": True}, saved=lambda net, plain, tensors: plain(tensors))
add("precision", "floatx left at float32", "agrees", settings={"float64": True},
    policy=lambda net, plain: "float32")

# what goes in
add("input", "Rescaling(1/255)", "input_divided_by_255", scaled=lambda net, plain, frames, mean, std, x: (
    keras.layers.Rescaling(1 / 255)(frames.astype(np.float32)).numpy()))
add("input", "Rescaling(1/127.5, -1)", "input_minus_one_to_one=127.5", scaled=lambda net, plain, frames, mean, std, x: (
    keras.layers.Rescaling(1 / 127.5, -1)(frames.astype(np.float32)).numpy()))
add("input", "Normalization by mean and variance", "agrees", scaled=lambda net, plain, frames, mean, std, x: (
    keras.layers.Normalization(axis=None, mean=mean, variance=std ** 2)(frames.astype(np.float32)).numpy()))
add("input", "Normalization with the std for the variance", "", hint="factor",
    scaled=lambda net, plain, frames, mean, std, x: keras.layers.Normalization(axis=None, mean=mean, variance=std)(
        frames.astype(np.float32)).numpy())
add("input", "RandomFlip left on", "input_flipped_columns+labels_flipped_columns",
    scaled=lambda net, plain, *rest: plain(*rest)[:, :, ::-1], labels=lambda net, plain, y: plain(y)[:, :, ::-1])
add("input", "RandomFlip left on for one image", "", scaled=lambda net, plain, *rest: np.concatenate(
    [plain(*rest)[:1, :, ::-1], plain(*rest)[1:]]))
