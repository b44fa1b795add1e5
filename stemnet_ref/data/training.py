"""The data of a training run, a pipeline of values.

    prepare     discover    frames, and the mask of each                  their names, and the headers of stacks;
                                                                          gold truth, which may be partial, is decoded
                inspect     `headers.Headers`: their sizes                every header, once
                split       `split.Split`: what each frame is for         nothing is read for it
    fit                     `fitting.Fitted`: scaling, classes, digests   every file is decoded, once while memory lasts
    freeze      balance     `Balance`: what is seen how often             nothing is read for it
                            `TrainingData`: all that the run needs

What `prepare` does is cheap: a run that cannot begin says so before any pixel is decoded.
"""

import os
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .. import sample
from ..cost import Cost
from ..dispatch import to_host
from ..errors import InputError, pluralize
from .balance import WORDS, kept_count, kept_indices, sampling_weights
from .crops.epoch import crop_shape, crops_per_frame, plan_epoch
from .dataset import Dataset
from .headers import inspect
from .pairing import find_pairs
from .scaling import Scaling
from .split import Split, describe, split


def discover(settings, frames=None, masks=None, log=print, selection=None):
    """Return the frames of a run, of the sample where they are None, and the mask of each, as `pairing.find_pairs`.

    Raises
    ------
    InputError
        If there are masks without frames, or `pairing.find_pairs` raises it.
    """
    if frames is None and masks is not None:
        raise InputError("--frames: missing beside --masks; give both")
    return find_pairs(sample.FRAMES if frames is None else frames, sample.MASKS if frames is None else masks, log,
                      settings.sparse_masks, selection=selection or settings.selection)


