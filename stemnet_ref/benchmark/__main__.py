"""Print the table of speed and memory, ours beside PyTorch's: python -m stemnet_ref.benchmark --help"""

import datetime
import importlib.util
import os
import platform
import sys
from importlib.metadata import version

from .. import __version__, backends
from ..backends.cpu.threads import count
from ..errors import InputError
from ..network import topology
from ..network.table import layer_table, training_gflop
from ..program import cli
from ..program.options import Option, Parser, flag_of
from ..storage.files import write_json
from ..storage.outputs import BENCHMARK, check_output
from ..training.settings import COMPUTES, Settings, pick
from .ours import CEILING
from .workers import Worker, in_turn, started

SIZES = (128, 256, 512, 1024)
MAX_SIZE = 8192                 # pixels; an input that does not fit into memory fails before


OPTIONS = {
    **pick(backend={"help": COMPUTES, "default": "cpu", "choices": backends.NAMES[1:]}),         # auto is refused
    "against": Option("measure PyTorch in the same run, in both memory formats, of which the better one counts",
                      None, str | None, choices=("torch",)),
    "size": Option("side of the input", 512, int, (32, MAX_SIZE), takes=f"a multiple of 32, up to {MAX_SIZE}",
                   metavar="PIXELS"),
    **pick(channels={"default": 5}),
    "rounds": Option("measurements of each, of which the median counts", 10, int, (1, 10 ** 6)),
    "no_layers": Option("leave out the table of layers", False, bool),
    "teaching": Option("instead, one convolution on a CPU in the forms of textbooks: loops, scipy.signal, the whole "
                       "image unfolded", False, bool),
    "reader": Option("instead, whether the step waits for crops that are augmented in every way: --rounds steps on the "
                     "sample", False, bool),
    "growth": Option(f"also the step at sides of {', '.join(map(str, SIZES))} pixels", False, bool),
    "json": Option("write all figures into a file", metavar="FILE"),
}


def options():
    """Return the parser."""
    return Parser("python -m stemnet_ref.benchmark",
                  "Measure layers, training step and prediction, turn by turn with PyTorch.", OPTIONS)


def main(argv=None):
    """Measure and print; return the exit status."""
    arguments = options().parse_args(argv)
    if arguments.size % 32:
        raise InputError(f"--size {arguments.size}: must be {OPTIONS['size'].domain}")
    Settings(channels=arguments.channels)
    if arguments.against and importlib.util.find_spec("torch") is None:
        raise InputError("--against torch: PyTorch is not installed; pip install torch==2.13.0, or leave it out")
    if arguments.json:
        check_output(arguments.json, BENCHMARK, "--json")
    report = (measure_apart if arguments.teaching or arguments.reader else measure)(arguments)
    if arguments.json:
        write_json(arguments.json, report, BENCHMARK, "--json")
    return 0


def measure(arguments):
    """Measure layers, steps and predictions, and print them; return all figures by their names."""
    names = ["ours"]
    if arguments.backend == "cuda" and backends.choose("cuda").device.product == 2:
        names += ["ours-cuda-cores", "ours-tf32"]
    if arguments.against:
        names += ["torch", "torch-channels-last"]
        names += ["torch-tf32", "torch-tf32-channels-last"] if arguments.backend == "cuda" else []
    report = {"version": __version__, "machine": describe(arguments), "size": arguments.size,
              "channels": arguments.channels, "rounds": arguments.rounds}
    print(report["machine"])
    blocks = topology.stemnet_blocks(topology.Architecture(arguments.channels))
    rows = layer_table(blocks, arguments.size, arguments.size)
    cases = [(("step",), training_gflop(rows)), (("predict",), sum(row[3] for row in rows))]
    if not arguments.no_layers:
        cases += [((direction, name), gflop * (1 if direction == "forward" or name == "down0.conv" else 2))
                  for name, _, _, gflop in rows if gflop for direction in ("forward", "backward")]
    with started(names, arguments) as workers:
        report["settings"] = {worker.name: worker.settings for worker in workers if worker.settings}
        for name, settings in report["settings"].items():
            print(f"{name}: {settings}")
        if arguments.backend == "cuda":
            report["ceilings"] = ceilings(workers[0])
        report["seconds"] = table(workers, cases, arguments.rounds)
    report["peak_bytes"] = peaks(names, arguments)
    if arguments.growth:
        report["growth"] = growth(names, arguments)
    return report


