"""Lines to the terminal: a line stays one line whatever a name holds, and a terminal that closes is no fault."""

import os
from contextlib import contextmanager, suppress

from tqdm import tqdm


class OutputLost(Exception):
    """Standard output cannot be written any more."""


def one_line(text):
    """Return a text with line breaks, control characters and bytes that are no UTF-8 written as \\n, \\x1b, \\xff.

    Otherwise a name could break a line in two, colour or overwrite the terminal, or reverse the direction of reading.
    """
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in str(text))


def log(text):
    """Write a line to standard output, above the progress bars if there are any."""
    tqdm.write(one_line(text))


@contextmanager
def step_bar(total, done, leave=True):
    """Show a progress bar of training steps, `done` of which are behind; yield the `advance` of `Run.train`."""
    with tqdm(total=total, initial=done, unit="step", disable=None, leave=leave, smoothing=0.05) as bar:

        def advance(text, steps):
            bar.set_description(text, refresh=steps == 0)
            bar.update(steps)

        yield advance


def _escape(sign):
    if "\udc80" <= sign <= "\udcff":                # a byte of a name that is not UTF-8, as Python keeps it
        return f"\\x{ord(sign) - 0xdc00:02x}"
    return sign.encode("unicode_escape").decode()


class Output:
    """A stream that remembers the error by which it was lost, and is silent from then on.

    With `escape`, control characters other than line breaks are escaped; progress bars need them unescaped. With
    `raises`, the loss of the stream raises OutputLost. `error` is the OSError by which it was lost, or None.
    """

    def __init__(self, stream, escape, raises):
        self._stream, self._escape, self._raises = stream, escape, raises
        self.error = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text):
        """Write a text, and flush the stream where the text ends a line."""
        escaped = "\n".join(map(one_line, text.split("\n"))) if self._escape else text
        self._try(lambda: (self._stream.write(escaped), self._stream.flush() if "\n" in escaped else None))
        return len(text)

    def flush(self):
        """Flush the stream."""
        self._try(self._stream.flush)

    def _try(self, work):
        if self.error:
            return
        try:
            work()
        except OSError as error:
            self.error = error
            with suppress(OSError, ValueError):                 # else the buffer would fail again at exit
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, self._stream.fileno())
                os.close(nothing)
            if self._raises:
                raise OutputLost from None

    def __getattr__(self, name):
        return getattr(self._stream, name)
