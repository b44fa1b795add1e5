"""Measures of a segmentation (thesis sections 10 and 11.4, Table 3). Positive is the cell.

    accuracy = (TP+TN) / (TP+TN+FP+FN)                  (eq. 59)
    precision = TP / (TP+FP)                            (eq. 61)
    recall = TP / (TP+FN)                               (eq. 62)
    F1 = 2 TP / (2 TP+FP+FN)                            (eq. 63); Dice's coefficient of the masks is the same
    error rate = 100 (1 - accuracy), percent of pixels
    false white = FP: background taken for cell
    white-pixel accuracy = TP / (TP+FN), of the white pixels of the mask
    IoU = TP / (TP+FP+FN), intersection over union
    Cohen's kappa = (accuracy - e) / (1 - e), e = ((TP+FP)(TP+FN) + (TN+FN)(TN+FP)) / pixels^2, what chance agrees in
    ROC: TP / (TP+FN) against FP / (FP+TN) for all thresholds of the probability, and the area under it

What is 0/0 is 0, as in the listing; white-pixel accuracy is 1 on a mask without white pixels, as there; and the area
under the ROC of one class alone is NaN, as in scikit-learn.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from .dispatch import operation
from .storage.columns import COLUMNS, IMAGE_COLUMNS, ROC_COLUMNS

__all__ = ["COLUMNS", "ROC_COLUMNS", "Counts", "Roc", "Scores", "best", "count", "margins", "outcomes",
           "summarise"]


@dataclass(frozen=True)
class Counts:
    """Pixels of one image, or of several together."""

    tp: int
    fp: int
    tn: int
    fn: int

    @classmethod
    def of(cls, numbers):
        """Return the Counts of four numbers: TP, FP, TN, FN."""
        return cls(*(int(number) for number in numbers))

    def __add__(self, other):
        return Counts(self.tp + other.tp, self.fp + other.fp, self.tn + other.tn, self.fn + other.fn)

    @property
    def pixels(self):
        return self.tp + self.fp + self.tn + self.fn

    def measures(self):
        """Return accuracy, precision, recall, f1 and the rest of the table but for the ROC, floats by name."""
        by_chance = ((self.tp + self.fp) * (self.tp + self.fn) + (self.tn + self.fn) * (self.tn + self.fp))
        f1 = _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)                           # eq. 63
        return {
            "accuracy": _ratio(self.tp + self.tn, self.pixels),                             # eq. 59
            "precision": _ratio(self.tp, self.tp + self.fp),                                # eq. 61
            "recall": _ratio(self.tp, self.tp + self.fn),                                   # eq. 62
            "f1": f1,
            "error_rate_percent": 100 * _ratio(self.fp + self.fn, self.pixels),
            "false_white_pixels": float(self.fp),
            "false_white_fraction": _ratio(self.fp, self.pixels),
            "white_pixel_accuracy": _ratio(self.tp, self.tp + self.fn, undefined=1.0),
            "iou": _ratio(self.tp, self.tp + self.fp + self.fn),
            "dice": f1,
            "kappa": _ratio((self.tp + self.tn) * self.pixels - by_chance, self.pixels ** 2 - by_chance),
        }


def count(predicted, truth):
    """Return the Counts of one image.

    Parameters
    ----------
    predicted, truth : bool or int ndarray of one shape
        True, or above 0, is cell.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    predicted, truth = np.asarray(predicted) > 0, np.asarray(truth) > 0
    if predicted.shape != truth.shape:
        raise ValueError(f"count: predicted has shape {predicted.shape}; truth has {truth.shape}")
    tp, fp = int(np.sum(predicted & truth)), int(np.sum(predicted & ~truth))
    fn = int(truth.sum()) - tp
    return Counts(tp, fp, truth.size - tp - fp - fn, fn)


@operation
def outcomes(p, labels):
    """Return how many pixels are right and wrong in which way, as float64 (TP, FP, TN, FN).

    Parameters
    ----------
    p : float array of shape (N, H, W, K)
        Probabilities; the class of the largest is predicted, of equals the lowest. Class 0 is background.
    labels : int array of shape (N, H, W)
    """
    counts = count(p.argmax(axis=-1), labels)
    return np.array([counts.tp, counts.fp, counts.tn, counts.fn], np.float64)


