"""Arrays of a file in the reference's layouts, each read when it is asked for: no file has to fit into memory."""

import weakref
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from .layouts import from_layout, shape_from_layout


class Stored(Mapping):
    """Arrays of an open file by key, in the reference's layouts, those of float16 in float32.

    Parameters
    ----------
    arrays : storage.archives.Arrays
    layouts : dict of str to str
        Layout in which the file has each array, by key. Other arrays of the file are never read.
    refuse : callable
        Returns a context manager in which an error of reading becomes an InputError that names the file.
    shapes : dict of str to tuple of int, optional
        Shapes that the arrays get in the reference's layout; an array of shape (1,) may stand for one of ().
    recent : int
        Bytes of what was read last that are kept; the last array is in any case.

    Raises
    ------
    InputError
        If an array that is asked for cannot be read.
    """

    def __init__(self, arrays, layouts, refuse, shapes=None, recent=0):
        self._arrays, self._layouts, self._refuse, self._shapes = arrays, layouts, refuse, shapes
        self._recent, self._bytes, self._limit = OrderedDict(), 0, recent

    def keep(self, opened):
        """Have a contextlib.ExitStack, which holds the file open, closed once nobody has these arrays any more."""
        weakref.finalize(self, opened.close)

    def __iter__(self):
        return iter(self._layouts)

    def __len__(self):
        return len(self._layouts)

    def __contains__(self, key):
        return key in self._layouts

    def header(self, key):
        """Return the Header of an array, in the reference's layout."""
        header = self._arrays.header(key)
        return header._replace(shape=shape_from_layout(key, header.shape, self._layouts[key]))

    def __getitem__(self, key):
        layout = self._layouts[key]
        if key not in self._recent:
            with self._refuse():
                array = np.asarray(from_layout(key, widened(self._arrays[key]), layout), order="C")
            self._recent[key] = array.reshape(self._shapes[key]) if self._shapes else array
            self._bytes += array.nbytes
            while self._bytes > self._limit and len(self._recent) > 1:
                self._bytes -= self._recent.popitem(last=False)[1].nbytes
        self._recent.move_to_end(key)
        return self._recent[key]


def widened(array):
    """Return an array of float16 in float32, and any other as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array
