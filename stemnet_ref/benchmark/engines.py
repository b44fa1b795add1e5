"""Engines: the layers and the training step of the reference and of PyTorch, each behind the same calls.

An engine has `make(case)`, which returns a function to time, `seconds(function, repeats)`, `peak_bytes()`, and
`settings()`, which returns as text, or "", what decides how fast, or how exactly, it computes. A case is a tuple:
("forward", NAME) or ("backward", NAME) for a layer with weights, ("step",) or ("predict",).
"""

import resource
import sys
import time

import numpy as np

from .. import backends
from ..backends.buffers import Buffers
from ..backends.cpu.threads import count
from ..backends.cuda.launch import blocks, launch
from ..errors import InputError, out_of_memory, reason
from ..network import topology
from ..network.stemnet import StemNet
from ..training.settings import Settings
from ..training.step import Objective, Steps, make_optimizer, training_step

KEEP_PROB = 0.75
CEILING = 1 << 33               # bytes, or operations, in a measurement of the machine's ceiling
FMAS = 1 << 12                  # fused multiplications and additions of a thread in that measurement
PRODUCTS = {"ours-cuda-cores": 1, "ours-tf32": 3}       # PRODUCT of backends/cuda/windows.cuh, where not the usual one


def make_engine(name, device, size, channels):
    """Return an engine.

    Parameters
    ----------
    name : str
        "ours", "ours-cuda-cores", "ours-tf32", "torch" or "torch-tf32"; the last two also with "-channels-last".
    device : {"plain", "cpu", "cuda"}
        Backend that computes; PyTorch computes on the CPU with the first two.
    size, channels : int
        Side of the input in pixels, and frames in it.
    """
    if not name.startswith("ours"):
        return (TorchOnGpu if device == "cuda" else Torch)(device, size, channels, tf32="tf32" in name,
                                                          channels_last=name.endswith("channels-last"))
    ours = (OursOnGpu if device == "cuda" else Ours)(device, size, channels)
    if name in PRODUCTS:
        ours.device.product = PRODUCTS[name]
    return ours


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

    def seconds(self, function, repeats):
        """Return the mean seconds of a call, over `repeats` calls in a row."""
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        return (time.perf_counter() - start) / repeats

    def peak_bytes(self):
        """Return the largest memory of this process so far, in bytes."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


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

    def make(self, case):
        conv2d, conv_transpose2d = self.backend.layers.conv2d, self.backend.layers.conv_transpose2d
        if len(case) == 1:
            return self._network(case[0])
        x_shape, w_shape, transposed = self.layers[case[1]]
        layer = conv_transpose2d if transposed else conv2d
        x, weight = self.put(self.normal(*x_shape)), self.put(self.normal(*w_shape))
        y = layer.forward(x, weight)
        if case[0] == "forward":
            return lambda: layer.forward(x, weight)
        dy = self.put(self.normal(*y.shape))
        if case[1] == "down0.conv":                             # training needs no gradient with respect to the frame
            return lambda: conv2d.backward_weight(dy, x, w_shape)
        return lambda: layer.backward(dy, x, weight)

    def _network(self, what):
        network, chosen = StemNet(self.channels).to(self.backend), Settings()
        batch = Buffers(*map(self.put, self.batch()))
        if what == "predict":
            return lambda: network.forward(batch.x, with_cache=False)
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
        start, end = _record_events(cuda.Event, function, repeats)
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


class Torch(Engine):
    """The same network and layers in PyTorch, in strict float32 unless `tf32`."""

    def __init__(self, device, size, channels, tf32, channels_last):
        import torch

        super().__init__(size, channels)
        self.torch, self.device = torch, "cuda" if device == "cuda" else "cpu"
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        if device == "cuda":
            torch.backends.cudnn.benchmark = True
            for backend in (torch.backends.cudnn.conv, torch.backends.cudnn, torch.backends.cuda.matmul):
                backend.fp32_precision = "tf32" if tf32 else "ieee"

    def settings(self):
        return f"{self.torch.get_num_threads()} threads"

    def put(self, tensor):
        """Return a tensor (N, C, H, W), or a filter, where and in the memory format in which this engine computes."""
        return tensor.to(self.device).contiguous(memory_format=self.format)

    def make(self, case):
        from ..verify.twins.torch_twin import from_reference, nchw

        functional = self.torch.nn.functional
        if len(case) == 1:
            return self._network(case[0])
        x_shape, w_shape, transposed = self.layers[case[1]]
        x, weight = self.put(nchw(self.normal(*x_shape))), self.put(from_reference(self.normal(*w_shape)))

        def forward():
            if transposed:
                return functional.conv_transpose2d(x, weight, stride=2)
            return functional.conv2d(x, weight, padding=w_shape[0] // 2)

        if case[0] == "forward":
            return self.torch.no_grad()(forward)
        dy = self.torch.randn_like(forward())
        stride, pad = (2, 0) if transposed else (1, w_shape[0] // 2)
        needed = [case[1] != "down0.conv", True, False]         # training needs no gradient with respect to the frame
        return lambda: self.torch.ops.aten.convolution_backward(
            dy, x, weight, None, [stride] * 2, [pad] * 2, [1, 1], transposed, [0, 0], 1, needed)

    def _network(self, what):
        from ..verify.twins import torch_twin

        torch, functional = self.torch, self.torch.nn.functional
        network = torch_twin.StemNet(self.channels).to(self.device).to(memory_format=self.format)
        x, labels = self.batch()
        x, labels = self.put(torch_twin.nchw(x)), torch.as_tensor(labels).long().to(self.device)
        if what == "predict":
            return torch.no_grad()(lambda: network(x))
        weights = torch.tensor([1.0, 2.0], device=self.device)
        optimizer = torch.optim.SGD(network.parameters(), 0.15, momentum=0.2)

        def step():
            cost = functional.cross_entropy(network(x, keep_prob=KEEP_PROB), labels, weights, reduction="none").mean()
            optimizer.zero_grad(set_to_none=True)
            cost.backward()
            optimizer.step()

        return step


class TorchOnGpu(Torch):
    """PyTorch on a CUDA GPU, timed by events; layers are recorded as a graph, so that Python is not timed."""

    def make(self, case):
        function = super().make(case)
        if case[0] not in ("forward", "backward"):
            return function
        stream = self.torch.cuda.Stream()
        with self.torch.cuda.stream(stream):
            for _ in range(3):                                  # cuDNN chooses its algorithm
                function()
        self.torch.cuda.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph, stream=stream):
            self.held = function()
        return graph.replay

    def settings(self):
        cudnn, cuda = self.torch.backends.cudnn, self.torch.backends.cuda
        return (f"cudnn.conv.fp32_precision={cudnn.conv.fp32_precision}, cuda.matmul.fp32_precision="
                f"{cuda.matmul.fp32_precision}, cudnn.benchmark={cudnn.benchmark}")

    def seconds(self, function, repeats):
        start, end = _record_events(lambda: self.torch.cuda.Event(enable_timing=True), function, repeats)
        return start.elapsed_time(end) / 1000 / repeats

    def peak_bytes(self):
        """Return the largest memory that PyTorch has held, its cache included, in bytes."""
        return self.torch.cuda.max_memory_reserved()


def _record_events(new_event, function, repeats):
    """Return the GPU's events before and after `repeats` calls of a function."""
    start, end = new_event(), new_event()
    start.record()
    for _ in range(repeats):
        function()
    end.record()
    end.synchronize()
    return start, end


def serve(connection, name, device, size, channels):
    """Time cases for another process: receive (case, repeats), send (seconds, peak bytes), until None is received.

    The engine's settings are sent first. An InputError is sent in place of an answer that cannot be given.
    """
    try:
        engine = make_engine(name, device, size, channels)
        connection.send(engine.settings())
        case = function = None
        while (message := connection.recv()) is not None:
            if message[0] != case:
                function = None                                 # first frees the arrays of the last case
                case, function = message[0], engine.make(message[0])
                engine.seconds(function, 2)                     # compilation, choice of algorithm, page faults
            connection.send((engine.seconds(function, message[1]), engine.peak_bytes()))
    except (InputError, MemoryError, RuntimeError) as error:
        if not (isinstance(error, InputError) or out_of_memory(error)):
            raise
        connection.send(InputError(error if isinstance(error, InputError) else
                                   f"--size {size}: {name} is out of memory ({reason(error)}); take a smaller --size"))
