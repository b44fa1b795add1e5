"""Convolution, stride 1, as in every framework a cross-correlation: the kernel is not flipped (kernels: conv2d.cu).

Forward    y[n,i,j,o] = sum over a,b,c of x[n, i+a-top, j+b-left, c] * w[a,b,c,o]    (thesis section 4; eq. 30 and 42
           with a shared weight: the sum runs over the receptive field)
Backward   dw[a,b,c,o] = sum over n,i,j of x[n, i+a-top, j+b-left, c] * dy[n,i,j,o]  (eq. 36, 47)
           dx[n,i,j,c] = sum over a,b,o of dy[n, i-a+top, j-b+left, o] * w[a,b,c,o]  (eq. 34, 41, 43-44 without sigma')

dx is the w^T delta^(l+1) of eq. 34. The factor sigma'(z) belongs to the layer below, whose relu.backward multiplies by
it.

x is 0 outside. "same" pads k-1 rows so that y has the size of x, top = (k-1)//2 of them above; "valid" pads none.
The thesis (section 4) also divides by the sum of the kernel; neither its listing nor this code does.

`loops` and `loops_backward` are the equations letter by letter; `loops_backward` sums dx in another order: each
dy[n,i,j,o] adds to every element of x that it was computed from. `forward` and `backward` keep two of the loops, those
over the kernel: the pixels that one kernel element sees are a shifted view of x, and the sums over c, or over n, i and
j, are matrix products.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes


def loops(x, weight, padding="same"):
    """Return what `forward` returns, by the loops of the equation, one for every letter: slow, and plain to see."""
    (top, _), (left, _) = pads(x.shape, weight.shape, padding)
    y = np.zeros(output_shape(x.shape, weight.shape, padding), x.dtype)
    for n, i, j, o in np.ndindex(y.shape):
        for a, b, c in np.ndindex(weight.shape[:3]):
            if 0 <= i + a - top < x.shape[1] and 0 <= j + b - left < x.shape[2]:
                y[n, i, j, o] += x[n, i + a - top, j + b - left, c] * weight[a, b, c, o]
    return y


def loops_backward(dy, x, weight, padding="same"):
    """Return what `backward` returns, by the same loops: a product of `loops` adds to the gradients of both factors."""
    (top, _), (left, _) = pads(x.shape, weight.shape, padding)
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for n, i, j, o in np.ndindex(dy.shape):
        for a, b, c in np.ndindex(weight.shape[:3]):
            if 0 <= i + a - top < x.shape[1] and 0 <= j + b - left < x.shape[2]:
                dx[n, i + a - top, j + b - left, c] += dy[n, i, j, o] * weight[a, b, c, o]
                dweight[a, b, c, o] += x[n, i + a - top, j + b - left, c] * dy[n, i, j, o]
    return dx, dweight


@operation
def forward(x, weight, padding="same"):
    """Return the convolution of `x` with every filter of `weight`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    weight : float ndarray of shape (kh, kw, C, O), dtype of `x`
    padding : {"same", "valid"}

    Returns
    -------
    y : ndarray of shape (N, H, W, O), or (N, H-kh+1, W-kw+1, O) for "valid", dtype of `x`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or a "valid" kernel is larger than `x`.
    """
    check_shapes("conv2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw C O"))
    padded = np.pad(x, ((0, 0), *pads(x.shape, weight.shape, padding), (0, 0)))
    y = np.zeros(output_shape(x.shape, weight.shape, padding), x.dtype)
    for a, b, seen in shifts(weight.shape, y.shape):
        y += product(padded[seen], weight[a, b])                                        # (N, H, W, C) by (C, O)
    return y


@operation
def backward(dy, x, weight, padding="same"):
    """Return the gradients with respect to the input and the weight.

    Parameters
    ----------
    dy : float ndarray, shape of the output
    x, weight, padding
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
    return backward_input(dy, weight, padding), backward_weight(dy, x, weight.shape, padding)


@operation
def backward_input(dy, weight, padding="same"):
    """Return dx (eq. 34), shape (N, H, W, C), from dy (N, H, W, O) and weight (kh, kw, C, O)."""
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), weight=(weight, "kh kw C O"))
    (n, ho, wo, _), (kh, kw, c, _) = dy.shape, weight.shape
    padded_shape = n, ho + kh - 1, wo + kw - 1, c
    (top, bottom), (left, right) = pads(padded_shape, weight.shape, padding)
    dpadded = np.zeros(padded_shape, dy.dtype)
    for a, b, seen in shifts(weight.shape, dy.shape):
        dpadded[seen] += product(dy, weight[a, b].T)                                    # (N, H, W, O) by (O, C)
    return dpadded[:, top:padded_shape[1] - bottom, left:padded_shape[2] - right]


@operation
def backward_weight(dy, x, shape, padding="same"):
    """Return dweight (eq. 36) of the given shape (kh, kw, C, O), from dy (N, H, W, O) and x (N, H, W, C)."""
    check_gradient(dy, x, shape, padding)
    padded, (*_, c, o) = np.pad(x, ((0, 0), *pads(x.shape, shape, padding), (0, 0))), shape
    dweight = np.empty(shape, x.dtype)
    for a, b, seen in shifts(shape, dy.shape):
        dweight[a, b] = np.moveaxis(padded[seen], 3, 0).reshape(c, -1) @ dy.reshape(-1, o)         # summed over n, i, j
    return dweight


def shifts(weight_shape, y_shape):
    """Yield every kernel element (a, b) with the index of the pixels, in the padded x, that it sees."""
    for a, b in np.ndindex(weight_shape[:2]):
        yield a, b, (slice(None), slice(a, a + y_shape[1]), slice(b, b + y_shape[2]))


def pads(x_shape, weight_shape, padding):
    """Return ((top, bottom), (left, right)), the padding in pixels.

    Raises
    ------
    ValueError
        If `padding` is neither "same" nor "valid", or a "valid" kernel is larger than x.
    """
    (h, w), (kh, kw) = x_shape[1:3], weight_shape[:2]
    if padding == "same":
        return ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)
    if padding != "valid":
        raise ValueError(f'conv2d: padding={padding!r} must be "same" or "valid"')
    if h < kh or w < kw:
        raise ValueError(f'conv2d: a {kh} x {kw} kernel does not fit into x, {h} x {w} pixels, '
                         'with padding="valid"; use "same" or a larger x')
    return (0, 0), (0, 0)


def product(x, matrix):
    """Return x (..., C) times a matrix (C, O), shape (..., O), as one product of matrices."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[-1])


def output_shape(x_shape, weight_shape, padding):
    """Return (N, HO, WO, O)."""
    rows, columns = pads(x_shape, weight_shape, padding)
    return (x_shape[0], x_shape[1] + sum(rows) - weight_shape[0] + 1,
            x_shape[2] + sum(columns) - weight_shape[1] + 1, weight_shape[3])


def check_gradient(dy, x, shape, padding):
    """Raise ValueError unless dy and x fit to each other and to a weight of the given shape."""
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), x=(x, "N Hx Wx C"))
    expected = output_shape(x.shape, shape, padding)
    if x.shape[3] != shape[2]:
        raise ValueError(f"conv2d.backward: x has {x.shape[3]} channels; weight of shape {tuple(shape)} needs "
                         f"{shape[2]}")
    if dy.shape != expected:
        raise ValueError(f"conv2d.backward: dy has shape {dy.shape}; x of shape {x.shape} and weight of shape "
                         f"{tuple(shape)} with padding={padding!r} need {expected}")
