"""Tensors of another implementation, from a file or from a framework, brought into the reference's layouts."""

import numpy as np

from ..errors import InputError
from ..storage.archives import BFLOAT16, Header, open_arrays
from . import coverage, names
from .expected.key import Key
from .golden import keys
from .layouts import LAYOUTS, fitting, from_layout, is_filter, nchw_shape, shape_from_layout, stated

DTYPES = np.dtype(np.float32), np.dtype(np.float64)


def read(path, golden, layout=None, log=print, allow_extra=False, only=()):
    """Return the tensors in a file by key, in the reference's layouts.

    Parameters
    ----------
    path : path
        `.npz` or `.safetensors`.
    golden : golden.Golden
    layout : {"NHWC", "NCHW"}, optional
        Layout of the file's arrays; without it what the file says under "about", or what fits, for filters and for the
        other arrays.
    log : callable
        Takes a line of text for the user.
    allow_extra : bool
        Whether arrays under other names than the golden file's are left alone, and are no error.
    only : tuple of str
        The kinds of tensors to compare, of `coverage.KINDS`; none for all.

    Raises
    ------
    InputError
        If the file cannot be read, a name is not the golden file's, an array has another shape than the reference's or
        is not of floating-point numbers, or nothing is in it that an implementation computes.
    """
    with open_arrays(path) as arrays:
        return select(arrays, golden, (layout,) if layout else stated(arrays, path), path, log, allow_extra, only)


def select(arrays, golden, layouts=LAYOUTS, path="the arrays", log=print, allow_extra=False, only=()):
    """Return the arrays that are tensors of the golden file, in the reference's layouts.

    `layouts` are those that the arrays may have; the other arguments are as for `read`. No array is read, or unpacked,
    before its shape and its dtype are known to be right, and those that are not compared never.
    """
    known = shapes(golden)
    if extra := names.unknown(arrays, golden, known):
        text = f"{path}: {names.described(extra, known, golden.steps)}"
        if not allow_extra:
            raise InputError(f"{text}; rename them, or have them left alone by --allow-extra; names are such as "
                             "1/forward/logits, see docs/golden.md")
        log(f"note: {text}; not looked at")
    given = [key for key in arrays if key in known]
    if not given:
        raise InputError(f"{path}: holds no array under a name of the golden file; names are such as 1/forward/logits, "
                         "see docs/golden.md")
    given = coverage.choose(given, only, path)
    headers = {key: _header(arrays, key) for key in given}
    _check_dtypes(headers, path)
    if short := [key for key in headers if _is_short(headers[key].dtype)]:
        log(f"note: {path}: {short[0]}{f' and {len(short) - 1} more are' if short[1:] else ' is'} "
            f"{'bfloat16' if headers[short[0]].dtype == BFLOAT16 else 'float16'}: too few digits to tell a right "
            "network from a wrong one; compute and save in float32 or float64")
    found = {key: header.shape for key, header in headers.items()}
    chosen = {filters: fitting({key: shape for key, shape in found.items() if is_filter(key) == filters}, known,
                               layouts) for filters in (True, False)}
    for key, shape in found.items():
        if shape_from_layout(key, shape, chosen[is_filter(key)]) != known[key] and not (
                known[key] == () and np.prod(shape) == 1):
            said = f" (read as {layouts[0]}, as was said)" if len(layouts) == 1 and len(known[key]) == 4 else ""
            raise InputError(f"{path}: {key} has shape {shape}{said}; the golden file has {known[key]}"
                             + (f", or in NCHW {nchw_shape(key, known[key])}" if len(known[key]) == 4 else ""))
    return {key: from_layout(key, _widened(np.asarray(arrays[key])), chosen[is_filter(key)]).reshape(known[key])
            for key in given}


def _header(arrays, key):
    """Return the Header of an array, read from the file without the array where there is one."""
    if hasattr(arrays, "header"):
        return arrays.header(key)
    array = np.asarray(arrays[key])
    return Header(array.shape, array.dtype)


def _is_short(dtype):
    """Return whether a dtype is float16 or bfloat16."""
    return dtype == BFLOAT16 or (dtype.kind == "f" and dtype.itemsize == 2)


def _check_dtypes(headers, path):
    """Raise InputError, once for all arrays, unless they are of floating-point numbers."""
    wrong = [key for key, header in headers.items()
             if header.dtype.newbyteorder("=") not in DTYPES and not _is_short(header.dtype)]
    if wrong:
        more = f" and {len(wrong) - 1} more are" if len(wrong) > 1 else " is"
        raise InputError(f"{path}: {wrong[0]}{more} {headers[wrong[0]].dtype}; compute and save in float32 or float64")


def _widened(array):
    """Return an array of a short format in float32, and any other as it is."""
    return array.astype(np.float32) if _is_short(array.dtype) else array


def shapes(golden):
    """Return {key: shape} of all tensors that can be compared."""
    return {key: golden.arrays[key if key in golden.arrays else Key.of(key).at_step(1)].shape
            for key in keys(golden, golden.steps)}
