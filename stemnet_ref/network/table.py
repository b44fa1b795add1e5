"""The network's table of layers."""

import math

from . import topology


def layer_table(blocks, height, width):
    """Return a row for every block: name, shape (H, W, C) of its map, parameters, GFLOP of a forward pass.

    A multiplication and an addition count as two floating-point operations (1 GFLOP = 1e9); biases, ReLU, pooling and
    concatenation, below 1 % of the whole, are left out.
    """
    shapes = topology.map_shapes(blocks, height, width, blocks[0].weight[2])
    products = topology.products(blocks, height, width)
    parameters = {block.name: 0 for block in blocks}
    for name, shape in topology.parameter_shapes(blocks).items():
        parameters[name.rpartition(".")[0]] += math.prod(shape)
    return [(name, shapes[name], count, 2e-9 * products[name]) for name, count in parameters.items()]


def training_gflop(rows):
    """Return the GFLOP of one training step: forward, and both gradients; the first layer needs one of them only."""
    return 3 * sum(row[3] for row in rows) - rows[0][3]
