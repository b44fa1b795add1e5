"""The background of a sequence, its median over time (thesis section 6.4), also where it is larger than memory.

    background[i,j] = median over t of frames[t,i,j]         (eq. 3 of section 6.4)
    foreground[t,i,j] = frames[t,i,j] - background[i,j]      (`data.preprocess`)
"""

import tempfile
from contextlib import suppress
from copy import copy

import numpy as np

from ..backends.cpu.threads import share
from ..errors import InputError, pluralize, reason
from .images import eight_bit_units

MEMORY = 500_000_000        # bytes
CHUNK = 1 << 18             # values that a thread sorts at once: they stay in its cache


class Stack:
    """Frames held in memory or, where they do not fit, in a scratch file; of one size where they are read by rows.

    Where their dtypes differ, 8 bits beside 16, or 32 of which some fit into 16, all are held in 8-bit units.

    Parameters
    ----------
    memory : int
        Bytes of pixels to hold at once: half of them for frames, the other half for sorting.
    folder : path, optional
        Folder for the scratch file, which vanishes with the program, however that ends; by default the system's
        temporary folder.

    Attributes
    ----------
    dtype : numpy dtype
        Dtype of the frames, uint8 or uint16 where all have it, else float32.
    shapes : list of (int, int)
        Height and width of each frame, in pixels.
    """

    def __init__(self, memory=MEMORY, folder=None):
        self.memory, self.folder = memory, folder
        self._begin()

    def _begin(self):
        self.dtype, self.shapes = None, []
        self._frames, self._file, self._starts = [], None, [0]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._file:
            with suppress(OSError):                         # what did not fit is written once more
                self._file.close()

    def append(self, pixels):
        """Add a frame (H, W).

        Raises
        ------
        InputError
            If there is no room for it on the disk.
        """
        if self.dtype not in (None, pixels.dtype):
            pixels = eight_bit_units(pixels)
            if self.dtype != pixels.dtype:
                self._convert()
        self.dtype, pixels = pixels.dtype, np.ascontiguousarray(pixels)
        self.shapes.append(pixels.shape)
        self._starts.append(self._starts[-1] + pixels.nbytes)
        if self._file is None and self._starts[-1] <= self.memory // 2:                # half is for the sorted copy
            self._frames.append(pixels)
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self.folder)                       # noqa: SIM115  until __exit__
                for frame in self._frames:
                    self._file.write(frame)
                self._frames = []
            self._file.write(pixels)
            self._file.flush()                              # a full disk shows here, not where it is read or closed
        except OSError as error:
            raise InputError(f"{self.folder or tempfile.gettempdir()}: no scratch file for {self.count} frames can be "
                             f"written ({reason(error)}); free space, choose another folder, or allow more memory"
                             ) from None

    def _convert(self):
        """Convert all frames to 8-bit units."""
        with copy(self) as held:
            self._begin()
            for pixels in held.frames():
                self.append(eight_bit_units(pixels))

    @property
    def count(self):
        """Number of frames."""
        return len(self.shapes)

    @property
    def shape(self):
        """Height and width of all frames, in pixels; raise ValueError where they differ."""
        if len(set(self.shapes)) != 1:
            raise ValueError(f"Stack.shape: {pluralize(self.count, 'frame')} of {len(set(self.shapes))} sizes; one is "
                             "needed for their median")
        return self.shapes[0]

    def frame(self, number):
        """Return a frame by its number, in the order in which frames were appended."""
        if self._file is None:
            return self._frames[number]
        return np.asarray(np.memmap(self._file, self.dtype, "r", self._starts[number], self.shapes[number]))

    def frames(self):
        """Yield all frames, in the order in which they were appended."""
        return map(self.frame, range(self.count))

    def rows(self, start, stop):
        """Return rows of all frames, which are of one shape: (frames, stop - start, W)."""
        out = np.empty((self.count, stop - start, self.shape[1]), self.dtype)
        for number, part in enumerate(out):
            part[:] = self.frame(number)[start:stop]
        return out

    def median(self, progress=lambda rows: None):
        """Return the median of every pixel over the frames, float64 (H, W); float32 for float32 frames.

        `progress` is called with the number of rows done since its last call.
        """
        height, width = self.shape
        row = self.count * width * self.dtype.itemsize
        step = max(1, min(height, self.memory // 2 // row))
        out = np.empty(self.shape, np.float32 if self.dtype == np.float32 else np.float64)
        size = max(1, CHUNK // self.count)
        for start in range(0, height, step):
            stop = min(start + step, height)
            band, done = self.rows(start, stop).reshape(self.count, -1), out[start:stop].reshape(-1)

            def work(at, band=band, done=done):
                _write_medians(done[at:at + size], band[:, at:at + size])

            share(work, range(0, band.shape[1], size))
            progress(stop - start)
            del band, work                                  # before the next is read
        return out


def _write_medians(out, values):
    """Write the medians of the columns of `values` into `out`.

    Values are sorted as 16 bits, for which NumPy has vector instructions, unlike 8 bits.
    """
    columns = np.ascontiguousarray(values.T, np.uint16 if values.dtype == np.uint8 else values.dtype)
    count = columns.shape[1]
    if count % 2:
        columns.partition(count // 2, axis=1)
        out[:] = columns[:, count // 2]
    else:
        columns.sort(axis=1)
        out[:] = columns[:, count // 2 - 1]
        out += columns[:, count // 2]
        out /= 2
