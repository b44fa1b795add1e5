"""Explain one step of training: python -m stemnet_ref.explain --help"""

import sys
from pathlib import Path

from ..network.topology import check_size
from ..program import cli
from ..program.options import Option, Parser
from ..report.markup import write_page
from ..storage.outputs import EXPLANATION, check_output
from ..training.settings import pick
from . import page
from .step import Step

PROG = "python -m stemnet_ref.explain"
TITLE = "One step of training, number by number"


OPTIONS = {                     # with limits beyond which nobody reads the numbers
    "size": Option("side of the frame", 8, int, (4, 16), metavar="PIXELS"),
    **pick(levels={"default": 2, "limits": (1, 4), "help": "resolutions of the U"},
           features={"default": 2, "limits": (1, 4), "help": "feature maps at the first level"},
           seed={"default": 0, "help": "seed of the weights and of the dropout masks"}),
    "out": Option("the page to write", "backprop.html", metavar="FILE"),
}


def options():
    """Return the parser."""
    return Parser(PROG, "Run one step of training on a tiny network and write a page with every number of it: "
                        "forward, backward, and the update of a weight.", OPTIONS)


def main(argv=None):
    """Write the page; return the exit status."""
    given = options().parse_args(argv)
    check_size((given.size, given.size), given.levels)
    out = Path(given.out)
    check_output(out, EXPLANATION)
    write_page(out, TITLE, page.parts(Step(given.size, given.levels, given.features, given.seed)), EXPLANATION)
    cli.log(f"{out}: open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:], "use a smaller --size, or fewer --features or --levels"))
