"""Tensors of another implementation, from a file or from a framework, brought into the reference's layouts."""

import difflib

import numpy as np

from ..errors import InputError, pluralize
from ..storage.archives import open_arrays
from .golden import LAYOUTS, from_layout, is_filter, keys, nchw_shape

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
        if layout is None and "about" in arrays:
            try:
                layout = arrays.about().get("layout")
            except (ValueError, AttributeError):
                raise InputError(f'{path}: about is no JSON text; leave it out, or write {{"layout": "NCHW"}}'
                                 ) from None
            if layout not in (None, *LAYOUTS):
                raise InputError(f"{path}: about says layout {str(layout)[:40]!r}; it must be {' or '.join(LAYOUTS)}")
        return select(arrays, golden, layout, path, log)


def select(arrays, golden, layout=None, path="the arrays", log=print):
    """Return the arrays that are tensors of the golden file, in the reference's layouts; arguments as for `read`."""
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
    chosen = {}
    for filters in (True, False):
        names = [key for key, array in given.items() if is_filter(key) == filters and array.ndim == 4]
        fitting = [each for each in LAYOUTS if layout in (None, each)
                   and all(from_layout(key, given[key], each).shape == known[key] for key in names)]
        chosen[filters] = fitting[0] if fitting else layout or LAYOUTS[0]
    for key, array in given.items():
        if known[key] == () and array.size == 1:
            given[key] = array.reshape(())
            continue
        given[key] = from_layout(key, array, chosen[is_filter(key)])
        if given[key].shape != known[key]:
            said = f" (read as {layout}, as you said)" if layout else ""
            raise InputError(f"{path}: {key} has shape {array.shape}{said}; the golden file has {known[key]}"
                             + (f", or in NCHW {nchw_shape(key, known[key])}" if len(known[key]) == 4 else ""))
    return given


def shapes(golden):
    """Return {key: shape} of all tensors that can be compared."""
    found = {}
    for key in keys(golden, golden.steps):
        step, _, rest = key.partition("/")
        found[key] = golden.arrays[key if key in golden.arrays or step == "0" else f"1/{rest}"].shape
    return found
