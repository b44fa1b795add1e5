"""What holds from the first moment of a program of this package, before NumPy and Matplotlib are imported.

Importing this module is the first thing that the scripts and `python -m stemnet_ref...` do; the package itself never
does. Ctrl-C ends in a line and exit status 130 at once, until `cli.run` has a program's own end of it. Standard input,
output and error are open, if only to nothing: else a file that is written would get their number, and with it every
line that was for the terminal.
"""

import os
import signal
import sys

from ..errors import INTERRUPTED


def _end(number, frame):
    os.write(2, b"interrupted\n")           # nothing has been begun that would have to be put in order
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
