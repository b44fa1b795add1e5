"""The GPU: its arrays and their memory, kernels compiled when first used, and steps recorded as CUDA graphs.

This is the only module that imports CuPy.
"""

import os
from contextlib import suppress
from functools import cache, partial

from ... import dispatch
from ...errors import InputError, NoGpu
from .sources import HEADERS, headers_digest, source


class CuPy:
    """Arrays and kernels of a CUDA GPU; `precision`, "fp32" or "tf32", is that of the operands of convolutions.

    Raises
    ------
    NoGpu
        If CuPy is not installed, or finds no GPU.
    InputError
        If `precision` is "tf32" and the chip cannot do it.
    """

    def __init__(self, precision="fp32"):
        try:
            import cupy
        except ImportError as error:
            why = "is not installed" if error.name == "cupy" else \
                f"cannot be imported ({str(error).strip().partition(chr(10))[0]})"
            raise NoGpu(f"CuPy {why}", "pip install 'stemnet_ref[cuda12]' or 'stemnet_ref[cuda13]', by the CUDA that "
                                       "nvidia-smi shows") from None
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise NoGpu(f"CuPy finds no GPU ({error})", "check nvidia-smi") from None
        if count == 0:
            raise NoGpu("CuPy finds no GPU", "check nvidia-smi")
        if os.environ.get("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "0") != "0":
            raise NoGpu("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM is set, so that frames could be used before they have "
                        "been copied", "unset it")
        self.cupy, self.array_type = cupy, cupy.ndarray
        chip = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        has_tf32 = chip["major"] >= 8
        if precision == "tf32" and not has_tf32:
            raise InputError(f"--precision tf32: {chip['name'].decode()} has no tensor cores for it, which begin with "
                             "compute capability 8.0; use --precision fp32")
        self.multiprocessors = chip["multiProcessorCount"]
        # CuPy's own, that of the graphs of `record`, and that of the one graph that is recorded `alone`
        self.pools = cupy.get_default_memory_pool(), cupy.cuda.MemoryPool(), cupy.cuda.MemoryPool()
        self._recorder = cupy.cuda.Stream(non_blocking=True)
        self.precision = precision
        self.product = 3 if precision == "tf32" else 2 if has_tf32 else 1           # PRODUCT of windows.cuh
        hopper = (chip["major"], chip["minor"]) == (9, 0)
        self.groups = hopper and cupy.cuda.nvrtc.getVersion() >= (12, 0)            # whether it has those of groups.cuh
        self.shared_bytes = chip["sharedMemPerMultiprocessor"]
        self.name = f"cuda ({chip['name'].decode()}{', tf32' if precision == 'tf32' else ''})"

    def empty(self, shape, dtype):
        return self.cupy.empty(shape, dtype)

    def to_device(self, array):
        return self.cupy.asarray(array, order="C")

    def to_host(self, array):
        return self.cupy.asnumpy(array)

    def address(self, array):
        return array.data.ptr

    @cache                                                                      # noqa: B019  lives as long as the program
    def function(self, stem, name, real, options):
        function, shared = self._module(stem, real, options).get_function(name), dict(options).get("SHARED_BYTES", 0)
        if shared > 49152:                                                      # more must be asked for
            function.max_dynamic_shared_size_bytes = shared
        return partial(function, shared_mem=shared)

    def run(self, function, grid, block, arguments):
        function(grid, (block,), arguments)

    def record(self, work, alone=False):
        """Record the kernels that a function starts, as a CUDA graph, without running them.

        Their arrays are taken from a pool of their own, which is never emptied: nobody else uses that memory while
        graphs are repeated. All graphs share it, since they run one after the other. With `alone`, they are taken from
        another pool, which `forget` empties; this is refused where less memory is free than the kernels have needed.

        Returns
        -------
        callable
            Runs them all, in order, after what was started before, and returns what the function returned: arrays that
            every repetition writes anew.

        Raises
        ------
        RuntimeError, MemoryError
            If CUDA refuses; then nothing is being recorded any more.
        """
        usual, shared, own = self.pools
        needed = usual.total_bytes() if alone else 0            # CuPy would free what recorded kernels write to
        usual.free_all_blocks()
        if needed > self.cupy.cuda.runtime.memGetInfo()[0]:
            raise MemoryError(f"less than {needed >> 20} MB are free")
        with self.cupy.cuda.using_allocator((own if alone else shared).malloc), self._recorder as stream:
            stream.begin_capture()
            try:
                result = work()
            except BaseException:
                with suppress(RuntimeError):                # the graph is void, and the stream free again
                    stream.end_capture()
                raise
            graph = stream.end_capture()

        def repeat():
            graph.launch()
            return result

        return repeat

    def forget(self):
        """Free the memory of what was recorded `alone`, which is not repeated any more."""
        self.pools[2].free_all_blocks()

    @cache                                                                      # noqa: B019
    def _module(self, stem, real, options):
        return self.cupy.RawModule(code=source(stem).read_text(), options=(
            "--std=c++14", f"-I{HEADERS}", *(["-arch=sm_90a"] if dict(options).get("GROUPS") else []),
            *(f"-D{name}={value}" for name, value in (("REAL", real), ("HEADERS", headers_digest()), *options))))


def register(device):
    """Let operations on arrays of `device.array_type` run on it; return the one that does.

    The arrays do not say who made them, so that a process has one device for all: the first one that was registered.

    Raises
    ------
    InputError
        If the first one has another precision.
    """
    first = dispatch.registered(device.array_type)
    if first is None:
        dispatch.register(device.array_type, __package__, device)
        return device
    if first.precision != device.precision:
        raise InputError(f"--precision {device.precision}: this process computes with {first.precision} on the GPU "
                         f"since its first use; start another process for {device.precision}, or choose it before the "
                         "first array is used")
    return first
