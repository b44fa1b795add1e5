"""Check a layer of one's own, in a test."""

import numpy as np

from .arrays import as_array
from .compare import compare_layer
from .diagnosis.search import diagnose
from .expected.layer import COSTS, INPUTS, LAYERS, LayerTrace, Options, sample_inputs
from .expected.rounding import DOUBLE
from .report import Report, Row, lines

STEP = 2.0 ** -17       # of the central differences, near the cube root of float64's epsilon


def check(forward, backward=None, inputs=None, layer=None, options=None, dtype=np.float32, seed=0):
    """Assert that a layer of one's own computes what the reference does, or that its backward pass fits its forward.

    With `layer` every output is compared with the reference's, within what rounding allows. Without it the backward
    pass is compared with central differences of the forward pass, every element, in float64.

    Parameters
    ----------
    forward : callable
        Takes the inputs in their order; returns y, or the cost.
    backward : callable, optional
        Takes dy and the inputs (the inputs alone for a cost); returns the gradients with respect to the floating-point
        inputs in their order, or the only one. With `layer` it may be left out, and then only the forward pass is
        compared.
    inputs : dict of str to array, optional
        Inputs by the reference's names, in the order of its arguments, such as ``{"x": x, "weight": w}``, without dy:
        arrays of any library with DLPack or ``__array__``, handed on as they are. Without it they are sampled for
        `layer`.
    layer : str, optional
        One of `verify.expected.layer.LAYERS`: the reference to compare with.
    options : verify.Options, optional
        Padding, stride, keep_prob and so on.
    dtype : float32 or float64
        Type of the inputs that are sampled.
    seed : int
        Seed of what is sampled: inputs and dy.

    Raises
    ------
    AssertionError
        If an output departs; the message is the table, and with `layer` what explains it.
    ValueError
        If an argument cannot be used.
    """
    if layer is not None and layer not in LAYERS:
        raise ValueError(f"check: layer={layer!r} must be one of {', '.join(LAYERS)}")
    if layer is None and (inputs is None or backward is None):
        raise ValueError("check: without layer= it needs inputs= and backward, to compare with central differences")
    options = options or Options()
    if inputs is None:
        inputs = sample_inputs(layer, options, dtype=dtype, seed=seed)
        inputs.pop("dy", None)
    arrays = {name: as_array(array) for name, array in inputs.items()}
    _check_inputs(arrays, layer)
    y = as_array(forward(*inputs.values()))
    is_cost = layer in COSTS if layer else y.ndim == 0
    actual = {"cost" if is_cost else "y": y}
    if layer is not None:
        wanted = LayerTrace(layer, arrays, options, DOUBLE).computed(next(iter(actual))).value.array.shape
        assert y.shape == wanted, f"{next(iter(actual))} has shape {y.shape}; the reference's has {wanted}"
    dy = None
    if not is_cost:
        like = next(array for array in arrays.values() if array.dtype.kind == "f")
        dy = np.random.default_rng(seed + 1).standard_normal(y.shape).astype(like.dtype)
    if backward is not None:
        actual |= _gradients(backward, dy, inputs, arrays)
    if layer is None:
        gradients = {name: gradient for name, gradient in actual.items() if name.startswith("d")}
        report = _against_differences(forward, inputs, arrays, dy, gradients)
    else:
        report = diagnose(compare_layer(layer, arrays if dy is None else {**arrays, "dy": dy}, actual, options))
    assert report.agrees, "\n" + "\n".join(lines(report))


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


def _gradients(backward, dy, inputs, arrays):
    """Return what `backward` gives, by name: dx, dweight and so on."""
    names = [f"d{name}" for name, array in arrays.items() if array.dtype.kind == "f"]
    if dy is not None:
        dy = _like(next(iter(inputs.values())), dy)
    found = backward(*([] if dy is None else [dy]), *inputs.values())
    found = found if isinstance(found, (tuple, list)) else (found,)
    if len(found) != len(names):
        raise ValueError(f"check: backward returned {len(found)} gradients; it must return {len(names)}, "
                         f"{', '.join(names)}")
    gradients = {name: as_array(each) for name, each in zip(names, found, strict=True) if each is not None}
    for name, gradient in gradients.items():
        if gradient.shape != arrays[name[1:]].shape:
            raise AssertionError(f"{name} has shape {gradient.shape}; {name[1:]} has {arrays[name[1:]].shape}")
    return gradients


def _like(example, array):
    """Return an array as one of PyTorch where the example is: its functions take no NumPy arrays."""
    return example.new_tensor(array) if hasattr(example, "new_tensor") else array


def _against_differences(forward, inputs, arrays, dy, gradients):
    """Return the Report of gradients beside central differences of <dy, forward>.

    What the differences themselves may be wrong by is estimated from two step sizes, h and 2h (their error grows as
    h^2), and from the rounding of the two values that are subtracted.
    """
    odd = [name for name, array in arrays.items() if array.dtype.kind == "f" and array.dtype != np.float64]
    if odd:
        raise ValueError(f"check: {odd[0]} is {arrays[odd[0]].dtype}; central differences need float64")
    rows, diagnoses = [], []
    for name, gradient in gradients.items():
        x = arrays[name[1:]]
        difference, bound, exact = (np.empty(x.shape) for _ in range(3))
        for at in np.ndindex(x.shape):
            (near, spread), (far, _) = (_slope(forward, inputs, arrays, dy, name[1:], at, step)
                                        for step in (STEP, 2 * STEP))
            exact[at] = near
            difference[at] = abs(gradient[at] - near)
            bound[at] = 2 * abs(far - near) + spread + 1e-300
        share = np.where(np.isfinite(difference), difference / bound, np.inf)
        at = np.unravel_index(np.argmax(share), share.shape)
        key = f"{name}{list(map(int, at))}"
        if share[at] > 1:
            diagnoses.append(f"{key}: backward {gradient[at]:.9e}, finite difference {exact[at]:.9e}.")
        rows.append(Row(key, float(difference[at]), float(difference[at] / max(abs(exact).max(), 1e-300)),
                        float(bound[at]), float(share[at]), "agrees" if share[at] <= 1 else "departs"))
    return Report(tuple(rows), diagnoses=tuple(diagnoses))


def _slope(forward, inputs, arrays, dy, name, at, step):
    """Return the central difference of <dy, forward> by one element, and what rounding may have done to it."""
    values = []
    for sign in (1, -1):
        moved = arrays[name].copy()
        moved[at] += sign * step
        y = as_array(forward(*{**inputs, name: _like(inputs[name], moved)}.values())).astype(np.float64)
        values.append((y, moved[at]))
    (high, x_high), (low, x_low) = values
    weights = 1.0 if dy is None else dy
    rounding = 16 * DOUBLE * np.sum(abs(weights) * (abs(high) + abs(low)))
    return np.sum(weights * (high - low)) / (x_high - x_low), rounding / (x_high - x_low)
