"""The network's table of layers."""

import math

from . import topology


def layer_table(blocks, height, width):
    """Return a row for every block: name, shape (H, W, C) of its map, parameters, GFLOP of a forward pass.

    A multiplication and an addition count as two floating-point operations (1 GFLOP = 1e9); biases, ReLU, pooling and
    concatenation, below 1 % of the whole, are left out. A transposed convolution makes every output pixel with one of
    the 2 x 2 elements of its kernel, a quarter of them.
    """
    shapes, rows = topology.map_shapes(blocks, height, width, blocks[0].weight[2]), []
    for block in blocks:
        shape, parameters = shapes[block.name], topology.parameter_shapes((block,)).values()
        products = math.prod(block.weight) * math.prod(shape[:2]) if block.weight else 0
        rows.append((block.name, shape, sum(map(math.prod, parameters)),
                     2e-9 * products / (4 if block.kind == "deconv" else 1)))
    return rows


def training_gflop(rows):
    """Return the GFLOP of one training step: forward, and both gradients; the first layer needs one of them only."""
    return 3 * sum(row[3] for row in rows) - rows[0][3]
