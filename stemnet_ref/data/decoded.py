"""Frames and masks that are decoded when they are asked for, stored while memory lasts, or left out."""

from collections import Counter
from operator import attrgetter

import numpy as np

from ..errors import InputError
from .crops.pasting import boxes
from .headers import leave_out, read_headers, unchanged
from .images import Remarks, read_bytes, read_frame, read_mask, read_remark
from .masks.borders import border_weights

MEMORY = 2 << 30        # bytes of decoded frames to keep


class Decoded:
    """Frames with their masks, decoded when they are asked for and stored while memory lasts.

    Parameters
    ----------
    frames, masks, channels, neighbours, log
        Common arguments of `data`.
    memory : int
        Bytes of decoded pixels to store. Where all frames fit, each is decoded once, otherwise once an epoch.
    device : optional
        Device that holds batches and windows. Every frame is copied to it as it was read, once, or once an epoch where
        not all frames fit into memory.
    border : tuple of float, optional
        Weight and sigma of `border_weights`, which pixels have only with this argument.
    paste : bool
        Whether cells will be pasted.
    targets : list of int, optional
        Frames to segment, by default all or those with masks; only these and their neighbours are examined.
    left_out : list, optional
        List that gets an InputError for each frame and mask that cannot be used: the nearest frame takes the place of a
        neighbour, and a frame loses its mask. Without a list the first error is raised.

    Attributes
    ----------
    headers : headers.Headers
        Sizes and neighbours of the frames; another one takes its place where a file turns out to be unusable.

    Raises
    ------
    InputError
        If `headers.read_headers` raises it.
    """

    frames, masks, windows, sizes, bad = (property(attrgetter(f"headers.{name}"))
                                          for name in ("frames", "masks", "windows", "sizes", "bad"))

    def __init__(self, frames, masks, channels, memory=MEMORY, log=print, device=None, border=None, paste=False,
                 neighbours="frames", targets=None, left_out=None):
        self.log, self.device, self.border, self.paste, self.left_out = log, device, border, paste, left_out
        self.headers = read_headers(frames, masks, channels, neighbours, targets, self.refuse, left_out is not None)
        good = [size for size in self.sizes if size]
        # pixels of as much as 32 bits, classes, weights, numbers of cells
        bytes_a_pixel = read_bytes(frames[self.sizes.index(good[0])]) + 1 + 4 * bool(border) + 4 * paste
        bytes_a_frame = max(h * w for h, w in good) * bytes_a_pixel
        self.capacity = max(memory // bytes_a_frame, 8 * channels)      # in frames
        self.fits = len(good) <= self.capacity
        self.decoded = 0                    # frames, since the beginning
        self._stored = {}                   # (kind, index) -> array, here
        self._there = {}                    # the same on the device
        self._boxes = {}                    # index -> `boxes` of its cells
        self._uses = Counter()              # crops of the plan that still need a frame, where not all fit
        self._remarks = Remarks(log)

    def pixels(self, index):
        """Return the decoded frame, as stored."""
        if index in self.bad:
            raise self.bad[index]
        return self._keep("pixels", index, self._read_pixels)

    def classes(self, index):
        """Return the classes of the frame's mask, uint8 of shape (H, W), or None for a frame without a mask."""
        if self.masks[index] is None:
            return None
        return self._keep("classes", index, self._classes_of if self.paste or self.border else self._read_mask)

    def instances(self, index):
        """Return the numbered cells of the frame's mask, int32 of shape (H, W)."""
        return self._keep("instances", index, lambda index: self._read_mask(index, numbered=True))

    def weights(self, index):
        """Return the border weights of the frame's pixels, float32 of shape (H, W), or None without any."""
        if self.border is None or self.masks[index] is None:
            return None
        return self._keep("weights", index, self._weights_of)

    def boxes(self, index):
        """Return the `crops.pasting.boxes` of the frame's cells."""
        if index not in self._boxes:
            self._boxes[index] = boxes(self.instances(index))
        return self._boxes[index]

    def window(self, index):
        """Return the decoded frames of a window, a list of arrays (H, W), on the device if there is one."""
        while True:
            before = len(self.bad)
            try:
                return [self._moved("pixels", frame) for frame in self.windows[index].tolist()]
            except InputError:
                if len(self.bad) == before or index in self.bad:
                    raise                                           # else a neighbour, for which another stands in now

    def leave_out(self, index, error, mask_alone=False):
        """Leave a frame or its mask out, as if it were missing; raise the error where nothing may be left out."""
        self.headers = leave_out(self.headers, index, error, self.refuse, mask_alone)

    def refuse(self, error, consequence="", aloud=True):
        """Store the error of what is left out, and print it as a warning; raise it where nothing may be left out."""
        if self.left_out is None:
            raise error
        self.left_out.append(error)
        if aloud:
            self.log(f"warning: left out: {error}{consequence}")

    def _keep(self, kind, index, read):
        if (kind, index) in self._stored:
            return self._stored[kind, index]
        array = read(index)
        if self._needed(index):
            self._stored[kind, index] = array
        return array

    def _needed(self, index):
        return self.fits or self._uses[index] > 0

    def _read_pixels(self, index):
        try:
            pixels = unchanged(read_frame(self.frames[index]), self.frames[index], self.sizes[index])
        except InputError as error:
            self.leave_out(index, error)
            raise
        self.decoded += 1
        self._remarks.add(self.frames[index], read_remark(self.frames[index], False))
        return pixels

    def _read_mask(self, index, numbered=False):
        try:
            pixels, remark = read_mask(self.masks[index], numbered)
            unchanged(pixels, self.masks[index], self.sizes[index])
        except InputError as error:
            self.leave_out(index, error, mask_alone=True)
            return None
        self._remarks.add(self.masks[index], remark, True)
        return pixels

    def _classes_of(self, index):
        """Return classes by the numbered cells, which are asked for as well: a mask is decoded once."""
        instances = self.instances(index)
        return None if instances is None else (instances > 0).astype(np.uint8)

    def _weights_of(self, index):
        weights = border_weights(self.instances(index), *self.border)
        if not self.paste:
            self._stored.pop(("instances", index), None)            # nobody asks for them any more
        return weights

    def _moved(self, kind, index):
        """Return `pixels`, `classes` or `weights` of a frame on the device that computes with them."""
        if self.device is None:
            return getattr(self, kind)(index)
        if (kind, index) in self._there:
            return self._there[kind, index]
        array = getattr(self, kind)(index)
        if array is None:
            return None
        array = self.device.to_device(array)
        if self._needed(index):
            self._there[kind, index] = array
        if kind != "classes":
            self._stored.pop((kind, index), None)                   # nobody asks for them here any more
        return array
