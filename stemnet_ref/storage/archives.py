"""Arrays in `.npz` and `.safetensors` files; each array is read when it is asked for, after a check of its header."""

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import NamedTuple

import numpy as np

from ..program.extras import library
from .readers import MAX_TEXT, check_regular, parse_json, refusing

MAX_HEADER = 1 << 14                # bytes that are read of a header; numpy writes at most some hundred
MAX_UNPACKED = 1 << 26, 20          # limit of the unpacked arrays: so many bytes, and so many times the file's size
NUMBERS = "biufc"                   # kinds of dtype that hold numbers
BFLOAT16 = np.dtype("V2")           # which NumPy has not: so it writes the arrays of ml_dtypes
# dtypes of safetensors, by its name
SAFETENSORS_DTYPES = {"BOOL": np.dtype(bool),
                      **{f"{kind.upper()}{8 * size}": np.dtype(f"{kind}{size}") for kind, sizes in (
                          ("u", (1, 2, 4, 8)), ("i", (1, 2, 4, 8)), ("f", (2, 4, 8))) for size in sizes}}
# What else a file may be, by the bytes that it begins with
OTHERS = {b"\x93NUMPY": "is a .npy file, one array without a name", b"\x89HDF": "is an HDF5 file",
          b"\x80": "is a pickle, as older versions of PyTorch save; reading it could run any program",
          b"\x1f\x8b": "is compressed by gzip", b"{": "is text", b"[": "is text"}
READ_ERRORS = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError,
               IndexError, OverflowError, SyntaxError, TokenError, struct.error, zipfile.BadZipFile, zlib.error,
               LZMAError)           # what NumPy, zipfile and the libraries below them raise on a damaged file


