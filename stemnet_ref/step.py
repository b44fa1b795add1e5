"""One step of training: forward, cost, backward, update."""

import math

import numpy as np

from . import optimizers
from .device import device_of
from .layers import dice, quadratic, softmax, weighted_cross_entropy


def cost_and_gradient(logits, labels, settings):
    """Return the cost named in the settings, its gradient by the logits, and the probabilities.

    Dice and the quadratic cost are functions of the probabilities, so their gradient goes through the softmax.
    """
    if settings.cost in ("weighted_cross_entropy", "cross_entropy"):
        weights = settings.class_weights
        cost, p = weighted_cross_entropy.forward(logits, labels, weights)
        return cost, weighted_cross_entropy.backward(p, labels, weights), p
    layer = {"dice": dice, "quadratic": quadratic}[settings.cost]
    p = softmax.forward(logits)
    return layer.forward(p, labels), softmax.backward(layer.backward(p, labels), p), p


def make_optimizer(settings):
    """Return the optimizer named in the settings."""
    if settings.optimizer == "adam":
        return optimizers.Adam(settings.learning_rate, form=settings.adam_form)
    if settings.optimizer == "momentum":
        return optimizers.Momentum(settings.learning_rate, settings.momentum, settings.momentum_form)
    return optimizers.SGD(settings.learning_rate)


def training_step(network, optimizer, x, labels, settings, step, examples):
    """Change the network by one step of training: forward, cost, backward, update.

    Parameters
    ----------
    network : StemNet
    optimizer : optimizers.SGD
        Its learning rate set for this step.
    x : float ndarray of shape (N, H, W, channels)
        Scaled.
    labels : int ndarray of shape (N, H, W)
    settings : Settings
    step : int
        Number of the step since the beginning, from 0: the counter of its dropout masks.
    examples : int
        N of the regularization term (eq. 51-52).

    Returns
    -------
    cost : float
        With the regularization term; NaN or infinite where training has failed, and then nothing is updated. On a GPU
        an array of shape (), so that nothing waits for it; then all is updated.
    p : ndarray of shape (N, H, W, classes)
        Probabilities, with dropout.
    """
    with np.errstate(over="ignore", invalid="ignore"):      # a cost that is no number says it
        logits, cache = network.forward(x, settings.keep_prob, settings.seed, step)
        cost, dlogits, p = cost_and_gradient(logits, labels, settings)
        cost = optimizers.add_penalty(cost, network.parameters, settings.l1, settings.l2, examples)
        if device_of(logits) is None and not math.isfinite(cost):
            return cost, p
        gradients = network.backward(dlogits, cache)
        optimizers.add_penalty_gradients(gradients, network.parameters, settings.l1, settings.l2, examples)
        optimizer.update(network.parameters, gradients)
    return cost, p
