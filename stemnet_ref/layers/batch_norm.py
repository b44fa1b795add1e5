"""Batch normalisation, channel by channel.

Forward    mu_c = mean of x over n,i,j                                              (eq. 57)
           v_c = mean of (x - mu_c)^2 over n,i,j                                    (eq. 58)
           y = scale_c * xhat + shift_c, xhat = (x - mu_c) / sqrt(v_c + epsilon)    (eq. 56)
Backward   dshift_c = sum of dy;  dscale_c = sum of dy * xhat
           dx = scale_c / sqrt(v_c + epsilon) * (dy - mean of dy - xhat * mean of dy * xhat)
Prediction y as above, with running means of mu_c and v_c over the steps of training in their places

Eq. 56 is printed with sqrt(v - epsilon), an erratum: it would not be defined for a constant channel.
"""

import numpy as np

from ..backends.cuda.device import blocks, device_of, launch
from ..backends.cuda.shared import each_element, sum_over
from ._shapes import check_shapes

PIXELS = (0, 1, 2)      # the axes N, H, W


def forward(x, scale, shift, epsilon, statistics=None):
    """Return the normalised input and the statistics that `backward` needs.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    scale, shift : float ndarray of shape (C,)
    epsilon : float
        Added to the variance, above 0.
    statistics : pair of float ndarray of shape (C,), optional
        Mean and variance to normalise by, at prediction; those of x without it.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    mean, variance : ndarray of shape (C,)
        Those normalised by.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or epsilon is not above 0.

    Notes
    -----
    Of one number the variance is 0, and the gradient by x: give no batch of one pixel.
    """
    check_shapes("batch_norm.forward", x=(x, "N H W C"), scale=(scale, "C"), shift=(shift, "C"))
    if not epsilon > 0:
        raise ValueError(f"batch_norm: epsilon={epsilon} must be above 0")
    device = device_of(x, scale, shift)
    if device:
        mean, variance = statistics or _statistics_on(device, x)
        return each_element(device, "batch_norm.batch_norm_forward", x, scale, shift, mean, variance, like=x,
                            rest=(len(scale), epsilon)), mean, variance
    mean, variance = statistics or _statistics(x)
    return scale * ((x - mean) / np.sqrt(variance + x.dtype.type(epsilon))) + shift, mean, variance


def backward(dy, x, scale, mean, variance, epsilon, into=(None, None)):
    """Return dx (N, H, W, C), dscale (C,) and dshift (C,).

    Parameters
    ----------
    dy : float ndarray, shape of `x`
    x, scale, epsilon
        As given to `forward`.
    mean, variance
        As returned by `forward`, of x itself.
    into : pair of arrays, optional
        To write dscale and dshift into.
    """
    check_shapes("batch_norm.backward", dy=(dy, "N H W C"), x=(x, "N H W C"), scale=(scale, "C"),
                 mean=(mean, "C"), variance=(variance, "C"))
    device = device_of(dy, x, scale, mean, variance)
    if device:
        dshift = _column_sums(device, "batch_norm.batch_norm_sum", x, 1.0, dy, into=into[1])
        dscale = _column_sums(device, "batch_norm.batch_norm_scaled", x, 1.0, dy, x, mean, variance, rest=(epsilon,),
                              into=into[0])
        dx = each_element(device, "batch_norm.batch_norm_backward", dy, x, scale, mean, variance, dscale, dshift,
                          like=x, rest=(len(scale), epsilon))
        return dx, dscale, dshift
    deviation = np.sqrt(variance + x.dtype.type(epsilon))
    xhat = (x - mean) / deviation
    dshift = dy.sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    dscale = (dy * xhat).sum(axis=PIXELS, dtype=np.float64).astype(x.dtype)
    pixels = x.dtype.type(x.size // len(scale))
    dx = scale / deviation * (dy - dshift / pixels - xhat * (dscale / pixels))
    for array, values in zip(into, (dscale, dshift), strict=True):
        if array is not None:
            array[:] = values
    return dx, dscale, dshift


def average(running, of_batch, rate):
    """Bring running statistics nearer to those of a batch, in place: r' = r + rate (s - r), arrays of shape (C,)."""
    device = device_of(running, of_batch)
    if device:
        launch("batch_norm.batch_norm_average", blocks(running.size), running, of_batch, rate, running.size)
        return
    running += running.dtype.type(rate) * (of_batch - running)


def _statistics(x):
    """Return mean and variance of every channel (eq. 57-58)."""
    mean = x.mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)        # a float32 sum of a million pixels drifts
    return mean, np.square(x - mean).mean(axis=PIXELS, dtype=np.float64).astype(x.dtype)


def _statistics_on(device, x):
    """The GPU's side of `_statistics`."""
    pixels = x.size // x.shape[3]
    mean = _column_sums(device, "batch_norm.batch_norm_sum", x, 1 / pixels, x)
    return mean, _column_sums(device, "batch_norm.batch_norm_squares", x, 1 / pixels, x, mean)


def _column_sums(device, kernel, x, factor, *arrays, rest=(), into=None):
    """Return `factor` times a sum over the pixels for every channel, taken in float64, in the dtype of x."""
    c = x.shape[3]
    pixels = x.size // c
    sums = sum_over(device, kernel, pixels, (c,), *arrays, columns=c,
                    rest=(pixels, c, *rest), factor=factor)
    out = device.empty((c,), x.dtype) if into is None else into
    launch("batch_norm.batch_norm_round", blocks(c), sums, out, c)
    return out
