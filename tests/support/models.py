"""Small networks that were not trained, and model files of them."""

import numpy as np

from stemnet_ref.data.scaling import Scaling
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.training import checkpoint


def save_model(path, channels=1, factor=1.0):
    """Write a model whose parameters are `factor` times the initial ones; return its path."""
    network = StemNet(channels, 2, 2)
    for array in network.parameters.values():
        array *= np.float32(factor)
    checkpoint.save(path, checkpoint.Model(network, Scaling(110.0, 25.0), {}, {}, {}), "0")
    return path


def tiny(seed, logits="linear", channels=3, levels=3, features=1, kernel=3, **alternatives):
    """Return a small float64 network with biases away from zero, a frame and labels."""
    rng = np.random.default_rng(seed)
    network = StemNet(channels, levels, features, kernel=kernel, logits=logits, dtype=np.float64, seed=seed,
                      **alternatives)
    for name, array in network.parameters.items():
        if name.endswith(("bias", "scale")):
            array[:] = rng.uniform(0.05, 0.2, array.shape) + name.endswith("scale")
    return network, rng.standard_normal((1, 16, 16, channels)), rng.integers(0, 2, (1, 16, 16))
