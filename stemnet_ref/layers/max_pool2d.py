"""Max-pooling over s x s windows that do not overlap.

Forward    y[n,i,j,c] = max over 0 <= a,b < s of x[n, s*i+a, s*j+b, c]                (thesis section 4.3)
Backward   dx[n, s*i+a, s*j+b, c] = dy[n,i,j,c] if (a,b) is the argmax, else 0
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_shapes


@operation
def forward(x, size=2):
    """Return the largest value of each window, and its place.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    size : int
        Side of the window s, in pixels; it must divide H and W.

    Returns
    -------
    y : ndarray of shape (N, H/s, W/s, C), dtype of `x`
        A NaN in a window makes its maximum NaN, and then `argmax` means nothing.
    argmax : uint8 ndarray, same shape
        The place a*s + b of the maximum in its window; the lowest one where several are equal.

    Raises
    ------
    ValueError
        If s does not divide H and W, or is above 16.
    """
    check_size(x, size)
    y = x[:, ::size, ::size].copy()                             # place 0 of every window
    argmax = np.zeros(y.shape, np.uint8)
    for place in range(1, size * size):
        candidate = x[:, place // size::size, place % size::size]
        argmax[candidate > y] = place                           # strictly above: the lowest place keeps a tie
        y = np.maximum(y, candidate)
    return y, argmax


@operation
def backward(dy, argmax, size=2, add_to=None):
    """Return dx, or add it to another gradient with respect to the same x.

    Parameters
    ----------
    dy : float ndarray of shape (N, H, W, C)
    argmax : ndarray of that shape
        The array that `forward` returned.
    size : int
    add_to : ndarray of shape (N, s*H, s*W, C), optional
        The other gradient with respect to x; it is changed in place.

    Returns
    -------
    dx : ndarray of shape (N, s*H, s*W, C)
        Each element of dy stands at its argmax; `add_to`, if given.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit.
    """
    shape = check_gradient(dy, argmax, size, add_to)
    dx = np.zeros(shape, dy.dtype) if add_to is None else add_to
    for place in range(size * size):
        dx[:, place // size::size, place % size::size] += dy * (argmax == place)
    return dx


def check_size(x, size):
    """Raise ValueError unless windows of that side fit into x (N, H, W, C) without a remainder."""
    check_shapes("max_pool2d.forward", x=(x, "N H W C"))
    h, w = x.shape[1:3]
    if size > 16:
        raise ValueError(f"max_pool2d: size={size} must be at most 16, so that a place in a window fits into a byte")
    if size < 1 or h % size or w % size:
        remedy = f"; crop to {h - h % size} x {w - w % size}" if 0 < size <= min(h, w) else ""
        raise ValueError(f"max_pool2d: size={size} must divide both sides of x, {h} x {w} pixels{remedy}")


def check_gradient(dy, argmax, size, add_to):
    """Return the shape of dx; raise ValueError unless the arguments of `backward` fit."""
    sizes = check_shapes("max_pool2d.backward", dy=(dy, "N H W C"), argmax=(argmax, "N H W C"))
    shape = sizes["N"], size * sizes["H"], size * sizes["W"], sizes["C"]
    if add_to is not None and (add_to.shape != shape or add_to.dtype != dy.dtype):
        raise ValueError(f"max_pool2d.backward: add_to is {add_to.dtype} of shape {add_to.shape}; "
                         f"it must be {dy.dtype} of shape {shape}")
    return shape
