"""The factors of -log p of each pixel and class in the cost: the reference's, and those of others."""

import numpy as np


def targets(labels, classes, class_weights, form, assumed):
    """Return the targets, each multiplied by its pixel's weight and divided for the mean, and their rounding.

    They have shape (N, H, W, classes) and are 0 but for the pixel's class (eq. 60). The rounding is that of sums in
    the divisor, relative to them; other roundings are not in it.
    """
    labels = labels.astype(np.intp)
    weights = _class_weights(labels, class_weights, form, assumed)
    divisor, rounding = _divisor(labels, weights, assumed)
    divisor = np.broadcast_to(divisor, labels.shape)[..., None]
    found = weights[labels][..., None] / divisor * np.eye(classes)[labels]
    if share := assumed.value("label_smoothing"):
        found = (1 - share) * found + share / classes * found.sum(-1, keepdims=True)
    if (weights != weights[0]).any() and (share := assumed.value("label_smoothing_by_class")):
        found = (1 - share) * found + share / classes * weights / divisor
    if classes == 2 and assumed.holds("focal_alpha"):
        found = found * (0.75, 0.25)
    return found, rounding


def _class_weights(labels, class_weights, form, assumed):
    """Return the weight of each class."""
    weights = np.array(assumed.value("weights_other", class_weights), np.float64)
    if form == "listing":
        weights[1:] = assumed.choose(weights[1:], weight_without_one=weights[1:] - 1, weight_plus_two=weights[1:] + 1)
    elif assumed.holds("weight_plus_one"):
        weights[1:] += 1
    if (weights != weights[0]).any():
        weights = assumed.choose(weights, weights_ignored=np.ones_like(weights))
        weights = assumed.choose(weights, weights_exchanged=weights[::-1])
        weights = assumed.choose(weights, weights_that_sum_to_one=weights / weights.sum())
    counts = np.bincount(labels.ravel(), minlength=len(weights))
    if counts.all() and assumed.holds("weights_by_frequency"):
        weights = labels.size / counts / len(weights)
    return weights


def _divisor(labels, weights, assumed):
    """Return what pixels' weights are divided by for the mean, and the rounding of sums in it, relative to it."""
    divisor, rounding, pixels = labels.size, 0.0, weights[labels]
    if assumed.holds("cost_summed"):
        divisor = 1
    if len(labels) > 1 and assumed.holds("cost_summed_over_image"):
        divisor = len(labels)
    if (weights != 1).any() and assumed.holds("cost_over_weights"):
        divisor, rounding = pixels.sum(), assumed.roundings(labels.size)
    if len(labels) > 1 and (weights != 1).any() and assumed.holds("cost_mean_over_images"):
        divisor, rounding = pixels.sum((1, 2), keepdims=True) * len(labels), assumed.roundings(labels[0].size)
    if assumed.holds("cost_mean_over_classes"):
        divisor = divisor * len(weights)
    return divisor, rounding
