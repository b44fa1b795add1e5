"""Read back the tables and the JSON that this package has written."""

import csv
import io
import json
import os
import stat

from ..errors import InputError, reason

MOST = 1 << 26          # bytes of a text


def check_regular(path, remedy):
    """Raise InputError unless there is a file at a path, which a pipe or a device is not: reading could wait for ever.

    `remedy` is what to do then.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            raise InputError(f"{path}: is a link to {os.readlink(path)}, which is not there; bring that back, or "
                             "remove the link") from None
        raise InputError(f"{path}: no such file; {remedy}") from None
    except (OSError, ValueError) as error:                      # ValueError: a NUL in the name
        raise InputError(f"{path}: cannot be opened ({reason(error)}); {remedy}") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}, not a file; {remedy}")


def parse_json(text):
    """Return what a JSON text holds, a dict.

    Raises
    ------
    ValueError
        If it is none; if a name occurs twice, or a number is none, which JSON has not and Python reads.
    """
    try:
        found = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no table of names")
    return found


def _without_twins(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is in it twice")
    return found


def _refuse(constant):
    raise ValueError(f"{constant} is no number")


def read_json(path, remedy, **types):
    """Return what a JSON file holds, a dict.

    Parameters
    ----------
    path : path
    remedy : str
        What to do if it cannot be read.
    **types : type or tuple of types
        By name, what the file must have; other names may be there too.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        found = parse_json(_text(path, remedy))
        for name, wanted in types.items():
            if not isinstance(found[name], wanted):
                raise ValueError(f"{name} is {str(found[name])[:40]!r}")
        return found
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({reason(error)}); {remedy}") from None


def read_csv(path, columns, remedy="restore it, or begin a new run"):
    """Return the rows of a table of numbers that `write_csv` wrote, dicts by column; whole numbers as int.

    Raises
    ------
    InputError
        If the file is missing, or is not such a table with just these columns.
    """
    try:
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
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as a table ({reason(error)}); {remedy}") from None


def _text(path, remedy):
    """Return the text of a file, UTF-8, without the mark that some editors begin it with."""
    check_regular(path, remedy)
    with open(path, "rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise ValueError(f"it has more than {MOST >> 20} MB")
    return data.decode("utf-8-sig")


def _number(text):
    return int(text) if text.isdecimal() else float(text)
