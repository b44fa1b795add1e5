"""The equations of `optimizers` on the GPU, by the kernels of optimizers.cu, which read the rates from memory."""

from ...dispatch import device_of
from .launch import blocks, launch
from .step_state import memory_of_rates


def sgd(w, g, rates):
    launch("optimizers.sgd", blocks(w.size), w, g, memory_of_rates(device_of(w), rates), w.size)


def momentum(w, g, v, rates, mu, form):
    launch(f"optimizers.momentum_{form}", blocks(w.size), w, g, v, memory_of_rates(device_of(w), rates), mu, w.size)


def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    launch("optimizers.adam", blocks(w.size), w, g, m, v, memory_of_rates(device_of(w), rates), 1 - beta1, 1 - beta2,
           epsilon, w.size)
