"""The feature maps of a network, layer by layer, for pictures and summaries (thesis Fig. 22)."""

from ..backends.cuda.device import device_of, to_host
from ..layers import concat, max_pool2d, softmax


def feature_maps(network, x):
    """Return what every layer makes of a batch at prediction.

    Parameters
    ----------
    network : StemNet
    x : float ndarray of shape (N, H, W, channels)
        Scaled; on the network's device.

    Returns
    -------
    dict of str to ndarray of shape (N, h, w, c)
        By layer, in the order of the data: ``input``, ``down0.conv``, ``down0.pool``, ..., ``up0.deconv``,
        ``up0.concat``, ``up0.conv``, ``output``, ``probabilities``. Convolutions are with bias and activation;
        ``output`` are the logits.
    """
    z, cache = network.forward(x, training=False)
    maps, levels = {"input": x}, range(network.levels)
    for level in levels:
        maps[f"down{level}.conv"] = y = cache[f"down{level}.conv"][1]
        if level < network.levels - 1:
            maps[f"down{level}.pool"], _ = max_pool2d.forward(y)
    for level in reversed(levels[:-1]):
        maps[f"up{level}.deconv"] = y = cache[f"up{level}.deconv"][1]
        maps[f"up{level}.concat"] = concat.forward(maps[f"down{level}.conv"], y)
        maps[f"up{level}.conv"] = cache[f"up{level}.conv"][1]
    maps["output"] = z
    maps["probabilities"] = softmax.forward(z)
    return {name: to_host(array) if device_of(array) else array for name, array in maps.items()}


def liveliest(array):
    """Return the channel of (N, H, W, C) whose first map varies most, and its number."""
    channel = int(array[0].std(axis=(0, 1), dtype=float).argmax())
    return array[0, ..., channel], channel
