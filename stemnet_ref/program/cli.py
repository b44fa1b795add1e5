"""What all programs share: one-line errors, exit status, and stopping in good order."""

import os
import re
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

from ..errors import INTERRUPTED, InputError, out_of_memory, reason
from .terminal import Output, OutputLost, log, one_line

__all__ = ["log", "naming", "run", "stop_request"]

PIPE_CLOSED = 141           # exit status that a shell gives a program killed by SIGPIPE


def run(prog, main, argv, for_memory="use smaller files, or a machine with more of it", keep_going=False):
    """Run main(argv) and return its exit status; docs/exit-status.md lists them.

    `prog` is the program's name in messages, `for_memory` the remedy where memory runs out. With `keep_going` the
    program goes on when nobody reads its output any more.
    """
    warnings.filterwarnings("ignore", module="PIL")         # warns of damaged files; the error says what matters
    warnings.filterwarnings("ignore", message="Glyph .* missing from")      # a name in a figure; a box is drawn
    output = Output(sys.stdout, escape=True, raises=not keep_going)
    # Outside the body `start` lets Ctrl-C end the program
    with (_handling(signal.default_int_handler, signal.SIGINT), redirect_stdout(output),
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
def naming(**words):
    """Let messages within the body call options as this program takes them: frames="RAW" says RAW for --frames.

    Yields the function that logs a line; what InputErrors say is reworded too.
    """
    option = re.compile(rf"(?<![\w-])--({'|'.join(words)})(?![\w-])")

    def reworded(text):
        return option.sub(lambda found: words[found[1]], str(text))

    try:
        yield lambda text: log(reworded(text))
    except InputError as error:
        error.args = reworded(error),
        raise


@contextmanager
def _handling(handler, *numbers):
    """Let a function handle signals within the body; those that are ignored stay so. Only the main thread can do it."""
    before = {}
    try:
        for number in {*numbers} if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_request(message="stopping after this step or validation; Ctrl-C again stops without saving"):
    """Yield a function that returns whether a first Ctrl-C, SIGTERM or SIGHUP has asked to stop after this step.

    A second one stops at once. A second SIGHUP does not, because a terminal that closes may send it more than once. A
    signal that is ignored, such as SIGHUP under nohup, stays ignored.
    """
    requested = []

    def request(number, frame):
        if requested and number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt
        requested.append(number)
        with suppress(OSError):                             # the terminal may be gone
            os.write(2, f"\n{message}\n".encode())          # print is not safe within a signal handler

    with _handling(request, signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        yield lambda: bool(requested)
