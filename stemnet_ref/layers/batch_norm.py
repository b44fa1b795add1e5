"""Batch normalisation, channel by channel.

Forward    mu_c = mean of x over n,i,j                                              (eq. 57)
           v_c = mean of (x - mu_c)^2 over n,i,j                                    (eq. 58)
           y = scale_c * xhat + shift_c, xhat = (x - mu_c) / sqrt(v_c + epsilon)    (eq. 56)
Backward   dshift_c = sum of dy;  dscale_c = sum of dy * xhat
           dx = scale_c / sqrt(v_c + epsilon) * (dy - mean of dy - xhat * mean of dy * xhat)

Eq. 56 is printed with sqrt(v - epsilon), an erratum: it would not be defined for a constant channel.
"""

import numpy as np

from ..device import blocks, device_of, launch
from ._gpu import each_element, sum_over
from ._shapes import check_shapes

PIXELS = (0, 1, 2)      # the axes N, H, W


def forward(x, scale, shift, epsilon):
    """Return the normalised input and the statistics that `backward` needs.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    scale, shift : float ndarray of shape (C,)
    epsilon : float
        Added to the variance, above 0.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    mean, variance : ndarray of shape (C,)

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or epsilon is not above 0.
    """
    check_shapes("batch_norm.forward", x=(x, "N H W C"), scale=(scale, "C"), shift=(shift, "C"))
    if not epsilon > 0:
        raise ValueError(f"batch_norm: epsilon={epsilon} must be above 0")
    device = device_of(x, scale, shift)
    if device:
        pixels = x.size // len(scale)
        mean = _column_sums(device, "batch_norm.batch_norm_sum", x, 1 / pixels, x)
        variance = _column_sums(device, "batch_norm.batch_norm_squares", x, 1 / pixels, x, mean)
        return each_element(device, "batch_norm.batch_norm_forward", x, scale, shift, mean, variance, like=x,
                            rest=(len(scale), epsilon)), mean, variance
    mean = x.mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)        # a float32 sum of a million pixels drifts
    variance = np.square(x - mean).mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    return scale * ((x - mean) / np.sqrt(variance + x.dtype.type(epsilon))) + shift, mean, variance


def backward(dy, x, scale, mean, variance, epsilon):
    """Return dx (N, H, W, C), dscale (C,) and dshift (C,).

    Parameters
    ----------
    dy : float ndarray, shape of `x`
    x, scale, epsilon
        As given to `forward`.
    mean, variance
        As returned by `forward`.
    """
    check_shapes("batch_norm.backward", dy=(dy, "N H W C"), x=(x, "N H W C"), scale=(scale, "C"),
                 mean=(mean, "C"), variance=(variance, "C"))
    device = device_of(dy, x, scale, mean, variance)
    if device:
        dshift = _column_sums(device, "batch_norm.batch_norm_sum", x, 1.0, dy)
        dscale = _column_sums(device, "batch_norm.batch_norm_scaled", x, 1.0, dy, x, mean, variance, rest=(epsilon,))
        dx = each_element(device, "batch_norm.batch_norm_backward", dy, x, scale, mean, variance, dscale, dshift,
                          like=x, rest=(len(scale), epsilon))
        return dx, dscale, dshift
    deviation = np.sqrt(variance + x.dtype.type(epsilon))
    xhat = (x - mean) / deviation
    dshift = dy.sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    dscale = (dy * xhat).sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    pixels = x.dtype.type(x.size // len(scale))
    return scale / deviation * (dy - dshift / pixels - xhat * (dscale / pixels)), dscale, dshift


def _column_sums(device, kernel, x, factor, *arrays, rest=()):
    """Return `factor` times a sum over the pixels for every channel, taken in float64, in the dtype of x."""
    c = x.shape[3]
    pixels = x.size // c
    sums = sum_over(device, kernel, pixels, (c,), *arrays, columns=c,
                    rest=(pixels, c, *rest), factor=factor)
    out = device.empty((c,), x.dtype)
    launch("batch_norm.batch_norm_round", blocks(c), sums, out, c)
    return out
