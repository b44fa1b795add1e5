"""From frames on disk to batches: windows of frames, scaled, cut and varied as a plan says, and reading ahead."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .assemble import Part, assemble
from .augment import choose_pastes, cut, moved_onto_cell, places
from .borders import border_weights
from .decoded import Decoded


class Whole(NamedTuple):
    """A whole frame."""

    window: list                # the decoded frames, on the device if there is one
    classes: np.ndarray         # or None
    weights: np.ndarray         # of the pixels, or None


class Dataset(Decoded):
    """Frames with their masks, and the batches of a plan; its arguments are those of `Decoded`."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self._buffers = {}                  # shape of x -> x, labels and weights on the device

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
        """Yield frames whole and in order, each as a `Whole`, read ahead; None for one that is left out."""
        def load(index):
            try:
                return Whole(self.window(index), self.classes(index), self.weights(index))
            except InputError:
                if index not in self.bad:
                    raise
                return None

        yield from self._read_ahead(load, indices, [[index] for index in indices])

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
