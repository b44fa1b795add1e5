"""Steps of training on the GPU as CUDA graphs, and their results, which nobody waits for; and predictions as graphs."""

from functools import partial

import numpy as np

from .launch import launch
from .step_state import StepState


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
        # By the shape of x: the buffers, and the graph of a step, None before it is recorded, False if CUDA refuses it
        self._repeats = {}

    def run(self, step, batch, number, rates):
        """Run the step of this number with these `optimizers.Rates`, or queue its graph.

        Parameters
        ----------
        step : callable
            Starts the kernels: step(batch, number, rates) returns the cost, of shape (), and four counts, both float64.
        batch : backends.buffers.Buffers
            The set of buffers that holds the batch.

        Raises
        ------
        ValueError
            If the results of so many steps must be flushed first.
        """
        if self._pending == self.max_pending:
            raise ValueError(f"Recorder.run: {self.max_pending} steps were taken since the last flush; flush them")
        self.state.write(number, rates)
        start = partial(step, batch, number, rates)
        known, repeat = self._repeats.get(batch.x.shape, (None, None))
        with self.state.use():
            if known is not batch:
                repeat = None
            elif repeat is None:
                repeat = recorded(self.device, start, "a step", self.log)
            cost, counts = (repeat or start)()
        self._repeats[batch.x.shape] = batch, repeat
        launch("step_state.keep_result", 1, cost, counts, self._results, self._pending, block=1)
        self._pending += 1

    def flush(self):
        """Return (cost, four counts) of every step since the last call, lists of floats; this waits for the GPU."""
        results, self._pending = self.device.to_host(self._results)[:self._pending].tolist(), 0
        return results


class Forward:
    """Runs a network's forward pass kernel by kernel on an array that it meets, then as a graph of its kernels.

    It keeps one graph, that of the array that it has met last, so that frames of many sizes do not each keep memory.

    Parameters
    ----------
    network : network.StemNet
    device : device.CuPy
    log : callable
        Function that takes a line of text for the user.

    Attributes
    ----------
    buffers : dict
        The set of buffers of the last shape, as `data.crops.batch.assemble` takes and adds to them.
    """

    def __init__(self, network, device, log):
        self.network, self.device, self.log, self.buffers = network, device, log, {}
        self._x = self._repeat = None                   # as in Recorder, of one array

    def run(self, x):
        """Return the logits of x, on the device; the next call may write them anew."""
        if x is not self._x:
            self.buffers = {key: each for key, each in self.buffers.items() if each.x is x}
            self._x, self._repeat = x, None
            self.device.forget()
        elif self._repeat is None:
            self._repeat = recorded(self.device, self._start, "a prediction", self.log, alone=True)
            if not self._repeat:
                self.device.forget()
        return (self._repeat or self._start)()

    def _start(self):
        return self.network.forward(self._x, with_cache=False)[0]


def recorded(device, start, what, log, alone=False):
    """Return what repeats the kernels that `start` starts, which is their graph; False where CUDA refuses it.

    `what` names them in the note that `log` prints then; `alone` is as for `device.CuPy.record`.
    """
    try:
        return device.record(start, alone)
    except (RuntimeError, MemoryError) as error:                        # the results are right without it, but slower
        log(f"note: {what} cannot be recorded as a CUDA graph ({error}); its kernels are started one by one")
        return False
