"""Read back the tables and the JSON that this package has written."""

import csv
import io
import json
import os
import stat
from contextlib import contextmanager

from ..errors import InputError, reason

MAX_TEXT = 1 << 26          # bytes of a text file


def check_regular(path, remedy):
    """Raise InputError, with this remedy, unless a path leads to a regular file: reading a pipe could wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            raise InputError(f"{path}: is a link to {os.readlink(path)}, which is not there; bring that back, or "
                             "remove the link") from None
        raise InputError(f"{path}: no such file; {remedy}") from None
    except (OSError, ValueError) as error:                      # ValueError where the name holds a NUL
        raise InputError(f"{path}: cannot be opened ({reason(error)}); {remedy}") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}, not a file; {remedy}")


@contextmanager
def refusing(path, wrong, remedy, errors):
    """Let errors of some types in the body of `with` raise InputError: the file is `wrong`, and why, and the remedy."""
    try:
        yield
    except InputError:
        raise
    except errors as error:
        raise InputError(f"{path}: {wrong} ({reason(error)}); {remedy}") from None


def parse_json(text):
    """Return the dict that a JSON text holds.

    Raises
    ------
    ValueError
        If the text is no JSON or holds no dict; if a name occurs twice, or a number is NaN or infinite, which Python
        reads although JSON forbids it.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no table of names")
    return found


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is in it twice")
    return found


def _refuse_constant(constant):
    raise ValueError(f"{constant} is no number")


def read_json(path, remedy, **types):
    """Return the dict that a JSON file holds.

    Parameters
    ----------
    path : path
    remedy : str
        What the message advises if the file cannot be read.
    **types : type or tuple of types
        Type that the value of each of these names must have. The file may hold other names too.

    Raises
    ------
    InputError
        If the file cannot be read, or a value is missing or has another type.
    """
    with refusing(path, "cannot be read", remedy, (OSError, ValueError, KeyError)):
        found = parse_json(_text(path, remedy))
        for name, expected in types.items():
            if not isinstance(found[name], expected):
                raise ValueError(f"{name} is {str(found[name])[:40]!r}")
        return found


def read_csv(path, columns, remedy="restore it, or begin a new run"):
    """Return the rows of a table of numbers that `write_csv` wrote, each a dict of int or float by column.

    Raises
    ------
    InputError
        If the file is missing, or is not a table with exactly these columns.
    """
    with refusing(path, "cannot be read as a table", remedy, (OSError, ValueError, csv.Error)):
        text = _text(path, remedy)
        if not text.endswith("\n"):
            raise ValueError("its last line is cut off")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if header != list(columns):
            raise ValueError(f"its columns are {str(','.join(header))[:60]}, not {','.join(columns)[:60]}...")
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise ValueError(f"line {number} has {len(row)} cells, not {len(header)}")
        return [{name: _number(cell) for name, cell in zip(header, row, strict=True)} for row in rows]


def _text(path, remedy):
    """Return the UTF-8 text of a file, without the byte order mark that some editors write."""
    check_regular(path, remedy)
    with open(path, "rb") as file:
        data = file.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise ValueError(f"it has more than {MAX_TEXT >> 20} MB")
    return data.decode("utf-8-sig")


def _number(text):
    return int(text) if text.isdecimal() else float(text)
