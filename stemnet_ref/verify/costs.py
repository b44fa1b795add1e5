"""Softmax and the weighted cross-entropy: the reference's, and under the conventions in which others differ."""

import numpy as np

from ..layers import softmax as softmax_layer
from .conventions import EPSILONS
from .rounding import DOUBLE, WHOLE_SUM, Value


def softmax(z, way):
    """Return the probabilities (eq. 8)."""
    p = softmax_layer.forward(z.array)
    shifted = z.array - z.array.max(-1, keepdims=True)
    own = way.result_unit * p * (4 + abs(shifted) + z.array.shape[-1]) + way.tiny
    # the logits may have been used before they were rounded to what is given
    own += way.result_unit * 2 * p * (1 - p) * abs(z.array).max(-1, keepdims=True)
    if z.error is not None:
        own = np.hypot(own, p * (1 - p) * 2 * z.error.max(-1, keepdims=True))
    return Value(p, own)


def _of_logarithm(way):
    """Return how the other side changes a probability before its logarithm: (least, most, what it adds)."""
    least, most, more = 0.0, np.inf, 0.0
    for epsilon in EPSILONS:
        if way.on(f"log_clipped_{epsilon}"):
            least = epsilon
        if way.on(f"log_plus_{epsilon}"):
            more = epsilon
    if way.unit <= DOUBLE and way.on("log_clipped_twice"):          # float32 does not show the second
        return 1e-7, 1 - 1e-7, 0.0
    return least, most, more


def _pixel_weights(labels, class_weights, form, way):
    """Return each pixel's weight, divided as the other side takes the mean (eq. 60)."""
    weights = np.array(class_weights, np.float64)
    if form == "listing":
        if way.on("weight_without_one"):
            weights[1:] -= 1
    elif way.on("weight_plus_one"):
        weights[1:] += 1
    if (weights != weights[0]).any():
        if way.on("weights_ignored"):
            weights[:] = 1
        if way.on("weights_exchanged"):
            weights = weights[::-1]
    pixels = weights[labels]
    if way.on("cost_summed"):
        return pixels
    if len(labels) > 1 and way.on("cost_summed_over_image"):
        return pixels / len(labels)
    if (weights != 1).any() and way.on("cost_over_weights"):
        return pixels / pixels.sum()
    return pixels / labels.size


def cross_entropy(z, labels, class_weights, form, way):
    """Return the weighted cross-entropy of logits (eq. 5, 60), in nats per pixel.

    Where the other side takes the logarithm of the probabilities, these are rounded first: what that changes is within
    the bound.
    """
    weights, (least, most, more) = _pixel_weights(labels, class_weights, form, way), _of_logarithm(way)
    if way.on("softmax_twice"):
        z = softmax(z, way)
    shifted = z.array - z.array.max(-1, keepdims=True)
    picked = np.take_along_axis(shifted, labels[..., None].astype(np.intp), -1)[..., 0]
    log_p = picked - np.log(np.exp(shifted).sum(-1))
    own = way.result_unit * (8 + 2 * abs(log_p) + abs(z.array).max(-1))
    if z.error is not None:
        own = own + 2 * z.error.max(-1)
    if least or more:
        log_p = np.log(np.clip(np.exp(log_p) + more, least, most))
    terms = weights * -log_p
    error = way.roundings(terms.size) * abs(terms).sum() + (weights * own).sum() + way.tiny
    return Value(np.array(terms.sum()), np.array(error))


def cross_entropy_gradient(z, labels, class_weights, form, way):
    """Return dlogits = weight (p - target) (eq. 38, 48)."""
    weights, (least, most, more) = _pixel_weights(labels, class_weights, form, way)[..., None], _of_logarithm(way)
    once = softmax(z, way) if way.on("softmax_twice") else None
    p = softmax(z if once is None else once, way)
    target = np.zeros(p.array.shape)
    picked = labels[..., None].astype(np.intp)
    np.put_along_axis(target, picked, 1, -1)
    dz = weights * (p.array - target)
    if once is not None:
        own = weights * (p.error + 4 * way.result_unit) + abs(dz) * 2 * way.result_unit
        slack = once.array * (own + own.sum(-1, keepdims=True)) + once.error * 2 * abs(dz).sum(-1, keepdims=True)
        return Value(softmax_layer.backward(dz, once.array), slack + way.tiny)
    if least or more:
        of_label, slack = (np.take_along_axis(each, picked, -1) for each in p)
        passed = (of_label > least) & (of_label < most)
        near = (abs(of_label - least) <= slack) | (abs(of_label - most) <= slack)
        factor = passed * of_label / (of_label + more)
        uncertain = WHOLE_SUM * abs(dz) * np.where(near, 1.0, slack * more / (of_label + more) ** 2)
        own = weights * (p.error + 4 * way.result_unit) * np.where(near, 1.0, factor)
        return Value(dz * factor, np.hypot(own, uncertain) + way.tiny)
    return Value(dz, weights * (p.error + 4 * way.result_unit) + 2 * way.result_unit * abs(dz) + way.tiny)
