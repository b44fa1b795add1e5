"""Which layers the other side has, in which order, and what each of them reads.

The functions ask `assume` what is assumed of a layer: it takes the layer's name, as conventions have it, and returns
`rounding.Assumptions`.
"""

from ...network import topology
from .key import owner

# By layers of a block, and by convention: the order in which the other side has them
ORDERS = {("conv", "dropout", "bias", "activation"): {"bias_before_dropout": ("conv", "bias", "dropout", "activation"),
                                                      "dropout_after_relu": ("conv", "bias", "activation", "dropout"),
                                                      "relu_before_bias": ("conv", "dropout", "activation", "bias")},
          ("deconv", "bias", "activation"): {"deconv_relu_before_bias": ("deconv", "activation", "bias")}}
SKIP = "skip_before_activation"     # convention: what goes across is taken before the ReLU
CHANGING = frozenset({SKIP, *(name for orders in ORDERS.values() for name in orders)})


def order(block, assume):
    """Return the kinds of a block's layers in the order of the other side."""
    return assume(owner(block.name)).choose(block.layers, **ORDERS.get(block.layers, {}))


def joined(layer, assume):
    """Return a layer of the topology with what it reads on the other side."""
    if layer.kind == "concat" and assume(owner(layer.name)).holds(SKIP):
        across = layer.inputs[0].rpartition(".")[0] + ".bias"
        return layer._replace(inputs=(across, layer.inputs[1]))
    return layer


def layers_of(blocks, assume):
    """Return all layers by name, those with a parameter by its name, and lists of those that read a layer by its name.
    """
    layers = [joined(layer, assume) for layer in topology.list_layers(blocks, lambda block: order(block, assume))]
    consumers = {}
    for layer in layers:
        for source in layer.inputs:
            consumers.setdefault(source, []).append(layer)
    return {layer.name: layer for layer in layers}, {layer.parameter: layer for layer in layers}, consumers
