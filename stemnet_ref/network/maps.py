"""The feature maps of a network, layer by layer, for pictures and summaries (thesis Fig. 22)."""

from ..dispatch import to_host
from ..layers import concat, softmax


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
        Maps by name, in the order of the data: ``input``, ``down0.conv``, ``down0.pool``, ..., ``up0.deconv``,
        ``up0.concat``, ``up0.conv``, ``output``, ``probabilities``. Convolutions are with bias and activation;
        ``output`` are the logits.
    """
    found = {}
    z, _ = network.forward(x, with_cache=False, on_map=found.__setitem__)
    maps = {"input": x}
    for block in network.blocks:
        if len(block.inputs) > 1:
            maps[block.layer_name("concat")] = concat.forward(*(found[name] for name in block.inputs))
        maps[block.name] = found[block.name]
    maps["probabilities"] = softmax.forward(z)
    return {name: to_host(array) for name, array in maps.items()}


def liveliest(array):
    """Return the channel of (N, H, W, C) whose first map varies most, and its number."""
    channel = int(array[0].std(axis=(0, 1), dtype=float).argmax())
    return array[0, ..., channel], channel
