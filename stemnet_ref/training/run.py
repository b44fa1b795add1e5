"""Training as in the thesis (section 13, Table 1): the loop over epochs and steps, and the files of a run."""

import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from .. import __version__, metrics, optimizers
from ..backends import choose
from ..data import alignment
from ..data.balance import check_classes
from ..data.fitting import fit
from ..data.training import check_crops, freeze, prepare
from ..dispatch import to_host
from ..errors import InputError
from ..network.stemnet import StemNet
from ..program.options import worded
from ..storage import files, outputs
from . import checkpoint
from .checkpoint import Model
from .progress import Progress, State, no_sums
from .resume import check_pixels, resume_run
from .saved import settings_of
from .step import Objective, Steps, make_optimizer
from .validation import validate, warn_of_one_class


def begin_run(settings, backend=None):
    """Return the State of a new run; `backend` is the Backend that computes, without one it is plain."""
    network = StemNet(**asdict(settings.architecture), seed=settings.seed)
    return State(network, make_optimizer(settings, backend), [], Progress())


def describe_data(prepared, fitted, log=print):
    """Say what is unusual in the data of a new run; raise InputError where the training masks hold one class only."""
    check_classes(*(fitted.share(indices) for indices in prepared.split[:2]), log)
    alignment.describe(prepared.dataset, log, quick=True)


class Diverged(InputError):
    """Training has diverged: a number is NaN or infinite."""


