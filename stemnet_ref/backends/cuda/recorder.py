"""Steps of training on the GPU as CUDA graphs, and their results, which nobody waits for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..buffers import Buffers
from .launch import launch
from .step_state import StepState


@dataclass
class _Graph:
    """A step on one set of buffers.

    Attributes
    ----------
    batch : Buffers
        The set of buffers.
    repeat : callable or None
        Runs the recorded kernels; None until they are recorded.
    result : tuple of arrays
        Where cost and counts are after a repetition.
    """

    batch: Buffers
    repeat: Callable = None
    result: tuple = None


class Recorder:
    """Runs a step on every batch: kernel by kernel on buffers that it meets, then as a graph of its kernels.

    A graph reads and writes the memory that its kernels were recorded with. So it is valid for one set of
    buffers, which is the same object each time it holds another batch; a new set is a new beginning.

    Parameters
    ----------
    device : device.CuPy
    log : callable
        Takes a line of text for the user.

    Attributes
    ----------
    max_pending : int
        Steps to run before `flush` must be called.
    """

    max_pending = 16

    def __init__(self, device, log):
        self.device, self.log = device, log
        self.state = StepState(device)
        self._results, self._pending = device.empty((self.max_pending, 5), np.float64), 0
        self._graphs = {}            # by the shape of x

    def run(self, step, batch, number, rates):
        """Take a step, or have it taken later.

        Parameters
        ----------
        step : callable
            Starts the kernels: step(batch, number, rates) returns the cost, of shape (), and four counts, both float64.
            `number` and `rates` are both the `StepState` that holds them.
        batch : Buffers
            The set of buffers that holds the batch.
        number : int
            Number of the step, for `state`.
        rates : optimizers.Rates
            Rates of the step, for `state`.

        Raises
        ------
        ValueError
            If the results of so many steps must be flushed first.
        """
        if self._pending == self.max_pending:
            raise ValueError(f"Recorder.run: {self.max_pending} steps were taken since the last flush; flush them")
        self.state.write(number, *rates)
        shape = batch.x.shape
        graph = self._graphs.get(shape)
        if graph is None or graph.batch is not batch:
            self._graphs[shape] = _Graph(batch)
            cost, counts = step(batch, self.state, self.state)
        else:
            if graph.repeat is None:
                self._record(graph, step)
            graph.repeat()
            cost, counts = graph.result
        launch("step_state.keep_result", 1, cost, counts, self._results, self._pending, block=1)
        self._pending += 1

    def flush(self):
        """Return (cost, four counts) of every step since the last call, lists of floats; this waits for the GPU."""
        results, self._pending = self.device.to_host(self._results)[:self._pending].tolist(), 0
        return results

    def _record(self, graph, step):
        def start_all():
            graph.result = step(graph.batch, self.state, self.state)

        try:
            graph.repeat, graph.result = self.device.record(
                lambda: step(graph.batch, self.state, self.state))
        except (RuntimeError, MemoryError) as error:                       # the steps are right without it, but slower
            self.log(f"note: a step cannot be recorded as a CUDA graph ({error}); its kernels are started one by one")
            graph.repeat = start_all
