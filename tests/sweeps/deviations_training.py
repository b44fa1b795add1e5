"""Deviations in how parameters change: the learning rate, the optimizer."""

import math

import numpy as np
from deviation import DOWN, Catalogue

RATE, OPTIMIZER = Catalogue("rate", hint="factor rate"), Catalogue("optimizer")
ADAM = {"optimizer": "adam"}


def add_rate(name, right, rate, **settings):
    """Add a schedule; `rate` takes the first rate, the decay, the steps of an epoch, and the step."""
    RATE.add(name, right, both={"rate": lambda net, plain, step: rate(
        net.training["learning_rate"], net.training["decay_rate"], net.training["steps_per_epoch"], step)}, **settings)


def add_factor(name, right, factor, **more):
    """Add a schedule; `factor`, on the right rate, takes the step."""
    RATE.add(name, right, both={"rate": lambda net, plain, step: plain(step) * factor(step)}, **more)


add_rate("decays after every step", "decay_every_step", lambda eta, decay, of, step: eta * decay ** (step - 1))
add_rate("decays gradually", "decay_not_staircase", lambda eta, decay, of, step: eta * decay ** ((step - 1) / of))
add_rate("does not decay", "decay_ignored", lambda eta, decay, of, step: eta)
add_rate("decays a step early", "decay_step_early", lambda eta, decay, of, step: eta * decay ** (step // of))
add_rate("decays a step late", "decay_step_late", lambda eta, decay, of, step: eta * decay ** (max(step - 2, 0) // of))
add_rate("decays before the first step", "decay_before_first_step|decay_epoch_early",
         lambda eta, decay, of, step: eta * decay ** ((step - 1) // of + 1))
add_rate("decays an epoch late", "decay_epoch_late",
         lambda eta, decay, of, step: eta * decay ** max((step - 1) // of - 1, 0))
add_rate("decays each step from the first on", "decay_every_step+rate_factor=0.95",
         lambda eta, decay, of, step: eta * decay ** step)
add_rate("decays twice an epoch", "", lambda eta, decay, of, step: eta * decay ** (2 * ((step - 1) // of)))
add_rate("halves each epoch", "", lambda eta, decay, of, step: eta * 0.5 ** ((step - 1) // of))
add_rate("decays by a tenth", "", lambda eta, decay, of, step: eta * 0.9 ** ((step - 1) // of))
add_rate("decays linearly", "", lambda eta, decay, of, step: eta * (1 - (1 - decay) * ((step - 1) // of)))
add_rate("a step of a half in every second step", "", lambda eta, decay, of, step: eta * decay ** ((step - 1) // of) * (
    0.5 if step % 2 == 0 else 1))
add_rate("cosine", "", lambda eta, decay, of, step: eta * (1 + math.cos(math.pi * (step - 1) / 5)) / 2)
add_rate("1 / t", "", lambda eta, decay, of, step: eta / step)
add_rate("rounded to float32", "rate_in_float32", lambda eta, decay, of, step: float(np.float32(
    eta * decay ** ((step - 1) // of))), float64=True)
add_rate("computed in float32", "keras_in_float32", lambda eta, decay, of, step: float(
    np.float32(eta) * np.float32(decay) ** np.float32((step - 1) // of)), float64=True, optimizer="sgd")
add_factor("half", "rate_factor=0.5", lambda step: 0.5)
add_factor("twice", "rate_factor=2", lambda step: 2)
add_factor("a tenth", "rate_factor=0.1", lambda step: 0.1)
add_factor("0.9", "rate_factor=0.9", lambda step: 0.9)
add_factor("a tenth, Adam", "rate_factor=0.1", lambda step: 0.1, **ADAM)
add_factor("half from step 3 on", "rate_factor=0.5", lambda step: 0.5 if step >= 3 else 1, steps="from step 3 on")
for _steps in (2, 3, 5):
    add_factor(f"warm-up of {_steps} steps", f"rate_warmup={_steps}", lambda step, of=_steps: min(step / of, 1))
add_factor("warm-up of 3 steps, Adam", "rate_warmup=3", lambda step: min(step / 3, 1), **ADAM)


def add_update(name, right, update, **settings):
    """Add an optimizer; `update` takes the implementation, name, parameter, gradient, state and rate."""
    OPTIMIZER.add(name, right, both={"update": lambda net, plain, *rest: update(net, plain, *rest)}, **settings)


def momentum(right_name, right, formula, **settings):
    """Add a form of momentum; `formula` takes mu, eta, v, g, step and returns the new v and the change of w."""
    def update(net, plain, name, w, g, state, rate):
        g = net.decayed(name, w, g)
        state["v"], change = formula(net.training["momentum"], rate, state.get("v", net.xp.zeros_like(g)), g, net.step)
        return w + change
    add_update(right_name, right, update, **settings)


TENSORFLOW = {"momentum_form": "tensorflow"}
momentum("momentum, rate inside", "momentum_other_form", lambda mu, eta, v, g, step: (
    mu * v - eta * g, mu * v - eta * g), **TENSORFLOW)
momentum("momentum, rate outside", "momentum_other_form", lambda mu, eta, v, g, step: (mu * v + g, -eta * (mu * v + g)))
momentum("momentum with dampening", "momentum_dampening", lambda mu, eta, v, g, step: (
    (n := mu * v + (1 if step == 1 else 1 - mu) * g), -eta * n), **TENSORFLOW)
momentum("momentum as an average", "momentum_average", lambda mu, eta, v, g, step: (
    (n := mu * v - eta * (1 - mu) * g), n))
momentum("Nesterov", "momentum_nesterov", lambda mu, eta, v, g, step: ((n := mu * v - eta * g), mu * n - eta * g))
momentum("Nesterov, PyTorch's", "momentum_nesterov", lambda mu, eta, v, g, step: (
    (n := mu * v + g), -eta * (g + mu * n)), **TENSORFLOW)
momentum("no momentum", "momentum_ignored", lambda mu, eta, v, g, step: (v, -eta * g))
momentum("momentum 0.9", "momentum_other=0.9", lambda mu, eta, v, g, step: ((n := 0.9 * v - eta * g), n))
momentum("momentum 0.25", "momentum_other=0.25", lambda mu, eta, v, g, step: ((n := 0.25 * v - eta * g), n))
momentum("momentum from the second step on", "", lambda mu, eta, v, g, step: (
    (n := mu * v - eta * g) if step > 1 else 0 * g, n if step > 1 else -eta * g))
momentum("velocity is the last gradient", "", lambda mu, eta, v, g, step: (g, -eta * (mu * v + g)))
momentum("uphill", "", lambda mu, eta, v, g, step: ((n := mu * v + eta * g), n), hint="factor uphill")
momentum("signs of gradients", "", lambda mu, eta, v, g, step: (v, -eta * 0.01 * g / (abs(g) + 1e-30)))
add_update("updated twice", "updated_twice", lambda net, plain, name, w, g, state, rate: plain(
    name, plain(name, w, g, state, rate), g, state, rate))
add_update("not updated", "not_updated=parameters", lambda net, plain, name, w, g, state, rate: w, hint="factor still")
add_update("biases at twice the rate", "rate_of_biases=2", lambda net, plain, name, w, g, state, rate: plain(
    name, w, g, state, rate * (2 if name.endswith("bias") else 1)), hint="factor rate")
add_update("output layer at a tenth of the rate", "rate_factor=0.1", lambda net, plain, name, w, g, state, rate: plain(
    name, w, g, state, rate * (0.1 if name.startswith("output") else 1)), layers="output", family="rate",
           hint="factor rate")
add_update("updated in every second step", "", lambda net, plain, name, w, g, state, rate: (
    w if net.step % 2 else plain(name, w, g, state, rate)), hint="factor still")
add_update("an average of the weights", "rate_factor=0.5", lambda net, plain, name, w, g, state, rate: (
    0.5 * w + 0.5 * plain(name, w, g, state, rate)), hint="factor rate")
add_update("biases at a third of the rate, Adam", "rate_of_biases=0.33333", **ADAM, hint="factor rate",
           update=lambda net, plain, name, w, g, state, rate: plain(
               name, w, g, state, rate / (3 if name.endswith("bias") else 1)))
add_update("frozen: the weights", "not_updated=weights", lambda net, plain, name, w, g, state, rate: (
    w if name.endswith("weight") else plain(name, w, g, state, rate)), hint="factor still")
add_update("weights of norm 1", "", lambda net, plain, name, *rest: (new := plain(name, *rest)) / (
    1 if name.endswith("bias") else (new ** 2).sum() ** 0.5))
add_update("gradients of norm 1", "", lambda net, plain, name, w, g, state, rate: plain(
    name, w, g / ((g ** 2).sum() ** 0.5 + 1e-12), state, rate), hint="factor rate")
add_update("decays to the initial weights", "", lambda net, plain, name, w, g, state, rate: plain(
    name, w, g + 0.1 * (w - state.setdefault("begin", w)), state, rate))
add_update("half way back every second step", "", lambda net, plain, name, w, g, state, rate: (
    (new := plain(name, w, g, state, rate)), new if net.step % 2 else new - 0.5 * (new - w))[1], hint="factor rate")
add_update("frozen from step 3 on", "not_updated=parameters", lambda net, plain, name, w, g, state, rate: (
    w if net.step >= 3 else plain(name, w, g, state, rate)), steps="from step 3 on", hint="factor still")
add_update("velocity lost at step 3", "", lambda net, plain, name, w, g, state, rate: (
    state.clear() if net.step == 3 else None, plain(name, w, g, state, rate))[1])
add_update("gradient of the step before", "", lambda net, plain, name, w, g, state, rate: plain(
    name, w, (state.get("last", 0 * g), state.update(last=g))[0], state, rate), hint="still factor", optimizer="sgd")
add_update("weights at most 0.3", "", lambda net, plain, *rest: plain(*rest).clip(-0.3, 0.3))
for _name, _layers in (("the output layer", "output"), ("the way down", " ".join(DOWN)), ("the lowest level", "down2")):
    add_update(f"frozen: {_name}", "not_updated=parameters", layers=_layers, family="frozen", hint="factor still",
               update=lambda net, plain, name, w, g, state, rate, layers=_layers: (
                   w if name.split(".")[0] in layers.split() else plain(name, w, g, state, rate)))
add_update("frozen: the biases", "not_updated=biases", lambda net, plain, name, w, g, state, rate: (
    w if name.endswith("bias") else plain(name, w, g, state, rate)), hint="factor still")


def anew(net, plain, name, w, g, state, rate):
    if net.step % net.training["steps_per_epoch"] == 1:
        state.clear()
    return plain(name, w, g, state, rate)


add_update("made anew each epoch", "optimizer_made_anew", anew)
add_update("made anew each epoch, momentum 0.9", "optimizer_made_anew", anew, momentum=0.9, learning_rate=0.02)
add_update("made anew each epoch, Adam", "optimizer_made_anew", anew, **ADAM)


def adam(name, right, epsilon=None, betas=None, corrected=(True, True), inside=False, amsgrad=False, nesterov=False,
         shift=0, decoupled=0.0, **more):
    """Add a form of Adam."""
    def update(net, plain, name, w, g, state, rate):
        t, step = net.training, net.step + shift
        one, two = betas or (t["beta1"], t["beta2"])
        e = t["epsilon"] if epsilon is None else epsilon
        state["m"] = one * state.get("m", net.xp.zeros_like(g)) + (1 - one) * g
        state["s"] = two * state.get("s", net.xp.zeros_like(g)) + (1 - two) * g * g
        m = state["m"] / (1 - one ** step) if corrected[0] else state["m"]
        s = state["s"] / (1 - two ** step) if corrected[1] else state["s"]
        if amsgrad:
            s = state["largest"] = net.xp.maximum(s, state.get("largest", s))
        if nesterov:
            m = one * m + (1 - one) * g / (1 - one ** step)
        return w * (1 - rate * decoupled) - rate * m / ((s + e) ** 0.5 if inside else s ** 0.5 + e)
    add_update(name, right, update, **ADAM, **more)


adam("Adam, epsilon in the root", "adam_epsilon_in_root", inside=True)
adam("Adam, no correction", "adam_no_bias_correction", corrected=(False, False))
adam("Adam, epsilon 1e-7", "adam_epsilon=1e-7", epsilon=1e-7)
adam("Adam, epsilon 1e-6", "adam_epsilon=1e-6", epsilon=1e-6)
adam("Adam, epsilon 1e-3", "adam_epsilon=1e-3", epsilon=1e-3)
adam("Adam, epsilon 1e-10", "adam_epsilon=1e-10", epsilon=1e-10)
adam("Adam, beta1 0.5", "adam_beta1=0.5", betas=(0.5, 0.999))
adam("Adam, beta2 0.99", "adam_beta2=0.99", betas=(0.9, 0.99))
for _name, _betas in (("beta1 0.8 and beta2 0.9", (0.8, 0.9)), ("the betas of a GAN", (0.5, 0.9)),
                      ("beta1 0.85 and beta2 0.97", (0.85, 0.97))):
    _one, _two = _betas
    adam(f"Adam, {_name}", f"adam_betas={_one} and {_two}|adam_beta1={_one}+adam_beta2={_two}", betas=_betas)
adam("Adam, amsgrad", "adam_amsgrad_corrected", amsgrad=True)
adam("AdamW, 0.01", "adamw_default=0.01", decoupled=0.01)
adam("Nadam", "", nesterov=True, hint="factor")
adam("Adam, first average alone corrected", "", corrected=(True, False))
adam("Adam, step counted from 2", "adam_step_late", shift=1)
OPTIMIZER.add("Adam, epsilon hat", "adam_other_epsilon_hat", **ADAM, both={"update": lambda net, plain, *rest: (
    net.training.update(adam_form="tensorflow"), plain(*rest))[1]})


for _asked, _used in (("adam", "sgd"), ("adam", "momentum"), ("sgd", "adam")):
    OPTIMIZER.add(f"{_used} where {_asked} is asked for", "", optimizer=_asked, hint="factor", both={
        "update": lambda net, plain, *rest, used=_used: (net.training.update(optimizer=used), plain(*rest))[1]})


def memory(name, formula, **more):
    """Add an optimizer that nobody asked for; `formula` takes g and the state and returns the change over -eta."""
    add_update(name, "", lambda net, plain, parameter, w, g, state, rate: w - rate * formula(g, state), **ADAM,
               **more)


def rms(g, state):
    state["s"] = 0.9 * state.get("s", 0) + 0.1 * g * g
    return g / (state["s"] ** 0.5 + 1e-8)


def adagrad(g, state):
    state["s"] = state.get("s", 0) + g * g
    return g / (state["s"] ** 0.5 + 1e-8)


memory("RMSprop", rms, hint="factor")
memory("Adagrad", adagrad)
