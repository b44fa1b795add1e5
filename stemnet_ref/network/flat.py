"""Arrays by name in one buffer, so that one operation, or one launch of a kernel, changes all of them."""

import math

import numpy as np

from ..backends.cuda.device import device_of

ALIGNED = 4             # every array begins at a multiple of so many elements, as a GPU's vector loads need


class Flat(dict):
    """A dict of arrays that are views of one.

    Parameters
    ----------
    shapes : dict of str to tuple of int
    dtype : numpy dtype
    device : optional
        Of `device.choose`; the CPU without it.

    Attributes
    ----------
    buffer : 1-D array
        All of them, one after the other. On a GPU its elements are what the memory holds; on the CPU zeros.
    """

    def __init__(self, shapes, dtype, device=None):
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        length = sum(-(-size // ALIGNED) * ALIGNED for size in sizes.values())
        self._view(shapes, device.empty((length,), dtype) if device else np.zeros(length, dtype))

    def _view(self, shapes, buffer):
        self.buffer, start = buffer, 0
        for name, shape in shapes.items():
            size = math.prod(shape)
            super().__setitem__(name, buffer[start:start + size].reshape(shape))
            start += -(-size // ALIGNED) * ALIGNED

    @property
    def shapes(self):
        """The shapes by name."""
        return {name: array.shape for name, array in self.items()}

    def to(self, device):
        """Return a copy on a device of `device.choose`."""
        out = Flat.__new__(Flat)
        out._view(self.shapes, device.to_device(self.buffer))
        return out

    def like(self):
        """Return another of the same shapes, dtype and device, whose elements are to be written."""
        return Flat(self.shapes, self.buffer.dtype, device_of(self.buffer))

    def __setitem__(self, name, array):
        """Copy a NumPy array into the place of the one of that name, on the CPU."""
        np.copyto(self[name], array)
