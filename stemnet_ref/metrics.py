"""Measures of a segmentation (thesis section 10, Table 3).

    accuracy = (TP+TN) / (TP+TN+FP+FN)                  (eq. 59)
    precision = TP / (TP+FP)                            (eq. 61)
    recall = TP / (TP+FN)                               (eq. 62)
    F1 = 2 TP / (2 TP+FP+FN)                            (eq. 63)
    error rate = 100 (1 - accuracy), percent of pixels
    false white = FP: background taken for cell
    white-pixel accuracy = TP / (TP+FN), of the white pixels of the mask

Positive is the cell. Where a measure is 0/0 it is 0, as in the listing; white-pixel accuracy is 1 on a mask without
white pixels, as there.
"""

from dataclasses import dataclass

import numpy as np

from .device import device_of
from .layers._gpu import sum_over

# The columns of a training run's metrics.csv
COLUMNS = ("epoch", "seconds", "learning_rate", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "precision",
           "recall", "f1", "f1_pooled", "error_rate_percent", "false_white_pixels", "false_white_fraction",
           "white_pixel_accuracy")

@dataclass(frozen=True)
class Counts:
    """Pixels of one image, or of several together."""

    tp: int
    fp: int
    tn: int
    fn: int

    def __add__(self, other):
        return Counts(self.tp + other.tp, self.fp + other.fp, self.tn + other.tn, self.fn + other.fn)

    @property
    def pixels(self):
        return self.tp + self.fp + self.tn + self.fn

    def measures(self):
        """Return accuracy, precision, recall, f1 and the rest of the table, floats by name."""
        return {
            "accuracy": _ratio(self.tp + self.tn, self.pixels),                             # eq. 59
            "precision": _ratio(self.tp, self.tp + self.fp),                                # eq. 61
            "recall": _ratio(self.tp, self.tp + self.fn),                                   # eq. 62
            "f1": _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn),                     # eq. 63
            "error_rate_percent": 100 * _ratio(self.fp + self.fn, self.pixels),
            "false_white_pixels": float(self.fp),
            "false_white_fraction": _ratio(self.fp, self.pixels),
            "white_pixel_accuracy": _ratio(self.tp, self.tp + self.fn, undefined=1.0),
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


def count_right(p, labels):
    """Return how many pixels of labels (N, H, W) are the class of the largest p (N, H, W, K); on a GPU an array ()."""
    device = device_of(p, labels)
    if device:
        return sum_over(device, "metrics.count_right", labels.size, (), p, labels, rest=(labels.size, p.shape[-1]))
    return int(np.sum(p.argmax(axis=-1) == labels))


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
