"""Softmax and the costs: the reference's, and under the conventions in which others differ.

The arguments and results of a layer are as `products` describes them.
"""

import numpy as np

from ...layers import softmax as plain_softmax
from .rounding import DOUBLE, WHOLE_SUM, Value, exact
from .targets import targets

KERAS = 1e-7, 1 - 1e-7         # to which Keras clips probabilities
EPSILONS = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)    # by which logarithms are kept from 0


def softmax(z, assumed):
    """Return the probabilities (eq. 8)."""
    p = plain_softmax.forward(z.array)
    shifted = z.array - z.array.max(-1, keepdims=True)
    # The logits may have been used before they were rounded to what is given, which moves p by p (1 - p) times that.
    # Of exp(z - log sum exp z) the logarithm is within an ulp, 2 u, and then the probabilities do not add up to 1.
    largest = abs(z.array).max(-1, keepdims=True)
    own = assumed.roundoff() * p * (4 + abs(shifted) + z.array.shape[-1] + (2 + 2 * (1 - p)) * largest)
    own += assumed.smallest()
    return Value(p, np.hypot(own, p * (1 - p) * 2 * z.error.max(-1, keepdims=True)))


def softmax_backward(p, dp, assumed):
    """Return dz = p (dp - sum of p dp), of two Values."""
    def over_classes(values):
        return values.sum(-1, keepdims=True)

    size = abs(dp.array)
    slack = p.error * (size + abs(over_classes(p.array * dp.array)))
    slack += p.array * (dp.error + over_classes(p.error * size + p.array * dp.error))
    rounding = assumed.roundings(size.shape[-1] + 3) * p.array * (size + over_classes(p.array * size))
    return Value(plain_softmax.backward(dp.array, p.array), slack + rounding + assumed.smallest())


def cross_entropy(z, labels, class_weights, form, assumed):
    """Return the weighted cross-entropy of logits (eq. 5, 60), in nats per pixel.

    Where the other side takes the logarithm of the probabilities, these are rounded first: what that changes is within
    the bound.
    """
    return _cross_entropy(z, labels, class_weights, form, assumed)[0]


def cross_entropy_gradient(z, labels, class_weights, form, assumed):
    """Return dlogits = weight (p - target) (eq. 38, 48)."""
    return _cross_entropy(z, labels, class_weights, form, assumed)[1]


def _cross_entropy(z, labels, class_weights, form, assumed):
    """Return the cost and dlogits, two Values."""
    weights, rounding = targets(labels, z.array.shape[-1], class_weights, form, assumed)
    if assumed.holds("sigmoid_of_each_class"):
        cost, dz = _of_sigmoids(z, weights, assumed)
    elif assumed.holds("logits_as_shares"):
        cost, dz = _of_shares(z, weights, assumed)
    elif assumed.holds("softmax_missing"):
        cost, dz = Value(-weights * z.array, weights * (z.error + assumed.roundoff() * abs(z.array))), Value(
            -weights, 4 * assumed.roundoff() * weights)
    else:
        axis = assumed.choose(-1, **{f"softmax_over_{name}": axis for axis, name in enumerate(
            ("batch", "rows", "columns")) if z.array.shape[axis] > 1})
        cost, dz = _of_softmax(z.map(lambda a: a.swapaxes(axis, -1)), weights.swapaxes(axis, -1), assumed)
        dz = dz.map(lambda a: a.swapaxes(axis, -1))
    terms = np.count_nonzero(weights)
    error = (assumed.roundings(terms) + rounding) * abs(cost.array).sum() + cost.error.sum() + assumed.smallest()
    return Value(np.array(cost.array.sum(-1).sum()), np.array(error)), Value(
        dz.array, dz.error + rounding * abs(dz.array) + assumed.smallest())


