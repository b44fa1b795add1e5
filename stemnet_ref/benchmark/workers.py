"""Engines in processes of their own, and measurements turn by turn."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from statistics import median

from ..errors import InputError, out_of_memory, reason
from .ours import Ours, OursOnGpu
from .pytorch import Torch, TorchOnGpu

PRODUCTS = {"ours-cuda-cores": 1, "ours-tf32": 3}       # PRODUCT of backends/cuda/windows.cuh, where not the usual one
_held = {}              # within the process of a Worker: its engine, the last case, and the function that is timed


class Worker:
    """An engine in a process of its own, so that its threads and its memory are its own.

    `name` is "ours", "ours-cuda-cores", "ours-tf32", "torch" or "torch-tf32"; the last two also with "-channels-last".
    `settings` are the engine's.
    """

    def __init__(self, name, arguments, size=None):
        self.name, self.size, self._pool = name, size or arguments.size, ProcessPoolExecutor(1, get_context("spawn"))
        self.settings = self._call(_start, name, arguments.backend, self.size, arguments.channels)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pool.shutdown(wait=not any(exception))

    def measure(self, case, repeats=1):
        """Return the mean seconds of `repeats` calls, and the peak memory in bytes."""
        return self._call(_measure, case, repeats)

    def _call(self, function, *arguments):
        try:
            return self._pool.submit(_worded, f"--size {self.size}: {self.name}", function, *arguments).result()
        except BrokenProcessPool:
            raise InputError(f"{self.name}: its process ended; see above, or take a smaller --size") from None


@contextmanager
def started(names, arguments, size=None):
    """Start a Worker for each name; yield them, and end them after the body of `with`."""
    with ExitStack() as stack:
        yield [stack.enter_context(Worker(name, arguments, size)) for name in names]


def in_turn(workers, case, rounds, repeats=1):
    """Measure a case by each worker in turn, so many rounds; return the median seconds by the worker's name."""
    seconds = [[worker.measure(case, repeats)[0] for worker in workers] for _ in range(rounds)]
    return {worker.name: median(each) for worker, each in zip(workers, zip(*seconds, strict=True), strict=True)}


def _worded(what, function, *arguments):
    """Return function(*arguments); raise an InputError where memory runs out: its type can be sent to any process."""
    try:
        return function(*arguments)
    except InputError as error:
        raise InputError(str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise InputError(f"{what} is out of memory ({reason(error)}); take a smaller --size") from None


def _start(name, device, size, channels):
    """Make the engine of this process; return its settings. PyTorch computes on the CPU unless the device is cuda."""
    if name.startswith("ours"):
        engine = (OursOnGpu if device == "cuda" else Ours)(device, size, channels)
        if name in PRODUCTS:
            engine.device.product = PRODUCTS[name]
    else:
        engine = (TorchOnGpu if device == "cuda" else Torch)(device, size, channels, tf32="tf32" in name,
                                                            channels_last=name.endswith("channels-last"))
    _held["engine"] = engine
    return engine.settings()


def _measure(case, repeats):
    """Return the mean seconds of `repeats` calls of what a case times, and the peak memory in bytes."""
    engine = _held["engine"]
    if case != _held.get("case"):
        _held.update(case=case, function=None)                  # first frees the arrays of the last case
        _held["function"] = engine.make(case)
        engine.seconds(_held["function"], 2)                    # compilation, choice of algorithm, page faults
    return engine.seconds(_held["function"], repeats), engine.peak_bytes()
