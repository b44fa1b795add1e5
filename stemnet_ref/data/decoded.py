"""Frames and masks that are decoded when they are asked for, stored while memory lasts, or left out."""

from collections import Counter

import numpy as np

from ..errors import InputError
from .crops.pasting import boxes
from .discovery.sequences import window_indices
from .images import Remarks, read_bytes, read_frame, read_mask, read_remark, read_size
from .masks.borders import border_weights

MEMORY = 2 << 30        # bytes of decoded frames to keep
ONE_SIZE = ("crop or pad them to one size by python -m stemnet_ref.data.preprocess --size PIXELS --background none, or "
            "take a network of --channels 1, which sees no neighbours")


class Decoded:
    """Frames with their masks, decoded when they are asked for and stored while memory lasts.

    Parameters
    ----------
    frames : list of Frame
        Frames in the order of `frames.find`.
    masks : list of Frame or None
        Mask of each frame; None for a frame without one.
    channels : int
        Frames in a window, odd.
    memory : int
        Bytes of decoded pixels to store. Where all frames fit, each is decoded once, otherwise once an epoch.
    log : callable
        Function that prints a line of text for the user.
    device : optional
        Device that holds batches and windows. Every frame is copied to it as it was read, once, or once an epoch where
        not all frames fit into memory.
    border : tuple of float, optional
        Weight and sigma of `border_weights`, which pixels have only with this argument.
    paste : bool
        Whether cells will be pasted.
    neighbours : {"frames", "copies"}
        Neighbours of a frame in its window, as `discovery.sequences.window_indices` takes them.
    targets : list of int, optional
        Frames to segment, by default all or those with masks; only these and their neighbours are examined.
    left_out : list, optional
        List that gets an InputError for each frame and mask that cannot be used: the nearest frame takes the place of a
        neighbour, and a frame loses its mask. Without a list the first error is raised.

    Attributes
    ----------
    sizes : list of (int, int) or None
        Height and width of each frame, in pixels; None for a frame that is left out or not examined.
    bad : dict of int to InputError
        Errors of the frames that are left out, by index.

    Raises
    ------
    InputError
        If a frame and its mask, or the frames of a window, differ in size, or no frame can be used.
    """

    def __init__(self, frames, masks, channels, memory=MEMORY, log=print, device=None, border=None, paste=False,
                 neighbours="frames", targets=None, left_out=None):
        self.frames, self.masks, self.log, self.device = frames, list(masks), log, device
        self.border, self.paste = border, paste
        self.windows = window_indices(frames, channels, neighbours)
        self.left_out, self.bad = left_out, {}
        seen = range(len(frames)) if targets is None else np.unique(self.windows[targets]).tolist()
        self.sizes = [None] * len(frames)
        for index in seen:
            try:
                self.sizes[index] = read_size(frames[index])
            except InputError as error:
                self.leave_out(index, error)
        if left_out is not None:
            self._leave_odd_sizes_out(seen)
        if targets is None:
            targets = [index for index, mask in enumerate(masks) if mask] or seen
        self._check_sizes(targets)
        good = [index for index in seen if index not in self.bad]
        if not set(good) & set(targets):
            raise self.bad[targets[0]]
        # pixels of as much as 32 bits, classes, weights, numbers of cells
        bytes_a_pixel = read_bytes(frames[good[0]]) + 1 + 4 * bool(border) + 4 * paste
        bytes_a_frame = max(h * w for h, w in (self.sizes[index] for index in good)) * bytes_a_pixel
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

    def leave_out(self, index, error):
        """Leave a frame out, as if it were missing; raise the error where no frame may be left out."""
        if self.left_out is None:
            raise error
        self.bad[index], self.sizes[index], self.masks[index] = error, None, None
        middle = self.windows.shape[1] // 2
        for direction in (-1, 1):
            for distance in range(1, middle + 1):
                column = self.windows[:, middle + direction * distance]
                column[column == index] = self.windows[column == index, middle + direction * (distance - 1)]
        self.refuse(error, "; the nearest frame stands in for it as a neighbour" if middle else "")

    def leave_mask_out(self, index, error):
        """Leave a mask out, as if it were missing; raise the error where no mask may be left out."""
        if self.left_out is None:
            raise error
        self.masks[index] = None
        self.refuse(error)

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
            pixels = self._unchanged(read_frame(self.frames[index]), index, self.frames[index])
        except InputError as error:
            self.leave_out(index, error)
            raise
        self.decoded += 1
        self._remarks.add(self.frames[index], read_remark(self.frames[index], False))
        return pixels

    def _read_mask(self, index, numbered=False):
        try:
            pixels, remark = read_mask(self.masks[index], numbered)
            self._unchanged(pixels, index, self.masks[index])
        except InputError as error:
            self.leave_mask_out(index, error)
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

    def _unchanged(self, array, index, file):
        """Return the pixels of a frame or a mask; raise InputError if the size is not that of its header."""
        if array.shape != self.sizes[index]:
            (h, w), (was_h, was_w) = array.shape, self.sizes[index]
            raise InputError(f"{file}: has {h} x {w} pixels, and had {was_h} x {was_w} when this began; it was changed "
                             "since then; put it back, and give the command again")
        return array

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

    def _leave_odd_sizes_out(self, seen):
        """Leave out frames that differ in size from a frame of their window and from most of their sequence."""
        sequences = {}
        for index in seen:
            if index not in self.bad:
                sequences.setdefault(self.frames[index].sequence, []).append(index)
        odd = {}
        for indices in sequences.values():
            (usual, times), = Counter(self.sizes[index] for index in indices).most_common(1)
            odd.update({index: usual for index in indices if 2 * times > len(indices) and self.sizes[index] != usual
                        and {self.sizes[other] for other in self.windows[index]} - {self.sizes[index], None}})
        for index, (usual_h, usual_w) in odd.items():
            h, w = self.sizes[index]
            self.leave_out(index, InputError(f"{self.frames[index]}: {h} x {w} pixels, but most of its sequence has "
                                             f"{usual_h} x {usual_w}; {ONE_SIZE}"))

    def _check_sizes(self, targets):
        """Raise InputError, or leave masks out, where the frames of a window or a frame and its mask differ in size."""
        for index in targets:
            if index in self.bad:
                continue
            frame, mask, size = self.frames[index], self.masks[index], self.sizes[index]
            other = next((other for other in self.windows[index].tolist() if self.sizes[other] != size), index)
            if other != index:
                (h, w), (other_h, other_w) = size, self.sizes[other]
                raise InputError(f"{frame}: {h} x {w} pixels, but {self.frames[other]} beside it in a window has "
                                 f"{other_h} x {other_w}; {ONE_SIZE}")
            if mask and mask.page == frame.page and mask.path.resolve() == frame.path.resolve():
                raise InputError(f"--masks: {frame} is a frame too; name the folder of the masks")
            try:
                mh, mw = read_size(mask, mask=True) if mask else size
                if (mh, mw) != size:
                    raise InputError(f"{mask}: {mh} x {mw} pixels, but its frame {frame} has {size[0]} x {size[1]}; "
                                     "a mask must have the size of its frame")
            except InputError as error:
                self.leave_mask_out(index, error)
