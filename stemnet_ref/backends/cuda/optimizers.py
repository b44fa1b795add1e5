"""The equations of `optimizers` on the GPU, by the kernels of optimizers.cu.

Rates change from step to step, and recorded kernels are started with the same arguments each time: they read the rates
from a StepState.
"""

import numpy as np

from ...dispatch import device_of
from .launch import blocks, launch, number_of_parts
from .step_state import StepState


def sgd(w, g, rates):
    launch("optimizers.sgd", blocks(w.size), w, g, _numbers(w, rates), w.size)


def momentum(w, g, v, rates, mu, form):
    launch(f"optimizers.momentum_{form}", blocks(w.size), w, g, v, _numbers(w, rates), mu, w.size)


def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    launch("optimizers.adam", blocks(w.size), w, g, m, v, _numbers(w, rates), 1 - beta1, 1 - beta2, epsilon, w.size)


def add_penalty(cost, parameters, l1, l2, examples):
    if l1 == l2 == 0:
        return cost
    weights = [w for name, w in parameters.items() if name.endswith("weight")]
    counts = [number_of_parts(w.size) for w in weights]
    parts, start = device_of(cost).empty((sum(counts), 2), np.float64), 0
    for w, count in zip(weights, counts, strict=True):
        launch("optimizers.penalty_sums", count, w, parts[start:start + count], w.size)
        start += count
    launch("optimizers.add_penalty", 1, cost, parts, l1 / examples, l2 / (2 * examples), len(parts))
    return cost


def add_penalty_gradients(gradients, parameters, l1, l2, examples):
    for name, w in parameters.items():
        if name.endswith("weight") and (l1 or l2):
            launch("optimizers.add_penalty_gradients", blocks(w.size), gradients[name], w, l1 / examples,
                   l2 / examples, w.size)


def _numbers(w, rates):
    """Return the numbers of a step on the GPU, from a StepState or from `optimizers.Rates`."""
    return (rates if isinstance(rates, StepState) else StepState(device_of(w)).write(0, *rates)).numbers
