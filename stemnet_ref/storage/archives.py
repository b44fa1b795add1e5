"""Arrays in `.npz` and `.safetensors` files, each read when it is asked for, after its header was checked."""

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import NamedTuple

import numpy as np

from ..errors import InputError, reason
from ..program.extras import library
from .readers import MOST, check_regular, parse_json

HEADER = 1 << 14                    # bytes that a header may have; numpy writes at most some hundred
UNPACKED = 1 << 26, 20              # bytes that arrays may take, and how many times the file's on top of that
NUMBERS = "biufc"                   # kinds of dtype
KNOWN = "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"   # of safetensors, to NumPy
DAMAGES = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError,
           IndexError, OverflowError, SyntaxError, TokenError, struct.error, zipfile.BadZipFile, zlib.error,
           LZMAError)                       # as NumPy, zipfile and the libraries below them raise


class Header(NamedTuple):
    """What an array will be when it is read."""

    shape: tuple
    dtype: np.dtype

    @property
    def size(self):
        """Its bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def open_npz(path, wrong, remedy):
    """Open an `.npz` file as a mapping of its arrays by name; see `Npz`.

    Parameters
    ----------
    path : path
    wrong, remedy : str
        What such a file is if it cannot be read, and what to do then.

    Raises
    ------
    InputError
        If it cannot be read, or what is done with its arrays in the body of `with` fails by what they are.
    """
    check_regular(path, remedy)
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no .npz archive, or cut off")
            with zipfile.ZipFile(file) as archive:
                yield Npz(archive, os.fstat(file.fileno()).st_size)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: cannot be opened ({reason(error)}); check its permissions") from None
    except DAMAGES as error:
        raise InputError(f"{path}: {wrong} ({reason(error)}); {remedy}") from None


class Npz(Mapping):
    """The arrays of an open archive by name.

    None is unpacked before it is asked for, nor before its header says that it is one of numbers, has the bytes that
    the archive says it has, and is not many times larger than the file. All come in the machine's byte order, rows
    first. What is no array in the archive is none here.

    Raises
    ------
    ValueError
        If two members have one name, or, when an array is asked for, if it cannot be had.
    """

    def __init__(self, archive, size):
        self._archive, self._left = archive, UNPACKED[0] + UNPACKED[1] * size
        self._members = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"{name} is in it twice")
            self._members[name] = member

    def __iter__(self):
        return iter(self._members)

    def __len__(self):
        return len(self._members)

    def __contains__(self, name):
        return name in self._members

    def header(self, name):
        """Return the Header of an array."""
        return self._header(name)[0]

    def _header(self, name):
        member = self._members[name]
        with self._archive.open(member) as file:
            start = io.BytesIO(file.read(HEADER))
        version = np.lib.format.read_magic(start)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is of format {version[0]}.{version[1]}, as records with names are")
        with warnings.catch_warnings():                     # of headers that Python 2 wrote, or that are no Python
            warnings.simplefilter("ignore")
            shape, _, dtype = getattr(np.lib.format, f"read_array_header_{version[0]}_0")(start)
        if any(side < 0 for side in shape):
            raise ValueError(f"{name} has shape {shape}")
        if dtype.kind not in f"{NUMBERS}U":
            raise ValueError(f"{name} is an array of {dtype}, not of numbers")
        header = Header(shape, dtype)
        if header.size != member.file_size - start.tell():
            raise ValueError(f"{name} has {member.file_size - start.tell()} bytes; {dtype} of shape {shape} needs "
                             f"{header.size}")
        return header, member

    def __getitem__(self, name):
        header, member = self._header(name)
        if header.dtype.kind == "U" and header.shape:
            raise ValueError(f"{name} is an array of text, not of numbers")
        self._left -= header.size
        if self._left < 0 or (header.dtype.kind == "U" and header.size > MOST):
            raise ValueError(f"{name} would take {header.size / 1e6:.0f} MB unpacked, far more than the file has")
        with self._archive.open(member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):                                # reads to the end, where the checksum is looked at
                raise ValueError(f"{name} is longer than its header says")
        return np.asarray(array, array.dtype.newbyteorder("="), order="C")

    def about(self, name="about"):
        """Return what the JSON text of a name says, a dict."""
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
        As `open_npz`.
    """
    if Path(path).suffix != ".safetensors":
        with open_npz(path, "no file of arrays, or a damaged one", "write one by numpy.savez(FILE, **arrays)") as npz:
            yield npz
        return
    safetensors = library("safetensors", "safetensors", path)
    remedy = "write float32 or float64 tensors by safetensors.numpy.save_file"
    check_regular(path, remedy)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield SafeTensors(file)
    except InputError:
        raise
    except (*DAMAGES, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors ({reason(error)}); {remedy}") from None


class SafeTensors(Mapping):
    """The arrays of an open `.safetensors` file by name; the library has checked their places in the file."""

    def __init__(self, file):
        self._file, self._names = file, list(file.keys())

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)

    def __getitem__(self, name):
        if name not in self._names:
            raise KeyError(name)
        dtype = self._file.get_slice(name).get_dtype()
        if dtype not in KNOWN:
            raise ValueError(f"{name} is {dtype}, which NumPy has not")
        return self._file.get_tensor(name)
