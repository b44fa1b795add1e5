"""What all engines have in common: their cases, random inputs, and timing by the clock.

An engine has `make(case)`, which returns a function to time, `seconds(function, repeats)`, `peak_bytes()`, and
`settings()`, which returns as text, or "", what decides how fast, or how exactly, it computes. A case is a tuple:
("forward", NAME) or ("backward", NAME) for a layer with weights, ("step",) or ("predict",).
"""

import resource
import sys
import time

import numpy as np

from ..network import topology


def layer_cases(channels, size):
    """Return {name: (shape of x (N, H, W, C), shape of the weight, whether it is a transposed convolution)}."""
    cases = {}
    for block in topology.stemnet_blocks(topology.Architecture(channels)):
        if block.weight:
            transposed = block.kind == "deconv"
            side = size >> (block.level + transposed)
            cases[block.name] = (1, side, side, block.weight[3 if transposed else 2]), block.weight, transposed
    return cases


class Engine:
    """Base of the engines: random inputs, and timing by the clock."""

    def __init__(self, size, channels):
        self.size, self.channels, self.layers = size, channels, layer_cases(channels, size)
        self.rng = np.random.default_rng(0)

    def normal(self, *shape):
        return self.rng.standard_normal(shape, np.float32)

    def batch(self):
        """Return a random input of shape (1, H, W, channels) and its labels, uint8 of shape (1, H, W)."""
        labels = (self.rng.random((1, self.size, self.size)) < 0.2).astype(np.uint8)
        return self.normal(1, self.size, self.size, self.channels), labels

    def make(self, case):
        """Return the function of a case."""
        return self._network(case[0]) if len(case) == 1 else self._layer(*case, *self.layers[case[1]])

    def seconds(self, function, repeats):
        """Return the mean seconds of a call, over `repeats` calls in a row."""
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        return (time.perf_counter() - start) / repeats

    def peak_bytes(self):
        """Return the largest memory of this process so far, in bytes."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def record_events(new_event, function, repeats):
    """Return the GPU's events before and after `repeats` calls of a function."""
    start, end = new_event(), new_event()
    start.record()
    for _ in range(repeats):
        function()
    end.record()
    end.synchronize()
    return start, end
