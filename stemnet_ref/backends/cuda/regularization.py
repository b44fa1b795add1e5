"""The regularization terms on the GPU: `regularization` by the kernels of regularization.cu."""

import numpy as np

from ...dispatch import device_of
from .launch import blocks, launch, number_of_parts


def add_penalty(cost, parameters, l1, l2, examples):
    if l1 == l2 == 0:
        return cost
    weights = [w for name, w in parameters.items() if name.endswith("weight")]
    counts = [number_of_parts(w.size) for w in weights]
    parts, start = device_of(cost).empty((sum(counts), 2), np.float64), 0
    for w, count in zip(weights, counts, strict=True):
        launch("regularization.penalty_sums", count, w, parts[start:start + count], w.size)
        start += count
    launch("regularization.add_penalty", 1, cost, parts, l1 / examples, l2 / (2 * examples), len(parts))
    return cost


def add_penalty_gradients(gradients, parameters, l1, l2, examples):
    for name, w in parameters.items():
        if name.endswith("weight") and (l1 or l2):
            launch("regularization.add_penalty_gradients", blocks(w.size), gradients[name], w, l1 / examples,
                   l2 / examples, w.size)
