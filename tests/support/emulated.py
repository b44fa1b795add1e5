"""A device for the tests: the CUDA files, compiled by g++ and run on the CPU, behind the launcher that the GPU has.

Its arrays lie between guard pages, start as NaN, and refuse NumPy's arithmetic, so that a step which does anything
outside a kernel fails.
"""

import ctypes
import hashlib
import mmap
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from stemnet_ref.backends.cuda import sources

CUDA = Path(__file__).parent / "cuda"
BUILT = Path(__file__).parents[2] / ".pytest_cache" / "cuda"
PAGE = mmap.PAGESIZE
FILL = 0xFF                                             # NaN in every floating-point type
RESULTS = {1: "an access outside an array",
           2: "an index outside a shared or local array, a misaligned access, or products of groups out of order",
           3: "a barrier that not all threads of a block reach",
           4: "more local memory than the emulator fills with NaN: FILLED of emulator.cpp must be larger"}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class EmulatedArray(np.ndarray):
    """Memory of the emulated device. Only kernels compute with it; views of it may be taken."""

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        raise TypeError(f"{ufunc.__name__}: arithmetic outside a kernel")

    def __array_function__(self, function, types, arguments, keywords):
        raise TypeError(f"{function.__name__}: arithmetic outside a kernel")


class KernelFault(AssertionError):
    """What the emulator caught."""


class Emulator:
    """The device; `seed` orders the threads."""

    array_type = EmulatedArray
    name, precision = "emulated", "fp32"

    def __init__(self):
        self.seed = 0
        self.product = 1                                # which way of windows.cuh
        self.multiprocessors = 132
        self.groups = False                             # whether convolutions are those of groups.cuh
        self.shared_bytes = 233472                      # of a multiprocessor
        self._record = None
        self._starts = set()                            # addresses of whole arrays

    def empty(self, shape, dtype):
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        size = max(count * dtype.itemsize, 1)
        room = -(-size // 16) * 16                      # as near to the guard page as 16-byte loads allow
        pages = -(-room // PAGE)
        memory = mmap.mmap(-1, (pages + 2) * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        ctypes.memset(address, FILL, len(memory))
        for guard in (address, address + (pages + 1) * PAGE):
            if _libc.mprotect(guard, PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        start = (pages + 1) * PAGE - room
        self._starts.add(address + start)
        return np.frombuffer(memory, dtype, count, start).reshape(shape).view(EmulatedArray)

    def to_device(self, array):
        array = np.asarray(array)
        out = self.empty(array.shape, array.dtype)
        np.copyto(out.view(np.ndarray), array)
        return out

    def to_host(self, array):
        return np.array(array.view(np.ndarray))

    def address(self, array):
        return array.ctypes.data

    def function(self, stem, name, real, options):
        only = name if options else None                # kernels with macros have few of them in common
        return getattr(_library(sources.source(stem), real, options, only), f"run_{name}"), name

    def record(self, work, alone=False):
        """Keep the kernels that a function starts; return a function that runs them and returns its result."""
        record = self._record = []
        result = work()
        self._record = None

        def repeat():
            for each in record:
                self.run(*each)
            return result

        return repeat

    def forget(self):
        """Stand for the memory of a record, which nobody else takes here."""

    def run(self, function, grid, block, arguments):
        if self._record is not None:
            self._record.append((function, grid, block, arguments))
            return
        function, name = function
        self.seed += 1
        values = [ctypes.c_void_p(each.ctypes.data) if isinstance(each, np.ndarray) else each for each in arguments]
        held = [value if isinstance(value, ctypes.c_void_p) else np.array(value) for value in values]
        pointers = (ctypes.c_void_p * len(held))(*(
            ctypes.addressof(each) if isinstance(each, ctypes.c_void_p) else each.ctypes.data for each in held))
        sizes = (ctypes.c_uint * 3)(*(*grid, 1, 1)[:3])
        slack = [part for each in arguments if isinstance(each, np.ndarray) for part in self._slack(each)]
        before = [ctypes.string_at(*each) for each in slack]
        result = function(sizes, block, ctypes.c_uint64(self.seed), pointers)
        if result:
            raise KernelFault(f"{name}: {RESULTS[result]}")
        if before != [ctypes.string_at(*each) for each in slack]:
            raise KernelFault(f"{name}: a write just outside an array")

    def _slack(self, array):
        """Return address and length of what lies between an array and its guard pages."""
        start, end = array.ctypes.data, array.ctypes.data + array.nbytes
        before = start % PAGE if start in self._starts else 0               # else a view: data lie before it
        return (start - before, before), (end, -end % 16)


@cache
def _library(source, real, options=(), only=None):
    """Return the shared library of a .cu file: a function run_NAME for every kernel, or for `only` one of them."""
    _emulator()
    macros = [f"#define {name} {value}" for name, value in (("REAL", real), *options)]
    lines = [*macros, '#include "cuda_on_cpu.h"', f'#include "{source}"']
    for name, parameters in sources.kernels(source).items():
        if only in (None, name):
            arguments = ", ".join(f"*({'const ' if const else ''}{kind}{'*' if pointer else ''}*)a[{i}]"
                                  for i, (kind, pointer, const, _) in enumerate(parameters))
            lines.append(f'extern "C" int run_{name}(const unsigned* grid, unsigned threads, uint64_t seed, void** a)\n'
                         f"{{ return emulator::run(grid, threads, seed, [](void** a) {{ {name}({arguments}); }}, a,\n"
                         "    sizeof(REAL) == 4, &__start_cuda_shared, &__stop_cuda_shared); }")
    flags = ["-Og", "-nostdlib", "-fno-gnu-unique", "-fno-strict-aliasing", "-Wno-unused-parameter",
             "-Wno-unknown-pragmas", "-fsanitize=bounds,alignment", "-fsanitize-undefined-trap-on-error",
             f"-I{sources.HEADERS}"]
    return ctypes.CDLL(_compiled("_".join([only or source.stem, real]), "\n".join(lines), source.read_text(), *flags))


@cache
def _emulator():
    """Load what runs the threads, for the libraries of all kernels to find."""
    text, included = ((CUDA / name).read_text() for name in ("emulator.cpp", "products.h"))
    return ctypes.CDLL(_compiled("emulator", text, included, "-O2"), ctypes.RTLD_GLOBAL)


def _compiled(name, program, included, *flags):
    """Return the path of a program's shared library, which is kept for the next run under a digest of all it is of."""
    compiler = shutil.which("g++")
    command = [compiler, "-std=c++17", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", f"-I{CUDA}", *flags]
    parts = [*command, _compiler_version(compiler), program, included, _headers()]
    kept = BUILT / f"{name}_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.so"
    if not kept.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:          # another process may be making it too
            path = Path(folder) / "program.cpp"
            path.write_text(program)
            subprocess.run([*command, path, "-o", path.with_suffix(".so")], check=True)
            path.with_suffix(".so").replace(kept)
    return str(kept)


@cache
def _headers():
    """Return all that a .cu file may include, as one text."""
    return "\0".join(path.read_text() for path in sorted([CUDA / "cuda_on_cpu.h", *sources.PACKAGE.rglob("*.cuh")]))


@cache
def _compiler_version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
