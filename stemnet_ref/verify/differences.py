"""Gradients beside central differences of the forward pass, in float64."""

import numpy as np

from .calls import call, like
from .expected.rounding import DOUBLE, Value
from .report import Report, Row

STEP = 2.0 ** -17       # near the cube root of float64's epsilon


def compare_with_differences(forward, inputs, arrays, dy, gradients, limit=None):
    """Return the Report of gradients beside central differences of <dy, forward>, and these.

    What the differences themselves may be wrong by is estimated from two step sizes, h and 2h (their error grows as
    h^2), and from the rounding of the values that are subtracted. Where the slopes to the left and to the right
    disagree, the function has a kink, as a ReLU has at 0: there any value between the two is right. Where the
    differences are not finite they judge nothing: the gradient departs, and its slope is NaN.

    Parameters
    ----------
    forward : callable
    inputs : dict of str to array
        What it takes, arrays of any library.
    arrays : dict of str to ndarray
        The same in NumPy.
    dy : ndarray or None
        None for a cost.
    gradients : dict of str to ndarray
        The gradients to compare, by "d" and the name of an input.
    limit : int, optional
        Number of elements of each gradient to look at, spread evenly; without it all.

    Returns
    -------
    report : Report
    slopes : dict of str to Value
        What each gradient should be, by its name; 0 where it was not looked at.

    Raises
    ------
    ValueError
        If an input or the result is not float64.
    """
    weights = np.float64(1.0) if dy is None else np.asarray(dy, np.float64)
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            _check_double(name, array)

    def result(**moved):
        y = call(forward, {**inputs, **{name: like(inputs[name], array) for name, array in moved.items()}})[0][0]
        _check_double("the result of forward", y)
        return y

    middle, rows, said, notes, slopes = result(), [], [], [], {}
    for key, gradient in gradients.items():
        x, found = arrays[key[1:]], {}
        for index in list(np.ndindex(x.shape))[::-(-x.size // (limit or x.size)) or 1]:
            points = {0: (middle, x[index])}
            for steps in (-2, -1, 1, 2):
                moved = x.copy()
                moved[index] += steps * STEP
                points[steps] = result(**{key[1:]: moved}), moved[index]
            found[index] = _judge(gradient[index], points, weights)
        index = max(found, key=lambda index: found[index][0] / found[index][1])
        difference, bound, at_index, sides = found[index]
        at = f"{key}{list(map(int, index))}"
        if unknown := sum(not np.isfinite(slope) for _, _, slope, _ in found.values()):
            said.append(f"finite differences cannot judge {key}: {unknown} of {len(found)} are not finite, the first "
                        f"at {at}, for forward gives NaN or infinity there or {2 * STEP:.1e} beside it; mend that, or "
                        "give other inputs.")
        elif difference > bound:
            said.append(f"{at}: backward {gradient[index]:.9e}, finite difference {at_index:.9e}." if not sides else
                        f"{at}: backward {gradient[index]:.9e}; here the function has a kink, with the finite "
                        f"differences {sides[0]:.9e} and {sides[1]:.9e} at its two sides, and any value between is "
                        "right.")
        if kinks := sum(bool(sides) for *_, sides in found.values()):
            notes.append(f"{key[1:]} is at a kink of the function in {kinks} of {len(found)} elements, as a ReLU is at "
                         "0; there any value between the slopes at its two sides is taken for right.")
        largest = max((abs(slope) for _, _, slope, _ in found.values() if np.isfinite(slope)), default=0.0)
        slopes[key] = Value(np.zeros(x.shape), np.zeros(x.shape))
        for each, (_, near, slope, sides) in found.items():
            slopes[key].array[each], slopes[key].error[each] = slope, near + (sides[1] - sides[0] if sides else 0)
        rows.append(Row(at, difference, difference / max(largest, 1e-300), bound, difference / bound,
                        "departs" if difference > bound else "agrees"))
    return Report(tuple(rows), diagnoses=tuple(said), notes=tuple(notes)), slopes


def _judge(gradient, points, weights):
    """Return how far an element of a gradient is from the slope, the bound of it, the slope, and two if it is a kink.

    `points` has (y, x) by the number of steps from the element.
    """
    def slope(high, low):
        (y_high, x_high), (y_low, x_low) = points[high], points[low]
        noise = 16 * DOUBLE * np.sum(abs(weights) * (abs(y_high) + abs(y_low)))
        return np.array([np.sum(weights * (y_high - y_low)), noise]) / (x_high - x_low)

    (near, noise), (far, _) = slope(1, -1), slope(2, -2)
    sides = [slope(*pair)[0] for pair in ((0, -1), (0, -2), (1, 0), (2, 0))]
    jump, jump_of_two = abs(sides[2] - sides[0]), abs(sides[3] - sides[1])
    difference, bound = abs(gradient - near), 2 * abs(far - near) + noise + 1e-300
    # over twice the step the slope of a smooth function changes twice as much
    kink = abs(jump_of_two - 2 * jump) > 0.1 * jump_of_two + 8 * noise
    if kink:
        low, high = min(sides), max(sides)
        difference = max(low - gradient, gradient - high, 0.0)
        bound = abs(sides[0] - sides[1]) + abs(sides[2] - sides[3]) + 4 * noise + 1e-300
    if not np.isfinite([near, far, noise, *sides]).all():
        return np.inf, 1e-300, np.nan, ()
    return (float(difference) if np.isfinite(difference) else np.inf, float(bound), float(near),
            (float(min(sides)), float(max(sides))) if kink else ())


def _check_double(name, array):
    if array.dtype != np.float64:
        raise ValueError(f"check: {name} is {array.dtype}; central differences need float64")
