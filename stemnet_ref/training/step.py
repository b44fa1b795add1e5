"""One step of training: forward, cost, backward, update."""

import math
from typing import NamedTuple

import numpy as np

from .. import metrics, optimizers, regularization
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
    rules = backend and backend.optimizers
    if settings.optimizer == "adam":
        return optimizers.Adam(settings.learning_rate, form=settings.adam_form, rules=rules)
    if settings.optimizer == "momentum":
        return optimizers.Momentum(settings.learning_rate, settings.momentum, settings.momentum_form, rules)
    return optimizers.SGD(settings.learning_rate, rules)


def training_step(network, optimizer, batch, objective, number, rates):
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
    rates : optimizers.Rates
        What `optimizer.begin_step` has returned for this step. Where steps are recorded on a GPU, `number` and `rates`
        are one `backends.cuda.step_state.StepState`, from which the kernels read both.

    Returns
    -------
    cost : float
        Cost with the regularization term. Where training has failed it is NaN or infinite, and nothing is updated. On
        a GPU it is an array of shape (), so that nothing waits for it, and all is updated.
    p : ndarray of shape (N, H, W, classes)
        The probabilities that the network gives with dropout.
    """
    x, labels, weights = batch
    cost, penalty = objective.cost, (objective.l1, objective.l2, objective.examples)
    with np.errstate(over="ignore", invalid="ignore"):      # a cost that is no number says it
        logits, cache = network.forward(x, objective.keep_prob, objective.seed, number)
        value, p = cost.forward(logits, labels, weights)
        value = regularization.add_penalty(value, network.parameters, *penalty)
        if isinstance(value, float) and not math.isfinite(value):
            return value, p
        gradients = network.backward(cost.backward(p, labels, weights), cache)
        regularization.add_penalty_gradients(gradients, network.parameters, *penalty)
        optimizer.update(network.parameters, gradients, rates)
    return value, p


class Steps:
    """Steps of training, and what came of them.

    Parameters
    ----------
    network, optimizer, objective
        The arguments of `training_step`; the learning rate is set before each step.
    recorder : AtOnce or backends.cuda.recorder.Recorder, optional
        What takes the steps and keeps their results, one by one by default.

    Attributes
    ----------
    max_pending : int
        Steps to run before `flush` must be called.
    """

    def __init__(self, network, optimizer, objective, recorder=None):
        self.network, self.optimizer, self.objective = network, optimizer, objective
        self._recorder = recorder or AtOnce()
        self.max_pending = self._recorder.max_pending

    def run(self, batch, number):
        """Take the step of that number, or have it taken later; on a GPU a batch of the same arrays is one object."""
        self._recorder.run(self._step, batch, number, self.optimizer.begin_step())

    def flush(self):
        """Return the cost and the `metrics.Counts` of every step since the last call; this waits for the GPU."""
        return [(float(cost), metrics.Counts.of(found)) for cost, *found in self._recorder.flush()]

    def _step(self, batch, number, rates):
        cost, p = training_step(self.network, self.optimizer, batch, self.objective, number, rates)
        return cost, metrics.outcomes(p, batch.labels)


class AtOnce:
    """Takes every step when it is told, and keeps its results, as `backends.cuda.recorder.Recorder` does."""

    max_pending = 1

    def __init__(self):
        self._results = []

    def run(self, step, batch, number, rates):
        """Call step(batch, number, rates), which returns a cost and four counts."""
        self._results.append(step(batch, number, rates))

    def flush(self):
        """Return (cost, four counts) of every step since the last call."""
        results, self._results = self._results, []
        return [(to_host(cost), *to_host(counts)) for cost, counts in results]


def make_steps(network, optimizer, objective, backend, log=print):
    """Return the Steps of a run on a backend; `log` takes a line of text for the user."""
    return Steps(network, optimizer, objective, backend.device and Recorder(backend.device, log))
