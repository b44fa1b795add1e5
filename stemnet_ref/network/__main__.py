"""Print the table of layers: python -m stemnet_ref.network --help"""

import sys

from ..program import cli
from ..program.options import Option, Parser
from ..training.settings import Settings, chosen_of, pick
from . import topology
from .table import layer_table, training_gflop

PROG = "python -m stemnet_ref.network"
OPTIONS = {**pick("preset", "channels", "levels", "features"),
           "size": Option("side of the input", 1024, int, (1, 1 << 16), metavar="PIXELS")}


def options():
    """Return the parser."""
    return Parser(PROG, "Print StemNet's table of layers.", OPTIONS)


def main(argv=None):
    """Print the table of layers; return the exit status."""
    given = vars(options().parse_args(argv))
    settings, size = Settings.from_options({**chosen_of(given), "crop": None}), given["size"]
    topology.check_size((size, size), settings.levels)
    rows = layer_table(topology.stemnet_blocks(settings.architecture), size, size)
    print(f"{'layer':<14}{'output (H, W, C)':<20}{'parameters':>12}{'GFLOP':>10}")
    for name, shape, parameters, gflop in rows:
        print(f"{name:<14}{' x '.join(map(str, shape)):<20}{parameters:>12,}{gflop:>10.3f}")
    print(f"{'forward':<34}{sum(row[2] for row in rows):>12,}{sum(row[3] for row in rows):>10.3f}")
    print(f"{'training step':<46}{training_gflop(rows):>10.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:]))
