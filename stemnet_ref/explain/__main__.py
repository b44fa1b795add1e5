"""Explain one step of training: python -m stemnet_ref.explain --help"""

import sys
from pathlib import Path

from ..errors import InputError
from ..program import cli
from ..report.page import write_page
from ..storage.outputs import EXPLANATION, check_output
from . import page
from .numbers import Step

PROG = "python -m stemnet_ref.explain"
TITLE = "One step of training, number by number"


def options():
    """Return the parser."""
    parser = cli.Parser(prog=PROG, description="Run one step of training on a tiny network and write a page with every "
                                               "number of it: forward, backward, and the update of a weight.")
    add = parser.add_argument
    add("--size", type=int, default=8, metavar="PIXELS", help="side of the frame (%(default)s)")
    add("--levels", type=int, default=2, metavar="N", help="resolutions of the U (%(default)s)")
    add("--features", type=int, default=2, metavar="N", help="feature maps at the first level (%(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="of the weights and the dropout masks (%(default)s)")
    add("--out", default="backprop.html", metavar="FILE", help="(%(default)s)")
    return parser


def main(argv=None):
    """Write the page; return the exit status."""
    given = options().parse_args(argv)
    for name, least, most in (("levels", 1, 4), ("features", 1, 4), ("size", 4, 16), ("seed", 0, 2 ** 63)):
        if not least <= getattr(given, name) <= most:
            raise InputError(f"--{name} {getattr(given, name)}: must be from {least} to {most}"
                             + ("; more numbers than that nobody reads" if name != "seed" else ""))
    multiple = 2 ** (given.levels - 1)
    if given.size % multiple:
        raise InputError(f"--size {given.size}: with {given.levels} levels it must be a multiple of {multiple}")
    out = Path(given.out)
    check_output(out, EXPLANATION)
    write_page(out, TITLE, page.parts(Step(given.size, given.levels, given.features, given.seed)), EXPLANATION)
    cli.tell(f"{out}: open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:], "use a smaller --size, or fewer --features or --levels"))
