"""What stands between the kernels and CuPy, with a stand-in for it: the device chosen, and steps recorded."""

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest

from stemnet_ref import backends, dispatch
from stemnet_ref.backends.cuda import device, sources
from stemnet_ref.errors import InputError


class CudaError(RuntimeError):
    """As cupy.cuda.runtime.CUDARuntimeError."""


class Stream:
    """A stream that notes what is done to it."""

    def __init__(self, non_blocking):
        self.capturing, self.current, self.non_blocking, self.launched = False, False, non_blocking, []

    def __enter__(self):
        self.current = True
        return self

    def __exit__(self, *exception):
        self.current = False

    def begin_capture(self):
        assert self.current
        assert not self.capturing
        self.capturing = True

    def end_capture(self):
        assert self.capturing
        self.capturing = False
        if self.void:
            raise CudaError("the capture is void")
        return SimpleNamespace(launch=lambda: self.launched.append("graph"))

    void = False


@pytest.fixture
def cupy(monkeypatch):
    """A stand-in for CuPy with one H100."""
    module, pools = ModuleType("cupy"), []

    @contextmanager
    def using_allocator(malloc):
        pools.append(malloc)
        yield

    def memory_pool():
        name = next(names)
        return SimpleNamespace(malloc=name, free_all_blocks=lambda: pools.append(f"freed {name}"))

    names = iter(("its own", "alone") * 9)
    chip = {"name": b"NVIDIA H100", "major": 9, "minor": 0, "multiProcessorCount": 132,
            "sharedMemPerMultiprocessor": 233472}
    runtime = SimpleNamespace(CUDARuntimeError=CudaError, getDeviceCount=lambda: 1, memGetInfo=lambda: (1000, 2000),
                              getDeviceProperties=lambda number: chip)
    pool = SimpleNamespace(free_all_blocks=lambda: pools.append("freed"), total_bytes=lambda: 1000)
    module.ndarray = type("ndarray", (), {})
    module.get_default_memory_pool = lambda: pool
    nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
    module.cuda = SimpleNamespace(nvrtc=nvrtc, runtime=runtime, Device=lambda: SimpleNamespace(id=0), Stream=Stream,
                                  MemoryPool=memory_pool, using_allocator=using_allocator)
    module.RawModule = lambda code, options: SimpleNamespace(options=options)
    module.pools = pools
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(dispatch, "_registered", {})
    monkeypatch.setattr(backends, "find_spec", lambda name: name == "cupy")
    return module


def test_the_gpu_is_taken_where_there_is_one(cupy):
    told = []
    for name in ("auto", "cuda"):
        name, layers, optimizers, found = backends.choose(name, log=told.append)
        assert (name, found.name, found.product, found.multiprocessors) == (*["cuda (NVIDIA H100)"] * 2, 2, 132)
        assert (layers, optimizers) == (backends.cuda, backends.cuda.optimizers)
        assert dispatch.device_of(cupy.ndarray()) is found
    assert told == []


def test_a_process_has_one_precision(cupy):
    """A second one would change that of a run that lives, whose arrays are the same."""
    found = backends.choose("cuda", "tf32").device
    assert found.product == 3
    assert backends.choose("auto", "tf32").device is found
    for name in ("auto", "cuda"):
        with pytest.raises(InputError, match=r"--precision fp32: this process computes with tf32 .* since its"):
            backends.choose(name)
    assert dispatch.device_of(cupy.ndarray()) is found


@pytest.mark.parametrize(("name", "package"), [("plain", "stemnet_ref"), ("cpu", "stemnet_ref.backends.cpu")])
def test_the_cpu_is_taken_where_it_is_asked_for(cupy, name, package):
    found = backends.choose(name)
    assert (found.name, found.device) == (name, None)
    assert found.layers.__name__ == (f"{package}.layers" if name == "plain" else package)
    assert found.optimizers.__name__ == f"{package}.optimizers"


def test_an_array_of_cupy_is_computed_with_before_anybody_chose_a_backend(cupy):
    cupy.ndarray.__module__, cupy.ndarray.shape, cupy.ndarray.dtype = "cupy", (), None
    assert dispatch.owner_of(cupy.ndarray())[0] == "stemnet_ref.backends.cuda"
    assert dispatch.device_of(cupy.ndarray()).name == "cuda (NVIDIA H100)"
    with pytest.raises(InputError, match=r"--precision tf32: this process computes with fp32 .* before the first"):
        backends.choose("cuda", "tf32")


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_tf32_needs_a_chip_that_can(cupy, name):
    cupy.cuda.runtime.getDeviceProperties = lambda number: {
        "name": b"P100", "major": 6, "minor": 0, "multiProcessorCount": 56, "sharedMemPerMultiprocessor": 65536}
    assert backends.choose(name).device.product == 1
    with pytest.raises(InputError, match="--precision tf32: P100 has no tensor cores"):
        backends.choose(name, "tf32")


