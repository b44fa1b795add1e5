"""Initial weights: section 2.1's, and the listing's (`StemNet`, argument `init`).

    fan_in      normal, sigma = sqrt(2/N), N = kernel area * channels in, also for transposed convolutions; biases 0
    listing     normal, redrawn beyond two sigma, sigma = sqrt(2/(k^2 * features)), k = 5 also for transposed
                convolutions, features: those of the output going down, of the input going up; sigma 0.1 in the output
                layer; biases 0.1
"""

import math

import numpy as np


def initialise(rng, init, kernel, block):
    """Return the initial weight and bias of one `topology.Block`, in float64; `kernel` is that of the network."""
    shape, channels_in, channels_out = block.weight, *block.weight[2:]
    if block.kind == "deconv":                          # (kh, kw, out, in)
        channels_in, channels_out = channels_out, channels_in
    if init == "fan_in":
        return rng.standard_normal(shape) * math.sqrt(2 / (shape[0] * shape[1] * channels_in)), np.zeros(channels_out)
    features = channels_out if block.name.startswith("down") else channels_in
    sigma = 0.1 if block.name == "output" else math.sqrt(2 / (kernel ** 2 * features))
    weight = rng.standard_normal(shape)
    while (far := abs(weight) > 2).any():               # redrawn beyond two sigma
        weight[far] = rng.standard_normal(far.sum())
    return weight * sigma, np.full(channels_out, 0.1)
