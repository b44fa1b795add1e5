"""Inverted dropout: what is kept is scaled up in training, so that nothing changes at prediction.

Mask       m is 1 with probability keep_prob, else 0, independently for every element
Forward    y = x * m / keep_prob                     (thesis section 8.1)
Backward   dx = dy * m / keep_prob

Section 8.1 scales the weights down at test time instead; with weights w/keep_prob in place of w that is the same
function. `keep_prob` is the probability to keep, 0.75 for the thesis's "dropout 0.25".

Masks are counter based: element i of the mask depends on (seed, step, layer, i) alone, so that a resumed run and a GPU
draw the same ones. The generator is Philox4x64-10 with key (seed, layer) and counter (block, step, 0, 0), block =
1, 2, ...; each block gives four 64-bit words and so sixteen 16-bit numbers, lowest bits first, and an element is kept
where its number is below round(65536 * keep_prob).
"""

import numpy as np

from ..dispatch import operation

VALUES = 1 << 16    # the 16-bit numbers; keep_prob is rounded to the nearest multiple of 1/65536


@operation
def draw_mask(shape, keep_prob, seed, step, layer, like=None):
    """Return a mask drawn for one layer of one training step.

    Parameters
    ----------
    shape : tuple of int
    keep_prob : float
        Probability to keep an element, in (0, 1].
    seed, step, layer : int
        Not negative. Equal triples give equal masks.
    like : ndarray, optional
        The mask is made where this array lies; in NumPy's memory without it.

    Returns
    -------
    mask : bool ndarray
        True where the element is kept.

    Raises
    ------
    ValueError
        If keep_prob is outside (0, 1], or a number negative.
    """
    check_key(keep_prob, seed, step, layer)
    if keep_prob == 1:
        return np.ones(shape, bool)
    # NumPy adds 1 to the counter before it draws, so that the first block is number 1
    philox = np.random.Philox(key=np.array([seed, layer], np.uint64), counter=np.array([0, step, 0, 0], np.uint64))
    count = int(np.prod(shape))
    numbers = philox.random_raw(-(-count // 4)).astype("<u8").view("<u2")[:count]
    return (numbers < round(VALUES * keep_prob)).reshape(shape)


@operation
def forward(x, mask, keep_prob):
    """Return x * mask / keep_prob.

    Parameters
    ----------
    x : float ndarray
    mask : bool ndarray, shape of `x`
    keep_prob : float
        Probability with which `mask` was drawn.

    Raises
    ------
    ValueError
        If the shapes differ or keep_prob is outside (0, 1].
    """
    _check(keep_prob)
    if x.shape != mask.shape:
        raise ValueError(f"dropout: mask has shape {mask.shape}; x has {x.shape}")
    return x * mask * x.dtype.type(1 / keep_prob)


def backward(dy, mask, keep_prob):
    """Return dx = dy * mask / keep_prob: every element has its own factor, and so has its gradient."""
    return forward(dy, mask, keep_prob)


def check_key(keep_prob, seed, step, layer):
    """Raise ValueError where a mask cannot be drawn so."""
    _check(keep_prob)
    for name, value in (("seed", seed), ("step", step), ("layer", layer)):
        if not 0 <= value < 2 ** 64:
            raise ValueError(f"dropout: {name}={value} must be at least 0 and fit into 64 bits")


def _check(keep_prob):
    if not 0 < keep_prob <= 1:
        raise ValueError(f"dropout: keep_prob={keep_prob} must be above 0 and at most 1 (the probability to keep)")
