"""Softmax and weighted cross-entropy on the GPU: `layers.weighted_cross_entropy` by the kernels of its `.cu`.

Labels are uint8, and a label that is no class makes the cost NaN. The cost is an array of shape (), so that nothing
waits for it.
"""

from functools import cache

import numpy as np

from ...dispatch import device_of
from ...layers.weighted_cross_entropy import checked_weights
from .launch import rowwise, sum_over


def forward(logits, labels, class_weights, pixel_weights=None):
    weights = _weights("forward", "logits", logits, labels, class_weights, pixel_weights)
    p, pixels = device_of(logits, labels).empty(logits.shape, logits.dtype), labels.size
    return sum_over("weighted_cross_entropy.weighted_cross_entropy_forward", pixels, (), logits, labels, *weights, p,
                    rest=(pixels, logits.shape[3]), factor=1 / pixels), p


def backward(p, labels, class_weights, pixel_weights=None):
    return rowwise("weighted_cross_entropy.weighted_cross_entropy_backward", p, labels,
                   *_weights("backward", "p", p, labels, class_weights, pixel_weights))


def _weights(function, name, scores, labels, class_weights, pixel_weights):
    """Return what the kernels take of the weights: of classes, of pixels, and whether there are any of pixels."""
    checked = checked_weights(function, name, scores, labels, class_weights, pixel_weights)
    class_weights = _moved(device_of(scores, labels), checked.tobytes(), scores.dtype)
    return class_weights, class_weights if pixel_weights is None else pixel_weights, int(pixel_weights is not None)


@cache
def _moved(device, weights, dtype):
    """Return the weights of the classes on the device; they are moved there once, not in every step."""
    return device.to_device(np.frombuffer(weights, dtype))