def _of_softmax(z, weights, assumed):
    """Return the costs of all pixels and classes, and dlogits, two Values; the softmax is over the last axis."""
    unit, once = assumed.roundoff(), None
    slope_of_z = exact(np.ones(z.array.shape))
    if assumed.holds("softmax_twice"):
        z = once = softmax(z, assumed)
    elif assumed.holds("logits_as_probabilities"):
        z, slope_of_z = _logarithm_of_logits(z, unit)
    p, shifted = softmax(z, assumed), z.array - z.array.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    largest, z_error = (abs(each).max(-1, keepdims=True) for each in z[:2])
    of_sum = assumed.roundings(shifted.shape[-1]) if shifted.shape[-1] > 8 else 0.0
    own = unit * (8 + 2 * abs(log_p) + largest) + of_sum + 2 * z_error
    inner, slope = _of_logarithm(Value(log_p, own), p, assumed)
    cost = Value(np.where(weights, -weights * inner.array, 0.0), np.where(weights, weights * inner.error, 0.0))

    of_slope = weights * slope.array
    total, terms = of_slope.sum(-1, keepdims=True), np.count_nonzero(weights, axis=-1).max(initial=1)
    dz = p.array * total - of_slope
    bound = (weights * (slope.array + slope.error)).sum(-1, keepdims=True)
    error = bound * (p.error + 4 * unit + (assumed.roundings(terms) * p.array if terms > 1 else 0)) + 2 * unit * abs(dz)
    if np.any(slope.error):
        spread = weights * slope.error
        others = spread.sum(-1, keepdims=True) - spread
        error = np.hypot(error, p.array * others + (1 - p.array) * spread)
    dz = Value(dz * slope_of_z.array, error * slope_of_z.array + (abs(dz) + error) * slope_of_z.error)
    return cost, dz if once is None else softmax_backward(once, dz, assumed)


def _logarithm_of_logits(z, unit):
    """Return the logarithm of logits, clipped as Keras clips probabilities, and its slope, two Values."""
    low, high = KERAS
    ends = [np.clip(each, low, high) for each in (z.array, z.array - z.error, z.array + z.error)]
    (log, *logs), (slope, *slopes) = map(np.log, ends), [((each > low) & (each < high)) / each for each in ends]
    return (Value(log, np.maximum(*(abs(each - log) for each in logs)) + unit * (4 + 2 * abs(log))),
            Value(slope, np.maximum(*(abs(each - slope) for each in slopes)) + 4 * unit * slope))


def _of_logarithm(log_p, p, assumed):
    """Return what the other side has for log p, and its derivative by log p, two Values."""
    low, high, added = _limits(assumed)
    gamma = assumed.value("focal") or assumed.value("focal_alpha")
    if low or added:
        passed = (p.array > low) & (p.array < high)
        near = (abs(p.array - low) <= p.error) | (abs(p.array - high) <= p.error)
        uncertain = WHOLE_SUM * np.where(near, 1.0, p.error * added / (p.array + added) ** 2)
        return (Value(np.log(np.clip(np.exp(log_p.array) + added, low, high)), log_p.error),
                Value(passed * p.array / (p.array + added), uncertain))
    if assumed.holds("logarithm_missing"):
        return p, p
    if gamma:
        return _focal(gamma, log_p, p, assumed)
    if alpha := assumed.value("focal_keras"):
        clipped = Value(np.clip(log_p.array, *np.log(KERAS)), log_p.error), Value(np.clip(p.array, *KERAS), p.error)
        value, slope = (Value(alpha * each.array, alpha * each.error) for each in _focal(2.0, *clipped, assumed))
        passed, near = _passed(p)
        return value, Value(passed * slope.array, np.where(near, WHOLE_SUM * slope.array, passed * slope.error))
    return log_p, exact(np.ones(p.array.shape))


def _passed(p):
    """Return where Keras does not clip probabilities, and where that is uncertain."""
    low, high = KERAS
    return (p.array > low) & (p.array < high), (abs(p.array - low) <= p.error) | (abs(p.array - high) <= p.error)


def _of_shares(z, weights, assumed):
    """Return the costs and dlogits where logits, divided by their sum, are clipped and taken for probabilities."""
    unit, total = assumed.roundoff(), z.array.sum(-1, keepdims=True)
    of_total = (z.error + unit * abs(z.array)).sum(-1, keepdims=True) + unit * abs(total)
    of_total = of_total / np.maximum(abs(total) - of_total, 1e-300)             # relative
    p = z.array / total
    p = Value(p, z.error / abs(total) + abs(p) * (of_total + 2 * unit))
    (passed, near), (share, *ends) = _passed(p), [np.clip(p.array + way * p.error, *KERAS) for way in (0, -1, 1)]

    def spread(f):
        """Return how far a function of the shares may be from what it is of these."""
        return np.maximum(*(abs(f(end) - f(share)) for end in ends))

    cost = Value(-weights * np.log(share), weights * (spread(np.log) + unit * (4 + 2 * abs(np.log(share)))))
    one, each = (weights * passed).sum(-1, keepdims=True), weights * passed / share
    uncertain = weights * np.where(near, WHOLE_SUM / share, passed * (spread(np.reciprocal) + 4 * unit / share))
    error = uncertain.sum(-1, keepdims=True) + 4 * unit * one + (one + each) * of_total
    return cost, Value((one - each) / total, error / abs(total))


