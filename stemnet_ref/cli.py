"""What the scripts share: options, one-line errors, exit status, progress, and stopping in good order."""

import argparse
import difflib
import os
import signal
import sys
import warnings

from .errors import InputError, reason


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line, with exit status 2."""

    def parse_args(self, args=None, namespace=None):
        """Return the options given; report one that is unknown together with the known one most like it."""
        given, unknown = self.parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            like = difflib.get_close_matches(name, self._option_string_actions, n=1) if name.strip("-") else []
            if not name.startswith("-") and getattr(given, "resume", False):
                self.error(f"{name}: belongs to no option; --resume takes no value, name the run by --out {name}")
            if not name.startswith("-"):
                hint = ' (a pattern such as "frames/*.png" must be in quotes)' if os.path.exists(name) else ""
                self.error(f"{name}: belongs to no option{hint}")
            self.error(f"{name}: no such option" + (f", did you mean {like[0]}?" if like else ""))
        return given

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def run(prog, main, argv, for_memory="use a smaller --crop or --batch-size to train, a smaller --tile to predict"):
    """Run main(argv) and return its exit status: 2 and one line for a user's mistake, 130 when interrupted.

    `for_memory` is the remedy where memory runs out.
    """
    warnings.filterwarnings("ignore", module="PIL")         # of damaged files; the error says what matters
    try:
        return main(argv)
    except InputError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{prog}: error: {error.filename or 'input or output'}: {reason(error)}; "
              "check the name and the permissions", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"{prog}: error: out of memory ({error}); {for_memory}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130


class StopRequest:
    """Turns the first Ctrl-C, or SIGTERM, into a request to stop after this step; the second one stops at once."""

    def __init__(self, message):
        self.message = message
        self.requested = False
        self._before = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self):
        return self.requested

    def _request(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(2, f"\n{self.message}\n".encode())         # print is not safe within a signal handler
