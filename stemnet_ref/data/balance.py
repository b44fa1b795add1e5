"""The classes of the masks, and the means against their imbalance (thesis sections 11.1 and 11.2)."""

import numpy as np

from ..errors import InputError

WORDS = ("ratio", "median-frequency")       # for --class-weight


def class_weights(how, cells):
    """Return the weights of background and cell.

    Parameters
    ----------
    how : {"ratio", "median-frequency"}
        "ratio" weights the smaller class with larger / smaller class, and the larger one with 1. "median-frequency" is
        SegNet's: a class's frequency is its share of the pixels of those frames that hold it, and its weight the median
        of all classes' frequencies over its own.
    cells : sequence of (int, int)
        Cell pixels, and all pixels, of every training mask; both classes must occur.
    """
    cell, pixels = np.array(cells, np.float64).T
    classes = np.stack([pixels - cell, cell])
    if how == "ratio":
        total = classes.sum(axis=1)
        return tuple((total.max() / total).tolist())
    frequency = np.array([each.sum() / pixels[each > 0].sum() for each in classes])
    return tuple((np.median(frequency) / frequency).tolist())


def kept_count(count, drop):
    """Return the number of frames, out of `count`, that stay when a share of them is dropped by `kept_indices`."""
    return max(count - round(drop * count), 1)


def kept_indices(cells, drop):
    """Return the indices of the frames that stay when a share of them, with the fewest cell pixels, is dropped.

    Parameters
    ----------
    cells : sequence of (int, int)
        Cell pixels, and all pixels, of the mask of each frame.
    drop : float
        Share of the frames to drop, from 0 to below 1, rounded to whole frames, of which at least one stays.

    Returns
    -------
    int ndarray
        Indices into `cells`, ascending.
    """
    share = np.array([cell / pixels for cell, pixels in cells])
    dropped = np.argsort(share, kind="stable")[:len(cells) - kept_count(len(cells), drop)]
    return np.delete(np.arange(len(cells)), dropped)


def sampling_weights(cells):
    """Return the probability of each frame to be sampled, by its share of cell pixels."""
    share = np.array([cell / pixels for cell, pixels in cells])
    return share / share.sum()


def parsed_weight(text):
    """Return the value of --class-weight: one of WORDS, a number, or a pair of numbers for background and cell.

    Raises
    ------
    InputError
        If the text is none of these.
    """
    if text in WORDS or not isinstance(text, str):
        return text
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise InputError(f"--class-weight {text}: must be a number, two of them (BACKGROUND,CELL), or "
                         f"{' or '.join(WORDS)}")
    return numbers[0] if len(numbers) == 1 else numbers


def check_classes(training, validation, log=print):
    """Say which share of the training and validation masks is cell, and warn where it is unusual.

    Raises
    ------
    InputError
        If the training masks hold one class only.
    """
    if training == 0:
        raise InputError("--masks: no training mask holds a cell, all their pixels are 0; name the folder of the "
                         "masks, with cells above 0")
    if training == 1:
        raise InputError("--masks: no training mask holds background, all their pixels are above 0; background "
                         "must be 0 (or are --frames and --masks swapped?)")
    log(f"cell pixels: {training:.1%} of the training masks, {validation:.1%} of the validation masks")
    if training > 0.95:
        log("warning: nearly all of the training masks is cell; are --frames and --masks swapped, or the "
            "masks inverted?")
    if validation == 0:
        log("warning: no validation mask holds a cell, so that precision, recall and F1 are 0, and best.npz "
            "is chosen by the validation cost alone; a larger --validation takes more frames")
    if validation == 1:
        log("warning: no validation mask holds background, so that F1 says nothing; check the masks of these "
            "frames, or take others with another --validation")
