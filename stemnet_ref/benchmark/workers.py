"""Engines in processes of their own, and measurements turn by turn."""

import signal
import traceback
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from statistics import median

from ..errors import InputError, out_of_memory, reason
from .ours import Ours, OursOnGpu
from .pytorch import Torch, TorchOnGpu

PRODUCTS = {"ours-cuda-cores": 1, "ours-tf32": 3}       # PRODUCT of backends/cuda/windows.cuh, where not the usual one
_held = {}              # within the process of a Worker: its engine, the last case, and the function that is timed


class Worker:
    """An engine in a process of its own, so that its threads and its memory are its own.

    It answers through a pipe, which also closes where this process is killed, so that none outlives it.

    `name` is "ours", "ours-cuda-cores", "ours-tf32", "torch" or "torch-tf32"; the last two also with "-channels-last".
    `settings` are the engine's.
    """

    def __init__(self, name, arguments, size=None):
        self.name, self.size, context = name, size or arguments.size, get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(other_end,), daemon=True)
        self._process.start()
        other_end.close()
        self.settings = self._call(_start, name, arguments.backend, self.size, arguments.channels)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pipe.close()
        if any(exception):
            self._process.terminate()
        self._process.join()

    def measure(self, case, repeats=1):
        """Return the mean seconds of `repeats` calls, and the peak memory in bytes."""
        return self._call(_measure, case, repeats)

    def _call(self, function, *arguments):
        try:
            self._pipe.send((f"--size {self.size}: {self.name}", function, *arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise InputError(f"{self.name}: its process ended; see above, or take a smaller --size") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe):
    """Call what comes through a pipe, and send what it returns or raises, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)                # the process at the other end decides
    with suppress(EOFError, OSError):
        while True:
            what, function, *arguments = pipe.recv()
            try:
                answer = function(*arguments)
            except InputError as error:
                answer = InputError(str(error))                 # its type can be sent to any process
            except Exception as error:
                if out_of_memory(error):
                    answer = InputError(f"{what} is out of memory ({reason(error)}); take a smaller --size")
                else:
                    traceback.print_exc()
                    answer = error
            pipe.send(answer)


@contextmanager
def started(names, arguments, size=None):
    """Start a Worker for each name; yield them, and end them after the body of `with`."""
    with ExitStack() as stack:
        yield [stack.enter_context(Worker(name, arguments, size)) for name in names]


def in_turn(workers, case, rounds, repeats=1):
    """Measure a case by each worker in turn, so many rounds; return the median seconds by the worker's name."""
    seconds = [[worker.measure(case, repeats)[0] for worker in workers] for _ in range(rounds)]
    return {worker.name: median(each) for worker, each in zip(workers, zip(*seconds, strict=True), strict=True)}


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
