"""The optimizers' steps, each as the reference does it, and under the conventions in which others differ.

The arithmetic is that of `stemnet_ref.optimizers`, written once more for `rounding.Value`s: what is uncertain in a
gradient goes on into its averages and into the parameter. An optimizer's constants are rounded in the same way in every
step, so that their errors add up in the averages; they are not independent.
"""

import numpy as np

from .rounding import DOUBLE, Value, exact

IN_GRADIENTS = "l2_in_cost", "l2_of_all_in_cost", "l2_in_gradients"     # then the optimizer has no weight decay
BLOCK = 1 << 16         # numbers that are gone through at once


def rate(training, step, assumed):
    """Return the learning rate of a step, counted from 1: constant within an epoch (Tables 1 and 2)."""
    decay, of_epoch = training["decay_rate"], training["steps_per_epoch"]
    exponent = (step - 1) // of_epoch
    if decay != 1:
        exponent = assumed.choose(
            exponent, decay_every_step=step - 1, decay_not_staircase=(step - 1) / of_epoch, decay_ignored=0,
            decay_step_early=step // of_epoch, decay_step_late=max(step - 2, 0) // of_epoch,
            decay_epoch_early=exponent + 1, decay_epoch_late=max(exponent - 1, 0))
    eta = training["learning_rate"] * decay ** exponent
    if assumed.unit <= DOUBLE and assumed.holds("keras_in_float32"):
        eta = float(np.float32(training["learning_rate"]) * np.float32(decay) ** np.float32(exponent))
    eta *= assumed.value("rate_factor", 1.0) * min(step / assumed.value("rate_warmup", 1), 1)
    return float(np.float32(eta)) if assumed.unit <= DOUBLE and assumed.holds("rate_in_float32") else eta


def update(training, step, name, w, g, slots, assumed):
    """Return a parameter after a step, counted from 1, and the optimizer's averages of it, a tuple.

    `training` has the golden file's settings. By its `name` it is seen whether the parameter decays: weights do, biases
    do not (eq. 54). `w` and `g`, Values, are the parameter before the step and the gradient with respect to it; `slots`
    are the averages before the step, none before the first.
    """
    eta, count = rate(training, step, assumed), step
    if name.endswith("bias"):
        eta *= assumed.value("rate_of_biases", 1.0)
    if step > training["steps_per_epoch"] and assumed.holds("optimizer_made_anew"):
        count = (step - 1) % training["steps_per_epoch"] + 1
        slots = slots if count > 1 else ()
    if assumed.holds("updated_twice"):
        w, slots = _update(training, 2 * count - 1, eta, name, w, g, slots, assumed)
        count *= 2
    return _update(training, count, eta, name, w, g, slots, assumed)


def _update(training, step, eta, name, w, g, slots, assumed):
    """Return what `update` does, for the step with this number of the optimizer's own and a learning rate."""
    decoupled = 0.0
    if training["weight_decay"]:
        decay = assumed.value("weight_decay_other", training["weight_decay"])
        in_place = [each for each in IN_GRADIENTS if assumed.holds(each)]
        if assumed.holds("weight_decay_ignored") or in_place or not decays(name, assumed):
            decay = 0.0
        if assumed.holds("weight_decay_decoupled"):
            decay, decoupled = 0.0, decay
    else:
        decay, decoupled = assumed.value("weight_decay_added", 0.0), assumed.value("adamw_default", 0.0)
    if decay:
        g = _sum(assumed, (1, g), (decay, w))
    if decoupled:
        w = _sum(assumed, (1 - eta * decoupled, w))
    if training["optimizer"] == "adam":
        return _adam(training, step, eta, w, g, slots, assumed)
    if training["optimizer"] == "momentum" and not (step > 1 and assumed.holds("momentum_ignored")):
        return _momentum(training, step, eta, w, g, slots, assumed)
    return _sum(assumed, (1, w), (-eta, g)), slots                      # eq. 15


def decays(name, assumed):
    """Return whether a parameter has weight decay, as weights have, and biases have not (eq. 54)."""
    return not name.endswith("bias") or assumed.holds("weight_decay_on_biases")


def concerns(kinds, name):
    """Return whether a parameter is among some: "parameters", "weights" or "biases", or None."""
    return kinds in ("parameters", "biases" if name.endswith("bias") else "weights")


def in_cost(training, name, assumed):
    """Return lambda where the cost has lambda / 2 w^2 in it, w a parameter, or None."""
    names = ["l2_of_all_in_cost"]
    if not name.endswith("bias"):
        names += ["l2_in_cost"] + ["l2_in_cost_and_decay"] * (training["weight_decay"] != 0)
    found = [assumed.value(each) for each in names]
    return next((each for each in found if each is not None), None)


def in_gradient(training, name, assumed):
    """Return lambda where the gradient has lambda w in it before the optimizer takes it, or None."""
    strength, of_gradient = in_cost(training, name, assumed), assumed.value("l2_in_gradients")
    return of_gradient if strength is None and decays(name, assumed) else strength


