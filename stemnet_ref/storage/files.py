"""Write files so that a crash or a full disk leaves the old one or the new one, never half of one."""

import csv
import io
import json
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import InputError, reason
from ..program.terminal import one_line
from . import outputs

try:
    import fcntl
except ImportError:                 # Windows, which does not remove or replace a file that is open
    fcntl = None

TEMPORARY = ".stemnet_ref.{}.tmp"   # names of files that are not whole yet
_swept = set()                      # folders from which this process has removed what killed ones left


def write_atomically(path, content, kind=None, option="--out"):
    """Write a file that is at `path` as soon as all of it is on disk.

    A reader, also after a crash, finds the old file or the new one, never half of one. A symbolic link is followed.

    Parameters
    ----------
    path : path
    content : bytes, or callable
        A callable writes into the binary file that it is given. Pictures come as bytes, because codecs that write into
        a file call a full disk something else.
    kind : outputs.Kind, optional
        Of the file; one of another kind is not replaced.
    option : str
        What the user names the place by.

    Raises
    ------
    InputError
        If it cannot be written; what was there before is unharmed.
    """
    place = outputs.check_replaceable(path, kind, option)
    try:
        _sweep(place.parent)
        with _temporary(place.parent) as file:
            with suppress(OSError):                             # what is replaced keeps its permissions
                os.chmod(file.name, stat.S_IMODE(place.stat().st_mode))
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(file.name, place)
        _sync(place.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason(error)}); free space or choose another "
                         f"{option}") from None


@contextmanager
def _temporary(folder):
    """Open a new file under a name of its own; remove it where what is done with it fails.

    It is locked while it is open, by which other processes tell it from what a killed one left.
    """
    gone = True
    while gone:
        path = os.path.join(folder, TEMPORARY.format(secrets.token_hex(8)))
        new = open(path, "x+b")                                 # noqa: SIM115  x: neither a link nor what is there
        try:
            with new as file:
                if fcntl:
                    with suppress(OSError):                     # not every file system has locks
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                gone = os.fstat(file.fileno()).st_nlink == 0    # swept in the moment before it was locked
                if not gone:
                    yield file
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise


def _sweep(folder):
    """Remove what killed processes left in a folder: files under our temporary names that no process has locked."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(TEMPORARY.format("[0-9a-f]" * 16)):
        with suppress(OSError), open(path, "r+b", opener=_without_links) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.unlink(path)


def is_temporary(path):
    """Return whether a file is one that was being written, by its name."""
    return path.match(TEMPORARY.format("[0-9a-f]" * 16))


def _without_links(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _sync(folder):
    """Have a folder's names on disk."""
    with suppress(OSError):                                     # not every system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_png(path, pixels, kind, palette=None, fast=False, option="--out"):
    """Write pixels as PNG: uint8 of shape (H, W) or (H, W, 3), with a palette (256, 3) as indices into it, or uint16.

    `kind` is the outputs.Kind of picture. `fast` takes a little more space and much less time.
    """
    image, said, data = Image.fromarray(pixels), PngInfo(), io.BytesIO()
    said.add_text("Software", kind.mark)
    if palette is not None:
        image.putpalette(palette.astype(np.uint8).tobytes())
    image.save(data, "PNG", pnginfo=said, **({"compress_level": 1} if fast else {}))
    write_atomically(path, data.getvalue(), kind, option)


def write_tiff(path, pixels, kind):
    """Write uint16 pixels (H, W) as TIFF; `kind` is the outputs.Kind of picture."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "TIFF", compression="tiff_lzw", tiffinfo={outputs.SOFTWARE: kind.mark})
    write_atomically(path, data.getvalue(), kind)


def write_csv(path, header, rows):
    """Write a table as CSV, in one move; what it replaces has the same header.

    Spreadsheets take a cell that begins with =, +, - or @ for a formula, and what follows could name a program: text,
    as names of files are, gets a ' before it then, and control characters are written as \\n and so on.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_atomically(path, text.getvalue().encode(), outputs.table(header))


def _cell(value):
    if not isinstance(value, str):
        return value
    shown = one_line(value)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def write_json(path, value, kind, option="--out"):
    """Write a value as indented JSON, in one move; `kind` is the outputs.Kind of file."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode(), kind, option)


def check_folder(out, option="--out"):
    """Raise InputError where an output folder cannot be made or written to; nothing is changed on disk."""
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
    """Raise InputError where two frames would be written under one name; `option` is what the user named them by."""
    written = {}
    for frame in frames:
        if frame.name in written:
            raise InputError(f"{option}: {written[frame.name]} and {frame} would both be written as "
                             f"{frame.name}{ending}; rename one, or take them apart")
        written[frame.name] = frame


def make_folder(out, option="--out"):
    """Make the output folder, or see that it can be written into.

    Raises
    ------
    InputError
        If it is a file, or cannot be made or written to.
    """
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
    """Return `wanted`, or wanted-2, wanted-3, ...: the first that does not exist."""
    folder, number = Path(wanted), 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{Path(wanted).name}-{number}")
    return folder
