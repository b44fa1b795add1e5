"""Number the connected regions of a picture."""

import numpy as np


def regions(values):
    """Return the regions of equal values above 0, numbered from 1 in the order of their first pixels.

    Pixels that touch at a corner are connected.

    Parameters
    ----------
    values : ndarray of shape (H, W)

    Returns
    -------
    int32 ndarray of shape (H, W)
        0 where `values` is not above 0.
    """
    inside = values > 0
    begins = inside.copy()                                  # of the runs along the rows
    begins[:, 1:] &= values[:, 1:] != values[:, :-1]
    run = np.cumsum(begins).reshape(values.shape) - 1       # of every pixel inside
    pairs = []
    for right in (-1, 0, 1):                                # runs that touch one of the row below
        above, below = (slice(max(0, -step), values.shape[1] - max(0, step)) for step in (right, -right))
        touch = inside[:-1, above] & (values[:-1, above] == values[1:, below])
        pairs.append(np.stack([run[:-1, above][touch], run[1:, below][touch]]))
    first, second = np.concatenate(pairs, axis=1)
    root = np.arange(begins.sum())
    while np.any(root[first] != root[second]):
        low, high = np.minimum(root[first], root[second]), np.maximum(root[first], root[second])
        np.minimum.at(root, high, low)
        while np.any(root[root] != root):
            root = root[root]
    numbers = np.unique(root, return_inverse=True)[1].reshape(-1) + 1
    out = np.zeros(values.shape, np.int32)
    out[inside] = numbers[run[inside]]
    return out
