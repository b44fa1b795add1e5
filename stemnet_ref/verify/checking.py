"""Check a layer of one's own, in a test."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from .calls import call, like, pristine
from .compare import compare_layer, unit_of
from .diagnosis.layer import diagnose_layer
from .diagnosis.relations import relations_of_gradients
from .diagnosis.shapes import of_shape
from .differences import compare_with_differences
from .expected.layer import COSTS, GRADIENTS, INPUTS, LAYERS, LayerTrace, Options, sample_inputs
from .report import lines

SAMPLED = 32            # elements of each gradient that are compared with a forward pass that is wrong


def check(forward, backward=None, inputs=None, layer=None, options=None, dtype=np.float32, seed=0):
    """Assert that a layer of one's own computes what the reference does, or that its backward pass fits its forward.

    With `layer` every output is compared with the reference's, within what rounding allows. Without it the backward
    pass is compared with central differences of the forward pass, every element, in float64.

    Both functions get copies of the inputs, new ones in every call. A layer may work in place on what it is to change,
    x (a and b of a concatenation; without `layer` the first input): that is noted, and the backward pass must be right
    with what forward leaves of x, which is what it gets in use. If another input is changed, a weight, a mask or dy, or
    if the same inputs give other results in a second call, the layer is wrong.

    Parameters
    ----------
    forward : callable
        Takes the inputs in their order; returns y, or the cost. Of several results the first is taken.
    backward : callable, optional
        Takes dy and the inputs (the inputs alone for a cost); returns the gradients with respect to the floating-point
        inputs in their order, or the only one. With `layer` it may be left out, and then only the forward pass is
        compared.
    inputs : dict of str to array, optional
        Inputs by the reference's names, in the order of its arguments, such as ``{"x": x, "weight": w}``, without dy:
        arrays of any library with DLPack or ``__array__``, handed on as copies in the same library. Without it they
        are sampled for `layer`.
    layer : str, optional
        One of `verify.expected.layer.LAYERS`: the reference to compare with.
    options : verify.Options, optional
        Padding, stride, keep_prob and so on.
    dtype : float32 or float64
        Type of the inputs that are sampled.
    seed : int
        Seed of what is sampled: inputs and dy.

    Returns
    -------
    report : report.Report
        Its `notes` say what was changed in place; they are printed too, to standard error.

    Raises
    ------
    AssertionError
        If an output departs, or an input is changed that must not be; the message is the table, and with `layer` what
        explains it.
    ValueError
        If an argument cannot be used.
    """
    if layer is not None and layer not in LAYERS:
        raise ValueError(f"check: layer={layer!r} must be one of {', '.join(LAYERS)}")
    if layer is None and (inputs is None or backward is None):
        raise ValueError("check: without layer= it needs inputs= and backward, to compare with central differences")
    if inputs is not None and not isinstance(inputs, Mapping):
        raise ValueError(f"check: inputs= is a {type(inputs).__name__}; give a dict of arrays by name, such as "
                         '{"x": x}')
    options = options or Options()
    if inputs is None:
        inputs = sample_inputs(layer, options, dtype=dtype, seed=seed)
        inputs.pop("dy", None)
    arrays = {name: pristine(array) for name, array in inputs.items()}
    _check_inputs(arrays, layer)
    results, changed = call(forward, inputs)
    y, again = results[0] if results else None, call(forward, inputs)[0][:1]
    if y is None:
        raise ValueError("check: forward returned None; it must return y, or the cost")
    is_cost = layer in COSTS if layer else y.ndim == 0
    actual = {"cost" if is_cost else "y": y}
    trace = layer and LayerTrace(layer, arrays, options, unit_of([*arrays.values(), y]))
    if layer:
        _check_shape(next(iter(actual)), y, trace)
    dy = None
    if not is_cost:
        floats = next(array for array in arrays.values() if array.dtype.kind == "f")
        dy = np.random.default_rng(seed + 1).standard_normal(y.shape).astype(floats.dtype)
        trace = trace and trace.changed(dy=dy)
    may = {"concat": ("a", "b"), None: (next(iter(inputs)),)}.get(layer, ("x",))     # change in place
    notes = [] if len(results) == 1 else [
        f"forward returned {len(results)} results: the first is compared, and no other."]
    faults, in_use = _of_forbidden("forward", changed, may), []
    if y.dtype == np.float32 and all(array.dtype == np.float64 for array in arrays.values() if array.dtype.kind == "f"):
        notes.append("forward returns float32 for inputs in float64, and is compared within the rounding of float32.")
    if not again or not _same(y, again[0]):
        faults.append("forward gives other numbers in a second call with the same inputs: it keeps a state, or draws "
                      "random numbers; take what it draws, a mask, from the inputs.")
    if backward is not None:
        gradients, changed_too = _gradients(backward, dy, inputs, arrays, trace)
        faults += _of_forbidden("backward", changed_too, may)
        if left := {name: array for name, array in changed.items() if name in may}:
            def fits(gradients, inputs):
                """Return whether gradients are what they should be at these inputs."""
                at = {name: pristine(array) for name, array in inputs.items()}
                if layer is None:
                    return compare_with_differences(forward, inputs, at, dy, gradients)[0].agrees
                return all(row.verdict != "departs" for row in compare_layer(
                    layer, at if dy is None else {**at, "dy": dy}, gradients, options).rows)

            left = {**inputs, **left}
            gradients, in_use = _in_use(gradients, _gradients(backward, dy, left, arrays, trace)[0], inputs, left, fits)
        actual |= gradients
    else:
        changed_too = {}
    if layer is None:
        report, slopes = compare_with_differences(forward, inputs, arrays, dy, gradients)
        if not report.agrees:
            report = replace(report, diagnoses=(*report.diagnoses, *relations_of_gradients(slopes, gradients)))
    else:
        comparison = compare_layer(layer, arrays if dy is None else {**arrays, "dy": dy}, actual, options)
        report = diagnose_layer(comparison, backward and partial(_against_own_forward, forward, backward, inputs,
                                                                 arrays, dy))
    report = replace(report, diagnoses=(*faults, *report.diagnoses, *in_use))
    agrees = ", and agrees. Nothing else may use {0} after it." if report.agrees else "."
    notes = [f"{function} changes {name} in place{agrees.format(name)}"
             for function, names in (("forward", changed), ("backward", changed_too)) for name in names if name in may
             ] + notes
    report = replace(report, notes=(*notes, *report.notes))
    assert report.agrees, "\n" + "\n".join(lines(report))
    for note in report.notes:
        print(f"check: {note}", file=sys.stderr)
    return report


def _check_inputs(arrays, layer):
    """Raise ValueError unless they are what the layer takes."""
    floats = [name for name, array in arrays.items() if array.dtype.kind == "f"]
    if layer is not None:
        wanted = list(INPUTS[layer])
        if list(arrays) != wanted:
            raise ValueError(f"check: inputs are {', '.join(arrays)}; {layer} takes {', '.join(wanted)}, in this order")
    if not floats:
        raise ValueError("check: no input is a floating-point array")
    for name in floats:
        if arrays[name].dtype.itemsize < 4:
            raise ValueError(f"check: {name} is {arrays[name].dtype}; give float32 or float64")


def _check_shape(key, array, trace):
    """Raise AssertionError unless an output has the shape of the reference's."""
    wanted = trace.array(key).shape
    assert array.shape == wanted, (f"{key} has shape {array.shape}; the reference's has {wanted}"
                                   f"{of_shape(key, array, trace)}")


