"""Softmax and weighted cross-entropy, one number per pixel, averaged over pixels.

Forward    p = softmax(z)                                                       (eq. 8)
           C = -1/n * sum over pixels of w[y] * ln p[y]                         (eq. 60; eq. 5 where w = 1)
Backward   dz_k = w[y] / n * (p_k - [k = y])                                    (eq. 38 with eq. 8 put in)

n counts the pixels of the whole batch (eq. 13-14); y is a pixel's class; with two classes eq. 60 is w = (1, w_class).
Eq. 5 and 60 are printed without the bracket that puts both terms under the sum. The mean is not divided by the sum of
the weights, as PyTorch's weighted mean is. ln p is taken as z - max z - ln sum e^(z - max z), which does not
overflow and keeps small probabilities.
"""

from functools import cache

import numpy as np

from ..device import blocks, device_of, launch
from ._gpu import sum_over
from ._shapes import check_shapes
from .softmax import over_classes


def forward(logits, labels, class_weights):
    """Return the cost and the probabilities.

    Parameters
    ----------
    logits : float ndarray of shape (N, H, W, K)
    labels : int ndarray of shape (N, H, W)
        Class of each pixel, 0 to K-1; uint8 on a GPU, where a label that is no class makes the cost NaN.
    class_weights : sequence of K floats
        (1, w) is eq. 60; ones give eq. 5.

    Returns
    -------
    cost : float
        In nats per pixel, summed in float64; on a GPU an array of shape (), so that nothing waits for it.
    p : ndarray, shape and dtype of `logits`

    Raises
    ------
    ValueError
        If shapes do not fit, or labels are no integers or not below K.
    """
    device = device_of(logits, labels)
    if device:
        weights = _weights_on(device, "logits", logits, labels, class_weights)
        p, pixels = device.empty(logits.shape, logits.dtype), labels.size
        return sum_over(device, "weighted_cross_entropy.weighted_cross_entropy_forward", pixels, (), logits, labels,
                        weights, p, rest=(pixels, len(weights)), factor=1 / pixels), p
    weights, picked = _pick("forward", logits, labels, class_weights)
    shifted = logits - over_classes(np.maximum, logits)
    e = np.exp(shifted)
    total = over_classes(np.add, e)
    log_p = np.take_along_axis(shifted, picked, axis=-1) - np.log(total)          # (N, H, W, 1)
    cost = -np.sum(weights * log_p, dtype=np.float64) / labels.size
    return float(cost), e / total


def backward(p, labels, class_weights):
    """Return dlogits (N, H, W, K) from the probabilities, labels and weights of `forward`."""
    device = device_of(p, labels)
    if device:
        weights, dlogits = _weights_on(device, "p", p, labels, class_weights), device.empty(p.shape, p.dtype)
        launch("weighted_cross_entropy.weighted_cross_entropy_backward", blocks(labels.size), p, labels, weights,
               dlogits, labels.size, len(weights))
        return dlogits
    weights, picked = _pick("backward", p, labels, class_weights)
    target = np.zeros_like(p)
    np.put_along_axis(target, picked, 1, axis=-1)
    return (p - target) * (weights / labels.size).astype(p.dtype)


def _pick(which, scores, labels, class_weights):
    """Return every pixel's weight and class, each of shape (N, H, W, 1)."""
    name = "logits" if which == "forward" else "p"
    check_shapes(f"weighted_cross_entropy.{which}", **{name: (scores, "N H W K"), "labels": (labels, "N H W")})
    class_weights = _weights(scores, class_weights)
    check_labels("weighted_cross_entropy", labels, scores.shape[3])
    return class_weights[labels][..., None], labels[..., None].astype(np.intp, copy=False)


def _weights(scores, class_weights):
    """Return the weights as an array of the scores' dtype."""
    class_weights = np.asarray(class_weights, scores.dtype)
    if class_weights.shape != scores.shape[3:]:
        raise ValueError(f"weighted_cross_entropy: class_weights has shape {class_weights.shape}; "
                         f"{scores.shape[3]} classes need one weight each")
    return class_weights


def _weights_on(device, name, scores, labels, class_weights):
    check_shapes("weighted_cross_entropy", **{name: (scores, "N H W K"), "labels": (labels, "N H W")})
    return _moved(device, _weights(scores, class_weights).tobytes(), scores.dtype)


@cache
def _moved(device, weights, dtype):
    """Return the weights on the device; they are moved there once, not in every step."""
    return device.to_device(np.frombuffer(weights, dtype))


def check_labels(layer, labels, classes):
    """Raise ValueError unless `labels` are integers from 0 to classes-1."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{layer}: labels are {labels.dtype}; they must be integers, the class of each pixel")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"{layer}: labels run from {labels.min()} to {labels.max()}; "
                         f"{classes} classes allow 0 to {classes - 1}")
