"""Write files so that a crash or a full disk leaves the old one or the new one, never half of one."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import InputError, reason


def write_atomically(path, write, option="--out", temporary=None):
    """Call `write` with a binary file that becomes `path` when all of it is on disk.

    A reader, also after a crash, finds the old file or the new one, never half of one. `option` is what the user names
    the place by; `temporary` a place in the same file system, for what must not lie beside it before it is whole.

    Raises
    ------
    InputError
        If it cannot be written; what was there before is unharmed.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; name a file")
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({reason(error)}); free space or choose another "
                         f"{option}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_png(path, pixels, palette=None, fast=False):
    """Write pixels as PNG: uint8 of shape (H, W) or (H, W, 3), with a palette (256, 3) as indices into it, or uint16.

    `fast` takes a little more space and much less time.
    """
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.astype(np.uint8).tobytes())
    write_atomically(path, lambda file: image.save(file, "PNG", **({"compress_level": 1} if fast else {})))


def write_tiff(path, pixels):
    """Write uint16 pixels (H, W) as TIFF."""
    image = Image.fromarray(pixels)
    write_atomically(path, lambda file: image.save(file, "TIFF", compression="tiff_lzw"))


def write_csv(path, header, rows):
    """Write a table as CSV, in one move."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def write_json(path, value, option="--out"):
    """Write a value as indented JSON, in one move."""
    write_atomically(path, lambda file: file.write((json.dumps(value, indent=2) + "\n").encode()), option)


def check_folder(out, option="--out"):
    """Raise InputError where an output folder cannot be made or written to; nothing is changed on disk."""
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{option} {out}: this is a file; name a folder")
    existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{option} {out}: cannot write in {existing}; choose another folder")


def check_no_pictures(out, predictions=False):
    """Raise InputError where a folder holds pictures that this package has not written: it would be spoiled as input.

    `predictions` may be there if so is said.
    """
    def ours(path):
        name, _, _ = path.name.rpartition("_")
        return predictions and path.with_name(f"{name}_edges.csv").exists()

    foreign = [path for path in sorted(Path(out).glob("*")) if path.suffix.lower() in (".png", ".tif", ".tiff")
               and not ours(path)]
    if foreign:
        raise InputError(f"--out {out}: holds pictures already ({foreign[0].name}), which results would be mixed with; "
                         "choose another folder")


def check_names(frames, option, ending):
    """Raise InputError where two frames would be written under one name; `option` is what the user named them by."""
    written = {}
    for frame in frames:
        if frame.name in written:
            raise InputError(f"{option}: {written[frame.name]} and {frame} would both be written as "
                             f"{frame.name}{ending}; rename one, or take them apart")
        written[frame.name] = frame


def make_folder(out):
    """Make the output folder.

    Raises
    ------
    InputError
        If it is a file, or cannot be made or written to.
    """
    check_folder(out)
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there ({reason(error)}); choose another folder") from None


def new_folder(wanted):
    """Return `wanted`, or wanted-2, wanted-3, ...: the first that does not exist."""
    folder, number = Path(wanted), 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{Path(wanted).name}-{number}")
    return folder
