"""The numbers of a training step in the GPU's memory, from which kernels that are recorded and repeated read them.

A kernel of a CUDA graph is started with the same arguments each time, so that it must read from memory what changes
from step to step. Python code passes the number of the step and the optimizer's rates as they are; this module says
where a kernel finds them. While a `StepState` is in use, kernels read its memory, which the next `write` changes.
Numbers that it does not hold are refused then: a recorded kernel would read them again in every later step. While no
`StepState` is in use, every number gets memory of its own.
"""

from contextlib import contextmanager
from functools import cache

import numpy as np

from ...optimizers import Rates
from .launch import launch

_in_use = {}            # the StepState that is in use, by device


class StepState:
    """The number of a step and the optimizer's rates in it, in memory that recorded kernels read.

    Attributes
    ----------
    numbers : float64 array of shape (3,)
        Number of the step, rate and correction (`optimizers.Rates`), on the device; unknown until `write`.
    number, rates
        What `write` has written last.
    """

    def __init__(self, device):
        self.device, self.numbers = device, device.empty((3,), np.float64)
        self.number = self.rates = None

    def write(self, number, rates):
        """Change the numbers, after what was started before has read them; return the state."""
        launch("step_state.write_step_state", 1, self.numbers, number, *rates, block=1)
        self.number, self.rates = number, rates
        return self

    @contextmanager
    def use(self):
        """Let the kernels that are started in this context read the numbers from here."""
        _in_use[self.device] = self
        try:
            yield
        finally:
            del _in_use[self.device]


def memory_of_number(device, number):
    """Return an array like `StepState.numbers` that holds the number of a step; ValueError unless it is that in use."""
    return _memory(device, "number", number, number, Rates(0.0))


def memory_of_rates(device, rates):
    """Return an array like `StepState.numbers` that holds rates; ValueError unless they are those in use."""
    return _memory(device, "rates", rates, 0, rates)


def _memory(device, name, value, *to_write):
    state = _in_use.get(device)
    if state is None:
        return StepState(device).write(*to_write).numbers
    if getattr(state, name) != value:
        raise ValueError(f"a step with the {name} {getattr(state, name)} asks for the {name} {value}; give both alike")
    return state.numbers


@cache
def unread(device):
    """Return an array like `StepState.numbers` for kernels that make no use of it."""
    return StepState(device).write(0, Rates(0.0)).numbers
