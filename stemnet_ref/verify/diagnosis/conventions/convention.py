"""What is said of a convention."""

import math
from typing import NamedTuple


class Convention(NamedTuple):
    """One way to differ."""

    does: str           # what the other side does
    reference: str      # what the reference does, with the equation
    change: str         # the line to change
    values: tuple = ()  # those that are tried, of a convention that has one; it stands in `does` as {value}
    estimated_from: tuple = ()      # kinds of tensors from which another value is estimated (`diagnosis.estimates`)
    below: float = math.inf         # what estimated values are below; all are above 0


def alike(reference, change, values=(), **does):
    """Return conventions that differ from the same, by name."""
    return {name: Convention(each, reference, change, values) for name, each in does.items()}
