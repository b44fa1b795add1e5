"""Transposed convolution, which enlarges maps: every pixel of x adds the kernel, times its value, to y.

Forward    y[n, s*i+a-top, s*j+b-left, o] += x[n,i,j,c] * w[a,b,o,c]  for all i, j, a, b, c    (thesis section 5.1)
Backward   dx[n,i,j,c]  = sum over a,b,o of dy[n, s*i+a-top, s*j+b-left, o] * w[a,b,o,c]       (eq. 34, 41, 43-44)
           dw[a,b,o,c]  = sum over n,i,j of dy[n, s*i+a-top, s*j+b-left, o] * x[n,i,j,c]       (eq. 36, 47)

Its y is the dx of a convolution of stride s with the same kernel. TensorFlow's convention: "same" gives s*H rows and
crops top = max(k-s, 0)//2 of them above; "valid" crops nothing and gives s*H + max(k-s, 0). With k = s = 2, as in the
network, neighbouring windows do not overlap. The factor sigma'(z) of eq. 34 belongs to the layer below.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes


@operation
def forward(x, weight, stride=2, padding="same"):
    """Return `x` enlarged `stride` times.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    weight : float ndarray of shape (kh, kw, O, C), dtype of `x`
    stride : int
        Output pixels per input pixel.
    padding : {"same", "valid"}

    Returns
    -------
    y : ndarray of shape (N, s*H, s*W, O), or (N, s*H+max(kh-s,0), s*W+max(kw-s,0), O) for "valid", dtype of `x`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or stride is below 1.
    """
    check_shapes("conv_transpose2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    crop = output_crop(x.shape, weight.shape, stride, padding)
    full = np.zeros(full_shape(x.shape, weight.shape, stride), x.dtype)
    for a, b, written in strides(x.shape, weight.shape, stride):
        full[written] += np.tensordot(x, weight[a, b].T, axes=1)                        # (N, H, W, C) by (C, O)
    return full[crop]


@operation
def backward(dy, x, weight, stride=2, padding="same"):
    """Return the gradients with respect to the input and the weight.

    Parameters
    ----------
    dy : float ndarray, shape of the output
    x, weight, stride, padding
        The arguments of `forward`.

    Returns
    -------
    dx : ndarray, shape of `x`
    dweight : ndarray, shape of `weight`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit.
    """
    crop = check_gradient(dy, x, weight, stride, padding)
    full = np.zeros(full_shape(x.shape, weight.shape, stride), dy.dtype)
    full[crop] = dy
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for a, b, written in strides(x.shape, weight.shape, stride):
        dx += np.tensordot(full[written], weight[a, b], axes=1)                         # eq. 34: summed over o
        dweight[a, b] = np.tensordot(full[written], x, axes=((0, 1, 2), (0, 1, 2)))     # eq. 36: summed over n, i, j
    return dx, dweight


def strides(x_shape, weight_shape, stride):
    """Yield every kernel element (a, b) with the index of the pixels, before cropping, that it writes."""
    _, h, w, _ = x_shape
    for a, b in np.ndindex(weight_shape[:2]):
        yield a, b, (slice(None), slice(a, a + stride * h, stride), slice(b, b + stride * w, stride))


def full_shape(x_shape, weight_shape, stride):
    """Return the shape of the output before cropping, (N, s*H+max(kh-s,0), s*W+max(kw-s,0), O)."""
    if stride < 1:
        raise ValueError(f"conv_transpose2d: stride={stride} must be at least 1")
    (n, h, w, _), (kh, kw, o, _) = x_shape, weight_shape
    return n, stride * h + max(kh - stride, 0), stride * w + max(kw - stride, 0), o


def output_crop(x_shape, weight_shape, stride, padding):
    """Return the index of the output within the full array: slices of its four axes."""
    n, full_h, full_w, o = full_shape(x_shape, weight_shape, stride)
    if padding == "valid":
        return tuple(slice(0, side) for side in (n, full_h, full_w, o))
    if padding != "same":
        raise ValueError(f'conv_transpose2d: padding={padding!r} must be "same" or "valid"')
    top, left = (max(side - stride, 0) // 2 for side in weight_shape[:2])
    return (slice(0, n), slice(top, top + stride * x_shape[1]), slice(left, left + stride * x_shape[2]), slice(0, o))


def check_gradient(dy, x, weight, stride, padding):
    """Raise ValueError unless dy has the shape of the output; return `output_crop`."""
    check_shapes("conv_transpose2d.backward", dy=(dy, "N Hy Wy O"), x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    crop = output_crop(x.shape, weight.shape, stride, padding)
    expected = tuple(each.stop - each.start for each in crop)
    if dy.shape != expected:
        raise ValueError(f"conv_transpose2d.backward: dy has shape {dy.shape}; x of shape {x.shape} with "
                         f"stride={stride}, padding={padding!r} needs {expected}")
    return crop
