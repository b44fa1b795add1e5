"""Decoded pixels of frames and masks, stored while memory lasts."""

from collections import Counter

from ..errors import InputError


class LeftOut(InputError):
    """A frame or a mask is left out, because it cannot be used."""


class Cache:
    """Arrays of frames, by kind and index, each of which is stored while memory lasts.

    Where all frames fit, each array is made once. Otherwise only arrays are stored that `plan` says are still needed,
    so that each is made once an epoch. That an array cannot be made is stored in any case.

    Parameters
    ----------
    capacity : int
        Number of frames that fit into memory.
    fits : bool
        Whether these are all.
    failures : dict
        The LeftOut of arrays that cannot be made, by kind and index.
    """

    def __init__(self, capacity, fits, failures):
        self.capacity, self.fits, self.arrays, self._failures = capacity, fits, {}, failures
        self._uses = Counter()              # items of the plan that still need a frame

    def get(self, kind, index, read):
        """Return the stored array, or else read(index), which may be None; raise LeftOut where it once did."""
        if (kind, index) in self._failures:
            raise self._failures[kind, index]
        if (kind, index) in self.arrays:
            return self.arrays[kind, index]
        try:
            array = read(index)
        except LeftOut as error:
            self._failures[kind, index] = error
            raise
        if array is not None and (self.fits or self._uses[index] > 0):
            self.arrays[kind, index] = array
        return array

    def drop(self, kind, index):
        """Free an array that nobody asks for any more."""
        self.arrays.pop((kind, index), None)

    def plan(self, needed):
        """Prepare for items that need these frames each; where not all frames fit, all arrays are freed before."""
        if not self.fits:
            self.arrays.clear()
            self._uses = Counter(frame for frames in needed for frame in frames)

    def release(self, frames):
        """Free the frames that one item of the plan has needed, where no later item needs them."""
        if not self.fits:
            self._uses.subtract(frames)
            done = {frame for frame in frames if self._uses[frame] <= 0}
            for key in [key for key in self.arrays if key[1] in done] if done else ():
                del self.arrays[key]
