"""Prepare Ctrl-C and the standard streams, before a program imports NumPy and Matplotlib.

The scripts and `python -m stemnet_ref...` import this module first; the package itself never does. Ctrl-C ends the
program at once with one line and exit status 130, until `cli.run` installs the program's own way to end. Standard
input, output and error are opened to /dev/null where they are closed: otherwise a file that the program writes would
get their number, and with it every line that was meant for the terminal.
"""

import os
import signal
import sys

from ..errors import INTERRUPTED


def _end(number, frame):
    os.write(2, b"interrupted\n")           # no work has begun that would need to be cleaned up
    os._exit(INTERRUPTED)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:       # it is ignored in a shell's background
    signal.signal(signal.SIGINT, _end)
for number in range(3):
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)      # takes the lowest number that is free
sys.stdin = sys.stdin or open(os.devnull)                   # noqa: SIM115
sys.stdout = sys.stdout or open(os.devnull, "w")            # noqa: SIM115
sys.stderr = sys.stderr or open(os.devnull, "w")            # noqa: SIM115
