"""Max pooling over s x s windows that do not overlap.

Forward    y[n,i,j,c] = max over 0 <= a,b < s of x[n, s*i+a, s*j+b, c]                (thesis section 4.3)
Backward   dx[n, s*i+a, s*j+b, c] = dy[n,i,j,c] if (a,b) won, else 0
"""

import numpy as np

from ..backends.cpu.threads import bands, share
from ..backends.cuda.device import blocks, device_of, launch
from ._shapes import check_shapes


def forward(x, size=2):
    """Return the largest value of each window, and its place.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    size : int
        Window side s, in pixels; must divide H and W.

    Returns
    -------
    y : ndarray of shape (N, H/s, W/s, C), dtype of `x`
        A NaN in a window makes its maximum NaN, and then `won` means nothing.
    won : uint8 ndarray, same shape
        Place a*s + b of the winner in its window; the lowest wins a tie.

    Raises
    ------
    ValueError
        If s does not divide H and W, or is above 16.
    """
    check_shapes("max_pool2d.forward", x=(x, "N H W C"))
    h, w = x.shape[1:3]
    if size > 16:
        raise ValueError(f"max_pool2d: size={size} must be at most 16, so that a place in a window fits into a byte")
    if size < 1 or h % size or w % size:
        remedy = f"; crop to {h - h % size} x {w - w % size}" if 0 < size <= min(h, w) else ""
        raise ValueError(f"max_pool2d: size={size} must divide both sides of x, {h} x {w} pixels{remedy}")
    device = device_of(x)
    if device:
        n, c = x.shape[0], x.shape[3]
        y, won = (device.empty((n, h // size, w // size, c), dtype) for dtype in (x.dtype, np.uint8))
        n, i, j, c = y.shape
        launch("max_pool2d.max_pool2d_forward", (blocks(j * c), i, n), x, y, won, i, j, c, size)
        return y, won
    y = x[:, ::size, ::size].copy()
    won = np.zeros(y.shape, np.uint8)

    def work(band):
        best, place_of_best = y[band], won[band]
        for place in range(1, size * size):
            candidate = x[:, place // size::size, place % size::size][band]
            np.copyto(place_of_best, place, where=candidate > best)
            np.maximum(best, candidate, out=best)

    share(work, bands(y))
    return y, won


def backward(dy, won, size=2, add_to=None):
    """Return dx, or add it to another gradient by the same x.

    Parameters
    ----------
    dy : float ndarray of shape (N, H, W, C)
    won : ndarray of that shape
        As returned by `forward`.
    size : int
    add_to : ndarray of shape (N, s*H, s*W, C), optional
        Where the map went another way too: its gradient from there, changed in place.

    Returns
    -------
    dx : ndarray of shape (N, s*H, s*W, C)
        Each element of dy at the place that won; `add_to`, if given.
    """
    sizes = check_shapes("max_pool2d.backward", dy=(dy, "N H W C"), won=(won, "N H W C"))
    shape = sizes["N"], size * sizes["H"], size * sizes["W"], sizes["C"]
    if add_to is not None and (add_to.shape != shape or add_to.dtype != dy.dtype):
        raise ValueError(f"max_pool2d.backward: add_to is {add_to.dtype} of shape {add_to.shape}; "
                         f"it must be {dy.dtype} of shape {shape}")
    device = device_of(dy, won)
    if device:
        dx = device.empty(shape, dy.dtype) if add_to is None else add_to
        n, i, j, c = dy.shape
        launch("max_pool2d.max_pool2d_backward", (blocks(j * size * c), i * size, n), dy, won, dx, i, j, c, size,
               int(add_to is not None))
        return dx
    dx = np.zeros(shape, dy.dtype) if add_to is None else add_to

    def work(band):
        for place in range(size * size):
            dx[:, place // size::size, place % size::size][band] += dy[band] * (won[band] == place)

    share(work, bands(dy))
    return dx
