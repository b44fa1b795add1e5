"""The data of a training run: found, split, measured and balanced, and its batches."""

import os
from dataclasses import replace

import numpy as np

from .. import sample
from ..backends.cuda.device import to_host
from ..errors import InputError, counted
from . import alignment, balance
from .crops.epoch import Augmentation, plan_epoch
from .dataset import Dataset
from .inspection import check_classes, describe_split, read_all
from .pairing import find_pairs
from .split import divide


def pairs_of(settings, frames, masks, show=lambda line: None):
    """Return the frames of a run, of the sample where they are None, and the mask of each, as `pairing.find_pairs`."""
    return find_pairs(sample.FRAMES if frames is None else frames, sample.MASKS if frames is None else masks, show,
                      settings.sparse_masks, selection=settings.selection)


class TrainingData:
    """Frames and masks, and what is trained and validated on.

    Parameters
    ----------
    settings : Settings
    frames, masks : path, str or None
        As for `pairing.find_pairs`; None for the sample in the package.
    device : optional
        Of `device.choose`, for the batches.
    show : callable
        Takes lines of text for the user.

    Attributes
    ----------
    settings : Settings
        Those given, and the gap in frames where it was left to be chosen.
    dataset : dataset.Dataset
    training, validation : int ndarray
        Indices of its frames; those of training are fewer after `balance`, if the settings say so.
    source : dict
        What the data are known by, in config.json and in models.

    Raises
    ------
    InputError
        If frames and masks cannot be used with these settings.
    """

    def __init__(self, settings, frames, masks, device, show):
        self.show = show
        found, paired = pairs_of(settings, frames, masks, show)
        border = (settings.border_weight, settings.border_sigma) if settings.border_weight else None
        self.dataset = Dataset(found, paired, settings.channels, tell=show, device=device, border=border,
                               paste=settings.paste > 0, neighbours=settings.neighbours)
        self.training, self.validation, left_out, gap, note = divide(found, paired, settings)
        self.settings = replace(settings, gap=gap)
        self.source = {"frames": frames if frames is None else os.path.abspath(frames),
                       "masks": masks if masks is None else os.path.abspath(masks),
                       "training_frames": [found[index].name for index in self.training],
                       "validation_frames": [found[index].name for index in self.validation]}
        describe_split(found, self.training, self.validation, left_out, settings, show, note)
        self._cells = self._sampling_weights = None  # of the training frames: pixels; probabilities of being drawn
        self._check_plan()

    def measure(self):
        """Read all frames and masks once; return the Scaling, and put into `source` what the data are known by."""
        scaling, facts, self._cells = read_all(self.dataset, self.training, self.validation, self.settings.scaling,
                                               self.show)
        self.source.update(facts)
        return scaling

    def check_classes(self):
        """Tell which part of the masks is cell, and where they seem not to fit their frames.

        Raises
        ------
        InputError
            If there is nothing to tell apart.
        """
        check_classes(self.source["training_cells"], self.source["validation_cells"], self.show)
        alignment.describe(self.dataset, self.show, quick=True)

    def balance(self):
        """Choose training frames by their share of cells; return the settings with class weights in numbers."""
        settings = self.settings
        kept = balance.kept_indices(self._cells, settings.drop_background)
        dropped = [self.dataset.frames[index].name for index in np.delete(self.training, kept)]
        self.training, self._cells = self.training[kept], [self._cells[at] for at in kept]
        if sum(cell for cell, _ in self._cells) in (0, sum(pixels for _, pixels in self._cells)):
            raise InputError(f"--drop-background {settings.drop_background:g}: only one class is left in the masks of "
                             "the training frames; leave out fewer")
        resolved = settings.resolved(self._cells)
        if settings.draw == "by-cells":
            self._sampling_weights = balance.sampling_weights(self._cells)
        self.source.update(dropped_frames=dropped, class_weights=list(resolved.class_weights))
        if dropped:
            self.show(f"{counted(len(dropped), 'training frame')} with the fewest cells left out")
        if resolved is not settings:
            self.show("class weights {:.3g} (background) and {:.3g} (cell)".format(*resolved.class_weights))
        return resolved

    def batches(self, epoch, position, scaling):
        """Yield the batches of an epoch from a position on, as `Dataset.batches` does."""
        size = self.settings.batch_size
        return self.dataset.batches(self._plan(epoch)[position * size:], size, scaling)

    def crops(self, scaling, count=12):
        """Yield what is trained on first: of each crop the frame in the middle, scaled, its classes and weights."""
        for batch in self.dataset.batches(self._plan(epoch=0)[:count], 1, scaling):
            x, labels, weights = (None if array is None else to_host(array)[0] for array in batch)
            yield x[..., self.settings.channels // 2].copy(), labels.copy(), None if weights is None else weights.copy()

    def describe_pastes(self, count=20):
        """Show how many cells can be pasted into the first crops, where that is less than half of those asked for."""
        wanted = fitted = 0
        for crop in self._plan(epoch=0)[:count] if self.settings.paste else ():
            wanted += len(crop.donors)
            fitted += len(self.dataset.sample(crop).pastes)
        if 2 * fitted < wanted:
            self.show(f"note: --paste {self.settings.paste}: of {wanted} cells for the first crops only {fitted} fit "
                      "in beside those that are there; a larger --crop gives more room")

    @property
    def crops_per_frame(self):
        """Crops of each frame in an epoch: as many as have the mean area of the training frames, unless it is set."""
        if self.settings.crops_per_frame is not None:
            return self.settings.crops_per_frame
        if self.settings.crop is None:
            return 1
        area = np.mean([self.dataset.sizes[index][0] * self.dataset.sizes[index][1] for index in self.training])
        return max(1, round(area / self.settings.crop ** 2))

    def _plan(self, epoch):
        settings = self.settings
        return plan_epoch(self.dataset, self.training, settings.crop, settings.multiple, self.crops_per_frame,
                          Augmentation.of(settings), settings.seed, epoch, self._sampling_weights)

    def _check_plan(self):
        """Raise InputError before the first step where the frames do not fit the settings."""
        plan, size, multiple = self._plan(epoch=0), self.settings.batch_size, self.settings.multiple
        shapes = {(crop.height, crop.width) for crop in plan}
        if size > 1 and len(shapes) > 1:
            raise InputError(f"--batch-size {size}: the crops differ in size; give --crop PIXELS")
        smallest = len(plan) % size or size                 # crops in the last batch of an epoch
        if self.settings.normalisation == "batch" and smallest == 1 and (multiple, multiple) in shapes:
            raise InputError(f"--normalisation batch: of a crop of {multiple} x {multiple} pixels "
                             f"{self.settings.levels} levels leave one, which has no variance; give a larger --crop, "
                             f"fewer --levels, or a --batch-size that leaves none of {len(plan)} crops alone")
