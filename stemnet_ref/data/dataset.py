"""Read frames from disk into batches: windows of frames, scaled, cut and augmented by a plan, and read ahead."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .crops.batch import Sample, assemble
from .crops.pasting import choose_pastes
from .decoded import Decoded
from .masks.borders import border_weights


class Whole(NamedTuple):
    """A whole frame."""

    window: list                # the decoded frames, on the device if there is one
    classes: np.ndarray         # or None
    weights: np.ndarray         # of the pixels, or None


class Dataset(Decoded):
    """Frames with their masks, and the batches of a plan; its arguments are those of `Decoded`."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self._buffers = {}                  # shape -> `backends.buffers.Buffers` on the device

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
                        for kind in ("pixels", "classes", "instances", "weights"):
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