def _same(first, second):
    """Return whether two results differ by rounding at most."""
    first, second = (np.asarray(each, np.float64) for each in (first, second))
    near = 2.0 ** -12 * np.max(abs(first), initial=0, where=np.isfinite(first))
    return first.shape == second.shape and np.allclose(first, second, rtol=0, atol=near, equal_nan=True)


def _of_forbidden(function, changed, may):
    """Return what is wrong about the inputs that a function changed, other than those it may change."""
    return [f"{function} changes {name} in place: what is computed after it gets another {name}; work on a copy."
            for name in changed if name not in may]


def _in_use(gradients, in_use, inputs, left, fits):
    """Return the gradients to judge of a layer whose forward pass changes inputs in place, and what is wrong.

    In use a backward pass gets what the forward pass left of its inputs. One that reads y in the place of x is right
    with that alone.

    Parameters
    ----------
    gradients, in_use : dict of str to ndarray
        What the backward pass gives for the inputs as they were, and for those that the forward pass left.
    inputs, left : dict of str to array
        These inputs.
    fits : callable
        Takes gradients and inputs, and returns whether the gradients are right for them.
    """
    names = " and ".join(name for name in inputs if left[name] is not inputs[name])
    same = gradients.keys() == in_use.keys() and all(_same(gradients[key], in_use[key]) for key in gradients)
    remedy = "keep a copy, or compute from y."
    if fits(gradients, inputs):
        return gradients, [] if same or fits(in_use, inputs) else [
            f"backward needs {names} as it was before forward, which changes {names} in place: with what forward "
            f"leaves of it the gradients are wrong; {remedy}"]
    if not same and fits(in_use, inputs):
        return in_use, []
    return gradients, [] if not fits(gradients, left) else [
        f"forward changes {names} in place, and backward gives the gradient at what forward leaves of it, not at "
        f"{names} as it was; {remedy}"]


