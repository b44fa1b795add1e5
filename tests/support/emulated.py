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
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from stemnet_ref.backends.cuda import sources

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / ".pytest_cache" / "cuda"
PAGE = mmap.PAGESIZE
FILL = 0xFF                                             # NaN in every floating-point type
RESULTS = {1: "an access outside an array", 2: "an index outside a shared or local array, or a misaligned access",
           3: "a barrier that not all threads of a block reach"}

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
        return getattr(_library(sources.source(stem), real, options), f"run_{name}"), name

    def record(self, work):
        """Keep the kernels that a function starts; return a function that runs them and returns its result."""
        record = self._record = []
        result = work()
        self._record = None

        def repeat():
            for each in record:
                self.run(*each)
            return result

        return repeat

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
def _library(source, real, options=()):
    """Return the shared library of a .cu file: a function run_NAME for every kernel.

    It is kept for the next run, under a name that says what it was made of.
    """
    compiler = shutil.which("g++")
    macros = [f"#define {name} {value}" for name, value in (("REAL", real), *options)]
    lines = ['#include "standard.h"', *macros, '#include "cuda_on_cpu.h"', f'#include "{source}"']
    for name, parameters in sources.kernels(source).items():
        arguments = ", ".join(f"*({'const ' if const else ''}{kind}{'*' if pointer else ''}*)a[{i}]"
                              for i, (kind, pointer, const, _) in enumerate(parameters))
        lines.append(f'extern "C" int run_{name}(const unsigned* grid, unsigned threads, uint64_t seed, void** a)\n'
                     f"{{ return emulate(grid, threads, seed, [=] {{ {name}({arguments}); }}); }}")
    checks = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unknown-pragmas",
              "-fsanitize=bounds,alignment", "-fsanitize-undefined-trap-on-error"]
    folders = [f"-I{HERE / 'cuda'}", f"-I{sources.HEADERS}"]
    command = [compiler, "-std=c++17", "-Og", "-fPIC", "-shared", "-fno-strict-aliasing", *checks, *folders]
    program = "\n".join(lines)
    parts = [*command, _compiler_version(compiler), program, source.read_text(), _sources()]
    made_of = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    kept = BUILT / f"{source.stem}_{real}_{made_of[:20]}.so"
    if not kept.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:          # another process may be making it too
            path = Path(folder) / "program.cpp"
            path.write_text(program)
            command.insert(1, f"-I{_standard_headers(tuple(command))}")
            subprocess.run([*command, path, "-o", path.with_suffix(".so")], check=True)
            path.with_suffix(".so").replace(kept)
    return ctypes.CDLL(str(kept))


@cache
def _standard_headers(command):
    """Return a folder with standard.h compiled for a command: to read it takes a third of a kernel's time."""
    path = HERE / "cuda" / "standard.h"
    parts = [*command, _compiler_version(command[0]), path.read_text()]
    kept = BUILT / f"standard_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:
            made = Path(folder) / "made"
            made.mkdir()
            shutil.copy2(path, made)
            subprocess.run([*command, "-x", "c++-header", path, "-o", made / "standard.h.gch"], check=True)
            with suppress(OSError):                                     # another process has made it meanwhile
                made.replace(kept)
    return kept


@cache
def _sources():
    """Return all that a .cu file may include, as one text."""
    files = [*(HERE / "cuda").iterdir(), *sources.PACKAGE.rglob("*.cu*")]
    return "\0".join(path.read_text() for path in sorted(files) if path.is_file())


@cache
def _compiler_version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