@pytest.mark.parametrize(("chip", "compiler", "groups"), [
    ((8, 0), (12, 9), False), ((8, 9), (12, 9), False), ((9, 0), (12, 9), True), ((9, 0), (13, 0), True),
    ((9, 0), (11, 8), False), ((10, 0), (13, 0), False)])
def test_products_of_groups_are_taken_where_chip_and_compiler_have_them(cupy, chip, compiler, groups):
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    cupy.cuda.runtime.getDeviceProperties = lambda number: {**properties, "major": chip[0], "minor": chip[1]}
    cupy.cuda.nvrtc.getVersion = lambda: compiler
    assert backends.choose("cuda").device.groups == groups


@pytest.mark.parametrize(("options", "asked"), [
    ((("SHARED_BYTES", 84480), ("GROUPS", 2)), 84480), ((("SHARED_BYTES", 49152), ("GROUPS", 0)), None), ((), None)])
def test_a_kernel_gets_the_shared_memory_and_the_chip_that_it_is_compiled_for(cupy, options, asked):
    started, compiled = {}, []

    class Kernel:
        max_dynamic_shared_size_bytes = None

        def __call__(self, grid, block, arguments, shared_mem):
            started[block] = shared_mem, self.max_dynamic_shared_size_bytes

    def module(code, options):
        compiled.extend(options)
        return SimpleNamespace(get_function=lambda name: Kernel())

    cupy.RawModule = module
    device = backends.choose("cuda").device
    device.run(device.function("block", "block_sums", "float", options), (1,), 128, ())
    assert started == {(128,): (dict(options).get("SHARED_BYTES", 0), asked)}
    assert ("-arch=sm_90a" in compiled) == (dict(options).get("GROUPS", 0) > 0)


def no_driver():
    raise CudaError("insufficient driver")


@pytest.mark.parametrize(("spoil", "reason"), [
    (lambda cupy, patch: setattr(cupy.cuda.runtime, "getDeviceCount", no_driver), r"no GPU \(insufficient driver"),
    (lambda cupy, patch: setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 0), "finds no GPU"),
    (lambda cupy, patch: patch.setenv("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "1"), "DEFAULT_STREAM is set"),
    (lambda cupy, patch: patch.setitem(sys.modules, "cupy", None), "CuPy is not installed"),
])
def test_without_a_gpu_the_reason_is_named(cupy, monkeypatch, spoil, reason):
    spoil(cupy, monkeypatch)
    told = []
    with pytest.raises(InputError, match=f"^--backend cuda: .*{reason}.*or use --backend cpu$"):
        backends.choose("cuda")
    with pytest.raises(InputError, match=f"^--precision tf32: needs a GPU; .*{reason}.*or leave --precision out$"):
        backends.choose("auto", "tf32")
    assert backends.choose("auto", log=told.append).name == "cpu"
    assert len(told) == 1
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert backends.choose("auto", log=told.append).name == "cpu"
    assert len(told) == 1                                       # who has no CuPy does not hear of it


def test_a_recorded_step_has_memory_of_its_own(cupy):
    gpu = device.CuPy()
    repeat = gpu.record(lambda: "result")
    assert gpu._recorder.launched == []
    assert [repeat(), repeat()] == ["result", "result"]
    assert gpu._recorder.launched == ["graph", "graph"]
    assert cupy.pools == ["freed", "its own"]


def test_what_is_recorded_alone_has_memory_that_is_freed(cupy):
    gpu = device.CuPy()
    assert gpu.record(lambda: 1, alone=True)() == 1
    gpu.forget()
    assert cupy.pools == ["freed", "alone", "freed alone"]
    cupy.cuda.runtime.memGetInfo = lambda: (999, 2000)
    with pytest.raises(MemoryError, match="less than 0 MB are free"):
        gpu.record(lambda: 1, alone=True)
    assert gpu.record(lambda: 1)() == 1


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("error", [MemoryError("full"), CudaError("not allowed"), KeyboardInterrupt()])
def test_a_record_that_fails_is_ended(cupy, error, void):
    gpu = device.CuPy()
    gpu._recorder.void = void

    def fail():
        raise error

    with pytest.raises(type(error)):
        gpu.record(fail)
    assert not gpu._recorder.capturing
    assert not gpu._recorder.current
    gpu._recorder.void = False
    assert gpu.record(lambda: 1)() == 1


def test_a_changed_header_is_compiled_anew(cupy, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "PACKAGE", tmp_path)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "a.cu").write_text("")
    found = set()
    for text in ("one", "two", "two"):
        (tmp_path / "layers" / "a.cuh").write_text(text)
        sources.headers_digest.cache_clear()
        sources.source.cache_clear()
        found.add(device.CuPy()._module("a", "float", ()).options)
    sources.headers_digest.cache_clear()
    sources.source.cache_clear()
    assert len(found) == 2