class Header(NamedTuple):
    """Shape and dtype of an array that has not been read yet."""

    shape: tuple
    dtype: np.dtype

    @property
    def size(self):
        """Bytes that the array takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def header_of(arrays, name):
    """Return the Header of an array of a mapping, which is not read where the mapping has headers."""
    if hasattr(arrays, "header"):
        return arrays.header(name)
    array = np.asarray(arrays[name])
    return Header(array.shape, array.dtype)


@contextmanager
def open_npz(path, wrong, remedy):
    """Open an `.npz` file as a mapping of its arrays by name; see `Npz`.

    Raises
    ------
    InputError
        If the file cannot be read, or the body of `with` fails because of what the arrays hold: the file is `wrong`,
        and the `remedy`.
    """
    check_regular(path, remedy)
    with (refusing(path, wrong, remedy, READ_ERRORS),
          refusing(path, "cannot be opened", "check its permissions", PermissionError), open(path, "rb") as file):
        if not zipfile.is_zipfile(file):
            file.seek(0)
            raise ValueError(f"it {_described(file.read(512))}")
        with zipfile.ZipFile(file) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                raise ValueError("it is a file of torch.save, a pickle; reading it could run any program")
            yield Npz(archive, os.fstat(file.fileno()).st_size)


def _described(start):
    """Return what a file that is no zip archive is, by the bytes that it begins with."""
    if start[8:10] == b'{"':
        return "looks like safetensors, whose names end in .safetensors"
    found = next((what for known, what in OTHERS.items() if start.startswith(known)), None)
    if found is None and start and all(byte in b"\t\r\n" or 31 < byte < 127 for byte in start):
        found = "is text"
    return found or "is no .npz archive, or cut off"


class Arrays(Mapping):
    """Arrays of an open file by name; `_members` maps each name to what the file says of the array."""

    def __iter__(self):
        return iter(self._members)

    def __len__(self):
        return len(self._members)

    def __contains__(self, name):
        return name in self._members


class Npz(Arrays):
    """Arrays of an open `.npz` archive by name.

    An array is unpacked only when it is asked for, and only if its header says that it holds numbers, has the bytes
    that the archive says it has, and is not many times larger than the file. Every array comes in the machine's byte
    order, rows first.

    Raises
    ------
    ValueError
        If two members have one name, or, when an array is asked for, if the array cannot be read.
    """

    def __init__(self, archive, size):
        self._archive, self._limit = archive, MAX_UNPACKED[0] + MAX_UNPACKED[1] * size
        self._members, self._headers, self._unpacked = {}, {}, {}   # by name; the last: bytes of what has been read
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"{name} is in it twice")
            self._members[name] = member

    def header(self, name):
        """Return the Header of an array, which is read once."""
        if name not in self._headers:
            self._headers[name] = self._read_header(name)
        return self._headers[name]

    def _read_header(self, name):
        member = self._members[name]
        with self._archive.open(member) as file:
            start = io.BytesIO(file.read(MAX_HEADER))
        version = np.lib.format.read_magic(start)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is of format {version[0]}.{version[1]}, as records with names are")
        with warnings.catch_warnings():                     # a header that Python 2 wrote causes them
            warnings.simplefilter("ignore")
            shape, _, dtype = getattr(np.lib.format, f"read_array_header_{version[0]}_0")(start)
        if any(side < 0 for side in shape):
            raise ValueError(f"{name} has shape {shape}")
        if dtype.kind not in f"{NUMBERS}U" and dtype != BFLOAT16:
            raise ValueError(f"{name} is an array of {dtype}, not of numbers")
        header = Header(shape, dtype)
        if header.size != member.file_size - start.tell():
            raise ValueError(f"{name} has {member.file_size - start.tell()} bytes; {dtype} of shape {shape} needs "
                             f"{header.size}")
        return header

    def __getitem__(self, name):
        header = self.header(name)
        if header.dtype.kind == "U" and header.shape:
            raise ValueError(f"{name} is an array of text, not of numbers")
        self._unpacked[name] = header.size
        if sum(self._unpacked.values()) > self._limit or (
                header.dtype.kind == "U" and header.size > MAX_TEXT):
            raise ValueError(f"{name} would take {header.size / 1e6:.0f} MB unpacked, far more than the file has")
        with self._archive.open(self._members[name]) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):                                # zipfile compares the checksum at the end of the member
                raise ValueError(f"{name} is longer than its header says")
        if header.dtype == BFLOAT16:                        # the upper half of a float32
            return (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return np.asarray(array, array.dtype.newbyteorder("="), order="C")

    def about(self, name="about"):
        """Return the dict that the JSON text in an array holds."""
        header = self.header(name)
        if header.shape or header.dtype.kind != "U":
            raise ValueError(f"{name} is no JSON text")
        return parse_json(str(self[name]))


@contextmanager
def open_arrays(path):
    """Open an `.npz` or a `.safetensors` file as a mapping of its arrays by name.

    Raises
    ------
    InputError
        If the file cannot be read, or the body of `with` fails because of what the arrays hold.
    """
    if Path(path).suffix != ".safetensors":
        with open_npz(path, "cannot be read", "write arrays by numpy.savez(FILE, **arrays), PyTorch's as "
                                              "tensor.detach().numpy()") as npz:
            yield npz
        return
    safetensors = library("safetensors", "safetensors", path)
    remedy = "write float32 or float64 tensors by safetensors.numpy.save_file"
    check_regular(path, remedy)
    with (refusing(path, "cannot be read as safetensors", remedy, (*READ_ERRORS, safetensors.SafetensorError)),
          safetensors.safe_open(path, framework="numpy") as file):
        yield SafeTensors(file)


class SafeTensors(Arrays):
    """Arrays of an open `.safetensors` file by name; the library has checked their positions in the file."""

    def __init__(self, file):
        self._file, self._members = file, dict.fromkeys(file.keys())

    def header(self, name):
        """Return the Header of a tensor."""
        part = self._file.get_slice(name)
        if part.get_dtype() == "BF16":
            if not find_spec("ml_dtypes"):
                raise ValueError(f"{name} is BF16, which NumPy has with the package ml_dtypes alone")
            return Header(tuple(part.get_shape()), BFLOAT16)
        if part.get_dtype() not in SAFETENSORS_DTYPES:
            raise ValueError(f"{name} is {part.get_dtype()}, which NumPy has not")
        return Header(tuple(part.get_shape()), SAFETENSORS_DTYPES[part.get_dtype()])

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        short = self.header(name).dtype == BFLOAT16
        tensor = self._file.get_tensor(name)
        return tensor.astype(np.float32) if short else tensor
