"""Picture files, whose headers are read once, however often and by however many threads the pixels are read.

The planes of a stack are read one at a time, and the file stays open for that. An open file is lent to one thread at a
time, and only files that no thread holds are closed.
"""

import atexit
import os
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from threading import Lock

import numpy as np

from ...errors import InputError
from ...storage.readers import check_regular
from . import axes, png
from .damage import REPLACE
from .directories import SIGNATURES, read_directories
from .tiff import Tiff

PNG = png.SIGNATURE[:4]
NAME_ONE = "give the path of a PNG or TIFF file"
MAX_KNOWN = 2 ** 16             # files
MAX_PALETTE = 256               # colours of a palette that is stored; those of 16 bits take memory
MAX_IDLE = 32                   # open files that nobody reads


class Picture:
    """A PNG or TIFF file, as its headers describe it; they are read once, when it is made.

    Attributes
    ----------
    is_png : bool
    positions : list of axes.Position
    remarks : dict
        Remarks of the reader of masks on the values of their planes, stored for later calls.

    Raises
    ------
    InputError
        If the file is neither PNG nor TIFF.
    ValueError, OSError
        If the file is damaged; the message is the reason alone.
    """

    def __init__(self, path, key):
        self.path, self.key, self.remarks = path, key, {}
        self._headers = {}
        with ExitStack() as opened:
            file = opened.enter_context(open(path, "rb"))
            magic = file.read(4)
            file.seek(0)
            _check_magic(path, magic)
            self.is_png = magic == PNG
            if self.is_png:
                self._headers[0] = png.read_header(file)
                self.positions = [axes.Position("", np.zeros((1, 1, 1, 2), int))]
                return
            self._directories = read_directories(file)
            file.seek(0)
            opened.pop_all()                                # the Tiff closes it
            with self._lent(Tiff(file, self._directories)) as tiff:
                self.positions = axes.positions(tiff)
                if len(self._directories) == 1:             # most files, which then need not be opened again
                    self._store(0, tiff.header(0))

    def header(self, number):
        """Return the Header of the planes of a page."""
        if number in self._headers:
            return self._headers[number]
        with self._open() as tiff:
            return self._store(number, tiff.header(number))

    def pixels(self, number, part):
        """Return the stored values of a plane, (H, W)."""
        if self.is_png:
            return png.read_pixels(self.path)
        with self._open() as tiff:
            return tiff.pixels(number, part)

    def _store(self, number, header):
        if header.palette is None or len(header.palette) <= MAX_PALETTE:
            self._headers[number] = header
        return header

    def _open(self):
        """Return the context of a Tiff: an open one of this stack, or a new one."""
        return self._lent(_idle.take(self.key) or Tiff(open(self.path, "rb"), self._directories))

    @contextmanager
    def _lent(self, tiff):
        """Yield a Tiff; afterwards that of a stack stays open, unless reading it failed."""
        stays = False
        try:
            yield tiff
            stays = len(self._directories) > 1
        finally:
            if stays:
                _idle.put(self.key, tiff)
            else:
                tiff.close()


def _check_magic(path, magic):
    """Raise InputError unless a file begins as a PNG or a TIFF."""
    if not magic:
        raise InputError(f"{path}: the file is empty (0 bytes); {REPLACE}")
    if magic not in (PNG, *SIGNATURES):
        raise InputError(f"{path}: this is no PNG or TIFF picture, whatever its name; convert it, or {REPLACE}")


class _Idle:
    """Open files that no thread reads; beyond MAX_IDLE the file is closed that was used the longest ago."""

    def __init__(self):
        self._files, self._lock = [], Lock()                # (key, Tiff), the last one used last

    def take(self, key):
        """Return an open Tiff, which then belongs to the caller, or None."""
        with self._lock:
            at = next((at for at in reversed(range(len(self._files))) if self._files[at][0] == key), None)
            return None if at is None else self._files.pop(at)[1]

    def put(self, key, tiff):
        with self._lock:
            self._files.append((key, tiff))
            closed = self._files.pop(0)[1] if len(self._files) > MAX_IDLE else None
        if closed:
            closed.close()

    def close(self):
        while self._files:
            self._files.pop()[1].close()


_idle = _Idle()
atexit.register(_idle.close)


def picture(path):
    """Return the Picture of a file, a new one where the file has changed; raise the errors of `Picture` and os.stat."""
    check_regular(path, NAME_ONE)
    status = os.stat(path)
    return _picture(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(MAX_KNOWN)
def _picture(path, modified, size):
    return Picture(path, (path, modified, size))
