"""Engines in processes of their own: both ends of the conversation, and measurements turn by turn."""

import multiprocessing
from contextlib import ExitStack, contextmanager
from statistics import median

from ..errors import InputError, out_of_memory, reason
from .ours import Ours, OursOnGpu
from .pytorch import Torch, TorchOnGpu

PRODUCTS = {"ours-cuda-cores": 1, "ours-tf32": 3}       # PRODUCT of backends/cuda/windows.cuh, where not the usual one


class Worker:
    """An engine in a process of its own, so that its threads and its memory are its own."""

    def __init__(self, name, arguments, size=None):
        context = multiprocessing.get_context("spawn")
        self.name, (self.connection, there) = name, context.Pipe()
        self.process = context.Process(target=serve, daemon=True, args=(
            there, name, arguments.backend, size or arguments.size, arguments.channels))
        self.process.start()
        there.close()
        self.settings = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if not any(exception):
            self.connection.send(None)
            self.process.join()

    def measure(self, case, repeats=1):
        """Return the mean seconds of `repeats` calls, and the peak memory in bytes."""
        self.connection.send((case, repeats))
        return self._answer()

    def _answer(self):
        try:
            answer = self.connection.recv()
        except EOFError:
            raise InputError(f"{self.name}: its process ended; see above, or take a smaller --size") from None
        if isinstance(answer, InputError):
            raise answer
        return answer


@contextmanager
def started(names, arguments, size=None):
    """Start a Worker for each name; yield them, and end them after the body of `with`."""
    with ExitStack() as stack:
        yield [stack.enter_context(Worker(name, arguments, size)) for name in names]


def in_turn(workers, case, rounds, repeats=1):
    """Measure a case by each worker in turn, so many rounds; return the median seconds by the worker's name."""
    seconds = [[worker.measure(case, repeats)[0] for worker in workers] for _ in range(rounds)]
    return {worker.name: median(each) for worker, each in zip(workers, zip(*seconds, strict=True), strict=True)}


def make_engine(name, device, size, channels):
    """Return an engine.

    Parameters
    ----------
    name : str
        "ours", "ours-cuda-cores", "ours-tf32", "torch" or "torch-tf32"; the last two also with "-channels-last".
    device : {"plain", "cpu", "cuda"}
        Backend that computes; PyTorch computes on the CPU with the first two.
    size, channels : int
        Side of the input in pixels, and frames in it.
    """
    if not name.startswith("ours"):
        return (TorchOnGpu if device == "cuda" else Torch)(device, size, channels, tf32="tf32" in name,
                                                          channels_last=name.endswith("channels-last"))
    ours = (OursOnGpu if device == "cuda" else Ours)(device, size, channels)
    if name in PRODUCTS:
        ours.device.product = PRODUCTS[name]
    return ours


def serve(connection, name, device, size, channels):
    """Time cases for another process: receive (case, repeats), send (seconds, peak bytes), until None is received.

    The engine's settings are sent first. An InputError is sent in place of an answer that cannot be given.
    """
    try:
        engine = make_engine(name, device, size, channels)
        connection.send(engine.settings())
        case = function = None
        while (message := connection.recv()) is not None:
            if message[0] != case:
                function = None                                 # first frees the arrays of the last case
                case, function = message[0], engine.make(message[0])
                engine.seconds(function, 2)                     # compilation, choice of algorithm, page faults
            connection.send((engine.seconds(function, message[1]), engine.peak_bytes()))
    except (InputError, MemoryError, RuntimeError) as error:
        if not (isinstance(error, InputError) or out_of_memory(error)):
            raise
        connection.send(InputError(error if isinstance(error, InputError) else
                                   f"--size {size}: {name} is out of memory ({reason(error)}); take a smaller --size"))
