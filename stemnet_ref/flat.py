"""Arrays by name in one buffer, so that one operation, or one launch of a kernel, changes all of them."""

import math

import numpy as np

from .dispatch import device_of, to_host

ALIGNED = 4             # every array begins at a multiple of so many elements, as a GPU's vector loads need


class Flat(dict):
    """A dict of arrays that are views of one.

    Parameters
    ----------
    shapes : dict of str to tuple of int
    dtype : numpy dtype
    buffer : 1-D array, optional
        The array to be viewed, of whatever library; NumPy's zeros without it.

    Attributes
    ----------
    buffer : 1-D array
        All arrays, one after the other.
    """

    def __init__(self, shapes, dtype, buffer=None):
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        starts, length = {}, 0
        for name, size in sizes.items():
            starts[name], length = length, length + -(-size // ALIGNED) * ALIGNED
        self.buffer = np.zeros(length, dtype) if buffer is None else buffer
        for name, shape in shapes.items():
            super().__setitem__(name, self.buffer[starts[name]:starts[name] + sizes[name]].reshape(shape))

    @property
    def shapes(self):
        """The shapes by name."""
        return {name: array.shape for name, array in self.items()}

    def on(self, device):
        """Return the same arrays on the device of a `Backend`, or with None in NumPy's memory."""
        buffer = to_host(self.buffer)
        return Flat(self.shapes, buffer.dtype, device.to_device(buffer) if device else buffer)

    def like(self):
        """Return another of the same shapes and dtype that lies where this does; it is undefined until written."""
        device, buffer = device_of(self.buffer), self.buffer
        return Flat(self.shapes, buffer.dtype, device.empty(buffer.shape, buffer.dtype) if device else None)

    def __setitem__(self, name, array):
        """Copy a NumPy array into the place of the one of that name, on the CPU."""
        np.copyto(self[name], array)
