"""Tensors of another implementation, from a file or from a framework, brought into the reference's layouts."""

from contextlib import ExitStack
from functools import partial

import numpy as np

from ..errors import InputError
from ..storage.archives import BFLOAT16, READ_ERRORS, header_of, open_arrays
from ..storage.readers import refusing
from . import coverage, names
from .expected.key import Key
from .golden import keys
from .layouts import LAYOUTS, fitting, from_layout, is_filter, nchw_shape, shape_from_layout, stated
from .stored import Stored, widened

DAMAGED = "cannot be read", "write it anew", READ_ERRORS        # what is wrong with a file, the remedy, the errors
RECENT = 1 << 27        # bytes of a file that are kept: a step asks for parameters and gradients again
DTYPES = np.dtype(np.float32), np.dtype(np.float64)


def read(path, golden, layout=None, log=print, allow_extra=False, only=()):
    """Return the tensors in a file by key, in the reference's layouts: a Stored, which reads them when asked for.

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
    with ExitStack() as opened:
        arrays = opened.enter_context(open_arrays(path))
        layouts = _checked(arrays, golden, (layout,) if layout else stated(arrays, path), path, log, allow_extra, only)
        found = Stored(arrays, layouts, partial(refusing, path, *DAMAGED), shapes(golden), RECENT)
        found.keep(opened.pop_all())
        return found


def select(arrays, golden, layouts=LAYOUTS, path="the arrays", log=print, allow_extra=False, only=()):
    """Return the arrays that are tensors of the golden file, in the reference's layouts.

    `layouts` are those that the arrays may have; the other arguments and the errors are as for `read`.
    """
    known, checked = shapes(golden), _checked(arrays, golden, layouts, path, log, allow_extra, only)
    return {key: from_layout(key, widened(np.asarray(arrays[key])), layout).reshape(known[key])
            for key, layout in checked.items()}


def _checked(arrays, golden, layouts, path, log, allow_extra, only):
    """Return the layout of each array that is compared, by key, after its name, shape and dtype are known to be right.

    No array of a file is read for it. The arguments are as for `select`.
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
    headers = {key: header_of(arrays, key) for key in given}
    _check_dtypes(headers, path, log)
    found = {key: header.shape for key, header in headers.items()}
    chosen = {filters: fitting({key: shape for key, shape in found.items() if is_filter(key) == filters}, known,
                               layouts) for filters in (True, False)}
    for key, shape in found.items():
        if shape_from_layout(key, shape, chosen[is_filter(key)]) != known[key] and not (
                known[key] == () and np.prod(shape) == 1):
            wanted = _wanted(key, found, known, chosen[is_filter(key)], layouts)
            raise InputError(f"{path}: {key} has shape {shape}; {wanted}")
    return {key: chosen[is_filter(key)] for key in given}


def _wanted(key, found, known, layout, layouts):
    """Return which shape a tensor must have in the layout in which the file is read, a text."""
    shapes = {"NHWC": known[key], "NCHW": nchw_shape(key, known[key])} if len(known[key]) == 4 else {}
    alike = [name for name, shape in found.items() if is_filter(name) == is_filter(key) and len(shape) == 4
             and shape_from_layout(name, shape, layout) == known[name]]
    if not shapes:
        return f"it must have {known[key]}"
    if len(layouts) == 1 or alike:
        why = "as was said" if len(layouts) == 1 else "as others in the file"
        return f"read as {layout}, {why}, it must have {shapes[layout]}"
    return f"it must have {' or '.join(f'{shape} in {name}' for name, shape in shapes.items())}"


def _is_short(dtype):
    """Return whether a dtype is float16 or bfloat16."""
    return dtype == BFLOAT16 or (dtype.kind == "f" and dtype.itemsize == 2)


def _check_dtypes(headers, path, log):
    """Raise InputError unless arrays are of floating-point numbers; log a note where these have few digits.

    Both are said once for all arrays.
    """
    wrong = [key for key, header in headers.items()
             if header.dtype.newbyteorder("=") not in DTYPES and not _is_short(header.dtype)]
    if wrong:
        more = f" and {len(wrong) - 1} more are" if len(wrong) > 1 else " is"
        raise InputError(f"{path}: {wrong[0]}{more} {headers[wrong[0]].dtype}; compute and save in float32 or float64")
    if short := [key for key in headers if _is_short(headers[key].dtype)]:
        log(f"note: {path}: {short[0]}{f' and {len(short) - 1} more are' if short[1:] else ' is'} "
            f"{'bfloat16' if headers[short[0]].dtype == BFLOAT16 else 'float16'}: too few digits to tell a right "
            "network from a wrong one; compute and save in float32 or float64")


def shapes(golden):
    """Return {key: shape} of all tensors that can be compared."""
    return {key: header_of(golden.arrays, key if key in golden.arrays else Key.of(key).at_step(1)).shape
            for key in keys(golden, golden.steps)}
