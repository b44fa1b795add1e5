"""Which device runs the arithmetic, arrays to and fro, and the checked launch of CUDA kernels.

This is the only module that imports CuPy. A layer looks at its arrays: NumPy's run its NumPy code, a device's run the
kernels of the `.cu` file of the same stem, compiled when first used. The two sides of a layer have the same arguments.
"""

import os
import re
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ...errors import InputError, NoGpu

BLOCK = 256                     # threads in a block, wherever a kernel does not say otherwise
VECTOR = 16                     # bytes that a kernel compiled with VECTOR reads at once, from a multiple of them on
LIMIT = 2 ** 31                 # of what a kernel indexes with an int
PACKAGE = Path(__file__).parents[2]
HEADERS = Path(__file__).parent
FOLDERS = "layers", "backends/cuda", "."             # where a `.cu` file is looked for
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(([^)]*)\)')
TYPES = {"REAL": None, "int": np.int32, "int64": np.int64, "uint64": np.uint64, "double": np.float64, "bool": np.bool_,
         "unsigned char": np.uint8, "unsigned short": np.uint16, "float": np.float32}


class CuPy:
    """Arrays and kernels of a CUDA GPU.

    Attributes
    ----------
    name : str
        For the user: "cuda" and the chip.
    product : int
        How it multiplies matrices, PRODUCT of backends/cuda/windows.cuh.
    multiprocessors : int
        That the chip has.
    pools : tuple of cupy.cuda.MemoryPool
        That its arrays are in: CuPy's own, and that of `record`.

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
        self.pools = cupy.get_default_memory_pool(), cupy.cuda.MemoryPool()
        self._recorder = cupy.cuda.Stream(non_blocking=True)
        self.product = 3 if precision == "tf32" else 2 if has_tf32 else 1
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
        return self._module(stem, real, options).get_function(name)

    def run(self, function, grid, block, arguments):
        function(grid, (block,), arguments)

    def record(self, work):
        """Record the kernels that a function starts, as a CUDA graph, without running them.

        Their arrays are taken from a pool of their own, which is never emptied: nobody else uses that memory while
        graphs are repeated. All graphs share it, since they run one after the other.

        Returns
        -------
        repeat : callable
            Runs them all, in order, after what was started before.
        result
            Of the function: arrays that every repetition writes anew, as long as they are held.

        Raises
        ------
        RuntimeError, MemoryError
            If CUDA refuses; then nothing is being recorded any more.
        """
        usual, recorded = self.pools
        usual.free_all_blocks()
        with self.cupy.cuda.using_allocator(recorded.malloc), self._recorder as stream:
            stream.begin_capture()
            try:
                result = work()
            except BaseException:
                with suppress(RuntimeError):                # the graph is void, and the stream free again
                    stream.end_capture()
                raise
            graph = stream.end_capture()
        return graph.launch, result

    @cache                                                                      # noqa: B019
    def _module(self, stem, real, options):
        return self.cupy.RawModule(code=source(stem).read_text(), options=(
            "--std=c++14", f"-I{HEADERS}",
            *(f"-D{name}={value}" for name, value in (("REAL", real), ("HEADERS", headers_digest()), *options))))


_devices = {}                   # type of array -> the device that made it


def choose(name, precision="fp32", tell=lambda text: None):
    """Return the device for the options --device and --precision: None for the CPU, else the GPU.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        "auto" takes a GPU where there is one.
    precision : {"fp32", "tf32"}
        Of the operands of convolutions: "tf32" rounds them to 11 significant bits, on a GPU that can.
    tell : callable
        Takes a line of text for the user, where CuPy is installed and "auto" still takes the CPU.

    Raises
    ------
    InputError
        If "cuda" is asked for and CuPy or a GPU is missing, or "tf32" and what is there cannot do it.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: must be auto, cpu or cuda")
    if precision not in ("fp32", "tf32"):
        raise InputError(f"--precision {precision}: must be fp32 or tf32")
    if name == "cpu" and precision == "tf32":
        raise InputError("--precision tf32: is for --device cuda only; on a CPU leave it out")
    if name == "cpu":
        return None
    try:
        return register(CuPy(precision))
    except NoGpu as error:
        if name == "cuda":
            raise InputError(f"--device cuda: {error.reason}; {error.remedy}, or use --device cpu") from None
        if precision == "tf32":
            raise InputError(f"--precision tf32: needs a GPU; {error.reason}; {error.remedy}, or leave --precision "
                             "out") from None
        if find_spec("cupy"):
            tell(f"note: the CPU is used: {error.reason}")
        return None


def register(device):
    """Make the layers run arrays of `device.array_type` through it; return the device."""
    _devices[device.array_type] = device
    return device


def device_of(*arrays):
    """Return the device of the arrays, None for NumPy's.

    Raises
    ------
    ValueError
        If they are not all on one.
    """
    found = {type(array) for array in arrays}
    there = {kind for kind in found if kind in _devices or not issubclass(kind, (np.ndarray, np.generic, int, float))}
    if not there:
        return None
    if len(found) > 1:
        raise ValueError(f"arrays of {' and '.join(sorted(each.__name__ for each in found))}: move them to one device")
    (kind,) = there
    if kind not in _devices and kind.__module__.partition(".")[0] == "cupy":
        register(CuPy())
    if kind not in _devices:
        raise ValueError(f"{kind.__name__}: must be an array of NumPy or CuPy")
    return _devices[kind]


