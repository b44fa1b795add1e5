"""Say what an output of another shape than the reference's is."""

from dataclasses import replace
from itertools import combinations, permutations

from ..expected.layer import GRADIENTS, PADDINGS
from .backward import Given
from .layer import FORWARD, MISTAKES
from .relations import fits


def of_shape(key, actual, trace):
    """Return what can be said of an output of another shape than the reference's, a text to follow, or none."""
    right, known = trace.value(key), Given(trace, key)
    orders = [order for order in permutations(range(right.array.ndim))
              if right.array.transpose(order).shape == actual.shape]
    for order in orders:
        if fits(actual, right.map(lambda a, order=order: a.transpose(order)), trace.roundoff()):
            return f": it is the right one with its axes in the order {order}"
    if actual.size == right.array.size and fits(actual.reshape(right.array.shape), right, trace.roundoff()):
        squeezed = actual.squeeze().shape == right.array.squeeze().shape
        remedy = "drop the axes of length 1 (keepdims=False)" if squeezed else f"reshape it to {right.array.shape}"
        return f": it is the right one in another shape; {remedy}"
    for axes in _too_many(actual, right):
        if fits(actual.sum(axes), right, trace.roundoff() * actual.size ** 0.5):
            return f": summed over the axes {', '.join(map(str, axes))} it is the right one; sum over these too"
    for mistakes in MISTAKES[trace.layer].get(key, ()):
        for does, function in mistakes.wrong.items():
            if (value := known.value(function)) and fits(actual, value, trace.roundoff()):
                return f": {key} {does}; right is {mistakes.right}"
    for other in GRADIENTS[trace.layer] if key not in FORWARD else ():
        if fits(actual, trace.value(other), trace.roundoff()):
            return f": it is the right {other}; backward returns {', '.join(GRADIENTS[trace.layer])} in this order"
    for name, values in {"padding": PADDINGS, "stride": range(1, 5), "size": range(1, 5)}.items():
        for each in values if key in FORWARD else ():
            options = replace(trace.options, **{name: each})
            try:
                shape = trace.changed(options).array(key).shape
            except ValueError:                              # a size that does not fit
                continue
            if shape == actual.shape:
                return f", and with {name}={each!r} this one"
    return f": are its axes in the order {orders[0]}?" if orders else ""


def _too_many(actual, right):
    """Return the axes of an array without which it has the shape of another, tuples of int."""
    return [axes for axes in combinations(range(actual.ndim), max(actual.ndim - right.array.ndim, 0))
            if axes and actual.sum(axes).shape == right.array.shape]
