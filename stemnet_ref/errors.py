"""The error of a user's input, as opposed to a fault of the program, and the words of messages."""

INTERRUPTED = 130           # exit status that a shell gives a program stopped by SIGINT
MAX_REASON = 300            # characters of a reason, which may quote what a damaged file holds


class InputError(ValueError):
    """A file or an option that cannot be used; the message names it, says what is wrong, and the remedy.

    The scripts print it as one line and end with exit status 2.
    """


class NoGpu(InputError):
    """No GPU can be used: the reason, and the remedy."""

    def __init__(self, reason, remedy):
        super().__init__(f"{reason}; {remedy}")
        self.reason, self.remedy = reason, remedy


def reason(error):
    """Return what the operating system or a library says of an error, without its number, on one line."""
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return f"{error.args[0][:MAX_REASON]} is missing"
    if isinstance(error, MemoryError) and not str(error):
        return "out of memory"
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}..."


def out_of_memory(error):
    """Return whether an error says that memory or threads ran out; frameworks have no type of their own for it."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't start new thread", "can't allocate memory", "out of memory")))


def pluralize(number, noun):
    """Return a number with its noun: "1 frame", "2 frames"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(items, limit=5):
    """Return the first `limit` items as text, with commas between them, and the number of those left out."""
    more = [f"{len(items) - limit} more"] if len(items) > limit else []
    return ", ".join([*map(str, items[:limit]), *more])


def others_done(left_out):
    """Return the InputError to end with where some files were left out and all others are done.

    Parameters
    ----------
    left_out : list of InputError
        One error for each file that was left out, already printed as a warning.
    """
    first = ", named above; the first is " if len(left_out) > 1 else ": "
    return InputError(f"all is done except {pluralize(len(left_out), 'file')}{first}{left_out[0]}")