def to_host(array):
    """Return an array as NumPy's, wherever it is."""
    device = device_of(array)
    return device.to_host(array) if device else array


@cache
def headers_digest():
    """Return a number that changes with the files that the kernels include: CuPy's cache does not look at them."""
    return crc32(b"".join(path.read_bytes() for path in sorted(PACKAGE.rglob("*.cuh"))))


@cache
def source(stem):
    """Return the path of a `.cu` file of the package; the stem is its name, or "data/scaling" outside `FOLDERS`."""
    return next(path for folder in FOLDERS if (path := PACKAGE / folder / f"{stem}.cu").exists())


class Parameter(NamedTuple):
    """A kernel's parameter: a number or, `pointer`, an array. `kind` is a key of TYPES."""

    kind: str
    pointer: bool
    const: bool
    name: str


@cache
def kernels(path):
    """Return the kernels of a `.cu` file with their parameters: a dict of str to list of Parameter."""
    found = {}
    for name, text in KERNEL.findall(path.read_text()):
        parameters = []
        for parameter in text.split(","):
            kind, _, label = parameter.strip().rpartition(" ")
            pointer = kind.endswith("*")
            kind = kind.rstrip("*").strip()
            parameters.append(Parameter(kind.removeprefix("const "), pointer, kind.startswith("const "), label))
        found[name] = parameters
    return found


@cache
def _signature(stem, kernel, double):
    """Return (parameter, its dtype, smallest and largest value of a whole number) of each; REAL may be float64."""
    rows = []
    for parameter in kernels(source(stem))[kernel]:
        dtype = np.dtype(TYPES[parameter.kind] or (np.float64 if double else np.float32))
        limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (None, None)
        rows.append((parameter, dtype, *limits))
    return tuple(rows)


def launch(name, grid, *arguments, block=BLOCK, options=()):
    """Start a kernel, after checking what CUDA would not.

    Parameters
    ----------
    name : str
        ``stem.kernel``, such as ``relu.relu_forward``.
    grid : int or tuple of int
        Blocks; nothing is started where it holds a 0. `blocks` gives their number.
    *arguments
        Arrays on one device, ints and floats, in the order of the kernel's parameters.
    block : int
        Threads in a block.
    options : tuple of (str, int)
        Macros to compile the file with; with VECTOR 1, all arrays must begin at multiples of 16 bytes.

    Raises
    ------
    ValueError
        If an argument does not fit its parameter: number, dtype, contiguity, alignment, device, or range.
    """
    stem, _, kernel = name.partition(".")
    parameters = kernels(source(stem))[kernel]
    if len(arguments) != len(parameters):
        raise ValueError(f"{kernel}: {len(arguments)} arguments; it takes {len(parameters)}")
    arrays = [each for each, parameter in zip(arguments, parameters, strict=True) if parameter.pointer]
    device = device_of(*arrays)
    double = _is_double(kernel, arguments, parameters)
    checked = tuple([_checked(kernel, argument, *expected)
                     for argument, expected in zip(arguments, _signature(stem, kernel, double), strict=True)])
    if ("VECTOR", 1) in options:
        for array, parameter in zip(arguments, parameters, strict=True):
            if parameter.pointer and array.size and device.address(array) % VECTOR:
                raise ValueError(f"{kernel}: {parameter.name} does not begin at a multiple of {VECTOR} bytes; copy it "
                                 "first")
    grid = grid if isinstance(grid, tuple) else (grid,)
    if max(grid) >= LIMIT or max((*grid[1:], 0)) > 65535:
        raise ValueError(f"{kernel}: a grid of {grid} blocks is more than CUDA allows; give it less at once")
    if min(grid) > 0:
        device.run(device.function(stem, kernel, "double" if double else "float", options), grid, block, checked)


def blocks(count, size=BLOCK):
    """Return how many blocks of `size` cover `count`."""
    return -(-count // size)


def _is_double(kernel, arguments, parameters):
    """Return whether REAL stands for float64: the dtype of the first array declared so."""
    for argument, parameter in zip(arguments, parameters, strict=True):
        if parameter.kind == "REAL" and parameter.pointer:
            if argument.dtype not in (np.float32, np.float64):
                raise ValueError(f"{kernel}: {parameter.name} is {argument.dtype}; it must be float32 or float64")
            return argument.dtype == np.float64
    return False


def _checked(kernel, argument, parameter, dtype, least, most):
    """Return the argument as the kernel takes it."""
    if parameter.pointer:
        if argument.dtype != dtype:
            raise ValueError(f"{kernel}: {parameter.name} is {argument.dtype}; it must be {dtype}")
        if not argument.flags.c_contiguous:
            raise ValueError(f"{kernel}: {parameter.name} is not contiguous; copy it first")
        return argument
    if least is not None and not (isinstance(argument, (int, np.integer)) and least <= argument <= most):
        raise ValueError(f"{kernel}: {parameter.name}={argument!r} must be a whole number of {8 * dtype.itemsize} bits"
                         + (", give it fewer pixels at once" if isinstance(argument, int) else ""))
    return dtype.type(argument)
