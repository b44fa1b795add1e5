"""Write files so that a crash or a full disk leaves the old file or the new file, never half of one."""

import csv
import io
import json
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import InputError, reason
from ..program.terminal import one_line
from . import outputs

try:
    import fcntl
except ImportError:                 # Windows does not remove or replace a file that is open
    fcntl = None

TEMPORARY = ".stemnet_ref.{}.tmp"   # name of a file that is still being written
_swept = set()                      # folders from which this process has removed the files of killed processes


def write_atomically(path, content, kind=None, option="--out"):
    """Write a file, and move it to `path` once all of it is on disk.

    A reader finds the old file or the new file, never half of one, even after a crash. A symbolic link is followed.

    Parameters
    ----------
    path : path
    content : bytes, or callable
        Content of the file, or a function that writes it to a binary file. Pictures come as bytes, because codecs that
        write to a file name another error where the disk is full.
    kind, option
        The arguments of `outputs.check_replaceable`.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unharmed.
    """
    target = outputs.check_replaceable(path, kind, option)
    try:
        _sweep(target.parent)
        with _temporary(target.parent) as file:
            with suppress(OSError):                             # the new file takes over the old one's permissions
                os.chmod(file.name, stat.S_IMODE(target.stat().st_mode))
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(file.name, target)
        _sync(target.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason(error)}); free space or choose another "
                         f"{option}") from None


@contextmanager
def _temporary(folder):
    """Open a new file under a name of its own; remove it where the body of `with` fails.

    The file is locked while it is open, so that other processes can tell it from a file that a killed process left.
    """
    swept = True
    while swept:
        path = os.path.join(folder, TEMPORARY.format(secrets.token_hex(8)))
        new = open(path, "x+b")                                 # noqa: SIM115  x: refuses a link and a file that exists
        try:
            with new as file:
                if fcntl:
                    with suppress(OSError):                     # not every file system has locks
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                swept = os.fstat(file.fileno()).st_nlink == 0   # by another process, just before it was locked
                if not swept:
                    yield file
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise


def _sweep(folder):
    """Remove the files that killed processes left in a folder: temporary names that no process has locked."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(TEMPORARY.format("[0-9a-f]" * 16)):
        with suppress(OSError), open(path, "r+b", opener=lambda name, flags: os.open(
                name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.unlink(path)


def is_temporary(path):
    """Return whether a file has the name of one that is still being written."""
    return path.match(TEMPORARY.format("[0-9a-f]" * 16))


def _sync(folder):
    """Write a folder's names to disk."""
    with suppress(OSError):                                     # not every system can do it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_png(path, pixels, kind, palette=None, fast=False, option="--out"):
    """Write a picture as PNG; `kind` is the outputs.Kind of picture.

    Parameters
    ----------
    path : path
    pixels : ndarray
        Grey values, uint8 or uint16 of shape (H, W); colours, uint8 of shape (H, W, 3); or indices of the palette.
    palette : ndarray of shape (256, 3), optional
        Colours from 0 to 255.
    fast : bool
        Whether to spend much less time for a little more space.
    """
    image, text, data = Image.fromarray(pixels), PngInfo(), io.BytesIO()
    text.add_text("Software", kind.mark)
    if palette is not None:
        image.putpalette(palette.astype(np.uint8).tobytes())
    image.save(data, "PNG", pnginfo=text, **({"compress_level": 1} if fast else {}))
    write_atomically(path, data.getvalue(), kind, option)


def write_tiff(path, pixels, kind):
    """Write uint16 pixels of shape (H, W) as TIFF; `kind` is the outputs.Kind of picture."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "TIFF", compression="tiff_lzw", tiffinfo={outputs.SOFTWARE: kind.mark})
    write_atomically(path, data.getvalue(), kind)


def write_csv(path, header, rows):
    """Write a table as CSV, in one move; a file with another header is not replaced.

    A spreadsheet takes a cell that begins with =, +, - or @ for a formula, which could start a program. A text that
    begins so, such as the name of a file, gets a ' before it; control characters are written as \\n and so on.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_atomically(path, text.getvalue().encode(), outputs.table(header))


def _cell(value):
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def write_json(path, value, kind, option="--out"):
    """Write a value as indented JSON, in one move; `kind` is the outputs.Kind of file."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode(), kind, option)


def write_npz(path, about, arrays, kind, option="--out"):
    """Write arrays by their names, and what the file says of itself, a dict, as `.npz` in one move.

    The file is the same, byte for byte, for the same values. The other arguments are those of `write_atomically`.
    """
    text = np.array(json.dumps(about, sort_keys=True))
    write_atomically(path, lambda file: np.savez(file, about=text, **arrays), kind, option)


def check_folder(out, option="--out"):
    """Raise InputError where an output folder cannot be made or written to; change nothing on disk."""
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{option} {out}: this is {outputs.what_is(out)}; name a folder")
    existing = next(folder for folder in (out, *out.absolute().parents) if os.path.lexists(folder))
    if not existing.exists():
        raise InputError(f"{option} {out}: {existing} is a link to {os.readlink(existing)}, which does not exist; make "
                         "that folder, or choose another")
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{option} {out}: cannot write in {existing}; choose another folder")


def check_names(frames, option, ending):
    """Raise InputError where two frames would be written under one name; `option` is the one that named them."""
    written = {}
    for frame in frames:
        if frame.name in written:
            raise InputError(f"{option}: {written[frame.name]} and {frame} would both be written as "
                             f"{frame.name}{ending}; rename one, or take them apart")
        written[frame.name] = frame


def make_folder(out, option="--out"):
    """Make the output folder; raise InputError where it cannot be made, or no file can be written to it."""
    check_folder(out, option)
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _sweep(Path(os.path.realpath(out)))
        with _temporary(out) as probe:
            os.unlink(probe.name)
    except OSError as error:
        raise InputError(f"{option} {out}: cannot write there ({reason(error)}); choose another folder") from None


def new_folder(wanted):
    """Return the first of `wanted`, wanted-2, wanted-3, ... that does not exist."""
    folders = map(Path, chain([wanted], (f"{wanted}-{number}" for number in count(2))))
    return next(folder for folder in folders if not folder.exists())
