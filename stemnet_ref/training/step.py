"""One step of training: forward, cost, backward, update."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import metrics, optimizers
from ..backends.cuda.device import device_of, launch, to_host
from ..backends.cuda.shared import write_schedule
from ..layers import dice, quadratic, softmax, weighted_cross_entropy


def cost_of(logits, labels, settings, weights=None):
    """Return the cost named in the settings, and the probabilities; `weights` are those of pixels, if they have any."""
    if settings.cost in ("weighted_cross_entropy", "cross_entropy"):
        return weighted_cross_entropy.forward(logits, labels, settings.class_weights, weights)
    p = softmax.forward(logits)
    return {"dice": dice, "quadratic": quadratic}[settings.cost].forward(p, labels), p


def cost_gradient(p, labels, settings, weights=None):
    """Return the gradient of the cost by the logits, at the probabilities p.

    Dice and the quadratic cost are functions of the probabilities, so their gradient goes through the softmax.
    """
    if settings.cost in ("weighted_cross_entropy", "cross_entropy"):
        return weighted_cross_entropy.backward(p, labels, settings.class_weights, weights)
    return softmax.backward({"dice": dice, "quadratic": quadratic}[settings.cost].backward(p, labels), p)


def make_optimizer(settings):
    """Return the optimizer named in the settings."""
    if settings.optimizer == "adam":
        return optimizers.Adam(settings.learning_rate, form=settings.adam_form)
    if settings.optimizer == "momentum":
        return optimizers.Momentum(settings.learning_rate, settings.momentum, settings.momentum_form)
    return optimizers.SGD(settings.learning_rate)


def training_step(network, optimizer, x, labels, settings, step, examples, weights=None):
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
    weights : float ndarray of shape (N, H, W), optional
        Of the pixels, added to those of their classes.

    Returns
    -------
    cost : float
        With the regularization term; NaN or infinite where training has failed, and then nothing is updated. On a GPU
        an array of shape (), so that nothing waits for it; then all is updated.
    p : ndarray of shape (N, H, W, classes)
        Probabilities, with dropout.
    """
    device = device_of(x)
    schedule = write_schedule(device, step, *optimizer.begin_step()) if device else None
    return _training_step(network, optimizer, x, labels, weights, settings, step if schedule is None else schedule,
                          examples, schedule)


def _training_step(network, optimizer, x, labels, weights, settings, step, examples, schedule):
    with np.errstate(over="ignore", invalid="ignore"):      # a cost that is no number says it
        logits, cache = network.forward(x, settings.keep_prob, settings.seed, step)
        cost, p = cost_of(logits, labels, settings, weights)
        cost = optimizers.add_penalty(cost, network.parameters, settings.l1, settings.l2, examples)
        if schedule is None and not math.isfinite(cost):
            return cost, p
        gradients = network.backward(cost_gradient(p, labels, settings, weights), cache)
        optimizers.add_penalty_gradients(gradients, network.parameters, settings.l1, settings.l2, examples)
        optimizer.update(network.parameters, gradients, schedule)
    return cost, p


class Steps:
    """Steps of training, and what came of them.

    Parameters
    ----------
    network, optimizer, settings, examples
        As for `training_step`.

    Attributes
    ----------
    most : int
        Steps to run before `take` must be called.
    """

    most = 1

    def __init__(self, network, optimizer, settings, examples):
        self.network, self.optimizer, self.settings, self.examples = network, optimizer, settings, examples
        self._results = []

    def run(self, x, labels, step, weights=None):
        """Take a step; arguments as for `training_step`."""
        cost, p = training_step(self.network, self.optimizer, x, labels, self.settings, step, self.examples, weights)
        self._results.append((cost, metrics.outcomes(p, labels)))

    def take(self):
        """Return the cost and the `metrics.Counts` of every step since the last call."""
        results, self._results = self._results, []
        return [(float(to_host(cost)), metrics.Counts.of(to_host(found))) for cost, found in results]


@dataclass
class _Known:
    """Arrays of inputs, and the record of a step on them: how to repeat it, and where cost and counts then are."""

    x: object
    labels: object
    weights: object
    repeat: Callable = None
    result: tuple = None


class StepsOnGpu(Steps):
    """Steps of training on a GPU: as a whole, once they are known, and without waiting for what comes of them.

    The first step on an array is started kernel by kernel, the second is recorded, and from then on the record is
    repeated (a CUDA graph). So the inputs have to be in the same arrays every time.

    Parameters
    ----------
    device
        Of `device.choose`.
    tell : callable
        Takes a line of text for the user.
    """

    most = 16

    def __init__(self, network, optimizer, settings, examples, device, tell):
        super().__init__(network, optimizer, settings, examples)
        self.device, self.tell = device, tell
        self.kept, self.count = device.empty((self.most, 5), np.float64), 0
        self.schedule = device.empty((3,), np.float64)
        self._known = {}            # by the shape of x

    def run(self, x, labels, step, weights=None):
        """Take a step, or have it taken later; arguments as for `training_step`, on the device."""
        write_schedule(self.device, step, *self.optimizer.begin_step(), into=self.schedule)
        known = self._known.get(x.shape)
        if known is None or known.x is not x or known.labels is not labels or known.weights is not weights:
            self._known[x.shape] = _Known(x, labels, weights)
            cost, found = self._kernels(x, labels, weights)
        else:
            if known.repeat is None:
                self._record(known)
            known.repeat()
            cost, found = known.result
        launch("shared.keep", 1, cost, found, self.kept, self.count, block=1)
        self.count += 1

    def _record(self, known):
        def start_all():
            known.result = self._kernels(known.x, known.labels, known.weights)

        try:
            known.repeat, known.result = self.device.record(lambda: self._kernels(known.x, known.labels, known.weights))
        except (RuntimeError, MemoryError) as error:                       # the steps are right without it, but slower
            self.tell(f"note: a step cannot be recorded as a CUDA graph ({error}); its kernels are started one by one")
            known.repeat = start_all

    def _kernels(self, x, labels, weights):
        cost, p = _training_step(self.network, self.optimizer, x, labels, weights, self.settings, self.schedule,
                                 self.examples, self.schedule)
        return cost, metrics.outcomes(p, labels)

    def take(self):
        """Return the cost and the `metrics.Counts` of every step since the last call; this waits for the GPU."""
        results, self.count = self.device.to_host(self.kept)[:self.count].tolist(), 0
        return [(cost, metrics.Counts.of(found)) for cost, *found in results]
