"""What others do to the gradients before the optimizer takes them: a penalty, a sum over micro-batches, clipping."""

import numpy as np

from .rounding import Value
from .updates import in_cost, in_gradient

CLIPPED = ("gradients_clipped_by_norm", "gradients_clipped_each", "gradients_clipped_by_value")
CLEAR = 1.001           # times the limit is a gradient that has not been clipped


def whole(g, parameter, name, training, assumed):
    """Return the gradient `g`, a Value, summed over micro-batches and with that of a penalty on the parameter.

    `parameter` is a function for the Value of the parameter with this name.
    """
    count = assumed.value("gradients_summed", 1)
    g = g.map(lambda array: array * count) if count != 1 else g
    penalty = in_gradient(training, name, assumed)
    if penalty is None:
        return g
    w = parameter()
    return Value(g.array + penalty * w.array, g.error + penalty * w.error
                 + assumed.roundoff() * (abs(g.array) + 4 * penalty * abs(w.array)))


def penalty(parameters, training, assume):
    """Return what is added to the cost: the sum of lambda / 2 w^2 over the parameters that have a penalty, or None.

    Parameters
    ----------
    parameters : dict of str to callable
        Functions for the Values of the parameters before the step, by name.
    training : dict
        The golden file's settings.
    assume : callable
        Takes the name of a parameter; returns the Assumptions of its layer.
    """
    total, error = 0.0, 0.0
    for name, value in parameters.items():
        assumed = assume(name)
        strength = in_cost(training, name, assumed)
        if strength is not None:
            w = value()
            part = strength / 2 * np.sum(w.array ** 2)
            total += part
            error += part * assumed.roundings(w.array.size) + strength * np.sum(abs(w.array) * w.error)
    return Value(np.array(total), np.array(error)) if total else None


def norm(values, assumed):
    """Return the norm of gradients, an iterable of Value, all together: a Value."""
    squares, errors, count = 0.0, 0.0, 0
    for value in values:
        squares += np.sum(value.array ** 2)
        errors += np.sum(value.error ** 2)
        count += value.array.size
    return Value(np.sqrt(squares), np.sqrt(errors) + np.sqrt(squares) * assumed.roundings(count))


def clip(g, norm_of_step, given, assumed):
    """Return a gradient as it is clipped.

    Parameters
    ----------
    g : Value
    norm_of_step : callable
        Returns the norm of the gradients of all parameters in the step, a Value.
    given : callable
        Returns the other side's gradients, a list of ndarray; where they are beyond the limit it saved them before it
        clipped, and `g` stays.
    assumed : Assumptions
    """
    by_norm, each, by_value = (assumed.value(name) for name in CLIPPED)
    if by_value is not None and not any(abs(array).max(initial=0) > CLEAR * by_value for array in given()):
        g = Value(np.clip(g.array, -by_value, by_value), g.error)
    if each is not None and not any(np.linalg.norm(array) > CLEAR * each for array in given()):
        g = _to_norm(g, norm([g], assumed), each, assumed)
    if by_norm is not None and not np.sqrt(sum(np.sum(np.square(array)) for array in given())) > CLEAR * by_norm:
        g = _to_norm(g, norm_of_step(), by_norm, assumed)
    return g


def _to_norm(g, before, limit, assumed):
    """Return a gradient times limit / norm, where that is below 1; `before` is the norm, a Value.

    PyTorch adds 1e-6 to the norm, others do not: both are within the error.
    """
    if not before.array > 0:
        return g
    uncertain, middle = before.error + 0.5e-6, before.array + 0.5e-6
    factor = min(1.0, limit / middle)
    spread = min(limit / middle, 1.0) * uncertain / middle if limit < middle + uncertain else 0.0
    return Value(factor * g.array, factor * g.error + (spread + 4 * assumed.roundoff()) * abs(g.array))