class Run:
    """One training run, new or resumed.

    Parameters
    ----------
    settings : Settings
        Settings of the run; a `gap` of None is chosen to fit the frames.
    frames, masks : path, str or None
        Folder, glob pattern or file; None stands for the sample in the package.
    out : path
        Folder for everything that the run writes.
    resume : bool
        Whether to go on from out/model.npz.
    backend : {"auto", "plain", "cpu", "cuda"}
        Backend that computes, see `backends.choose`.
    precision : {"fp32", "tf32"}
        Precision of the operands of convolutions.
    log : callable
        Function that prints a line of text for the user.

    Attributes
    ----------
    data : data.training.TrainingData
    network, optimizer, rows, progress
        The run's `progress.State`.
    validation : validation.Validation or None
        Measures of the last epoch; None before an epoch has ended.

    Raises
    ------
    InputError
        If frames, masks or the folder cannot be used.
    """

    def __init__(self, settings, frames, masks, out, resume=False, backend="auto", precision="fp32", log=print):
        self.out, self.precision, self.log = Path(out), precision, log
        self.backend = choose(backend, precision, log)
        files.check_folder(self.out)
        outputs.check_no_pictures(self.out)
        if resume and settings.gap is None:                     # the one that was chosen when the run began
            settings = replace(settings, gap=settings_of(out)[0].gap)
        prepared = prepare(settings, frames, masks, self.backend.device, log)
        check_crops(prepared)
        if resume:
            state, model = resume_run(self.out, prepared, self.backend)
            fitted = fit(prepared, log, model.scaling)
            check_pixels(self.out, prepared, fitted, model)
        else:
            state = begin_run(prepared.settings, self.backend)
            fitted = fit(prepared, log)
            describe_data(prepared, fitted, log)
        self.data = freeze(prepared, fitted, log)
        self.settings = self.data.settings
        self.network, self.optimizer, self.rows, self.progress = state
        self.network.to(self.backend)
        objective = Objective.of(self.settings, len(self.data.training), self.data.cost)
        self._steps = Steps(self.network, self.optimizer, objective, self.backend, log)
        self.validation = None
        self._is_open = False                                   # whether its folder is made

    def train(self, stop=lambda: False, advance=lambda text, steps: None, after_epoch=lambda run: None):
        """Train until the planned number of epochs is done, or `stop` returns True.

        Parameters
        ----------
        stop : callable
            Function that is called after every step; when it returns True, the state is saved and training stops.
        advance : callable
            Function that is called as advance(text, steps) with the work in hand and the steps done since.
        after_epoch : callable
            Function that is called with the run after every epoch.

        Returns
        -------
        bool
            Whether the run is complete.

        Raises
        ------
        InputError
            If the cost is NaN or infinite (the last good model stays on disk), or a file cannot be read or written.
        """
        self.open_folder()
        with self.backend.limit_threads():
            return self._train(stop, advance, after_epoch)

    def _train(self, stop, advance, after_epoch):
        progress = self.progress
        while progress.epoch < self.settings.epochs:
            started = time.perf_counter()
            if stop() or not self._train_epoch(stop, advance):
                self.save("model.npz")
                return False
            row = self._finish_epoch(started, advance)
            self.rows.append(row)
            if (row["f1_pooled"], -row["val_loss"]) > (progress.best_f1, -progress.best_cost):
                progress.best_f1, progress.best_cost = row["f1_pooled"], row["val_loss"]
                self.save("best.npz")
                scores = self.validation.scores
                files.write_csv(self.out / "validation.csv", *scores.table(self.data.source["validation_frames"]))
                files.write_csv(self.out / "roc.csv", metrics.ROC_COLUMNS, scores.roc.points())
            files.write_csv(self.out / "metrics.csv", metrics.COLUMNS, [list(each.values()) for each in self.rows])
            self.save("model.npz")
            after_epoch(self)
        return True

    def open_folder(self):
        """Make the run's folder and write config.json, at the first call; `train` begins with it.

        Raises
        ------
        InputError
            If folder or file cannot be written.
        """
        if self._is_open:
            return
        files.make_folder(self.out)
        files.write_json(self.out / "config.json", self.config(), outputs.CONFIG)       # first: it says whose it is
        files.make_folder(self.out / "figures")
        self._is_open = True

    def config(self):
        """Return the content of config.json, a dict."""
        return {**self.data.source, **self.settings.as_dict(), "device": self.backend.name,
                "precision": self.precision, "steps_per_epoch": self.data.steps_per_epoch, "version": __version__}

    def save(self, name):
        """Write the state of the run to its folder.

        Raises
        ------
        InputError
            If a parameter is NaN or infinite, or the file cannot be written; the file of that name is unharmed.
        """
        for part in checkpoint.PARTS:
            for array_name, array in getattr(self.network, part).items():
                if not np.isfinite(to_host(array)).all():
                    raise self._diverged(f"{part.removesuffix('s')} {array_name} is not finite")
        model = Model(self.network, self.data.scaling, {**self.data.source, **self.settings.as_dict()},
                      asdict(self.progress), self.optimizer.state())
        checkpoint.save(self.out / name, model, __version__)

    def is_at_best(self):
        """Return whether the network is still that of the best epoch."""
        return (self.progress.epoch, self.progress.position) == (metrics.best(self.rows)["epoch"], 0)

    def restore_best(self):
        """Write best.npz where it is missing and the best epoch is the last one; warn where it is missing otherwise.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        path = self.out / "best.npz"
        if not self.rows or path.exists():
            return
        if self.is_at_best():
            self.save("best.npz")
        else:
            best = metrics.best(self.rows)
            self.log(f"warning: {path}: is missing, the model of epoch {best['epoch']} with the best pooled F1 "
                     f"({best['f1_pooled']:.3f}); restore it, or go on until a better one comes")

    def _train_epoch(self, stop, advance):
        """Train on the rest of the epoch; return False if stopped."""
        settings, progress, steps = self.settings, self.progress, self._steps
        self.optimizer.learning_rate = optimizers.staircase(settings.learning_rate, settings.decay_rate, progress.epoch)
        batches = self.data.batches(progress.epoch, progress.position)
        for batch in batches:
            steps.run(batch, progress.step)
            progress.position += 1
            progress.step += 1
            stopping = stop()
            if stopping or steps.pending == steps.max_pending:
                self._settle()
            cost = progress.sums["cost"] / max(progress.position - steps.pending, 1)
            advance(f"epoch {progress.epoch + 1}/{settings.epochs}, cost {cost:.3f}", 1)
            if stopping:
                batches.close()
                return False
        self._settle()
        return True

    def _settle(self):
        """Add the costs and counts of the steps that are not in the epoch's sums yet."""
        sums, results = self.progress.sums, self._steps.flush()
        for step, (cost, counts) in enumerate(results, self.progress.step - len(results)):
            if not math.isfinite(cost):
                raise self._diverged(f"the cost is {cost}", step)
            sums["cost"] += cost
            for name, number in asdict(counts).items():
                sums[name] += number

    def _finish_epoch(self, started, advance):
        """Validate, and return the epoch's row of metrics.csv."""
        progress, frames = self.progress, len(self.data.validation)
        text = f"epoch {progress.epoch + 1}/{self.settings.epochs}, validated"
        try:
            self.validation = validate(self.network, self.data, lambda done: advance(f"{text} {done} of {frames}", 0))
        except FloatingPointError as error:
            raise self._diverged(error) from None
        summary, sums = self.validation.scores.summary(), dict(progress.sums)
        cost = sums.pop("cost")
        training = {f"train_{name}": value for name, value in metrics.Counts(**sums).measures().items()}
        row = {"epoch": progress.epoch + 1, "seconds": round(time.perf_counter() - started, 3),
               "learning_rate": self.optimizer.learning_rate, "train_loss": cost / progress.position,
               "val_loss": self.validation.cost, "val_accuracy": summary.pop("accuracy"), **summary, **training}
        warn_of_one_class(self.validation.scores.total, self.settings, self.data.cost, self.log)
        progress.epoch, progress.position, progress.sums = progress.epoch + 1, 0, no_sums()
        return {name: row[name] for name in metrics.COLUMNS}

    def _diverged(self, what, step=None):
        """Return the error that ends a run in which a number is NaN or infinite."""
        saved = self.out / "model.npz"
        good = f"{saved} holds the last good model; " if saved.exists() else ""
        step = self.progress.step if step is None else step
        return Diverged(f"training has diverged at step {step} (epoch {self.progress.epoch + 1}): {what}; {good}begin "
                        f"a new run in another --out with a lower --learning-rate "
                        f"({worded(self.settings.learning_rate)} here)")
