"""Fully connected layer: the one on which the thesis derives backpropagation.

Forward    z_j = sum over k of w_jk a_k + b_j       (eq. 30, 42, 46)
Backward   da = w^T delta                           (eq. 34, 41, 43-44, without sigma')
           dw_jk = a_k delta_j                      (eq. 36, 45-47)
           db_j = delta_j                           (eq. 35, 48-49)

delta = dC/dz (eq. 31) is `dy` here; in the last layer it is dC/da * sigma'(z) (eq. 32-33, 38-40). The thesis writes
w_jk with the output first; `weight` is (D, M), input first, as the filters of the convolutions are. Sums run over the N
examples; eq. 12 divides by N, and here the cost does.
"""

from ..backends.cuda.device import device_of
from ..backends.cuda.shared import Product, exchange
from . import bias as bias_layer
from ._shapes import check_shapes


def forward(x, weight, bias):
    """Return x @ weight + bias.

    Parameters
    ----------
    x : float ndarray of shape (N, D)
    weight : float ndarray of shape (D, M)
    bias : float ndarray of shape (M,)

    Returns
    -------
    y : ndarray of shape (N, M)

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit.
    """
    check_shapes("dense.forward", x=(x, "N D"), weight=(weight, "D M"), bias=(bias, "M"))
    device = device_of(x, weight, bias)
    if device:
        n, d, m = *x.shape, len(bias)
        y = device.empty((n, m), x.dtype)
        product = Product.convolve(device, (1, 1, n), (1, 1), d, m, x.dtype, (d, m))
        product.launch("dense.dense_forward", 1, x, weight, bias, y, n, d, m)
        return y
    return x @ weight + bias


def backward(dy, x, weight):
    """Return dx (N, D), dweight (D, M) and dbias (M,) from dy (N, M)."""
    check_shapes("dense.backward", dy=(dy, "N M"), x=(x, "N D"), weight=(weight, "D M"))
    device = device_of(dy, x, weight)
    if device:
        n, d, m = *x.shape, dy.shape[1]
        pixels = 1, 1, n                                            # of a 1 x 1 convolution
        dx, = Product.convolve(device, pixels, (1, 1), m, d, x.dtype, (d, m)).run(
            "dense.dense_backward_input", (dy, exchange(device, weight)), [(n, d)], (n, d, m))
        dweight, = Product.weight_gradient(device, pixels, (1, 1), d, m, x.dtype, (d, m)).run(
            "dense.dense_backward_weight", (dy, x), [(d, m)], (n, d, m))
        return dx, dweight, bias_layer.backward(dy.reshape(1, 1, n, m))[1]
    return dy @ weight.T, x.T @ dy, dy.sum(axis=0)
