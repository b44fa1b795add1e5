"""The network's table of layers."""

import math


def layer_table(shapes, height, width):
    """Return a row for every layer of `layer_shapes`: name, output (H, W, C), parameters, GFLOP of a forward pass.

    A multiplication and an addition count as two floating-point operations (1 GFLOP = 1e9); biases, ReLU, pooling and
    concatenation, below 1 % of the whole, are left out.
    """
    rows = []
    for (name, shape, level), (following, _, _) in zip(shapes, [*shapes[1:], ("", (), 0)], strict=True):
        h, w = height >> level, width >> level
        outputs = shape[2] if name.endswith("deconv") else shape[3]
        products = math.prod(shape) * h * w // (4 if name.endswith("deconv") else 1)
        rows.append((name, (h, w, outputs), math.prod(shape) + outputs, 2e-9 * products))
        if name.startswith("down") and following.startswith("down"):
            rows.append((f"down{level}.pool", (h // 2, w // 2, outputs), 0, 0.0))
    return rows


def training_gflop(rows):
    """Return the GFLOP of one training step: forward, and both gradients; the first layer needs one of them only."""
    return 3 * sum(row[3] for row in rows) - rows[0][3]
