"""From frames on disk to batches: windows of frames, scaled, cut and varied as a plan says, and reading ahead."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .assemble import Part, assemble
from .augment import boxes, choose_pastes, cut, moved_onto_cell, places
from .borders import border_weights
from .images import read_bytes, read_frame, read_size
from .masks import read_instances, read_mask
from .neighbours import window_indices

MEMORY = 2 << 30        # bytes of decoded frames to keep


class Whole(NamedTuple):
    """A whole frame."""

    window: list                # the decoded frames, on the device if there is one
    classes: np.ndarray         # or None
    weights: np.ndarray         # of the pixels, or None


class Dataset:
    """Frames with their masks, decoded when asked for and kept while memory lasts.

    Parameters
    ----------
    frames : list of Frame
    masks : list of Frame or None
        The mask of each frame; None for a frame without.
    channels : int
        Frames in a window, odd.
    memory : int
        Bytes of decoded pixels to keep. Where all frames fit, each is decoded once; else once an epoch.
    tell : callable
        Takes a line of text for the user.
    device : optional
        Of `device.choose`: batches and windows are on it. Every frame goes there as it was read, once, or once an epoch
        where not all fit into memory.
    border : tuple of float, optional
        Weight and sigma of `border_weights`, where pixels have weights of their own.
    paste : bool
        Whether cells will be pasted.
    neighbours : {"frames", "copies"}
        As for `frames.window_indices`.

    Raises
    ------
    InputError
        If a frame and its mask, or the frames of a sequence, differ in size.
    """

    def __init__(self, frames, masks, channels, memory=MEMORY, tell=print, device=None, border=None, paste=False,
                 neighbours="frames"):
        self.frames, self.masks, self.tell, self.device, self.border = frames, masks, tell, device, border
        self.windows = window_indices(frames, channels, neighbours)
        self.sizes = [read_size(frame) for frame in frames]
        self._check_sizes()
        # pixels of as much as 32 bits, classes, weights, numbers of cells
        bytes_a_frame = max(h * w for h, w in self.sizes) * (read_bytes(frames[0]) + 1 + 4 * bool(border) + 4 * paste)
        self.capacity = max(memory // bytes_a_frame, 8 * channels)      # in frames
        self.fits = len(frames) <= self.capacity
        self.decoded = 0                    # frames, since the beginning
        self._kept = {}                     # (kind, index) -> array, here
        self._there = {}                    # the same on the device
        self._boxes = {}                    # index -> `boxes` of its cells
        self._buffers = {}                  # shape of x -> x, labels and weights on the device
        self._uses = Counter()              # pieces of the plan that still need a frame, where not all fit
        self._told = set()                  # kinds of remarks on masks

    def pixels(self, index):
        """Return the decoded frame, as stored."""
        return self._keep("pixels", index, self._read_pixels)

    def classes(self, index):
        """Return the classes of the frame's mask, uint8 of shape (H, W), or None for a frame without a mask."""
        return None if self.masks[index] is None else self._keep("classes", index, self._read_classes)

    def instances(self, index):
        """Return the numbered cells of the frame's mask, int32 of shape (H, W)."""
        return self._keep("instances", index, lambda index: read_instances(self.masks[index]))

    def weights(self, index):
        """Return the weights that the frame's pixels have of their own, float32 of shape (H, W), or None."""
        if self.border is None or self.masks[index] is None:
            return None
        return self._keep("weights", index,
                          lambda index: border_weights(read_instances(self.masks[index]), *self.border))

    def boxes(self, index):
        """Return the `augment.boxes` of the frame's cells."""
        if index not in self._boxes:
            self._boxes[index] = boxes(self.instances(index))
        return self._boxes[index]

    def window(self, index):
        """Return the decoded frames of a window, a list of arrays (H, W), on the device if there is one."""
        return [self._moved("pixels", frame) for frame in self.windows[index]]

    def _keep(self, kind, index, read):
        if (kind, index) in self._kept:
            return self._kept[kind, index]
        array = read(index)
        if self._needed(index):
            self._kept[kind, index] = array
        return array

    def _needed(self, index):
        return self.fits or self._uses[index] > 0

    def _read_pixels(self, index):
        self.decoded += 1
        return read_frame(self.frames[index])

    def _read_classes(self, index):
        classes, remark = read_mask(self.masks[index])
        if remark and remark[0] not in self._told:
            self._told.add(remark[0])
            self.tell(f"note: {self.masks[index]} {remark[1]}")
        return classes

    def _moved(self, kind, index):
        """Return `pixels`, `classes` or `weights` of a frame where they are computed with."""
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
            self._kept.pop((kind, index), None)                     # nobody asks for them here any more
        return array

    def part(self, piece):
        """Return all that a piece is made of."""
        if piece.on_cell:
            piece = moved_onto_cell(piece, self.classes(piece.frame))
        where, pastes, borders = places(piece), [], None
        if piece.donors:
            labels = cut(self.classes(piece.frame), piece, where, nearest=True).copy()
            pastes = choose_pastes(piece, labels, self.instances, self.boxes)
        if pastes and self.border:
            borders = self._borders_with(pastes, piece, where)

        def there(array):
            return array if array is None or self.device is None else self.device.to_device(array)

        return Part(piece, self.window(piece.frame), self._moved("classes", piece.frame),
                    self._moved("weights", piece.frame), there(where),
                    [(each, there(each.alpha), there(each.cell), self.window(each.piece.frame)) for each in pastes],
                    there(borders))

    def _borders_with(self, pastes, piece, where):
        """Return the weights of a piece's pixels between its cells and the pasted ones."""
        instances = cut(self.instances(piece.frame), piece, where, nearest=True).copy()
        for number, each in enumerate(pastes, int(instances.max()) + 1):
            h, w = each.cell.shape
            instances[each.top:each.top + h, each.left:each.left + w][each.cell > 0] = number
        return border_weights(instances, *self.border)

    def batches(self, plan, batch_size, scaling):
        """Yield the batches of a plan, as `assemble` returns them, read ahead in a background thread.

        On a device those of one shape are in the same arrays, one after the other.
        """
        groups = [plan[start:start + batch_size] for start in range(0, len(plan), batch_size)]
        frames = [[index for piece in pieces for index in (piece.frame, *piece.donors)] for pieces in groups]

        def load(pieces):
            parts = [self.part(piece) for piece in pieces]
            return parts if self.device else assemble(scaling, parts)

        for loaded in self._read_ahead(load, groups, frames):
            # kernels are started by one thread only
            yield assemble(scaling, loaded, self.device, self._buffers) if self.device else loaded

    def whole(self, indices):
        """Yield frames whole and in order, each as a `Whole`, read ahead."""
        yield from self._read_ahead(lambda index: Whole(self.window(index), self.classes(index), self.weights(index)),
                                    indices, [[index] for index in indices])

    def _read_ahead(self, load, items, frames):
        """Yield load(item) for each item; frames[k] are those it segments or is pasted from.

        Where not all frames fit into memory, each is freed when the last item that needs it has been loaded.
        """
        needed = [[frame for index in each for frame in set(self.windows[index].tolist())] for each in frames]
        if not self.fits:
            self._kept.clear()
            self._there.clear()
            self._uses = Counter(frame for each in needed for frame in each)

        def load_and_free(position):
            loaded = load(items[position])
            if not self.fits:
                self._uses.subtract(needed[position])
                for frame in needed[position]:
                    if self._uses[frame] <= 0:
                        for kind in ("pixels", "classes", "instances", "weights"):
                            self._kept.pop((kind, frame), None)
                            self._there.pop((kind, frame), None)
            return loaded

        yield from read_ahead(load_and_free, range(len(items)))

    def _check_sizes(self):
        first = {}
        for index, (frame, size) in enumerate(zip(self.frames, self.sizes, strict=True)):
            h, w = size
            known = first.setdefault(frame.sequence, index)
            if self.sizes[known] != size:
                raise InputError(f"{frame}: {h} x {w} pixels, but {self.frames[known]} of the same sequence has "
                                 f"{self.sizes[known][0]} x {self.sizes[known][1]}; crop or pad them to one size")
            mask = self.masks[index]
            if mask and mask.page == frame.page and mask.path.resolve() == frame.path.resolve():
                raise InputError(f"--masks: {frame} is a frame too; name the folder of the masks")
            mh, mw = read_size(mask, mask=True) if mask else size
            if (mh, mw) != size:
                raise InputError(f"{mask}: {mh} x {mw} pixels, but its frame {frame} has {h} x {w}; "
                                 "a mask must have the size of its frame")


def read_ahead(load, items, depth=3):
    """Yield load(item) for every item, in order, at most `depth` of them loaded in advance in a background thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
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