def measure_apart(arguments):
    """Measure the convolutions of --teaching, or the steps of --reader; return all figures by their names."""
    from . import reader, teaching

    flag, unused = ("--teaching", ("backend", "channels", "reader")) if arguments.teaching else ("--reader", ())
    for name in (*unused, "against", "size", "no_layers", "growth"):
        if getattr(arguments, name) != OPTIONS[name].default:
            raise InputError(f"{flag_of(name)}: has no effect with {flag}; leave one of them out")
    machine = f"{describe(arguments)}, {count()} threads{' (loops and scipy.signal: 1)' if arguments.teaching else ''}"
    print(machine)
    seconds = teaching.measure(arguments.rounds) if arguments.teaching else reader.measure(
        arguments.channels, arguments.rounds, backends.choose(arguments.backend))
    return {"machine": machine, "rounds": arguments.rounds, "seconds": seconds}


def describe(arguments):
    """Return a line of text that names the date, the machine and the versions."""
    parts = [f"stemnet_ref {__version__}", f"Python {platform.python_version()}", f"NumPy {version('numpy')}"]
    if arguments.against:
        parts.append(f"PyTorch {version('torch')}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = backends.choose("cuda").name if arguments.backend == "cuda" else f"{cores} cores of {processor()}"
    return f"{datetime.date.today()}, {machine}; {', '.join(parts)}"


def processor():
    """Return the name of the CPU as far as the system gives it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(workers, cases, rounds):
    """Measure all cases turn by turn, print them, and return {case: {engine: median seconds}}."""
    last = f"{'ours / best':>13}" if any(worker.name.startswith("torch") for worker in workers) else ""
    print(f"{'':<24}{'GFLOP':>9}" + "".join(f"{worker.name:>26}" for worker in workers) + last)
    result = {}
    for case, gflop in cases:
        label, once = " ".join(case), workers[0].measure(case)[0]
        medians = result[label] = in_turn(workers, case, rounds, max(1, min(50, int(0.05 / max(once, 1e-6)))))
        cells = [f"{1000 * value:>12.3f} ms {gflop / value:>7.0f} GF/s" for value in medians.values()]
        strict = [value for name, value in medians.items() if name.startswith("torch") and "tf32" not in name]
        ratio = f"{medians['ours'] / min(strict):>13.2f}" if strict else ""
        print(f"{label:<24}{gflop:>9.3f}" + "".join(f"{cell:>26}" for cell in cells) + ratio, flush=True)
    return result


def peaks(names, arguments):
    """Return the peak memory in bytes of a training step and of a prediction, each in a process of its own."""
    result = {"step": {}, "predict": {}}
    for what, found in result.items():
        for name in names:
            with Worker(name, arguments) as worker:
                found[name] = worker.measure((what,))[1]
        print(f"peak memory, {what}: " + ", ".join(f"{name} {value / 1e9:.2f} GB" for name, value in found.items()),
              flush=True)
    return result


def growth(names, arguments):
    """Return the seconds of a step at several sizes, and print nanoseconds per pixel, which stay constant if linear."""
    result = {}
    for size in SIZES:
        with started(names, arguments, size) as workers:
            result[size] = in_turn(workers, ("step",), max(3, arguments.rounds // 3))
        print(f"step at {size:>4}: " + ", ".join(f"{name} {1e9 * value / size ** 2:.0f} ns a pixel"
                                                 for name, value in result[size].items()), flush=True)
    return result


def ceilings(worker):
    """Return the bytes per second that the GPU can copy, and the operations per second that it can compute."""
    result = {what: CEILING / min(worker.measure(("ceiling", what), 10)[0] for _ in range(5))
              for what in ("copy", "fma")}
    print(f"ceilings: copy {result['copy'] / 1e12:.2f} TB/s, float32 FMA {result['fma'] / 1e12:.1f} TFLOP/s")
    return result


if __name__ == "__main__":
    sys.exit(cli.run("python -m stemnet_ref.benchmark", main, sys.argv[1:]))
