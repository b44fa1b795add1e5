"""The convolution in the forms in which it is usually taught, forward and backward, beside the backends'.

Each form is a pair of functions of one image: x (H, W, C), weight (k, k, C, O) with k odd, dy (H, W, O), padding
"same". The first function returns y, the second dx and dweight.
"""

import time
from statistics import median

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..backends import cpu
from ..layers import conv2d

SHAPE = 64, 16, 16, 5           # side, channels in and out, kernel's side


def scipy_forward(x, weight):
    """Return y as a sum of two-dimensional correlations, one for each pair of channels."""
    from scipy.signal import correlate2d

    return np.stack([sum(correlate2d(x[..., c], weight[..., c, o], "same") for c in range(x.shape[2]))
                     for o in range(weight.shape[3])], axis=-1)


def scipy_backward(dy, x, weight):
    """Return dx by a convolution for each pair of channels, and dweight by a correlation of the image with dy."""
    from scipy.signal import convolve2d, correlate2d

    pad = weight.shape[0] // 2
    padded, channels, outputs = np.pad(x, ((pad, pad), (pad, pad), (0, 0))), range(x.shape[2]), range(dy.shape[2])
    dx = np.stack([sum(convolve2d(dy[..., o], weight[..., c, o], "same") for o in outputs) for c in channels], axis=-1)
    return dx, np.stack([np.stack([correlate2d(padded[..., c], dy[..., o], "valid") for o in outputs], axis=-1)
                         for c in channels], axis=2)


def unfold(x, k):
    """Return the k x k windows of the whole image as rows, shape (H*W, k*k*C)."""
    (h, w, c), padded = x.shape, np.pad(x, ((k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    return sliding_window_view(padded, (k, k), axis=(0, 1)).transpose(0, 1, 3, 4, 2).reshape(h * w, k * k * c)


def im2col_forward(x, weight):
    """Return y as one matrix product with the whole image unfolded."""
    return (unfold(x, weight.shape[0]) @ weight.reshape(-1, weight.shape[3])).reshape(*x.shape[:2], -1)


def im2col_backward(dy, x, weight):
    """Return dx and dweight by one matrix product each; dx is folded back, one element of the kernel at a time."""
    (h, w, c), (k, _, _, o) = x.shape, weight.shape
    columns, rows = unfold(x, k), dy.reshape(-1, o)
    dweight = (columns.T @ rows).reshape(weight.shape)
    unfolded, dx = (rows @ weight.reshape(-1, o).T).reshape(h, w, k, k, c), np.zeros((h + k - 1, w + k - 1, c), x.dtype)
    for a in range(k):
        for b in range(k):
            dx[a:a + h, b:b + w] += unfolded[:, :, a, b]
    return dx[k // 2:h + k // 2, k // 2:w + k // 2], dweight


def of_batches(forward, backward):
    """Return the pair of functions of one image, of a pair of functions of batches."""
    def forward_one(x, weight):
        return forward(x[None], weight)[0]

    def backward_one(dy, x, weight):
        dx, dweight = backward(dy[None], x[None], weight)
        return dx[0], dweight

    return forward_one, backward_one


FORMS = {"six loops": of_batches(conv2d.loops, conv2d.loops_backward), "scipy.signal": (scipy_forward, scipy_backward),
         "full im2col": (im2col_forward, im2col_backward), "plain": of_batches(conv2d.forward, conv2d.backward),
         "cpu": of_batches(cpu.conv2d.forward, cpu.conv2d.backward)}


def measure(rounds, shape=SHAPE):
    """Print a table of all forms; return {form: {"forward": seconds, "backward": seconds}}, each a median."""
    side, c, o, k = shape
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.standard_normal(size, np.float32) for size in ((side, side, c), (k, k, c, o), (side, side, o)))
    times = {form: {"forward": [], "backward": []} for form in FORMS}
    for number in range(rounds):
        for form, (forward, backward) in FORMS.items():
            if number and form == "six loops":                  # is measured once, because it is slow
                continue
            for name, run, arguments in (("forward", forward, (x, weight)), ("backward", backward, (dy, x, weight))):
                start = time.perf_counter()
                run(*arguments)
                times[form][name].append(time.perf_counter() - start)
    result = {form: {name: median(each) for name, each in both.items()} for form, both in times.items()}
    print(f"convolution {k} x {k} of {side} x {side} pixels, {c} to {o} channels, float32")
    for form, both in result.items():
        cells = "".join(f"{name:>10} {1000 * value:>10.3f} ms {value / result['cpu'][name]:>9.1f} x"
                        for name, value in both.items())
        print(f"{form:<14}{cells}", flush=True)
    return result
