"""U-net's weights for the background between cells that nearly touch (Ronneberger et al. 2015, eq. 2).

    v(x) = w0 * exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

d1 and d2 are the distances, in pixels, from a background pixel to the nearest and the second nearest cell; inside cells
v is 0.
"""

import numpy as np
from scipy import ndimage

REACH = 6           # distance d2 in sigma beyond which v, less than w0 * 2e-8, is taken as 0


def border_weights(instances, w0=10.0, sigma=5.0):
    """Return the weight that is added to the weight of every pixel's class.

    Parameters
    ----------
    instances : int ndarray of shape (H, W)
        Number of the cell that a pixel belongs to, 0 for the background.
    w0 : float
        Largest weight.
    sigma : float
        Width of the borders in pixels.

    Returns
    -------
    float32 ndarray of shape (H, W)
    """
    reach = int(np.ceil(REACH * sigma))
    nearest = np.full((2, *instances.shape), np.inf, np.float32)
    for number, box in enumerate(ndimage.find_objects(instances), 1):
        if box is None:
            continue
        around = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(instances[around] != number).astype(np.float32)
        first, second = nearest[0][around], nearest[1][around]
        np.minimum(second, np.maximum(first, distance), out=second)
        np.minimum(first, distance, out=first)
    weights = w0 * np.exp(-np.square(nearest.sum(axis=0)) / (2 * sigma ** 2))
    weights[instances > 0] = 0
    return weights.astype(np.float32)
