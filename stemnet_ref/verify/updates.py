"""The optimizers' steps, each as the reference does it, and under the conventions in which others differ.

The arithmetic is that of `stemnet_ref.optimizers`, written once more for `rounding.Value`s: what is uncertain in a
gradient goes on into its averages and into the parameter.
"""

import numpy as np

from .rounding import DOUBLE, Value


def rate(training, step, way):
    """Return the learning rate of a step, counted from 1: constant within an epoch (Tables 1 and 2)."""
    decay, of_epoch = training["decay_rate"], training["steps_per_epoch"]
    exponent = (step - 1) // of_epoch
    if decay != 1:
        if way.on("decay_every_step"):
            exponent = step - 1
        if way.on("decay_not_staircase"):
            exponent = (step - 1) / of_epoch
        if way.on("decay_ignored"):
            exponent = 0
    eta = training["learning_rate"] * decay ** exponent
    return float(np.float32(eta)) if way.unit <= DOUBLE and way.on("rate_in_float32") else eta


def update(training, step, name, w, g, slots, way):
    """Return a parameter after a step, and its averages.

    Parameters
    ----------
    training : dict
        The settings of the golden file.
    step : int
        From 1.
    name : str
        Of the parameter: the weights among them decay, the biases do not (eq. 54).
    w, g : Value
        Parameter before the step, and its gradient.
    slots : tuple of Value
        Averages before the step; empty before the first.
    way : rounding.Way

    Returns
    -------
    w : Value
    slots : tuple of Value
    """
    eta, decoupled = rate(training, step, way), 0.0
    decay = training["weight_decay"]
    if decay:
        if way.on("weight_decay_ignored") or (name.endswith("bias") and not way.on("weight_decay_on_biases")):
            decay = 0.0
        if way.on("weight_decay_decoupled"):
            decay, decoupled = 0.0, decay
        g = _sum(way, (1, g), (decay, w))
    elif training["optimizer"] == "adam" and way.on("adamw_default"):
        decoupled = 0.01
    w = _sum(way, (1 - eta * decoupled, w))
    if training["optimizer"] == "adam":
        return _adam(training, step, eta, w, g, slots, way)
    if training["optimizer"] == "momentum" and not (step > 1 and way.on("momentum_ignored")):
        return _momentum(training, step, eta, w, g, slots, way)
    return _sum(way, (1, w), (-eta, g)), slots                      # eq. 15


def _momentum(training, step, eta, w, g, slots, way):
    (mu,), thesis = _constants(way, training["momentum"]), training["momentum_form"] == "thesis"
    v, = slots or (Value(np.zeros(w.array.shape)),)
    if training["decay_rate"] != 1 and way.on("momentum_other_form"):
        thesis = not thesis
    new = 1 - mu if way.on("momentum_average") or (step > 1 and way.on("momentum_dampening")) else 1.0
    nesterov = way.on("momentum_nesterov")
    if thesis:
        v = _sum(way, (mu, v), (-eta * new, g))                                         # eq. 28
        return _sum(way, (1, w), (mu, v), (-eta, g)) if nesterov else _sum(way, (1, w), (1, v)), (v,)   # eq. 29
    v = _sum(way, (mu, v), (new, g))
    return _sum(way, (1, w), (-eta, g), (-eta * mu, v)) if nesterov else _sum(way, (1, w), (-eta, v)), (v,)


def _adam(training, step, eta, w, g, slots, way):
    beta1, beta2, epsilon = _constants(way, training["beta1"], training["beta2"], training["epsilon"])
    hat = training["adam_form"] == "tensorflow"
    if way.on("adam_other_epsilon_hat"):
        hat = not hat
    if epsilon != 1e-7 and way.on("adam_epsilon_keras"):
        epsilon = 1e-7
    m, v = slots or (Value(np.zeros(w.array.shape)),) * 2
    m = _sum(way, (beta1, m), (1 - beta1, g))                                           # eq. 23
    squares = way.rounded(g.array ** 2, None if g.error is None else 2 * abs(g.array) * g.error + g.error ** 2)
    v = _sum(way, (beta2, v), (1 - beta2, squares))                                     # eq. 24
    correction1, correction2 = 1 - beta1 ** step, 1 - beta2 ** step
    if way.on("adam_no_bias_correction"):
        correction1 = correction2 = 1.0
    root = np.sqrt(v.array / correction2)                                               # eq. 26, 27
    spread = _root_error(v, correction2)
    if hat:                                                                             # eq. 22
        epsilon = epsilon / np.sqrt(correction2)
    if way.on("adam_epsilon_in_root"):
        below = np.sqrt(root ** 2 + epsilon)
        spread = spread * root / below
    else:
        below = root + epsilon
    step_by = eta / correction1 * m.array / below
    error = np.hypot(eta / correction1 * m.error / below, abs(step_by) * spread / np.maximum(below, way.tiny))
    # 1 - beta is a difference of rounded numbers: it has 1 / (1 - beta) times their relative error
    error = error + (6 + 1 / (1 - beta1) + 1 / (1 - beta2)) * way.result_unit * abs(step_by)
    return _sum(way, (1, w), (-1, Value(step_by, error))), (m, v)


def _constants(way, *constants):
    """Return an optimizer's constants as the other side keeps them."""
    rounded = way.unit <= DOUBLE and way.on("constants_in_float32")
    return [float(np.float32(each)) if rounded else each for each in constants]


def _root_error(v, correction):
    """Return the error of sqrt(v / correction), which near 0 is that of its root."""
    root = np.sqrt(v.array / correction)
    error = v.error / correction
    return np.minimum(error / (2 * np.maximum(root, 1e-300)), np.sqrt(error))


def _sum(way, *terms):
    """Return the sum of factor * Value."""
    array = sum(factor * value.array for factor, value in terms)
    size = sum(abs(factor * value.array) for factor, value in terms)
    squares = sum((factor * value.error) ** 2 for factor, value in terms if value.error is not None)
    return Value(array, np.hypot(2 * way.result_unit * size + way.tiny, np.sqrt(squares)))