def _focal(gamma, log_p, p, assumed):
    """Return (1 - p)^gamma log p and its derivative by log p."""
    unit, (log_p, of_log), (p, of_p) = assumed.roundoff(), log_p[:2], p[:2]
    q, of_q = -np.expm1(log_p), of_p + p * of_log + 2 * unit

    def power(exponent):
        """Return q^exponent, and how far another may be from it."""
        middle, *ends = (np.maximum(each, 0.0) ** exponent for each in (q, q - of_q, np.minimum(q + of_q, 1)))
        return middle, np.maximum(*(abs(end - middle) for end in ends))

    (outer, of_outer), (inner, of_inner) = power(gamma), power(gamma - 1)
    value, second = outer * log_p, gamma * inner * p * abs(log_p)
    of_second = gamma * (of_inner * p * abs(log_p) + (inner + of_inner) * (p * of_log + of_p * abs(log_p)))
    return (Value(value, outer * of_log + of_outer * (abs(log_p) + of_log) + 8 * unit * abs(value)),
            Value(outer + second, of_outer + of_second + 16 * unit * (outer + second)))


def _of_sigmoids(z, weights, assumed):
    """Return the binary cross-entropy of a sigmoid of each logit, their mean over the classes, and dlogits."""
    unit, of_pixel = assumed.roundoff(), weights.sum(-1, keepdims=True) / weights.shape[-1]
    weights, size = weights / weights.shape[-1], abs(z.array)
    cost, dz = of_pixel * np.logaddexp(0, z.array) - weights * z.array, of_pixel / (1 + np.exp(-z.array)) - weights
    return (Value(cost, of_pixel * (unit * (8 + 4 * size) + z.error)),
            Value(dz, of_pixel * (z.error / 4 + 8 * unit) + 2 * unit * abs(dz)))


def _limits(assumed):
    """Return how the other side changes a probability before its logarithm: (lower limit, upper limit, addend)."""
    changes = (assumed.choose(0.0, **{f"log_clipped_{epsilon}": epsilon for epsilon in EPSILONS}), np.inf,
               assumed.choose(0.0, **{f"log_plus_{epsilon}": epsilon for epsilon in EPSILONS}))
    if assumed.unit <= DOUBLE:                              # float32 does not show the upper limit
        changes = assumed.choose(changes, log_clipped_twice=(1e-7, 1 - 1e-7, 0.0))
    return changes


def softmax_layer(v, o, assumed):
    """Return the functions for the probabilities and dx."""
    return {"y": lambda: softmax(v("x"), assumed),
            "dx": lambda: softmax_backward(softmax(v("x"), assumed), v("dy"), assumed)}


def weighted_cross_entropy(v, o, assumed):
    """Return the functions for cost and dx."""
    arguments = v("x"), v("labels").array.astype(np.int64), o.weights(v("x").array.shape[-1]), "eq60", assumed
    return {"cost": lambda: cross_entropy(*arguments), "dx": lambda: cross_entropy_gradient(*arguments)}


def of_probabilities(layer, slope):
    """Return a cost of probabilities as one of logits; `slope` bounds its second derivative by p, times pixels."""
    def outputs(v, o, assumed):
        p, labels = softmax(v("x"), assumed), v("labels").array.astype(np.int64)
        dp = layer.backward(p.array, labels)

        def cost():
            size = abs(dp) * p.error
            return Value(np.array(layer.forward(p.array, labels)),
                         np.array(size.sum() + 4 * assumed.roundings(labels.size) * (abs(dp) * p.array).sum()
                                  + 4 * assumed.roundoff()))

        def dx():
            bend = slope * (p.error.mean() + p.error) / labels.size
            return softmax_backward(p, Value(dp, bend + assumed.roundings(labels.size) * abs(dp)), assumed)

        return {"cost": cost, "dx": dx}

    return outputs
