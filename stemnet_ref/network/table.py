"""The network's table of layers: python -m stemnet_ref.network --help"""

import math

from ..program import cli
from .stemnet import PRESETS, layer_shapes

PROG = "python -m stemnet_ref.network"


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


def main(argv=None):
    """Print the table of layers; return the exit status."""
    parser = cli.Parser(prog=PROG, description="Print StemNet's table of layers.")
    add = parser.add_argument
    add("--preset", choices=PRESETS, default="thesis", help="thesis: 6 levels; listing: 7 (%(default)s)")
    add("--channels", type=int, default=1, metavar="N", help="frames in the input, odd (%(default)s)")
    add("--levels", type=int, metavar="L", help="in place of the preset's")
    add("--features", type=int, default=16, metavar="F", help="feature maps at the first level (%(default)s)")
    add("--size", type=int, default=1024, metavar="PIXELS", help="side of the input (%(default)s)")
    arguments = parser.parse_args(argv)
    levels = PRESETS[arguments.preset]["levels"] if arguments.levels is None else arguments.levels
    multiple = 2 ** (levels - 1) if 1 <= levels <= 30 else 0
    for good, what in ((arguments.channels > 0 and arguments.channels % 2,
                        f"--channels {arguments.channels}: must be odd, so that one frame stands in the middle"),
                       (multiple, f"--levels {levels}: must be from 1 to 30"),
                       (arguments.features > 0, f"--features {arguments.features}: must be at least 1"),
                       (multiple and arguments.size > 0 and arguments.size % multiple == 0,
                        f"--size {arguments.size}: must be a multiple of {multiple} with {levels} levels")):
        if not good:
            parser.exit(2, f"{parser.prog}: error: {what}\n")
    rows = layer_table(layer_shapes(arguments.channels, levels, arguments.features), arguments.size, arguments.size)
    print(f"{'layer':<14}{'output (H, W, C)':<20}{'parameters':>12}{'GFLOP':>10}")
    for name, shape, parameters, gflop in rows:
        print(f"{name:<14}{' x '.join(map(str, shape)):<20}{parameters:>12,}{gflop:>10.3f}")
    print(f"{'forward':<34}{sum(row[2] for row in rows):>12,}{sum(row[3] for row in rows):>10.3f}")
    print(f"{'training step':<46}{training_gflop(rows):>10.3f}")
    return 0

