"""Inverted dropout on the GPU: `layers.dropout` by the kernels of dropout.cu; its masks are the same (philox.cuh)."""

import numpy as np

from ...dispatch import device_of
from ...layers.dropout import VALUES, check_key
from .launch import blocks, elementwise, launch
from .step_state import memory_of_number, unread


def draw_mask(shape, keep_prob, seed, step, layer, like=None):
    device = device_of(like)
    mask = device.empty(shape, np.bool_)
    launch("dropout.dropout_draw_mask", blocks(blocks(mask.size, 16)), mask, mask.size,
           *mask_arguments(device, keep_prob, seed, step, layer))
    return mask


def forward(x, mask, keep_prob):
    check_key(keep_prob, 0, 0, 0)
    if x.shape != mask.shape:
        raise ValueError(f"dropout: mask has shape {mask.shape}; x has {x.shape}")
    return elementwise("dropout.dropout_forward", x, mask, rest=(1 / keep_prob,))


def backward(dy, mask, keep_prob):
    return forward(dy, mask, keep_prob)


def mask_arguments(device, keep_prob, seed, step, layer):
    """Return what a kernel takes to draw a mask: threshold, seed, memory with the step's number, layer."""
    check_key(keep_prob, seed, step, layer)
    memory = unread(device) if keep_prob == 1 else memory_of_number(device, step)
    return round(VALUES * keep_prob), seed, memory, layer
