"""From frames on disk to batches: windows of frames, scaled and cut as a plan says, and reading ahead."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..errors import InputError
from .frames import window_indices
from .images import read_frame, read_mask, read_size
from .scaling import cut_labels

MEMORY = 2 << 30        # bytes of decoded frames to keep


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

    Raises
    ------
    InputError
        If a frame and its mask, or the frames of a sequence, differ in size.
    """

    def __init__(self, frames, masks, channels, memory=MEMORY, tell=print, device=None):
        self.frames, self.masks, self.tell, self.device = frames, masks, tell, device
        self.windows = window_indices(frames, channels)
        self.sizes = [read_size(frame) for frame in frames]
        self._check_sizes()
        bytes_a_frame = max(3 * h * w for h, w in self.sizes)       # 16 bits, and a mask
        self.capacity = max(memory // bytes_a_frame, 8 * channels)      # in frames
        self.fits = len(frames) <= self.capacity
        self.decoded = 0                    # frames, since the beginning
        self._pixels, self._classes = {}, {}
        self._there = {}                    # (which, index) -> pixels or classes on the device
        self._buffers = {}                  # shape of x -> x and labels on the device
        self._uses = Counter()              # pieces of the plan that still need a frame, where not all fit
        self._told = False

    def pixels(self, index):
        """Return the decoded frame, as stored."""
        if index in self._pixels:
            return self._pixels[index]
        pixels = read_frame(self.frames[index])
        self.decoded += 1
        if self.fits or self._uses[index] > 0:
            self._pixels[index] = pixels
        return pixels

    def classes(self, index):
        """Return the classes of the frame's mask, uint8 of shape (H, W), or None for a frame without a mask."""
        if self.masks[index] is None:
            return None
        if index not in self._classes:
            classes, numbered = read_mask(self.masks[index])
            if self.fits or self._uses[index] > 0:
                self._classes[index] = classes
            if numbered and not self._told:
                self._told = True
                text = "holds no 0, so all of it counts as cell; background must be 0"
                if not classes.all():
                    text = "holds more than two values; every value above 0 counts as cell"
                self.tell(f"note: {self.masks[index]} {text}")
            return classes
        return self._classes[index]

    def window(self, index):
        """Return the decoded frames of a window, a list of arrays (H, W), on the device if there is one."""
        return [self._moved("pixels", frame) for frame in self.windows[index]]

    def _moved(self, which, index):
        """Return a frame's `pixels` or `classes` where they are computed with."""
        if self.device is None:
            return getattr(self, which)(index)
        if (which, index) in self._there:
            return self._there[which, index]
        array = self.device.to_device(getattr(self, which)(index))
        if self.fits or self._uses[index] > 0:
            self._there[which, index] = array
        if which == "pixels":
            self._pixels.pop(index, None)                           # nobody asks for them here any more
        return array

    def load(self, pieces, scaling):
        """Return a batch: x float32 (N, H, W, channels), scaled, and labels uint8 (N, H, W)."""
        x = np.stack([np.stack([scaling.apply(piece.cut(pixels)) for pixels in self.window(piece.frame)], axis=-1)
                      for piece in pieces])
        return x, np.stack([piece.cut(self.classes(piece.frame)) for piece in pieces])

    def batches(self, plan, batch_size, scaling):
        """Yield the batches of a plan, read ahead in a background thread: x and labels as of `load`.

        On a device those of one shape are in the same arrays, one after the other.
        """
        groups = [plan[start:start + batch_size] for start in range(0, len(plan), batch_size)]
        frames = [[piece.frame for piece in pieces] for pieces in groups]
        if self.device is None:
            yield from self._read_ahead(lambda pieces: self.load(pieces, scaling), groups, frames)
            return

        def load(pieces):
            return pieces, [(self.window(piece.frame), self._moved("classes", piece.frame)) for piece in pieces]

        for pieces, parts in self._read_ahead(load, groups, frames):        # kernels are started by one thread only
            yield assemble(self.device, scaling, pieces, parts, self._buffers)

    def whole(self, indices):
        """Yield frames whole and in order, read ahead: the `window`, and the classes or None."""
        yield from self._read_ahead(lambda index: (self.window(index), self.classes(index)), indices,
                                    [[index] for index in indices])

    def _read_ahead(self, load, items, frames):
        """Yield load(item) for each item; frames[k] are those it segments.

        Where not all frames fit into memory, each is freed when the last item that needs it has been loaded.
        """
        needed = [[frame for index in each for frame in set(self.windows[index].tolist())] for each in frames]
        if not self.fits:
            self._pixels.clear()
            self._classes.clear()
            self._there.clear()
            self._uses = Counter(frame for each in needed for frame in each)

        def load_and_free(position):
            loaded = load(items[position])
            if not self.fits:
                self._uses.subtract(needed[position])
                for frame in needed[position]:
                    if self._uses[frame] <= 0:
                        self._pixels.pop(frame, None)
                        self._classes.pop(frame, None)
                        self._there.pop(("pixels", frame), None)
                        self._there.pop(("classes", frame), None)
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


def assemble(device, scaling, pieces, parts, buffers=None):
    """Return a batch on the device: x float32 (N, H, W, channels), scaled, and labels uint8 (N, H, W).

    Parameters
    ----------
    device, scaling
    pieces : list of Piece
        All of one size.
    parts : list of (window, classes)
        On the device, for each piece; classes may be None, and then so are the labels.
    buffers : dict, optional
        Of arrays to use again: shape of x -> x and labels.
    """
    first = pieces[0]
    height, width = (first.width, first.height) if first.quarter_turns % 2 else (first.height, first.width)
    shape = len(pieces), height, width, len(parts[0][0])
    buffers = {} if buffers is None else buffers
    if shape not in buffers:
        buffers[shape] = device.empty(shape, np.float32), device.empty(shape[:3], np.uint8)
    x, labels = buffers[shape]
    for example, (piece, (window, classes)) in enumerate(zip(pieces, parts, strict=True)):
        for channel, pixels in enumerate(window):
            scaling.fill(x, example, channel, pixels, piece)
        if classes is not None:
            cut_labels(labels, example, classes, piece)
    return x, labels


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
