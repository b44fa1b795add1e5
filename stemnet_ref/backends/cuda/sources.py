"""The `.cu` files of the package: where they lie, and which kernels with which parameters they hold."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

PACKAGE = Path(__file__).parents[2]
HEADERS = Path(__file__).parent
FOLDERS = "layers", "backends/cuda", "."             # where a `.cu` file is looked for
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(([^)]*)\)')
TYPES = {"REAL": None, "int": np.int32, "int64": np.int64, "uint64": np.uint64, "double": np.float64, "bool": np.bool_,
         "unsigned char": np.uint8, "unsigned short": np.uint16, "float": np.float32}


class Parameter(NamedTuple):
    """A kernel's parameter: a number or, `pointer`, an array. `kind` is a key of TYPES."""

    kind: str
    pointer: bool
    const: bool
    name: str


@cache
def source(stem):
    """Return the path of a `.cu` file of the package; the stem is its name, or "data/scaling" outside `FOLDERS`."""
    return next(path for folder in FOLDERS if (path := PACKAGE / folder / f"{stem}.cu").exists())


@cache
def headers_digest():
    """Return a number that changes with the files that the kernels include: CuPy's cache does not look at them."""
    return crc32(b"".join(path.read_bytes() for path in sorted(PACKAGE.rglob("*.cuh"))))


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
def signature(stem, kernel, double):
    """Return (parameter, its dtype, smallest and largest value of a whole number) of each; REAL may be float64."""
    rows = []
    for parameter in kernels(source(stem))[kernel]:
        dtype = np.dtype(TYPES[parameter.kind] or (np.float64 if double else np.float32))
        limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (None, None)
        rows.append((parameter, dtype, *limits))
    return tuple(rows)
