"""One step of training: forward, cost, backward, update."""

from typing import NamedTuple

import numpy as np

from .. import metrics, optimizers, regularization
from ..backends.cuda.recorder import Recorder
from ..cost import Cost
from ..dispatch import to_host


class Objective(NamedTuple):
    """What a step of training makes smaller, and with which dropout."""

    cost: Cost
    keep_prob: float            # probability that dropout keeps an element
    seed: int                   # of the dropout masks
    l1: float                   # lambda of the regularization terms (eq. 51 and 52)
    l2: float
    examples: int               # N of these, the size of the training set

    @classmethod
    def of(cls, settings, examples, cost=None):
        """Return the objective that the settings name, for a training set of so many examples."""
        return cls(cost or Cost.of(settings), settings.keep_prob, settings.seed, settings.l1, settings.l2, examples)


def make_optimizer(settings, backend=None):
    """Return the optimizer named in the settings; its equations are computed by the backend, if one is given."""
    rules = backend and backend.optimizers
    if settings.optimizer == "adam":
        return optimizers.Adam(settings.learning_rate, form=settings.adam_form, rules=rules)
    if settings.optimizer == "momentum":
        return optimizers.Momentum(settings.learning_rate, settings.momentum, settings.momentum_form, rules)
    return optimizers.SGD(settings.learning_rate, rules)


def training_step(network, optimizer, batch, objective, number=0, rates=None):
    """Change the network by one step of training: forward, cost, backward, update.

    Parameters
    ----------
    network : StemNet
    optimizer : optimizers.SGD
    batch : backends.buffers.Buffers
        The frames, the labels, and weights of the pixels, which are added to those of their classes.
    objective : Objective
    number : int
        Number of the step since the beginning, from 0: the counter of its dropout masks.
    rates : optimizers.Rates, optional
        What `optimizer.begin_step` has returned for this step; without it the step is begun here.

    Returns
    -------
    cost : float
        Cost with the regularization term, before the update; NaN or infinite where training has failed. On a GPU it is
        an array of shape (), so that nothing waits for it.
    p : ndarray of shape (N, H, W, classes)
        The probabilities that the network gives with dropout.
    """
    x, labels, pixel_weights = batch
    penalty = objective.l1, objective.l2, objective.examples
    with np.errstate(over="ignore", invalid="ignore"):      # a cost that is no number says it
        logits, cache = network.forward(x, objective.keep_prob, objective.seed, number)
        cost, p = objective.cost.forward(logits, labels, pixel_weights, network.layers)
        cost = regularization.add_penalty(cost, network.parameters, *penalty)
        dlogits = objective.cost.backward(p, labels, pixel_weights, network.layers)
        gradients = network.backward(dlogits, cache)
        regularization.add_penalty_gradients(gradients, network.parameters, *penalty)
        optimizer.update(network.parameters, gradients, rates)
    return cost, p


class Steps:
    """Steps of training, and what came of them.

    Parameters
    ----------
    network, optimizer, objective
        The arguments of `training_step`; the learning rate is set before each step.
    backend : backends.Backend, optional
        Backend that computes. On a GPU the steps are recorded; without one each is taken at once.
    log : callable
        Function that prints a line of text for the user.

    Attributes
    ----------
    max_pending : int
        Steps to run before `flush` must be called.
    pending : int
        Steps that were run since the last call of `flush`.
    """

    def __init__(self, network, optimizer, objective, backend=None, log=print):
        self.network, self.optimizer, self.objective = network, optimizer, objective
        self._recorder = Recorder(backend.device, log) if backend and backend.device else None
        self.max_pending, self.pending = self._recorder.max_pending if self._recorder else 1, 0
        self._results = []              # cost and four counts of every step that was taken at once

    def run(self, batch, number):
        """Take the step of that number, or have it taken later; on a GPU a batch of the same arrays is one object."""
        rates = self.optimizer.begin_step()
        self.pending += 1
        if self._recorder:
            self._recorder.run(self._step, batch, number, rates)
        else:
            cost, counts = self._step(batch, number, rates)
            self._results.append((to_host(cost), *to_host(counts)))

    def flush(self):
        """Return the cost and the `metrics.Counts` of every step since the last call; this waits for the GPU."""
        results = self._recorder.flush() if self._recorder else self._results
        self.pending, self._results = 0, []
        return [(float(cost), metrics.Counts.of(counts)) for cost, *counts in results]

    def _step(self, batch, number, rates):
        cost, p = training_step(self.network, self.optimizer, batch, self.objective, number, rates)
        return cost, metrics.outcomes(p, batch.labels)
