"""The numbers of a training step in the GPU's memory, from which kernels that are recorded and repeated read them."""

from functools import cache

import numpy as np

from .launch import launch


class StepState:
    """The number of a step, and the optimizer's rates in it.

    Attributes
    ----------
    numbers : float64 array of shape (3,)
        Number of the step, rate and correction (`optimizers.Rates`), on the device; unknown until `write`.
    """

    def __init__(self, device):
        self.numbers = device.empty((3,), np.float64)

    def write(self, number, rate=0.0, correction=1.0):
        """Change the numbers, after what was started before has read them; return the state."""
        launch("step_state.write_step_state", 1, self.numbers, number, rate, correction, block=1)
        return self


def state_of(device, step):
    """Return the StepState for a step that is one, or an int."""
    return step if isinstance(step, StepState) else StepState(device).write(step)


@cache
def unread(device):
    """Return a StepState for kernels that do not look at it."""
    return StepState(device)
