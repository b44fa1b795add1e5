"""Runs commands in forked processes that kill themselves before their n-th change of the disk.

    python killing.py       reads a job a line, JSON: main, argv, folder, and at (0: to the end); answers a line, JSON:
                            status (negative: the signal), changes, error
"""

import io
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
MAINS = {"run_train.py": "run_train", "run_predict.py": "run_predict", "preprocess": "stemnet_ref.data.preprocess",
         "check": "stemnet_ref.data.check", "explain": "stemnet_ref.explain.__main__",
         "verify": "stemnet_ref.verify.__main__", "experiments": "stemnet_ref.experiments.__main__"}
LIBRARIES = ("filelock", "safetensors.numpy", "onnx", "tensorboardX.summary",
             "tensorboardX.record_writer", "tensorboardX.proto.event_pb2")


def small_figures():
    """Have every figure drawn as the same few pixels: drawing takes most of a short run's time."""
    import numpy as np

    from stemnet_ref.experiments import page
    from stemnet_ref.report import figures
    from stemnet_ref.storage import files, outputs

    def picture(path, kind=outputs.FIGURE):
        files.write_png(path, np.zeros((4, 4), np.uint8), kind)

    figures.plot_curves = lambda rows, folder: [picture(folder / f"{name}.png") for name in ("f1", "loss")]
    for name in ("plot_predictions", "plot_maps", "plot_crops"):
        setattr(figures, name, lambda what, path: picture(path))
    figures.plot_roc = lambda rows, area, path: picture(path)
    figures.plot_sheet = lambda dataset, parts, path, kind: picture(path, kind)
    page.plot = lambda name, results, path: picture(path)
    page.plot_compared = lambda results, path: picture(path)


class Killer:
    """Counts the changes of the disk below a folder, and kills the process before one of them."""

    def __init__(self, folder, at):
        self.folder, self.at, self.changes = os.path.join(os.path.realpath(folder), ""), at, 0
        sys.addaudithook(self.look)
        os.fsync = lambda descriptor: self.count()              # what is killed here is no machine

    def look(self, event, arguments):
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (event in CHANGES or writes) and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if os.path.join(path, "").startswith(self.folder):
                self.count()

    def count(self):
        self.changes += 1
        if self.changes == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def work(job, answer):
    """Do a job in this process, which ends with it."""
    from stemnet_ref.program import cli

    os.chdir(job["folder"])
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    time.time = time.perf_counter = lambda: 0.0                 # the files tell of no times
    killer = Killer(job["folder"], job["at"])
    try:
        status = cli.run(job["main"], sys.modules[MAINS[job["main"]]].main, job["argv"])
    except SystemExit as exit_:
        status = exit_.code
    answer.write(json.dumps({"changes": killer.changes, "error": sys.stderr.getvalue()}))
    answer.flush()
    os._exit(status)


def main():
    """Do jobs until there are no more."""
    for name in MAINS.values():
        import_module(name)
    for name in LIBRARIES:                                      # else every process would import them anew
        with suppress(ImportError):
            import_module(name)
    small_figures()
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as answer:
            child = os.fork()
            if not child:
                work(json.loads(line), answer)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            answer.seek(0)
            print(json.dumps({"status": status, **json.loads(answer.read() or "{}")}), flush=True)


if __name__ == "__main__":
    main()
