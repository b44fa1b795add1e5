"""Softmax and weighted cross-entropy on the GPU: `layers.weighted_cross_entropy` by the kernels of its `.cu`.

Labels are uint8, and a label that is no class makes the cost NaN. The cost is an array of shape (), so that nothing
waits for it.
"""

from functools import cache

import numpy as np

from ...dispatch import device_of
from ...layers._shapes import check_shapes
from .launch import blocks, launch, sum_over


def forward(logits, labels, class_weights, pixel_weights=None):
    weights = _weights("forward", "logits", logits, labels, class_weights, pixel_weights)
    p, pixels = device_of(logits, labels).empty(logits.shape, logits.dtype), labels.size
    return sum_over("weighted_cross_entropy.weighted_cross_entropy_forward", pixels, (), logits, labels, *weights, p,
                    rest=(pixels, logits.shape[3]), factor=1 / pixels), p


def backward(p, labels, class_weights, pixel_weights=None):
    weights = _weights("backward", "p", p, labels, class_weights, pixel_weights)
    dlogits = device_of(p, labels).empty(p.shape, p.dtype)
    launch("weighted_cross_entropy.weighted_cross_entropy_backward", blocks(labels.size), p, labels, *weights,
           dlogits, labels.size, p.shape[3])
    return dlogits


def _weights(function, name, scores, labels, class_weights, pixel_weights):
    """Return what the kernels take of the weights: of classes, of pixels, and whether there are any of pixels."""
    arrays = {name: (scores, "N H W K"), "labels": (labels, "N H W")}
    if pixel_weights is not None:
        arrays["pixel_weights"] = pixel_weights, "N H W"
    check_shapes(f"weighted_cross_entropy.{function}", **arrays)
    class_weights = np.asarray(class_weights, scores.dtype)
    if class_weights.shape != scores.shape[3:]:
        raise ValueError(f"weighted_cross_entropy: class_weights has shape {class_weights.shape}; "
                         f"{scores.shape[3]} classes need one weight each")
    class_weights = _moved(device_of(scores, labels), class_weights.tobytes(), scores.dtype)
    return class_weights, class_weights if pixel_weights is None else pixel_weights, int(pixel_weights is not None)


@cache
def _moved(device, weights, dtype):
    """Return the weights of the classes on the device; they are moved there once, not in every step."""
    return device.to_device(np.frombuffer(weights, dtype))
