"""Batch normalisation, channel by channel.

Forward    mu_c = mean of x over n,i,j                                              (eq. 57)
           v_c = mean of (x - mu_c)^2 over n,i,j                                    (eq. 58)
           y = scale_c * xhat + shift_c, xhat = (x - mu_c) / sqrt(v_c + epsilon)    (eq. 56)
Backward   dshift_c = sum of dy;  dscale_c = sum of dy * xhat
           dx = scale_c / sqrt(v_c + epsilon) * (dy - mean(dy) - xhat * mean(dy * xhat))
           (the chain rule, as in eq. 38: x reaches y directly, through mu_c, and through v_c)
Prediction y as above, where mu_c and v_c are running means over the steps of training

scale and shift are w and b of eq. 56, which is printed with sqrt(v - epsilon), an erratum: it would not be defined for
a constant channel.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes

PIXELS = (0, 1, 2)      # the axes N, H, W


@operation
def forward(x, scale, shift, epsilon, statistics=None):
    """Return the normalised input and the statistics that `backward` needs.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    scale, shift : float ndarray of shape (C,)
    epsilon : float
        Added to the variance, above 0.
    statistics : pair of float ndarray of shape (C,), optional
        Mean and variance to normalise by at prediction. Without it x is normalised by its own.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    mean, variance : ndarray of shape (C,)
        The statistics that x was normalised by.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or epsilon is not above 0.

    Notes
    -----
    In a batch of one pixel v_c, dx and dscale are 0: only the shift learns from it.
    """
    check_shapes("batch_norm.forward", x=(x, "N H W C"), scale=(scale, "C"), shift=(shift, "C"))
    if not epsilon > 0:
        raise ValueError(f"batch_norm: epsilon={epsilon} must be above 0")
    mean, variance = statistics or _statistics(x)
    check_shapes("batch_norm.forward", x=(x, "N H W C"), mean=(mean, "C"), variance=(variance, "C"))
    return scale * ((x - mean) / np.sqrt(variance + x.dtype.type(epsilon))) + shift, mean, variance


@operation
def backward(dy, x, scale, mean, variance, epsilon):
    """Return dx (N, H, W, C), dscale (C,) and dshift (C,).

    Parameters
    ----------
    dy : float ndarray, shape of `x`
    x, scale, epsilon
        The arguments of `forward`.
    mean, variance
        The statistics that `forward` returned, of x itself.
    """
    check_shapes("batch_norm.backward", dy=(dy, "N H W C"), x=(x, "N H W C"), scale=(scale, "C"),
                 mean=(mean, "C"), variance=(variance, "C"))
    std = np.sqrt(variance + x.dtype.type(epsilon))
    xhat = (x - mean) / std
    dshift = dy.sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    dscale = (dy * xhat).sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    pixels = x.dtype.type(x.size // len(scale))
    dx = scale / std * (dy - dshift / pixels - xhat * (dscale / pixels))
    return dx, dscale, dshift


@operation
def average(running, of_batch, rate):
    """Bring running statistics nearer to those of a batch, in place: r' = r + rate (s - r), all of shape (C,)."""
    running += running.dtype.type(rate) * (of_batch - running)


def _statistics(x):
    """Return mean and variance of every channel (eq. 57-58)."""
    mean = x.mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)        # a float32 sum of a million pixels drifts
    return mean, np.square(x - mean).mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)