def open_dataset(settings, frames, masks, device=None, log=print, selection=None):
    """Discover and inspect frames and masks, and return the Dataset of them; the arguments are those of `prepare`.

    `selection` takes the place of the settings' own.
    """
    found = discover(settings, frames, masks, log, selection)
    border = (settings.border_weight, settings.border_sigma) if settings.border_weight else None
    return Dataset(inspect(*found, settings.channels, settings.neighbours), log=log, device=device, border=border,
                   paste=settings.paste > 0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Frames and masks that a run can begin with; none of their pixels has been decoded."""

    settings: object        # Settings of the run, with the gap that was chosen
    dataset: Dataset
    split: Split
    source: dict            # names of the frames, for config.json and models


def prepare(settings, frames, masks, device=None, log=print):
    """Discover, inspect and split the data of a run, and return it Prepared.

    Parameters
    ----------
    settings, log
        Common arguments of `data`.
    frames, masks : path, str or None
        Folder, glob pattern or file, as `pairing.find_pairs` takes them; None for the sample in the package.
    device : optional
        Device of the backend (`backends.choose`), which will hold the batches; None for NumPy.

    Raises
    ------
    InputError
        If frames and masks cannot be used.
    """
    dataset = open_dataset(settings, frames, masks, device, log)
    found = split(dataset.frames, dataset.masks, settings)
    describe(dataset.frames, found, settings, log)
    source = {"frames": frames if frames is None else os.path.abspath(frames),
              "masks": masks if masks is None else os.path.abspath(masks),
              "training_frames": [dataset.frames[index].name for index in found.training],
              "validation_frames": [dataset.frames[index].name for index in found.validation]}
    return Prepared(replace(settings, gap=found.gap), dataset, found, source)


class Balance(NamedTuple):
    """The training frames that are used, how often each is sampled, and the weights of the classes."""

    training: np.ndarray                # indices of the frames that are used
    dropped: np.ndarray                 # and of those that are not
    sampling_weights: np.ndarray | None         # probability with which a crop is of each of them; None: all alike
    cost: Cost                          # with class weights in numbers


def balance(settings, training, cells):
    """Return the Balance of training frames; raise InputError where only one class is left.

    `training` holds their indices, and `cells` the cell pixels, and all pixels, of the mask of each, by its index.
    """
    used = training[kept_indices([cells[index] for index in training.tolist()], settings.drop_background)]
    cells = [cells[index] for index in used.tolist()]
    if sum(cell for cell, _ in cells) in (0, sum(pixels for _, pixels in cells)):
        raise InputError(f"--drop-background {settings.drop_background:g}: only one class is left in the masks of "
                         "the training frames; leave out fewer")
    weights = sampling_weights(cells) if settings.sampling == "by-cells" else None
    return Balance(used, training[~np.isin(training, used)], weights, Cost.of(settings.resolved(cells)))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All that a run is trained and validated on."""

    settings: object
    cost: Cost                          # with class weights as numbers
    dataset: Dataset
    scaling: Scaling
    training: np.ndarray                # indices of the frames that are used
    validation: np.ndarray
    sampling_weights: np.ndarray | None         # as in Balance
    source: dict                        # names and digests of the data, for config.json and models

    @property
    def steps_per_epoch(self):
        """Batches in an epoch."""
        crops = len(self.training) * crops_per_frame(self.dataset, self.training, self.settings)
        return -(-crops // self.settings.batch_size)

    def plan(self, epoch):
        """Return the crops of an epoch."""
        return plan_epoch(self.dataset, self.training, self.settings, epoch, self.sampling_weights)

    def batches(self, epoch, position):
        """Yield the batches of an epoch from a position on, as `Dataset.batches` does."""
        size = self.settings.batch_size
        return self.dataset.batches(self.plan(epoch)[position * size:], size, self.scaling)

    def crops(self, count=12):
        """Yield the first crops: of each the frame in the middle, scaled, its classes and its weights."""
        for batch in self.dataset.batches(self.plan(epoch=0)[:count], 1, self.scaling):
            x, labels, weights = (None if array is None else to_host(array)[0] for array in batch)
            yield x[..., self.settings.channels // 2].copy(), labels.copy(), None if weights is None else weights.copy()

    def describe_pastes(self, log=print, count=20):
        """Say how many cells can be pasted into the first crops, where that is less than half of those asked for."""
        wanted = fitted = 0
        for crop in self.plan(epoch=0)[:count] if self.settings.paste else ():
            wanted += len(crop.donors)
            fitted += len(self.dataset.sample(crop).pastes)
        if 2 * fitted < wanted:
            log(f"note: --paste {self.settings.paste}: of {wanted} cells for the first crops only {fitted} fit "
                "in beside those that are there; a larger --crop gives more room")


def freeze(prepared, fitted, log=print):
    """Balance the classes of Prepared data, to which all is Fitted, and return the TrainingData.

    Raises
    ------
    InputError
        If only one class is left, or the frames that are used do not fit the settings.
    """
    settings, dataset, (training, validation, *_) = prepared.settings, prepared.dataset, prepared.split
    used, dropped, weights, cost = balance(settings, training, fitted.cells)
    check_crops(prepared, used)
    if len(dropped):
        log(f"{pluralize(len(dropped), 'training frame')} with the fewest cells left out")
    if settings.class_weight in WORDS:
        log("class weights {:.3g} (background) and {:.3g} (cell)".format(*cost.class_weights))
    source = {**prepared.source,
              "training_cells": fitted.share(training), "validation_cells": fitted.share(validation),
              **{f"{kind}_sha256": digest for kind, digest in fitted.digests.items()},
              "dropped_frames": [dataset.frames[index].name for index in dropped],
              "class_weights": list(cost.class_weights)}
    return TrainingData(settings, cost, dataset, fitted.scaling, used, validation, weights, source)


def check_crops(prepared, used=None):
    """Raise InputError where the crops of an epoch do not fit the settings.

    `used` holds the indices of the training frames that are used. Before pixels are decoded they are not known; then
    only what is wrong whichever frames are used is an error.
    """
    settings, dataset, training = prepared.settings, prepared.dataset, prepared.split.training
    if used is None:
        used = training[:kept_count(len(training), settings.drop_background)]
        if len(used) < len(training) and len({dataset.sizes[index] for index in training.tolist()}) > 1:
            return
    size, side = settings.batch_size, settings.size_divisor
    shapes = {crop_shape(dataset, index, settings) for index in used.tolist()}
    if size > 1 and len(shapes) > 1:
        raise InputError(f"--batch-size {size}: the crops differ in size; give --crop PIXELS")
    count = len(used) * crops_per_frame(dataset, used, settings)
    smallest = count % size or size                         # crops in the last batch of an epoch
    if settings.normalisation == "batch" and smallest == 1 and (side, side) in shapes:
        raise InputError(f"--normalisation batch: of a crop of {side} x {side} pixels {settings.levels} levels leave "
                         "one, which has no variance; give a larger --crop, fewer --levels, or a --batch-size that "
                         f"leaves none of {count} crops alone")
