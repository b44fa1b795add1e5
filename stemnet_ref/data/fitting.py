"""What a run takes from the pixels of its frames and masks: the scaling, the classes, digests, and anomalies."""

from hashlib import sha256
from typing import NamedTuple

import numpy as np

from ..errors import InputError, pluralize
from .grouping import grouped
from .images import eight_bit_units
from .scaling import Scaling
from .scaling import fit as fit_scaling

FAR = 4                 # times as bright as another sequence, from which on a warning says so
SATURATED = 0.01        # part of the pixels at a frame's lowest or highest value, above which a warning says so


class Statistics(NamedTuple):
    """Statistics of the pixels of one frame."""

    shape: tuple        # height and width in pixels
    dtype: str
    mean: float         # on the scale of 8 bits
    low: float          # smallest and largest value, as stored
    high: float
    at_end: float       # part of the pixels that have the commoner one of these two
    end: str            # "lowest" or "highest": which one that is

    @classmethod
    def of(cls, pixels):
        """Return the statistics of a frame."""
        low, high = pixels.min(), pixels.max()
        at_end, end, _ = max((np.mean(pixels == low), "lowest", low), (np.mean(pixels == high), "highest", high))
        return cls(pixels.shape, str(pixels.dtype), float(eight_bit_units(pixels).mean()), low, high, at_end, end)


class Fitted(NamedTuple):
    """The scaling that is fitted to the training frames, and statistics of the pixels of all frames and masks."""

    scaling: Scaling    # or the one that was given
    statistics: dict    # Statistics by index of the frame, in the order in which they were read
    cells: dict         # (cell pixels, all pixels) of the mask of each training and validation frame, by index
    digests: dict       # SHA-256 of the pixels of all "frames" and of these "masks"

    def share(self, indices):
        """Return the share of cell in the masks, as a mean over frames."""
        return float(np.mean([np.divide(*self.cells[index]) for index in indices.tolist()]))


def fit(prepared, log=print, scaling=None):
    """Decode all frames, and the masks to train and validate on, each once, and return what is Fitted to them.

    `prepared` is a `training.Prepared`; a Scaling that is given is not fitted again.

    Raises
    ------
    InputError
        If a file cannot be read, or this kind of scaling needs frames of one size.
    """
    dataset, split, kind = prepared.dataset, prepared.split, prepared.settings.scaling
    if scaling is None:
        _check_one_size(dataset, kind)
    log(f"reading {pluralize(len(dataset.frames), 'frame')} and their masks")
    digests, statistics, cells = {"frames": sha256(), "masks": sha256()}, {}, {}

    def add(kind, pixels):
        digests[kind].update(f"{pixels.dtype} {pixels.shape}".encode())
        digests[kind].update(np.ascontiguousarray(pixels))

    def read(index):
        pixels = dataset.pixels(index)
        statistics[index] = Statistics.of(pixels)
        add("frames", pixels)
        return pixels

    training = split.training.tolist()
    scaling = fit_scaling(kind, training, read) if scaling is None else scaling
    for index in (*training, *sorted({*range(len(dataset.frames))} - {*training})):
        if index not in statistics:
            read(index)
    _describe_anomalies(dataset.frames, statistics, log)
    for index in training + split.validation.tolist():
        classes = dataset.classes(index)
        add("masks", classes)
        cells[index] = int(classes.sum()), classes.size
    return Fitted(scaling, statistics, cells, {kind: digest.hexdigest() for kind, digest in digests.items()})


def _check_one_size(dataset, kind):
    """Raise InputError where an image is to be subtracted from frames of several sizes."""
    sizes = {size: frame for frame, size in zip(dataset.frames, dataset.sizes, strict=True)}
    if kind.endswith("-image") and len(sizes) > 1:
        (h, w), (other_h, other_w), *_ = sizes
        raise InputError(f"--scaling {kind}: needs frames of one size, but {sizes[h, w]} has {h} x {w} pixels and "
                         f"{sizes[other_h, other_w]} {other_h} x {other_w}; crop or pad them by python -m "
                         "stemnet_ref.data.preprocess, or use --scaling standard")


def _describe_anomalies(frames, statistics, log):
    """Warn of sequences of very different brightness, and of frames that are constant or saturated."""
    constant, saturated = [], []
    for index, found in statistics.items():
        value = found.low if found.end == "lowest" else found.high
        if found.low == found.high:
            constant.append((index, f"every pixel is {value:g}"))
        elif found.at_end > SATURATED:
            saturated.append((index, f"{found.at_end:.1%} of the pixels have the {found.end} value, {value:g}"))
    means = {sequence: np.mean([statistics[index].mean for index in indices])
             for sequence, indices in grouped(statistics, lambda index: frames[index].sequence).items()}
    dark, bright = min(means, key=means.get), max(means, key=means.get)
    if means[bright] > FAR * max(means[dark], 0) and means[bright] > 0:
        log(f"warning: the pixels of sequence {bright} are {means[bright]:.4g} on average and those of {dark} "
            f"{means[dark]:.4g}, on the scale of 8 bits; one scaling is for all, so that the dark one has hardly "
            "any contrast")
    for found, what in ((constant, "constant"), (saturated, "saturated")):
        if found:
            index, detail = found[0]
            verb = "is" if len(found) == 1 else "are"
            log(f"warning: {pluralize(len(found), 'frame')} {verb} {what}, the first {frames[index]} ({detail})")
