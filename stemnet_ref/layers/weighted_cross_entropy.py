"""Softmax and weighted cross-entropy, one number per pixel, averaged over pixels.

Forward    p = softmax(z)                                                 (eq. 8)
           C = -1/n * sum over pixels of (w[y] + v) * ln p[y]             (eq. 60; eq. 5 where w = 1)
Backward   dz_k = (w[y] + v) / n * (p_k - [k = y])                        (eq. 38; dC/dp[y] = -(w[y] + v) / (n p[y]))

n counts the pixels of the whole batch (eq. 13-14); y is a pixel's class. Eq. 60 is the case of two classes and
w = (1, w_class): its y_truth is 1 where y = 1, else 0, and its y_pred is p[1].
v is a weight of each pixel's own, 0 unless it is given: w[y] + v is the weight map of U-net (Ronneberger et al. 2015,
eq. 2).
Eq. 5 and 60 are printed without the bracket that puts both terms under the sum. The mean is not divided by the sum of
the weights, as PyTorch's weighted mean is. ln p is taken as z - max z - ln sum e^(z - max z), which does not
overflow and keeps small probabilities.
"""

import numpy as np

from ..dispatch import operation
from ._shapes import check_labels, check_shapes


@operation
def forward(logits, labels, class_weights, pixel_weights=None):
    """Return the cost and the probabilities.

    Parameters
    ----------
    logits : float ndarray of shape (N, H, W, K)
    labels : int ndarray of shape (N, H, W)
        Class of each pixel, 0 to K-1; uint8 on a GPU, where a label that is no class makes the cost NaN.
    class_weights : sequence of K floats
        (1, w) is eq. 60; ones give eq. 5.
    pixel_weights : float ndarray of shape (N, H, W), dtype of `logits`, optional
        Added to the weight of the pixel's class; with class weights of 0 they are the weights.

    Returns
    -------
    cost : float
        Mean over the pixels in nats, summed in float64; on a GPU an array of shape (), so that nothing waits for it.
    p : ndarray, shape and dtype of `logits`

    Raises
    ------
    ValueError
        If shapes do not fit, or labels are no integers or not below K.
    """
    class_weights = checked_weights("forward", "logits", logits, labels, class_weights, pixel_weights)
    check_labels("weighted_cross_entropy.forward", labels, len(class_weights))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=-1, keepdims=True)
    log_p = np.take_along_axis(shifted, labels[..., None], axis=-1) - np.log(total)         # (N, H, W, 1)
    cost = -np.sum(_weights(labels, class_weights, pixel_weights) * log_p, dtype=np.float64) / labels.size
    return float(cost), e / total


@operation
def backward(p, labels, class_weights, pixel_weights=None):
    """Return dlogits (N, H, W, K) from the probabilities, labels and weights of `forward`."""
    class_weights = checked_weights("backward", "p", p, labels, class_weights, pixel_weights)
    check_labels("weighted_cross_entropy.backward", labels, len(class_weights))
    target = labels[..., None] == np.arange(p.shape[3])                                     # (N, H, W, K)
    return (p - target) * (_weights(labels, class_weights, pixel_weights) / labels.size).astype(p.dtype)


def _weights(labels, class_weights, pixel_weights):
    """Return the weight of every pixel, shape (N, H, W, 1)."""
    weights = class_weights[labels] if pixel_weights is None else class_weights[labels] + pixel_weights
    return weights[..., None]


def checked_weights(function, name, scores, labels, class_weights, pixel_weights):
    """Return the class weights as an array of the dtype of `scores`, which is the argument `name` of a function here.

    It raises ValueError if the shapes or dtypes of the function's arguments do not fit.
    """
    class_weights = np.asarray(class_weights, scores.dtype)
    check_shapes(f"weighted_cross_entropy.{function}", **{name: (scores, "N H W K")}, labels=(labels, "N H W"),
                 class_weights=(class_weights, "K"), pixel_weights=(pixel_weights, "N H W"))
    return class_weights
