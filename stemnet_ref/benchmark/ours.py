"""The engine of the reference: its layers, its training step and its prediction, on a CPU or a GPU."""

import numpy as np

from .. import backends
from ..backends.buffers import Buffers
from ..backends.cpu.threads import count
from ..backends.cuda.launch import blocks, launch
from ..backends.cuda.recorder import Forward
from ..network.stemnet import StemNet
from ..training.settings import Settings
from ..training.step import Objective, Steps, make_optimizer, training_step
from .engine import Engine, record_events

CEILING = 1 << 33               # bytes, or operations, in a measurement of the machine's ceiling
FMAS = 1 << 12                  # fused multiplications and additions of a thread in that measurement


class Ours(Engine):
    """The reference on the CPU."""

    def __init__(self, device, size, channels):
        super().__init__(size, channels)
        self.backend = backends.choose(device)
        self.device = self.backend.device

    def settings(self):
        return f"{count()} threads" if self.backend.name == "cpu" else ""

    def put(self, array):
        return self.device.to_device(array) if self.device else array

    def _layer(self, direction, name, x_shape, w_shape, transposed):
        layers = self.backend.layers
        layer = layers.conv_transpose2d if transposed else layers.conv2d
        x, weight = self.put(self.normal(*x_shape)), self.put(self.normal(*w_shape))
        y = layer.forward(x, weight)
        if direction == "forward":
            return lambda: layer.forward(x, weight)
        dy = self.put(self.normal(*y.shape))
        if name == "down0.conv":                                # training needs no gradient with respect to the frame
            return lambda: layer.backward_weight(dy, x, w_shape)
        return lambda: layer.backward(dy, x, weight)

    def _network(self, what):
        network, chosen = StemNet(self.channels).to(self.backend), Settings()
        batch = Buffers(*map(self.put, self.batch()))
        if what == "predict":
            forward = Forward(network, self.device, print) if self.device else None     # as run_predict.py
            return lambda: forward.run(batch.x) if forward else network.forward(batch.x, with_cache=False)
        optimizer, objective = make_optimizer(chosen, self.backend), Objective.of(chosen, 10)
        if not self.device:
            return lambda: training_step(network, optimizer, batch, objective)
        steps = Steps(network, optimizer, objective, self.backend)

        def step():
            steps.run(batch, 0)
            if steps.pending == steps.max_pending:
                steps.flush()

        return step


class OursOnGpu(Ours):
    """The reference on a CUDA GPU, timed by events; layers are recorded as a graph, so that Python is not timed."""

    peak = 0

    def seconds(self, function, repeats):
        cuda = self.device.cupy.cuda
        start, end = record_events(cuda.Event, function, repeats)
        self.peak = max(self.peak, sum(pool.total_bytes() for pool in self.device.pools))
        return cuda.get_elapsed_time(start, end) / 1000 / repeats

    def peak_bytes(self):
        """Return the largest memory that CuPy has held after a measurement, in bytes."""
        return self.peak

    def make(self, case):
        function = self._ceiling(case[1]) if case[0] == "ceiling" else super().make(case)
        if case[0] in ("forward", "backward"):
            self.seconds(function, 1)                           # compiles
            function = self.device.record(function)
        return function

    def _ceiling(self, what):
        """Return a function that copies, or computes with, CEILING bytes read and written, or operations."""
        if what == "copy":
            a, b = (self.device.empty((CEILING // 8,), np.float32) for _ in range(2))
            return lambda: launch("benchmark/ceilings.ceiling_copy", blocks(a.size // 4), a, b, a.size // 4)
        out = self.device.empty((CEILING // (2 * FMAS),), np.float32)
        return lambda: launch("benchmark/ceilings.ceiling_fma", blocks(out.size), out, FMAS // 8, 1.0)
