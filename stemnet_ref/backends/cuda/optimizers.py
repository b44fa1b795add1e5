"""The equations of `optimizers` on the GPU, by the kernels of optimizers.cu.

Rates change from step to step, and recorded kernels are started with the same arguments each time: they read the rates
from a StepState.
"""

from ...dispatch import device_of
from .launch import blocks, launch
from .step_state import StepState


def sgd(w, g, rates):
    launch("optimizers.sgd", blocks(w.size), w, g, _numbers(w, rates), w.size)


def momentum(w, g, v, rates, mu, form):
    launch(f"optimizers.momentum_{form}", blocks(w.size), w, g, v, _numbers(w, rates), mu, w.size)


def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    launch("optimizers.adam", blocks(w.size), w, g, m, v, _numbers(w, rates), 1 - beta1, 1 - beta2, epsilon, w.size)


def _numbers(w, rates):
    """Return the numbers of a step on the GPU, from a StepState or from `optimizers.Rates`."""
    return (rates if isinstance(rates, StepState) else StepState(device_of(w)).write(0, *rates)).numbers
