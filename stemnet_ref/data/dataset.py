"""Frames with their masks: decoded when they are asked for, stored while memory lasts, and cut into batches."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .crops.batch import Sample, assemble
from .crops.pasting import boxes, choose_pastes
from .headers import leave_out, read_headers, unchanged
from .images import Remarks, read_bytes, read_frame, read_mask, read_remark
from .masks.borders import border_weights

MEMORY = 2 << 30        # bytes of decoded frames to keep
KINDS = "pixels", "classes", "instances", "weights"     # arrays that are stored of each frame


class Whole(NamedTuple):
    """A whole frame."""

    window: list                # the decoded frames, on the device if there is one
    classes: np.ndarray         # or None
    weights: np.ndarray         # of the pixels, or None


class Dataset:
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
        self._buffers = {}                  # shape -> `backends.buffers.Buffers` on the device
        self._uses = Counter()              # crops of the plan that still need a frame, where not all fit
        self._remarks = Remarks(log)

    def pixels(self, index):
        """Return the decoded frame, as stored."""
        if index in self.bad:
            raise self.bad[index]
        return self._keep("pixels", index, self._read_pixels, self._stored)

    def classes(self, index):
        """Return the classes of the frame's mask, uint8 of shape (H, W), or None for a frame without a mask."""
        if self.masks[index] is None:
            return None
        read = self._classes_of if self.paste or self.border else self._read_mask
        return self._keep("classes", index, read, self._stored)

    def instances(self, index):
        """Return the numbered cells of the frame's mask, int32 of shape (H, W)."""
        return self._keep("instances", index, lambda index: self._read_mask(index, numbered=True), self._stored)

    def weights(self, index):
        """Return the border weights of the frame's pixels, float32 of shape (H, W), or None without any."""
        if self.border is None or self.masks[index] is None:
            return None
        return self._keep("weights", index, self._weights_of, self._stored)

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

    def _keep(self, kind, index, read, stored):
        """Return read(index), which is stored while memory lasts."""
        if (kind, index) in stored:
            return stored[kind, index]
        array = read(index)
        if array is not None and (self.fits or self._uses[index] > 0):
            stored[kind, index] = array
        return array

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
        def move(index):
            array = getattr(self, kind)(index)
            if kind != "classes":
                self._stored.pop((kind, index), None)               # nobody asks for them here any more
            return array if array is None else self.device.to_device(array)

        return self._keep(kind, index, move, self._there) if self.device else getattr(self, kind)(index)

    def sample(self, crop):
        """Return the `crops.batch.Sample` of a crop."""
        if crop.on_cell:
            crop = crop.moved_onto_cell(self.classes(crop.frame))
        coordinates, pastes, borders = crop.sampling_coordinates(), [], None
        if crop.donors:
            labels = crop.cut(self.classes(crop.frame), coordinates, nearest=True).copy()
            pastes = choose_pastes(crop, labels, self.instances, self.boxes)
        if pastes and self.border:
            borders = self._borders_with(pastes, crop, coordinates)

        def there(array):
            return array if array is None or self.device is None else self.device.to_device(array)

        return Sample(crop, self.window(crop.frame), self._moved("classes", crop.frame),
                      self._moved("weights", crop.frame), there(coordinates),
                      [(each, there(each.alpha), there(each.cell), self.window(each.source.frame)) for each in pastes],
                      there(borders))

    def _borders_with(self, pastes, crop, coordinates):
        """Return the weights of a crop's pixels between its cells and the pasted ones."""
        instances = crop.cut(self.instances(crop.frame), coordinates, nearest=True).copy()
        for number, each in enumerate(pastes, int(instances.max()) + 1):
            instances[each.place][each.cell > 0] = number
        return border_weights(instances, *self.border)

    def batches(self, plan, batch_size, scaling):
        """Yield the batches of a plan, `backends.buffers.Buffers`, read ahead in a background thread.

        On a device all batches of one shape are the same object: one set of arrays, filled anew each time.
        """
        groups = [plan[start:start + batch_size] for start in range(0, len(plan), batch_size)]
        frames = [[index for crop in crops for index in (crop.frame, *crop.donors)] for crops in groups]

        def load(crops):
            samples = [self.sample(crop) for crop in crops]
            return samples if self.device else assemble(scaling, samples)

        for loaded in self._read_ahead(load, groups, frames):
            # kernels are started by one thread only
            yield assemble(scaling, loaded, self._buffers) if self.device else loaded

    def whole(self, indices):
        """Yield whole frames in order, each as a `Whole`, read ahead, or None for a frame that is left out."""
        def load(index):
            try:
                return Whole(self.window(index), self.classes(index), self.weights(index))
            except InputError:
                if index not in self.bad:
                    raise
                return None

        yield from self._read_ahead(load, indices, [[index] for index in indices])

    def _read_ahead(self, load, items, frames):
        """Yield load(item) for each item; frames[k] are the frames that item k needs.

        Where not all frames fit into memory, each is freed when the last item that needs it has been loaded.
        """
        needed = [[frame for index in each for frame in set(self.windows[index].tolist())] for each in frames]
        if not self.fits:
            self._stored.clear()
            self._there.clear()
            self._uses = Counter(frame for each in needed for frame in each)

        def load_and_free(position):
            loaded = load(items[position])
            if not self.fits:
                self._uses.subtract(needed[position])
                for frame in needed[position]:
                    if self._uses[frame] <= 0:
                        for kind in KINDS:
                            self._stored.pop((kind, frame), None)
                            self._there.pop((kind, frame), None)
            return loaded

        yield from read_ahead(load_and_free, range(len(items)))


def read_ahead(load, items, depth=3, threads=1):
    """Yield load(item) for every item, in order, at most `depth` of them loaded in advance in background threads."""
    with ThreadPoolExecutor(threads, thread_name_prefix="reader") as reader:
        pending = deque()
        try:
            for item in items:
                pending.append(reader.submit(load, item))
                if len(pending) > depth:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
