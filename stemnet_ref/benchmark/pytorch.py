"""The engine of PyTorch: the same layers, training step and prediction, on a CPU or a GPU."""

from .engine import Engine, record_events

KEEP_PROB = 0.75


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

    def _layer(self, direction, name, x_shape, w_shape, transposed):
        from ..verify.twins.torch_twin import from_reference, nchw

        functional = self.torch.nn.functional
        x, weight = self.put(nchw(self.normal(*x_shape))), self.put(from_reference(self.normal(*w_shape)))

        def forward():
            if transposed:
                return functional.conv_transpose2d(x, weight, stride=2)
            return functional.conv2d(x, weight, padding=w_shape[0] // 2)

        if direction == "forward":
            return self.torch.no_grad()(forward)
        dy = self.torch.randn_like(forward())
        stride, pad = (2, 0) if transposed else (1, w_shape[0] // 2)
        needed = [name != "down0.conv", True, False]            # training needs no gradient with respect to the frame
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
        start, end = record_events(lambda: self.torch.cuda.Event(enable_timing=True), function, repeats)
        return start.elapsed_time(end) / 1000 / repeats

    def peak_bytes(self):
        """Return the largest memory that PyTorch has held, its cache included, in bytes."""
        return self.torch.cuda.max_memory_reserved()
