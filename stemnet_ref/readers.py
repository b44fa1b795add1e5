"""Read back what this package, or another implementation, has written: arrays, tables, JSON."""

import csv
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .errors import InputError, reason


def read_npz(path, wrong, remedy):
    """Return the arrays of an `.npz` file by name, read without pickle.

    Parameters
    ----------
    path : path
    wrong, remedy : str
        What such a file is if it cannot be read, and what to do then.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):                    # np.load would speak of pickles
                raise ValueError("it is no .npz archive, or cut off")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except PermissionError as error:
        raise InputError(f"{path}: cannot be opened ({reason(error)}); check its permissions") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError,
            OverflowError, zipfile.BadZipFile, zlib.error) as error:        # as the libraries below do
        raise InputError(f"{path}: {wrong} ({reason(error)}); {remedy}") from None


def read_json(path, remedy):
    """Return what a JSON file holds, a dict.

    Raises
    ------
    InputError
        If it cannot be read, with what to do then.
    """
    try:
        found = json.loads(Path(path).read_text())
        if not isinstance(found, dict):
            raise ValueError("it holds no table of names")
        return found
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {remedy}") from None


def read_csv(path, columns):
    """Return the rows of a table of numbers that `write_csv` wrote, dicts by column; whole numbers as int.

    Raises
    ------
    InputError
        If the file is missing or is not such a table.
    """
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        return [{name: _number(row[name]) for name in columns} for row in rows]
    except (OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({reason(error)}); restore it, or begin a new "
                         "run") from None


def _number(text):
    return int(text) if text.isdigit() else float(text)
