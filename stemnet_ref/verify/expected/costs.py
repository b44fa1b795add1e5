"""Softmax and the costs: the reference's, and under the conventions in which others differ.

The arguments and results of a layer are as `products` describes them.
"""

import numpy as np

from ...layers import softmax as plain_softmax
from .rounding import DOUBLE, WHOLE_SUM, Value

EPSILONS = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)    # by which logarithms are kept from 0


def softmax(z, assumed):
    """Return the probabilities (eq. 8)."""
    p = plain_softmax.forward(z.array)
    shifted = z.array - z.array.max(-1, keepdims=True)
    # The logits may have been used before they were rounded to what is given, which moves p by p (1 - p) times that.
    # Of exp(z - log sum exp z) the logarithm is rounded, and then the probabilities do not add up to 1.
    largest = abs(z.array).max(-1, keepdims=True)
    own = assumed.roundoff() * p * (4 + abs(shifted) + z.array.shape[-1] + (1 + 2 * (1 - p)) * largest)
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


def _of_logarithm(assumed):
    """Return how the other side changes a probability before its logarithm: (lower limit, upper limit, addend)."""
    changes = (assumed.choose(0.0, **{f"log_clipped_{epsilon}": epsilon for epsilon in EPSILONS}), np.inf,
               assumed.choose(0.0, **{f"log_plus_{epsilon}": epsilon for epsilon in EPSILONS}))
    if assumed.unit <= DOUBLE:                              # float32 does not show the upper limit
        changes = assumed.choose(changes, log_clipped_twice=(1e-7, 1 - 1e-7, 0.0))
    return changes


def _pixel_weights(labels, class_weights, form, assumed):
    """Return each pixel's weight, divided as the other side takes the mean (eq. 60)."""
    weights = np.array(class_weights, np.float64)
    if form == "listing":
        if assumed.holds("weight_without_one"):
            weights[1:] -= 1
    elif assumed.holds("weight_plus_one"):
        weights[1:] += 1
    if (weights != weights[0]).any():
        weights = assumed.choose(weights, weights_ignored=np.ones_like(weights))
        weights = assumed.choose(weights, weights_exchanged=weights[::-1])
    pixels = weights[labels]
    if assumed.holds("cost_summed"):
        return pixels
    if len(labels) > 1 and assumed.holds("cost_summed_over_image"):
        return pixels / len(labels)
    if (weights != 1).any() and assumed.holds("cost_over_weights"):
        return pixels / pixels.sum()
    return pixels / labels.size


def cross_entropy(z, labels, class_weights, form, assumed):
    """Return the weighted cross-entropy of logits (eq. 5, 60), in nats per pixel.

    Where the other side takes the logarithm of the probabilities, these are rounded first: what that changes is within
    the bound.
    """
    weights, (low, high, added) = _pixel_weights(labels, class_weights, form, assumed), _of_logarithm(assumed)
    if assumed.holds("softmax_twice"):
        z = softmax(z, assumed)
    shifted = z.array - z.array.max(-1, keepdims=True)
    picked = np.take_along_axis(shifted, labels[..., None].astype(np.intp), -1)[..., 0]
    log_p = picked - np.log(np.exp(shifted).sum(-1))
    own = assumed.roundoff() * (8 + 2 * abs(log_p) + abs(z.array).max(-1)) + 2 * z.error.max(-1)
    if low or added:
        log_p = np.log(np.clip(np.exp(log_p) + added, low, high))
    terms = weights * -log_p
    error = assumed.roundings(terms.size) * abs(terms).sum() + (weights * own).sum() + assumed.smallest()
    return Value(np.array(terms.sum()), np.array(error))


def cross_entropy_gradient(z, labels, class_weights, form, assumed):
    """Return dlogits = weight (p - target) (eq. 38, 48)."""
    weights = _pixel_weights(labels, class_weights, form, assumed)[..., None]
    low, high, added = _of_logarithm(assumed)
    once = softmax(z, assumed) if assumed.holds("softmax_twice") else None
    p = softmax(z if once is None else once, assumed)
    target = np.zeros(p.array.shape)
    picked = labels[..., None].astype(np.intp)
    np.put_along_axis(target, picked, 1, -1)
    dz = weights * (p.array - target)
    if once is not None:
        own = weights * (p.error + 4 * assumed.roundoff()) + abs(dz) * 2 * assumed.roundoff()
        return softmax_backward(once, Value(dz, own), assumed)
    if low or added:
        of_label, slack = (np.take_along_axis(each, picked, -1) for each in p)
        passed = (of_label > low) & (of_label < high)
        near = (abs(of_label - low) <= slack) | (abs(of_label - high) <= slack)
        factor = passed * of_label / (of_label + added)
        uncertain = WHOLE_SUM * abs(dz) * np.where(near, 1.0, slack * added / (of_label + added) ** 2)
        own = weights * (p.error + 4 * assumed.roundoff()) * np.where(near, 1.0, factor)
        return Value(dz * factor, np.hypot(own, uncertain) + assumed.smallest())
    unit = assumed.roundoff()
    return Value(dz, weights * (p.error + 4 * unit) + 2 * unit * abs(dz) + assumed.smallest())


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
