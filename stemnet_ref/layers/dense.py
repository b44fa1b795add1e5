"""Fully connected layer: the one on which the thesis derives backpropagation.

Forward    z_j = sum over k of w_jk a_k + b_j       (eq. 30, 42)
Backward   da = w^T delta                           (eq. 34, 41, 43-44, without sigma')
           dw_jk = a_k delta_j                      (eq. 36, 45-47)
           db_j = delta_j                           (eq. 35, 48-49)

delta = dC/dz (eq. 31) is `dy` here; in the last layer it is dC/da * sigma'(z) (eq. 32-33, 38-40). The thesis writes
w_jk with the output first; `weight` is (D, M), input first, as the filters of the convolutions are. Sums run over the N
examples; eq. 12 divides by N, and here the cost does.
"""

from ..dispatch import operation
from ._shapes import check_shapes


@operation
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
    return x @ weight + bias


@operation
def backward(dy, x, weight):
    """Return dx (N, D), dweight (D, M) and dbias (M,) from dy (N, M)."""
    check_shapes("dense.backward", dy=(dy, "N M"), x=(x, "N D"), weight=(weight, "D M"))
    return dy @ weight.T, x.T @ dy, dy.sum(axis=0)
