"""Print the table of layers: python -m stemnet_ref.network --help"""

import sys

from ..program import cli
from .table import PROG, main

if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:]))
