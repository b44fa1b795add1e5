"""What all programs share: one-line errors, exit status, and stopping in good order."""

import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

from ..errors import INTERRUPTED, InputError, out_of_memory, reason
from .options import Parser
from .terminal import Output, OutputLost, log, one_line

__all__ = ["Parser", "StopRequest", "log", "run"]

PIPE_CLOSED = 141           # exit status that a shell gives a program killed by SIGPIPE


def run(prog, main, argv, for_memory="use smaller files, or a machine with more of it", keep_going=False):
    """Run main(argv) and return its exit status; docs/exit-status.md lists them.

    `prog` is the program's name in messages, `for_memory` the remedy where memory runs out. With `keep_going` the
    program goes on when nobody reads its output any more.
    """
    warnings.filterwarnings("ignore", module="PIL")         # warns of damaged files; the error says what matters
    warnings.filterwarnings("ignore", message="Glyph .* missing from")      # a name in a figure; a box is drawn
    output = Output(sys.stdout, escape=True, raises=not keep_going)
    with (_interruptible(), redirect_stdout(output),
          redirect_stderr(Output(sys.stderr, escape=False, raises=False))):
        try:
            status = _run(prog, main, argv, for_memory)
            output.flush()
        except OutputLost:
            status = PIPE_CLOSED
        if output.error and not isinstance(output.error, BrokenPipeError):
            status = _fail(prog, f"standard output: cannot be written ({reason(output.error)}); free space, or send it "
                                 "elsewhere")
        return status


def _run(prog, main, argv, for_memory):
    try:
        return main(argv)
    except SystemExit as end:                               # argparse has ended the program
        return end.code or 0
    except InputError as error:
        return _fail(prog, error)
    except OSError as error:
        return _fail(prog, f"{error.filename or 'input or output'}: {reason(error)}; "
                           "check the name and the permissions")
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        what = "out of memory" + (" or of threads" if "thread" in str(error) else "")
        return _fail(prog, f"{what}{f' ({reason(error)})' if str(error) else ''}; {for_memory}")
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _fail(prog, text):
    print(one_line(f"{prog}: error: {text}"), file=sys.stderr)
    return 2


@contextmanager
def _interruptible():
    """Let Ctrl-C raise KeyboardInterrupt within the body; outside it `start` lets Ctrl-C end the program."""
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and before not in (signal.SIG_IGN, None)
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


class StopRequest:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a request to stop after this step; the second stops at once.

    A signal that is ignored, such as SIGHUP under nohup, stays ignored. A second SIGHUP does not stop at once, because
    a terminal that closes may send it more than once.
    """

    def __init__(self, message="stopping after this step or validation; Ctrl-C again stops without saving"):
        self.message = message
        self.requested = False
        self._before = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if number not in self._before and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self):
        return self.requested

    def _request(self, number, frame):
        if self.requested and number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt
        self.requested = True
        with suppress(OSError):                             # the terminal may be gone
            os.write(2, f"\n{self.message}\n".encode())     # print is not safe within a signal handler
