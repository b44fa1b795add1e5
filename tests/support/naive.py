"""The layers once more, as plain loops over their equations: slow, and easy to compare with the thesis."""

import numpy as np


def conv_transpose2d(x, weight, stride, padding="same"):
    n, h, w, c = x.shape
    kh, kw, o, _ = weight.shape
    extra_h, extra_w = max(kh - stride, 0), max(kw - stride, 0)
    top, left = (extra_h // 2, extra_w // 2) if padding == "same" else (0, 0)
    y = np.zeros((n, stride * h + (0 if padding == "same" else extra_h),
                  stride * w + (0 if padding == "same" else extra_w), o))
    for image, i, j, a, b in np.ndindex(n, h, w, kh, kw):
        row, column = stride * i + a - top, stride * j + b - left
        if 0 <= row < y.shape[1] and 0 <= column < y.shape[2]:
            for k in range(o):
                for channel in range(c):
                    y[image, row, column, k] += x[image, i, j, channel] * weight[a, b, k, channel]
    return y


def max_pool2d(x, size):
    n, h, w, c = x.shape
    y, argmax = np.zeros((n, h // size, w // size, c)), np.zeros((n, h // size, w // size, c), int)
    for at in np.ndindex(*y.shape):
        image, i, j, channel = at
        window = [x[image, size * i + a, size * j + b, channel] for a in range(size) for b in range(size)]
        y[at], argmax[at] = max(window), window.index(max(window))
    return y, argmax


def philox4x64(key, counter):
    """Return the four 64-bit words of one block of Philox4x64-10 (Salmon et al., SC11), in Python integers."""
    mask = 2 ** 64 - 1
    (k0, k1), (x0, x1, x2, x3) = key, counter
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * x0, 0xCA5A826395121157 * x2
        x0, x1, x2, x3 = (b >> 64) ^ x1 ^ k0, b & mask, (a >> 64) ^ x3 ^ k1, a & mask
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return x0, x1, x2, x3
