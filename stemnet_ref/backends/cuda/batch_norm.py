"""Batch normalisation on the GPU: `layers.batch_norm` by the kernels of batch_norm.cu."""

from ...dispatch import device_of
from ...layers._shapes import check_shapes
from .launch import blocks, elementwise, launch, sum_over


def forward(x, scale, shift, epsilon, statistics=None):
    check_shapes("batch_norm.forward", x=(x, "N H W C"), scale=(scale, "C"), shift=(shift, "C"))
    if not epsilon > 0:
        raise ValueError(f"batch_norm: epsilon={epsilon} must be above 0")
    mean, variance = statistics or _statistics(x)
    check_shapes("batch_norm.forward", x=(x, "N H W C"), mean=(mean, "C"), variance=(variance, "C"))
    return elementwise("batch_norm.batch_norm_forward", x, scale, shift, mean, variance,
                       rest=(len(scale), epsilon)), mean, variance


def backward(dy, x, scale, mean, variance, epsilon):
    check_shapes("batch_norm.backward", dy=(dy, "N H W C"), x=(x, "N H W C"), scale=(scale, "C"),
                 mean=(mean, "C"), variance=(variance, "C"))
    dshift = _column_sums("batch_norm.batch_norm_sum", x, 1.0, dy)
    dscale = _column_sums("batch_norm.batch_norm_scaled", x, 1.0, dy, x, mean, variance, rest=(epsilon,))
    return elementwise("batch_norm.batch_norm_backward", dy, x, scale, mean, variance, dscale, dshift,
                       rest=(len(scale), epsilon)), dscale, dshift


def average(running, of_batch, rate):
    launch("batch_norm.batch_norm_average", blocks(running.size), running, of_batch, rate, running.size)


def _statistics(x):
    """Return mean and variance of every channel (eq. 57-58)."""
    pixels = x.size // x.shape[3]
    mean = _column_sums("batch_norm.batch_norm_sum", x, 1 / pixels, x)
    return mean, _column_sums("batch_norm.batch_norm_squares", x, 1 / pixels, x, mean)


def _column_sums(kernel, x, factor, *arrays, rest=()):
    """Return `factor` times a sum over the pixels for every channel, taken in float64, in the dtype of x."""
    c = x.shape[3]
    pixels = x.size // c
    sums = sum_over(kernel, pixels, (c,), *arrays, columns=c, rest=(pixels, c, *rest), factor=factor)
    out = device_of(x).empty((c,), x.dtype)
    launch("batch_norm.batch_norm_round", blocks(c), sums, out, c)
    return out
