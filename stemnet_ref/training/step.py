"""One step of training: forward, cost, backward, update."""

import math
from typing import NamedTuple

import numpy as np

from .. import metrics, optimizers
from ..backends.cuda.recorder import Recorder
from ..cost import Cost
from ..dispatch import to_host


class Objective(NamedTuple):
    """What a step of training makes smaller, and with which dropout.

    Attributes
    ----------
    cost : Cost
    keep_prob : float
        Probability that dropout keeps an element.
    seed : int
        Seed of the dropout masks.
    l1, l2 : float
        lambda of the regularization terms (eq. 51 and 52).
    examples : int
        N of these, the size of the training set.
    """

    cost: Cost
    keep_prob: float
    seed: int
    l1: float
    l2: float
    examples: int

    @classmethod
    def of(cls, settings, examples):
        """Return the objective that the settings name, for a training set of so many examples."""
        return cls(Cost.of(settings), settings.keep_prob, settings.seed, settings.l1, settings.l2, examples)


def make_optimizer(settings, backend=None):
    """Return the optimizer named in the settings; its equations are computed by the backend, if one is given."""
    if settings.optimizer == "adam":
        optimizer = optimizers.Adam(settings.learning_rate, form=settings.adam_form)
    elif settings.optimizer == "momentum":
        optimizer = optimizers.Momentum(settings.learning_rate, settings.momentum, settings.momentum_form)
    else:
        optimizer = optimizers.SGD(settings.learning_rate)
    if backend:
        optimizer.rules = backend.optimizers
    return optimizer


def training_step(network, optimizer, batch, objective, step):
    """Change the network by one step of training: forward, cost, backward, update.

    Parameters
    ----------
    network : StemNet
    optimizer : optimizers.SGD
        Its learning rate set for this step.
    batch : backends.buffers.Buffers
        The frames, the labels, and weights of the pixels, which are added to those of their classes.
    objective : Objective
    step : int
        Number of the step since the beginning, from 0: the counter of its dropout masks.

    Returns
    -------
    cost : float
        Cost with the regularization term. Where training has failed it is NaN or infinite, and nothing is updated. On
        a GPU it is an array of shape (), so that nothing waits for it, and all is updated.
    p : ndarray of shape (N, H, W, classes)
        The probabilities that the network gives with dropout.
    """
    state = optimizers.step_state(batch.x, step, optimizer)
    return _step(network, optimizer, batch, objective, step if state is None else state, state)


def _step(network, optimizer, batch, objective, step, rates):
    x, labels, weights = batch
    cost, penalty = objective.cost, (objective.l1, objective.l2, objective.examples)
    with np.errstate(over="ignore", invalid="ignore"):      # a cost that is no number says it
        logits, cache = network.forward(x, objective.keep_prob, objective.seed, step)
        value, p = cost.forward(logits, labels, weights)
        value = optimizers.add_penalty(value, network.parameters, *penalty)
        if isinstance(value, float) and not math.isfinite(value):
            return value, p
        gradients = network.backward(cost.backward(p, labels, weights), cache)
        optimizers.add_penalty_gradients(gradients, network.parameters, *penalty)
        optimizer.update(network.parameters, gradients, rates)
    return value, p


class Steps:
    """Steps of training, and what came of them.

    Parameters
    ----------
    network, optimizer, objective
        The arguments of `training_step`.

    Attributes
    ----------
    max_pending : int
        Steps to run before `flush` must be called.
    """

    max_pending = 1

    def __init__(self, network, optimizer, objective):
        self.network, self.optimizer, self.objective = network, optimizer, objective
        self._results = []

    def run(self, batch, step):
        """Take a step; arguments as for `training_step`."""
        cost, p = training_step(self.network, self.optimizer, batch, self.objective, step)
        self._results.append((cost, metrics.outcomes(p, batch.labels)))

    def flush(self):
        """Return the cost and the `metrics.Counts` of every step since the last call."""
        results, self._results = self._results, []
        return [(float(to_host(cost)), metrics.Counts.of(to_host(found))) for cost, found in results]


class RecordedSteps(Steps):
    """Steps of training on a GPU, recorded and repeated as a whole, without waiting for what comes of them.

    Parameters
    ----------
    recorder : backends.cuda.recorder.Recorder
    """

    def __init__(self, network, optimizer, objective, recorder):
        super().__init__(network, optimizer, objective)
        self.max_pending, self._recorder = recorder.max_pending, recorder

    def run(self, batch, step):
        """Take a step, or have it taken later; a batch of the same arrays must be the same object."""
        self._recorder.run(self._kernels, batch, step, self.optimizer.begin_step())

    def flush(self):
        """Return the cost and the `metrics.Counts` of every step since the last call; this waits for the GPU."""
        return [(cost, metrics.Counts.of(found)) for cost, *found in self._recorder.flush()]

    def _kernels(self, batch, state):
        cost, p = _step(self.network, self.optimizer, batch, self.objective, state, state)
        return cost, metrics.outcomes(p, batch.labels)


def make_steps(network, optimizer, objective, backend, log=print):
    """Return the Steps of a run on a backend; `log` takes a line of text for the user."""
    if backend.device is None:
        return Steps(network, optimizer, objective)
    return RecordedSteps(network, optimizer, objective, Recorder(backend.device, log))
