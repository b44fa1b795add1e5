"""Read the stored values of frames and masks, and find out which time points a file holds.

A frame is a grey PNG or TIFF of any number of bits, or of floats. The stored values count, whatever a file says of its
polarity (MinIsWhite).
"""

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import get_ident

import numpy as np

from ..errors import InputError, reason
from . import axes, challenge, png
from .header import frame_values, mask_values
from .tiff import Tiff

PNG, TIFF = png.SIGNATURE[:4], (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
REPLACE = "replace or remove this file"
ONE_PLANE = (0, 0),


def time_lapses(path, selection):
    """Return the time points that a file holds, one time-lapse for each position of the microscope.

    Returns
    -------
    lapses : list of (str, list)
        Name of the position, empty where there is one; and its time points as `Selection.take` returns them. They are
        None in a file of one plane.
    several : str
        Those of "C", channels, and "Z", slices, of which the file has more than one.

    Raises
    ------
    data.selection.ChoiceNeeded
        If the file holds several channels or slices, and the selection chooses none.
    InputError
        If the file cannot be read, or has no such channel or slice.
    """
    with _errors(path):
        if (_starts(path) not in TIFF and Path(path).suffix.lower() == ".png") or _magic(path) == PNG:
            return [("", None)], ""             # what is wrong with a PNG is said when it is read
        with Tiff(path) as tiff:
            found = axes.positions(tiff)
    if challenge.holds_slices(Path(path)):
        for each in found:
            if not each.timed and each.planes.shape[2] == 1:
                each.planes = each.planes.swapaxes(0, 2)
    taken = [(each.name, *selection.take(each.planes, each.channels, path)) for each in found]
    several = "".join(sorted({axis for _, _, axes_ in taken for axis in axes_}))
    if len(found) == 1 and found[0].planes.size == 2:
        return [("", None)], several
    return [(name, points) for name, points, _ in taken], several


def read_size(frame, mask=False):
    """Return (height, width) in pixels of a frame or a mask, from the header alone.

    Raises
    ------
    InputError
        If the header cannot be read, or has colours.
    """
    with _plane(frame) as (header, _):
        _check_header(header, frame, mask)
        return header.height, header.width


def read_bytes(frame):
    """Return the bytes of a frame's pixel, as `read_frame` returns it: 1, 2 or, at most, 4."""
    with _plane(frame) as (header, _):
        dtype = header.dtype
        if header.palette is not None:
            grey = frame_values(None, header.palette)
            dtype = dtype if grey is None else np.promote_types(dtype, grey.dtype)
        return dtype.itemsize if dtype.kind in "ub" and dtype.itemsize <= 2 else 4


def read_values(mask):
    """Return the stored values of a mask, (H, W); with a palette its indices, or where that begins with another than
    black, numbers of which black is 0.

    Raises
    ------
    InputError
        If the file cannot be read, or has colours.
    """
    return projected(mask, True)


def read_remark(frame, mask):
    """Return what is to be said of the polarity or palette of a frame, or of a mask: (kind, words), or None."""
    with _plane(frame) as (header, _):
        return header.remark(mask)


def projected(frame, mask):
    """Return the values of a frame, or of a mask if `mask` says so; of several slices the maximum."""
    found = None
    for plane in frame.planes or ONE_PLANE:
        with _plane(frame, plane) as (header, read):
            _check_header(header, frame, mask)
            pixels = read()
            if header.palette is not None:
                pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
                pixels = (mask_values if mask else frame_values)(pixels, header.palette)
                if pixels is None:
                    raise InputError(_coloured(frame, "a palette of colours"))
            if found is not None and (found.shape, found.dtype) != (pixels.shape, pixels.dtype):
                raise InputError(f"{frame}: its slices have several sizes; save them anew, or {REPLACE}")
            found = pixels if found is None else np.maximum(found, pixels, out=found)
    return found


@contextmanager
def _plane(frame, plane=None):
    """Yield the header of a plane, and a function that reads its stored values."""
    number, part = plane or (frame.planes or ONE_PLANE)[0]
    with _errors(frame):
        if _magic(frame.path) == PNG:
            yield png.read_header(frame.path), lambda: png.read_pixels(frame.path)
        elif frame.planes:
            status = Path(frame.path).stat()
            tiff = _stack(str(frame.path), status.st_mtime_ns, status.st_size, get_ident()).tiff
            yield tiff.header(number), lambda: tiff.pixels(number, part)
        else:
            with Tiff(frame.path) as tiff:
                yield tiff.header(number), lambda: tiff.pixels(number, part)


@contextmanager
def _errors(name):
    """Turn every way in which a picture cannot be read into an InputError with the file's name.

    The libraries raise errors of many kinds for damaged files.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: the picture does not fit into the memory; cut it into smaller ones") from None
    except Exception as error:
        why = reason(error) or type(error).__name__
        raise InputError(f"{name}: the picture cannot be read ({why[:300]}); {REPLACE}") from None


def _magic(path):
    """Return the first bytes of a file.

    Raises
    ------
    InputError
        If it is neither PNG nor TIFF.
    """
    magic = _starts(path)
    if not magic:
        raise InputError(f"{path}: the file is empty (0 bytes); {REPLACE}")
    if magic != PNG and magic not in TIFF:
        raise InputError(f"{path}: this is no PNG or TIFF picture, whatever its name; convert it, or {REPLACE}")
    return magic


def _starts(path):
    with open(path, "rb") as file:
        return file.read(4)


class _Stack:
    """A stack that is kept open: where its pages are is looked up only once."""

    def __init__(self, path):
        self.tiff = Tiff(path)

    def __del__(self):
        if hasattr(self, "tiff"):
            self.tiff.file.close()


@lru_cache(maxsize=8)
def _stack(path, modified, size, thread):
    """Return the _Stack of a file, for each thread its own, and anew after the file has changed."""
    return _Stack(path)


def _check_header(header, frame, mask):
    if header.colours and mask:
        raise InputError(f"{frame}: the mask has colours ({header.colours}); a mask has one value a pixel: 0 "
                         "background, above 0 cell; convert it to 8-bit grey, black being background, or, if each "
                         "colour is a cell, number the colours, since two of them may have one grey")
    if header.colours:
        raise InputError(_coloured(frame, header.colours))


def _coloured(frame, colours):
    return (f"{frame}: the frame has colours ({colours}), a grey one is needed; convert it to 8- or 16-bit grey "
            "(ImageJ: Image > Lookup Tables > Grays, or Image > Type > 8-bit)")