class Roc:
    """Receiver operating characteristic of any number of pixels, in memory that does not grow with them (8 MB).

    Pixels are counted by their margin, the logit of the cell minus that of the background, so that probabilities that
    round to 0 or 1 are still told apart. Margins that agree in sign, exponent and the next 10 bits count as equal, NaN
    as the least. Of such margins the curve is exact: the counts are whole numbers that do not depend on the order of
    the pixels.
    """

    CUT = 13                            # bits of float32 that are left off
    BINS = 1 << 32 - CUT

    def __init__(self):
        self.counts = np.zeros((2, self.BINS), np.int64)                # of background and cell, by rising margin

    def add(self, margins, truth):
        """Count pixels: float32 margins and a mask (above 0 is cell) of one shape."""
        margins = np.where(np.isnan(margins), np.float32(-np.inf), np.asarray(margins, np.float32) + np.float32(0))
        bits = margins.view(np.uint32)                                  # + 0: there is no -0
        rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)) >> self.CUT
        for counts, of_class in zip(self.counts, (np.asarray(truth) == 0, np.asarray(truth) > 0), strict=True):
            counts += np.bincount(rising[of_class], minlength=self.BINS)

    def __iadd__(self, other):
        self.counts += other.counts
        return self

    def curve(self):
        """Return false and true positive rates from (0, 0) to (1, 1), and the least margin called cell at each point.

        The margin at (0, 0) is infinite.
        """
        seen = np.flatnonzero(self.counts.any(axis=0))[::-1]
        rates = np.zeros((2, len(seen) + 1))
        for rate, counts in zip(rates, self.counts, strict=True):
            rate[1:] = np.cumsum(counts[seen]) / max(counts.sum(), 1)
        rising = seen.astype(np.uint32) << self.CUT
        least = np.where(rising >> 31, rising ^ np.uint32(1 << 31),
                         np.minimum(~rising, np.float32(-np.inf).view(np.uint32)))      # beyond it there is NaN
        return rates[0], rates[1], np.concatenate(([np.inf], least.view(np.float32)))

    def points(self, limit=1000):
        """Return rows of `ROC_COLUMNS` for a plot: at most `limit` points of the curve, with both its ends."""
        points = np.stack(self.curve(), axis=1)
        return points[np.unique(np.linspace(0, len(points) - 1, min(len(points), limit)).round().astype(int))].tolist()

    def area(self):
        """Return the area under the curve, NaN where there is one class only."""
        if not self.counts.any(axis=1).all():
            return math.nan
        false, true, _ = self.curve()
        return float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))


class Scores:
    """The measures of images one by one, their means, and those of all their pixels together.

    Attributes
    ----------
    counts : list of Counts
        The counts of each image.
    areas : list of float
        The area under each image's ROC.
    roc : Roc
        The ROC of all pixels together.
    """

    def __init__(self):
        self.counts, self.areas, self.roc = [], [], Roc()

    def add(self, predicted, logits, truth):
        """Measure an image: two masks (H, W), whose cells are above 0, and the logits (H, W, K)."""
        roc = Roc()
        roc.add(margins(logits), truth)
        self.counts.append(count(predicted, truth))
        self.areas.append(roc.area())
        self.roc += roc

    @property
    def total(self):
        """The Counts of all pixels."""
        return sum(self.counts, Counts(0, 0, 0, 0))

    def summary(self):
        """Return the means over the images, and what is of all pixels: f1_pooled, roc_auc, tp, fp, tn, fn."""
        return {**summarise(self.counts), "roc_auc": self.roc.area(), **asdict(self.total)}

    def table(self, names):
        """Return header and rows for CSV: a row an image, then "mean" and "pooled"; `names` are the images'.

        Images of one class only have no area under a ROC (NaN), and are left out of its mean.
        """
        rows = [self._row(counts, area) for counts, area in zip(self.counts, self.areas, strict=True)]
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        defined = [area for area in self.areas if not math.isnan(area)]
        mean["roc_auc"] = float(np.mean(defined)) if defined else math.nan
        rows += [mean, self._row(self.total, self.roc.area())]
        return list(IMAGE_COLUMNS), [[name, *(row[column] for column in IMAGE_COLUMNS[1:])]
                                     for name, row in zip([*names, "mean", "pooled"], rows, strict=True)]

    @staticmethod
    def _row(counts, area):
        return {**counts.measures(), "roc_auc": area, **asdict(counts)}


def best(rows):
    """Return the row of the best epoch: that of the highest pooled F1 in validation, of equals the lowest cost."""
    return max(rows, key=lambda row: (row["f1_pooled"], -row["val_loss"]))


def margins(logits):
    """Return by how much the logit of cell (classes 1 and above) exceeds that of the background, (..., K) to (...)."""
    return np.logaddexp.reduce(logits[..., 1:], axis=-1) - logits[..., 0]


def summarise(images):
    """Return the measures of a set of images, floats by name.

    Each is the mean over the images of the per-image value, as in the listing; `f1_pooled` takes all their pixels
    together.

    Parameters
    ----------
    images : list of Counts
        At least one.
    """
    each = [counts.measures() for counts in images]
    summary = {name: float(np.mean([measures[name] for measures in each])) for name in each[0]}
    summary["f1_pooled"] = sum(images, Counts(0, 0, 0, 0)).measures()["f1"]
    return summary


def _ratio(part, whole, undefined=0.0):
    return part / whole if whole else undefined
