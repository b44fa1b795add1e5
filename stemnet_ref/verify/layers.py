"""Compare single layers, forward and backward: what `verify layer` and `check` do.

`diagnosis.layers` says which layers there are, and what they take and give.
"""

from functools import partial

import numpy as np

from .compare import Comparison, unit_of
from .diagnosis.layers import COSTS, INPUTS, Options
from .diagnosis.rounding import DOUBLE
from .diagnosis.trace import LayerTrace


def sample_inputs(layer, options, shape=(2, 6, 8, 3), filters=4, kernel=(5, 5), dtype=np.float32, seed=0):
    """Return random inputs of a layer by name, for x of `shape`, and a random dy.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    options : Options
    shape : tuple of int
        Shape (N, H, W, C) of x; a dense layer sees N*H*W rows of C numbers, a cost C classes.
    filters : int
        Channels of the output; for a concatenation those of the second input.
    kernel : tuple of int
        Height and width of the kernel, in pixels.
    dtype : float32 or float64
    seed : int
    """
    rng, pixels = np.random.default_rng(seed), int(np.prod(shape[:3]))
    for name, value, least in (("filters", filters, 1), ("kernel", min(kernel), 1),
                               ("classes (the last number of shape)", shape[3], 2 if layer in COSTS else 1),
                               ("pixels of shape", pixels, 2 if layer == "batch_norm" else 1)):
        if value < least:
            raise ValueError(f"{layer}: {name}={value} must be at least {least}")
    if layer == "max_pool2d" and (shape[1] % options.size or shape[2] % options.size):
        raise ValueError(f"max_pool2d: height and width of shape={shape} must be multiples of {options.size}")
    if layer == "conv2d" and options.padding == "valid" and (kernel[0] > shape[1] or kernel[1] > shape[2]):
        raise ValueError(f"conv2d: a kernel of {kernel[0]} x {kernel[1]} does not fit into shape={shape}; pad by same")
    sides = dict(zip(("N", "H", "W", "C", "kh", "kw", "O", "NHW"), (*shape, *kernel, filters, pixels), strict=True))
    inputs = {}
    for name, axes in INPUTS[layer].items():
        size = [sides[axis] for axis in axes.split()]
        if name == "labels":
            inputs[name] = rng.integers(0, sides["C"], size)
        elif name == "mask":
            inputs[name] = (rng.random(size) < options.keep_prob).astype(np.uint8)
        else:
            inputs[name] = rng.standard_normal(size).astype(dtype)
    if layer in COSTS:
        return {**inputs, "x": 4 * inputs["x"]}
    if layer == "max_pool2d":
        inputs["x"] = np.round(2 * inputs["x"]) / 2         # so that some tie
    y = LayerTrace(layer, inputs, options, DOUBLE).computed("y").value.array
    return {**inputs, "dy": rng.standard_normal(y.shape).astype(dtype)}


def compare_layer(layer, inputs, actual, options=None):
    """Return the `report.Report` on what an implementation made of a layer's inputs.

    Parameters
    ----------
    layer : str
        One of LAYERS.
    inputs : dict of str to ndarray
        Inputs by name, dy among them.
    actual : dict of str to ndarray
        Outputs of the implementation by name.
    options : Options, optional
    """
    make = partial(LayerTrace, layer, inputs, options or Options())
    return Comparison(make, list(actual), actual, {}, {}, unit_of([*inputs.values(), *actual.values()])).run()
