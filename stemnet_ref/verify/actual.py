"""Tensors of another implementation, from a file or from a framework, brought into the reference's layouts."""

import difflib

import numpy as np

from ..errors import InputError, pluralize
from ..storage.archives import open_arrays
from .expected.key import Key
from .golden import keys
from .layouts import LAYOUTS, fitting, from_layout, is_filter, nchw_shape, stated

NOT_COMPARED = ("about", "frames", "labels", "class_weights")


def read(path, golden, layout=None, log=print):
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

    Raises
    ------
    InputError
        If the file cannot be read, or an array has another shape than the reference's.
    """
    with open_arrays(path) as arrays:
        return select(arrays, golden, (layout,) if layout else stated(arrays, path), path, log)


def select(arrays, golden, layouts=LAYOUTS, path="the arrays", log=print):
    """Return the arrays that are tensors of the golden file, in the reference's layouts.

    `layouts` are those that the arrays may have; the other arguments are as for `read`.
    """
    known = shapes(golden)
    strange = [key for key in arrays if key not in known and key not in NOT_COMPARED and "/mask/" not in key]
    given = {key: np.asarray(arrays[key]) for key in arrays if key in known}
    if not given:
        raise InputError(f"{path}: holds no array under a name of the golden file (the first is "
                         f"{next(iter(arrays), 'none')!r}); names are such as 1/forward/logits, see docs/golden.md")
    if strange:
        like = difflib.get_close_matches(strange[0], known, n=1)
        log(f"note: {pluralize(len(strange), 'array')} not looked at, {strange[0]!r} the first: no such name in the "
            "golden file" + (f"; did you mean {like[0]!r}?" if like else ""))
    for key, array in given.items():
        if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
            raise InputError(f"{path}: {key} is {array.dtype}; convert it to float32 or float64")
        if array.dtype.kind != "f" or array.dtype.itemsize < 4:
            given[key] = array.astype(np.float64 if array.dtype.kind != "f" else np.float32)
    chosen = {filters: fitting({key: array for key, array in given.items() if is_filter(key) == filters}, known,
                               layouts) for filters in (True, False)}
    for key, array in given.items():
        if known[key] == () and array.size == 1:
            given[key] = array.reshape(())
            continue
        given[key] = from_layout(key, array, chosen[is_filter(key)])
        if given[key].shape != known[key]:
            said = f" (read as {layouts[0]}, as you said)" if len(layouts) == 1 else ""
            raise InputError(f"{path}: {key} has shape {array.shape}{said}; the golden file has {known[key]}"
                             + (f", or in NCHW {nchw_shape(key, known[key])}" if len(known[key]) == 4 else ""))
    return given


def shapes(golden):
    """Return {key: shape} of all tensors that can be compared."""
    return {key: golden.arrays[key if key in golden.arrays else Key.of(key).at_step(1)].shape
            for key in keys(golden, golden.steps)}