def _gradients(backward, dy, inputs, arrays, trace):
    """Return what `backward` gives, by name: dx, dweight and so on, and the names of the inputs that it changed."""
    floats = [name for name, array in arrays.items() if array.dtype.kind == "f"]
    names = GRADIENTS[trace.layer] if trace else [f"d{name}" for name in floats]
    found, changed = call(backward, inputs if dy is None else {"dy": like(inputs[floats[0]], dy), **inputs},
                          "backward")
    if len(found) != len(names):
        raise ValueError(f"check: backward returned {len(found)} gradients; it must return {len(names)}, "
                         f"{', '.join(names)}")
    gradients = {name: each for name, each in zip(names, found, strict=True) if each is not None}
    if not gradients:
        raise ValueError(f"check: backward returned None alone; it must return {', '.join(names)}")
    for name, gradient in gradients.items():
        if gradient.shape != arrays[name[1:]].shape:
            hint = of_shape(name, gradient, trace) if trace else ""
            raise AssertionError(f"{name} has shape {gradient.shape}; {name[1:]} has {arrays[name[1:]].shape}"
                                 f"{hint or '; a gradient has the shape of its input'}")
    return gradients, changed


def _against_own_forward(forward, backward, inputs, arrays, dy):
    """Return whether a backward pass fits its own forward pass, or None, and a sentence.

    Both are called with the inputs in float64; if they do not work in it, nothing can be said.
    """
    arrays = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    inputs = {name: like(inputs[name], array) for name, array in arrays.items()}
    dy = None if dy is None else dy.astype(np.float64)
    try:
        gradients, _ = _gradients(backward, dy, inputs, arrays, None)
        report, slopes = compare_with_differences(forward, inputs, arrays, dy, gradients, SAMPLED)
    except Exception:           # whatever functions of others raise
        return None, ""
    if any(np.isnan(slope.array).any() for slope in slopes.values()):
        return None, f"Whether the backward pass is right for this forward pass is unknown: {report.diagnoses[0]}"
    if report.agrees:
        return True, ("The backward pass is right for this forward pass, as finite differences show: the fault is in "
                      "the forward pass.")
    return False, f"The backward pass does not fit this forward pass: {report.diagnoses[0]}"
