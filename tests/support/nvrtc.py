"""Compile CUDA text for a chip with NVRTC, as CuPy does, but without CuPy, driver or GPU.

`python tests/support/nvrtc.py [CHIP ...]` prints what every kernel takes of a chip: registers, shared memory, spills.
"""

import argparse
import ctypes
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from stemnet_ref.backends.cuda import sources
from stemnet_ref.backends.cuda.gemm import GemmConfig
from stemnet_ref.network.stemnet import StemNet

FILES = sorted(sources.PACKAGE.rglob("*.cu"))


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
    options = ["--std=c++14", f"-I{sources.HEADERS}", f"--gpu-architecture=sm_{architecture}",
               "-ftz=true", "--device-as-default-execution-space",           # CuPy gives these two
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


def place(kind, groups=False):
    """Return what GemmConfig looks at of a device: an H100."""
    return SimpleNamespace(product=kind, multiprocessors=132, groups=groups, shared_bytes=233472)


def network_macros(stem, dtype, kind, groups=False):
    """Return what the host compiles a file with for Network5 at 1024 x 1024: a list of macros for each of its shapes.

    Parameters
    ----------
    stem : str
    dtype : numpy dtype
    kind : int
        PRODUCT of backends/cuda/windows.cuh that the chip would have.
    groups : bool
        Whether it has the products of groups.cuh.
    """
    found, transposed, where = set(), stem in ("conv_transpose2d", "block_transpose"), place(kind, groups)
    for layer, (*_, c, o), level in _weights():
        side = 1024 >> level
        pixels = 1, side, side
        if stem == "conv2d" and layer == "output":
            c, o, kernel = 16, 5, (1, 1)                    # of five classes; two go the way of pixelwise.cu
        elif stem == "block" and layer.endswith(".conv"):
            kernel = 5, 5
        elif transposed and layer.endswith(".deconv"):
            c, o, kernel, pixels = o, c, (1, 1), (1, side // 2, side // 2)
        else:
            continue
        if stem == "block_transpose":
            found.add(GemmConfig.convolve(where, pixels, kernel, c, 4 * o, dtype, (c, o)).options)
            continue
        found.add(GemmConfig.convolve(where, pixels, kernel, c, o, dtype, (c, o)).options)
        found.add(GemmConfig.weight_gradient(where, pixels, kernel, c, o, dtype, (c, o)).options)
        if layer != "down0.conv":
            found.add(GemmConfig.convolve(where, pixels, kernel, o, c, dtype, (c, o)).options)
    if stem in ("block", "filters", "max_pool2d", "pixelwise"):
        found |= {(("VECTOR", 0),), (("VECTOR", 1),)}
    return sorted(found) or [()]


@cache
def _weights():
    """Return (name, shape of the weight, level) of every block of Network5 that has a weight."""
    return [(block.name, block.weight, block.level) for block in StemNet(5).blocks if block.weight]


def report(version, architecture):
    """Print a line for every kernel of Network5 at 1024 x 1024."""
    print(f"{'sm_' + str(architecture):<36}{'macros':<32}{'registers':>10}{'shared':>8}{'spilled':>9}")
    for path in FILES:
        kinds = (1, 2, 3) if architecture >= 80 else (1,)
        for macros in sorted({each for kind in kinds
                              for each in network_macros(path.stem, np.dtype("f4"), kind, architecture == 90)}):
            chip = "90a" if dict(macros).get("GROUPS") else architecture             # as backends/cuda/device.py
            log = compile_cuda(version, path, chip, macros=macros)
            for name, text in re.findall(r"entry function '(\w+)'(.*?Used.*?)\n", log, re.DOTALL):
                registers, shared, spilled = (
                    (re.search(of, text) or "00")[1] for of in (r"Used (\d+) reg", r"(\d+) bytes smem",
                                                                r"(\d+) bytes spill st"))
                shared = max(int(shared), dict(macros).get("SHARED_BYTES", 0))
                print(f"{name:<36}{_in_words(**dict(macros)):<32}{registers:>10}{shared:>8}{spilled:>9}")


def _in_words(PRODUCT=None, TILE_ROWS=0, TILE_COLUMNS=0, TILE_WIDTH=0, KERNEL=0, CHUNK=0, VECTOR=None, GROUPS=0,
              SHARED_BYTES=0):
    """Return the macros of backends/cuda/windows.cuh, short."""
    vector = {None: "", 0: "one by one", 1: "vectors"}[VECTOR]
    if PRODUCT is None:
        return vector
    way = {1: "cores", 2: "tensor", 3: "tf32"}[PRODUCT] + ("", " groups", " gradient", " lines")[GROUPS]
    return f"{way} {TILE_ROWS}x{TILE_COLUMNS} kernel {KERNEL} by {CHUNK}{'' if VECTOR else ' ' + vector}"


def main(argv=None):
    """Print the report for the chips that are asked for."""
    parser = argparse.ArgumentParser(prog="python tests/support/nvrtc.py", description=__doc__.splitlines()[0])
    parser.add_argument("chips", nargs="*", metavar="CHIP", default=["90"], help="as 90 or sm_90 (90)")
    chips = [chip.removeprefix("sm_") for chip in parser.parse_args(argv).chips]
    if not compilers():
        parser.error("NVRTC is not installed; pip install nvidia-cuda-nvrtc-cu12")
    for chip in chips:
        version = max((each for each in compilers() if chip in map(str, architectures(each))), default=None)
        if version is None:
            known = sorted({chip for each in compilers() for chip in architectures(each)})
            parser.error(f"{chip}: no chip that the installed NVRTC knows; must be one of {', '.join(map(str, known))}")
        report(version, int(chip))


if __name__ == "__main__":
    main()