def _momentum(training, step, eta, w, g, slots, assumed):
    mu, = _constants(assumed, assumed.value("momentum_other", training["momentum"]), keras=True)
    thesis = training["momentum_form"] == "thesis"
    v, = slots or (exact(np.zeros(w.array.shape)),)
    thesis ^= training["decay_rate"] != 1 and assumed.holds("momentum_other_form")
    new = 1 - mu if assumed.holds("momentum_average") or (step > 1 and assumed.holds("momentum_dampening")) else 1.0
    nesterov = assumed.holds("momentum_nesterov")
    if thesis:
        v = _sum(assumed, (mu, v), (-eta * new, g))                                         # eq. 28
        return _sum(assumed, (1, w), (mu, v), (-eta, g)) if nesterov else _sum(assumed, (1, w), (1, v)), (v,)   # eq. 29
    v = _sum(assumed, (mu, v), (new, g))
    return _sum(assumed, (1, w), (-eta, g), (-eta * mu, v)) if nesterov else _sum(assumed, (1, w), (-eta, v)), (v,)


def _adam(training, step, eta, w, g, slots, assumed):
    beta1, beta2, epsilon = _constants(assumed, *(assumed.value(f"adam_{each}", training[each])
                                                  for each in ("beta1", "beta2", "epsilon")))
    beta1, beta2 = assumed.value("adam_betas", (beta1, beta2))
    hat = (training["adam_form"] == "tensorflow") ^ assumed.holds("adam_other_epsilon_hat")
    m, v, largest = slots or (exact(np.zeros(w.array.shape)),) * 3          # largest: what amsgrad keeps of v
    m = _sum(assumed, (beta1, m), (1 - beta1, g))                                           # eq. 23
    squares = assumed.rounded(g.array ** 2, 2 * abs(g.array) * g.error + g.error ** 2)
    v = _sum(assumed, (beta2, v), (1 - beta2, squares))                                     # eq. 24
    t = step + assumed.holds("adam_step_late")
    corrections = tuple(1 - beta ** t for beta in _constants(assumed, beta1, beta2, keras=True))
    correction1, correction2 = assumed.choose(corrections, adam_no_bias_correction=(1.0, 1.0))   # eq. 25, 26
    if assumed.holds("adam_amsgrad"):
        below = largest = _larger(v, largest)
    else:
        below = v
    hat_v = Value(below.array / correction2, below.error / correction2)
    if assumed.holds("adam_amsgrad_corrected"):
        hat_v = largest = _larger(hat_v, largest)
    root, error = np.sqrt(hat_v.array), hat_v.error                                     # eq. 27
    spread = np.minimum(error / (2 * np.maximum(root, 1e-300)), np.sqrt(error))         # near 0 it is that of the root
    if hat:                                                                             # eq. 22
        epsilon = epsilon / np.sqrt(correction2)
    if assumed.holds("adam_epsilon_in_root"):
        below = np.sqrt(root ** 2 + epsilon)
        spread = spread * root / below
    else:
        below = root + epsilon
    step_by = eta / correction1 * m.array / below
    error = eta / correction1 * m.error / below + abs(step_by) * spread / np.maximum(below, assumed.smallest())
    # 1 - beta is a difference of rounded numbers: it has 1 / (1 - beta) times their relative error
    error = error + (6 + 1 / (1 - beta1) + 1 / (1 - beta2)) * assumed.roundoff() * abs(step_by)
    return _sum(assumed, (1, w), (-1, Value(step_by, error))), (m, v, largest)


def _larger(a, b):
    """Return the larger of two Values in each element."""
    return Value(np.maximum(a.array, b.array), np.maximum(a.error, b.error))


def _constants(assumed, *constants, keras=False):
    """Return an optimizer's constants as the other side has them; `keras`: where Keras rounds them."""
    names = ["constants_in_float32", "keras_in_float32"][:1 + keras]
    rounded = assumed.unit <= DOUBLE and any(assumed.holds(name) for name in names)
    return [float(np.float32(each)) if rounded else each for each in constants]


def _sum(assumed, *terms):
    """Return the sum of factor * Value.

    A factor other than 1 and -1 is rounded, and so is its product; every term, by the additions. The arrays are gone
    through block by block, so that what is between stays in the cache.
    """
    if not assumed.bounds:
        return exact(sum(factor * value.array for factor, value in terms))
    array, error = np.empty((2, *terms[0][1].array.shape))
    flat = [(factor, assumed.roundoff() * (len(terms) - 1 + 2 * (abs(factor) != 1)), value.array.reshape(-1),
             value.error.reshape(-1) if value.error.any() else None) for factor, value in terms]
    for start in range(0, array.size, BLOCK):
        block = slice(start, start + BLOCK)
        total, own = array.reshape(-1)[block], error.reshape(-1)[block]
        total[:], own[:] = 0, assumed.smallest()
        for factor, roundings, of_array, of_error in flat:
            term = factor * of_array[block]
            total += term
            own += abs(term) * roundings
            if of_error is not None:
                own += of_error[block] * abs(factor)
    return Value(array, error)
