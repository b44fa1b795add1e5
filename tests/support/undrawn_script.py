"""Runs a script whose figures are not drawn: python undrawn_script.py SCRIPT [ARGUMENT ...]"""

import runpy
import sys

from matplotlib.figure import Figure
from pictures import undrawn

if __name__ == "__main__":
    Figure.savefig = undrawn
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
