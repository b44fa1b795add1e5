"""Model files of small networks that were not trained."""

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
