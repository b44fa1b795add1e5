"""Compile CUDA text for a chip with NVRTC, as CuPy does, but without CuPy, driver or GPU."""

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

from stemnet_ref import device


class CompileError(AssertionError):
    """What NVRTC says of a text that it does not take, or takes with warnings."""


@cache
def compilers():
    """Return the libraries of the installed wheels nvidia-cuda-nvrtc-cu12 and nvidia-cuda-nvrtc, by major version."""
    package = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in package.submodule_search_locations] if package else []
    found = sorted(file for folder in folders for file in folder.glob("*/lib/libnvrtc.so.*"))
    return {int(file.name.split(".")[2]): ctypes.CDLL(str(file)) for file in found if file.name.count(".") == 2}


def architectures(version):
    """Return the chips that the compiler of a major version knows, as 60, 70, ..."""
    library, count = compilers()[version], ctypes.c_int()
    _check(library, library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    known = (ctypes.c_int * count.value)()
    _check(library, library.nvrtcGetSupportedArchs(known))
    return list(known)


def compile_cuda(version, path, architecture, real="float", macros=()):
    """Return the log of compiling a .cu file to machine code, with what ptxas reports of every kernel.

    Raises
    ------
    CompileError
        On errors, and on warnings except that a chip is old.
    """
    library, program = compilers()[version], ctypes.c_void_p()
    options = ["--std=c++14", f"-I{device.PACKAGE / 'layers'}", f"--gpu-architecture=sm_{architecture}",
               "--ptxas-options=-v", *(f"-D{name}={value}" for name, value in (("REAL", real), *macros))]
    text = Path(path).read_bytes()
    _check(library, library.nvrtcCreateProgram(ctypes.byref(program), text, Path(path).name.encode(), 0, None, None))
    encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = library.nvrtcCompileProgram(program, len(options), encoded)
    size = ctypes.c_size_t()
    _check(library, library.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    log = ctypes.create_string_buffer(size.value)
    _check(library, library.nvrtcGetProgramLog(program, log))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    log = log.value.decode()
    warnings = [line for line in log.splitlines() if "warning" in line and "Architectures prior to" not in line]
    if status or warnings:
        raise CompileError(f"{Path(path).name} for sm_{architecture}, NVRTC {version}:\n{log}")
    return log


def _check(library, status):
    if status:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompileError(library.nvrtcGetErrorString(status).decode())
