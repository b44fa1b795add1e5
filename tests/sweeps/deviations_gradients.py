"""Deviations in the gradients that are saved or taken, and in the weight decay."""

import numpy as np
from deviation import Catalogue

GRADIENTS, DECAY = Catalogue("gradients"), Catalogue("weight decay", l2=0.1)


def add(name, right, change, places=("gradients", "used"), **more):
    """Add a deviation of the gradients as they are saved, or as only the optimizer takes them.

    `change` takes the implementation, the gradients by name and the parameters.
    """
    for place, where in (("gradients", "saved after"), ("used", "saved before")):
        if place in places:
            GRADIENTS.add(name if len(places) == 1 else f"{name}, {where}", right, both={
                place: lambda net, plain, gradients, parameters: change(net, plain(gradients, parameters), parameters)},
                **more)


def clipped_by_norm(limit):
    def change(net, gradients, parameters):
        norm = float(sum((g ** 2).sum() for g in gradients.values())) ** 0.5
        return {name: g * min(1, limit / (norm + 1e-6)) for name, g in gradients.items()}
    return change


def clipped_each(limit):
    def change(net, gradients, parameters):
        return {name: g * min(1, limit / float((g ** 2).sum()) ** 0.5) for name, g in gradients.items()}
    return change


def clipped_by_value(limit):
    return lambda net, gradients, parameters: {name: g.clip(-limit, limit) for name, g in gradients.items()}


def accumulated(net, gradients, parameters):
    net.sum = {name: g + net.sum[name] if net.step > 1 else g for name, g in gradients.items()}
    return net.sum


def stale(net, gradients, parameters):
    last, net.last = getattr(net, "last", gradients), gradients
    return last


def noisy(net, gradients, parameters):
    noise = np.random.default_rng(net.step)
    return {name: g + net.tensor(noise.standard_normal(g.shape).astype(net.dtype) * 0.01) * abs(g).max()
            for name, g in gradients.items()}


def with_an_element(net, gradients, parameters):
    g = net.array(gradients["down1.conv.weight"])
    g[1, 0, 2, 1] += 0.1 * abs(g).max()
    return {**gradients, "down1.conv.weight": net.tensor(g)}


def each(change, *names):
    """Return a change of the gradients of some parameters, or of all."""
    return lambda net, gradients, parameters: {name: change(g) if name in names or not names else g
                                               for name, g in gradients.items()}


for _limit in (0.1, 0.5, 2.0):
    add(f"clipped by norm, {_limit}", f"gradients_clipped_by_norm={_limit}", clipped_by_norm(_limit),
        hint="factor rate")
for _limit in (0.01, 0.05):
    add(f"clipped by value, {_limit}", f"gradients_clipped_by_value={_limit}", clipped_by_value(_limit))
add("each clipped by its norm, 0.1", "gradients_clipped_each=0.1", clipped_each(0.1), hint="factor rate")
add("accumulated", "gradients_accumulated", accumulated, ["gradients"])
add("micro-batches summed", "gradients_summed=2|rate_factor=2|cost_summed_over_image", each(lambda g: 2 * g),
    hint="factor rate")
add("of the step before", "", stale)
add("with noise", "", noisy)
add("one element wrong", "", with_an_element)
add("centred", "", each(lambda g: g - g.mean()))
def without_biases(net, gradients, parameters):
    return {name: 0 * g if name.endswith("bias") else g for name, g in gradients.items()}


for _place, _right in (("gradients", "without_gradient=biases"), ("used", "not_updated=biases")):
    add(f"of biases missing, in {_place}", _right, without_biases, [_place], hint="factor still")
add("of the output layer missing", "without_gradient=parameters", lambda net, gradients, parameters: {
    name: 0 * g if name.startswith("output") else g for name, g in gradients.items()}, ["gradients"], layers="output",
    family="frozen", hint="factor still")
add("of one weight halved", "", each(lambda g: g / 2, "up1.conv.weight"), hint="factor")
add("of one bias by the mean", "", each(lambda g: g / 192, "down1.conv.bias"), hint="factor")
add("of one weight turned round", "", each(lambda g: -g, "up0.deconv.weight"), hint="factor uphill")


def add_decay(name, right, on=lambda name: name.endswith("weight"), factor=1.0, **more):
    DECAY.add(name, right, both={"decayed": lambda net, plain, name, w, g: (
        g + factor * net.training["weight_decay"] * w if on(name) else g)}, **more)


add_decay("on biases too", "weight_decay_on_biases", lambda name: True)
add_decay("none", "weight_decay_ignored", lambda name: False)
add_decay("twice", "weight_decay_other=0.2", factor=2.0)
add_decay("lambda in place of lambda/N", "weight_decay_other=3", factor=30.0)
add_decay("twice, Adam", "weight_decay_other=0.2", factor=2.0, optimizer="adam")
add_decay("on the output layer not", "weight_decay_ignored", layers="output", family="frozen",
          on=lambda name: name.endswith("weight") and "output" not in name)
for _name, _settings in (("decoupled", {}), ("decoupled, Adam", {"optimizer": "adam"})):
    DECAY.add(_name, "weight_decay_decoupled", **_settings, both={
        "decayed": lambda net, plain, name, w, g: g,
        "update": lambda net, plain, name, w, g, state, rate: plain(
            name, w * (1 - rate * net.training["weight_decay"]) if name.endswith("weight") else w, g, state, rate)})


def with_penalty(factor, on=lambda name: name.endswith("weight"), of_file=True, power=2):
    """Return the change that has a penalty in the cost and its gradient in the gradients, and no decay elsewhere.

    The penalty is `factor` / 2 times the sum of squares; of the file's weight decay, or as it is.
    """
    def passes(net, plain, parameters, x, labels):
        cost, gradients = plain(parameters, x, labels)
        strength = factor * (net.training["weight_decay"] if of_file else 1.0)
        for name, w in parameters.items():
            if on(name):
                cost = cost + strength / power * (abs(w) ** power).sum()
                gradients[name] = gradients[name] + strength * (w if power == 2 else net.xp.sign(w))
        return cost, gradients
    return {"passes": passes, "decayed": lambda net, plain, name, w, g: g}


DECAY.add("in the cost", "l2_in_cost=0.1", both=with_penalty(1.0))
DECAY.add("in the cost, Keras's kernel_regularizer", "l2_in_cost=0.2", both=with_penalty(2.0))
DECAY.add("in the cost, of biases too", "l2_of_all_in_cost=0.1",
          both=with_penalty(1.0, lambda name: True))
DECAY.add("in the cost, Adam", "l2_in_cost=0.1", both=with_penalty(1.0), optimizer="adam")
for _strength in (0.01, 0.002):
    DECAY.add(f"a penalty of {_strength} that nobody asked for", f"l2_in_cost={_strength}", l2=0.0,
              both=with_penalty(_strength, of_file=False))
DECAY.add("L1 in the cost", "", both=with_penalty(0.001, of_file=False, power=1), l2=0.0)
for _factor in (1.0, 2.0):
    DECAY.add(f"in the cost, {_factor} times, and in the optimizer", f"l2_in_cost_and_decay={_factor / 10}", both={
        "passes": with_penalty(_factor)["passes"]})
for _strength, _settings in ((0.05, {}), (1e-3, {}), (1e-2, {"optimizer": "adam"})):
    DECAY.add(f"of {_strength} that nobody asked for{', Adam' * bool(_settings)}", f"weight_decay_added={_strength}",
              l2=0.0, **_settings, both={
                  "decayed": lambda net, plain, name, w, g, strength=_strength: g + strength * w})
