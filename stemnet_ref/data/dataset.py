"""Frames with their masks: decoded when they are asked for, stored while memory lasts, and cut into batches."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .cache import Cache, LeftOut
from .crops.batch import Sample, assemble
from .crops.pasting import boxes, choose_pastes
from .headers import STANDS_IN, refuse, unchanged
from .images import Remarks, read_bytes, read_frame, read_mask, read_remark
from .masks.borders import border_weights

MEMORY = 2 << 30        # bytes of decoded frames to keep


class Whole(NamedTuple):
    """A whole frame."""

    window: list                # the decoded frames, on the device if there is one
    classes: np.ndarray         # or None
    weights: np.ndarray         # of the pixels, or None


class Dataset:
    """Frames with their masks, decoded when they are asked for and stored while memory lasts.

    Parameters
    ----------
    headers : headers.Headers
    memory : int
        Bytes of decoded pixels to store. Where all frames fit, each is decoded once, otherwise once an epoch.
    log
        Common argument of `data`.
    device : optional
        Device that holds batches and windows. Every frame is copied to it as it was read, once, or once an epoch where
        not all frames fit into memory.
    border : tuple of float, optional
        Weight and sigma of `border_weights`, which pixels have only with this argument.
    paste : bool
        Whether cells will be pasted.
    left_out : list, optional
        List that gets an InputError for each file that cannot be decoded, which is left out then as by
        `headers.inspect`. Without a list the first error is raised.

    Attributes
    ----------
    frames, masks, windows, sizes
        Those of the headers.
    cache : cache.Cache
        What has been decoded. Nothing else that a caller sees changes once a Dataset is made.
    """

    def __init__(self, headers, memory=MEMORY, log=print, device=None, border=None, paste=False, left_out=None):
        self.frames, self.masks, self.windows, self.sizes = (
            headers.frames, headers.masks, headers.windows, headers.sizes)
        self.log, self.device, self.border, self.paste, self.left_out = log, device, border, paste, left_out
        good = [size for size in self.sizes if size]
        # pixels of as much as 32 bits, classes, weights, numbers of cells
        bytes_a_pixel = read_bytes(self.frames[self.sizes.index(good[0])]) + 1 + 4 * bool(border) + 4 * paste
        capacity = max(memory // (max(h * w for h, w in good) * bytes_a_pixel), 8 * self.windows.shape[1])
        self.cache = Cache(capacity, len(good) <= capacity,
                           {("pixels", index): LeftOut(error) for index, error in headers.bad.items()})
        self._boxes = {}                    # index -> `boxes` of its cells, which take no memory
        self._buffers = {}                  # shape -> `backends.buffers.Buffers` on the device, filled anew each time
        self._remarks = Remarks(log)

    def pixels(self, index):
        """Return the decoded frame, as stored; raise LeftOut where it is left out."""
        return self.cache.get("pixels", index, self._read_pixels)

    def classes(self, index):
        """Return the classes of the frame's mask, uint8 of shape (H, W), or None where it has none or is left out."""
        if self.masks[index] is None:
            return None
        try:
            return self.cache.get("classes", index,
                                  self._classes_of if self.paste or self.border else self._read_mask)
        except LeftOut:
            return None

    def instances(self, index):
        """Return the numbered cells of the frame's mask, int32 of shape (H, W)."""
        return self.cache.get("instances", index, lambda index: self._read_mask(index, numbered=True))

    def weights(self, index):
        """Return the border weights of the frame's pixels, float32 of shape (H, W), or None without any."""
        if self.border is None or self.masks[index] is None:
            return None
        return self.cache.get("weights", index, self._weights_of)

    def boxes(self, index):
        """Return the `crops.pasting.boxes` of the frame's cells."""
        if index not in self._boxes:
            self._boxes[index] = boxes(self.instances(index))
        return self._boxes[index]

    def window(self, index):
        """Return the decoded frames of a window, a list of arrays (H, W), on the device if there is one.

        LeftOut is raised where the frame in the middle is left out.
        """
        found = []
        for frame in self.windows[index].tolist():
            try:
                found.append(self._moved("pixels", frame))
            except LeftOut:
                if frame == index:
                    raise
                found.append(None)
        return with_nearest(found)

    def _read_pixels(self, index):
        try:
            pixels = unchanged(read_frame(self.frames[index]), self.frames[index], self.sizes[index])
        except InputError as error:
            refuse(error, self.left_out, self.log, STANDS_IN if self.windows.shape[1] > 1 else "")
            raise LeftOut(error) from None
        self._remarks.add(self.frames[index], read_remark(self.frames[index], False))
        return pixels

    def _read_mask(self, index, numbered=False):
        try:
            pixels, remark = read_mask(self.masks[index], numbered)
            unchanged(pixels, self.masks[index], self.sizes[index])
        except InputError as error:
            refuse(error, self.left_out, self.log)
            raise LeftOut(error) from None
        self._remarks.add(self.masks[index], remark, True)
        return pixels

    def _classes_of(self, index):
        """Return classes by the numbered cells, which are asked for as well: a mask is decoded once."""
        return (self.instances(index) > 0).astype(np.uint8)

    def _weights_of(self, index):
        weights = border_weights(self.instances(index), *self.border)
        if not self.paste:
            self.cache.drop("instances", index)                     # nobody asks for them any more
        return weights

    def _moved(self, kind, index):
        """Return `pixels`, `classes` or `weights` of a frame on the device that computes with them."""
        def move(index):
            array = getattr(self, kind)(index)
            if kind != "classes":
                self.cache.drop(kind, index)                        # nobody asks for them here any more
            return array if array is None else self.device.to_device(array)

        return self.cache.get(f"{kind} on the device", index, move) if self.device else getattr(self, kind)(index)

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
            except LeftOut:
                return None

        yield from self._read_ahead(load, indices, [[index] for index in indices])

    def _read_ahead(self, load, items, frames):
        """Yield load(item) for each item; frames[k] are the frames whose windows item k needs.

        Where not all frames fit into memory, each is freed when the last item that needs it has been loaded.
        """
        needed = [[frame for index in each for frame in set(self.windows[index].tolist())] for each in frames]
        self.cache.plan(needed)

        def load_and_free(position):
            loaded = load(items[position])
            self.cache.release(needed[position])
            return loaded

        yield from read_ahead(load_and_free, range(len(items)))


def with_nearest(window):
    """Return a window with the nearest frame on the way to the middle in the place of each that is None."""
    found, middle = [*window], len(window) // 2
    for direction in (-1, 1):
        for at in range(middle, middle + direction * (middle + 1), direction):
            found[at] = found[at - direction] if found[at] is None else found[at]
    return found


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
