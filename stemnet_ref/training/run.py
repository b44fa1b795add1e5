"""Training as in the thesis (section 13, Table 1): the loop, the validation, and the files of a run."""

import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from .. import __version__, metrics, optimizers
from ..backends import choose
from ..data import alignment
from ..data.balance import check_classes
from ..data.crops.batch import Sample, assemble
from ..data.crops.crop import Crop
from ..data.training import freeze, prepare
from ..dispatch import to_host
from ..errors import InputError
from ..network.maps import feature_maps
from ..network.stemnet import StemNet
from ..predict import cell_probability
from ..predict import logits as predicted_logits
from ..storage import files, outputs
from . import checkpoint
from .checkpoint import Model
from .resume import resume_run, settings_of
from .step import Objective, make_optimizer, make_steps

NOTHING = {"cost": 0.0, **asdict(metrics.Counts(0, 0, 0, 0))}


class Diverged(InputError):
    """Training has diverged: a number is NaN or infinite."""


class Run:
    """One training run: its data, network, optimizer and progress.

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

    Raises
    ------
    InputError
        If frames, masks or the folder cannot be used.
    """

    def __init__(self, settings, frames, masks, out, resume=False, backend="auto", precision="fp32", log=print):
        self.out, self.log = Path(out), log
        self.backend, self.precision = choose(backend, precision, log), precision
        self.device = self.backend.device
        files.check_folder(self.out)
        outputs.check_no_pictures(self.out)
        if resume and settings.gap is None:                     # the one that was chosen when the run began
            settings = replace(settings, gap=settings_of(out)[0].gap)
        prepared = prepare(settings, frames, masks, self.device, log)
        self.settings = prepared.settings
        self.epoch, self.position, self.step = 0, 0, 0          # epochs done, batches done of the next, steps in all
        self.sums = dict(NOTHING)                               # of the epoch in progress
        self.best_f1, self.best_val_loss = -1.0, 0.0           # below every F1
        self.optimizer = make_optimizer(settings, self.backend)
        self.rows = []                                          # of metrics.csv, dicts by `metrics.COLUMNS`
        self.pictured = None                                    # epoch whose model is in the report's pictures
        self._is_open = False                                   # whether its folder is made
        self._examples = []                                     # for the report's pictures, of the last validation
        self._scores = self._roc = None                         # header and rows of validation.csv; rows of roc.csv
        scaling = None
        if resume:
            measured, scaling = resume_run(self, prepared)
        else:
            self.network = StemNet(settings.channels, settings.levels, settings.features, logits=settings.logits,
                                   init=settings.init, activation=settings.activation,
                                   normalisation=settings.normalisation, seed=settings.seed)
            measured = prepared.measure(log)
            check_classes(*(measured.share(indices) for indices in prepared.split[:2]), log)
            alignment.describe(prepared.dataset, log, quick=True)
        self.data = freeze(prepared, measured, log, scaling)
        self.network.to(self.backend)
        objective = Objective(self.data.cost, settings.keep_prob, settings.seed, settings.l1, settings.l2,
                              examples=len(self.data.training))
        self._steps = make_steps(self.network, self.optimizer, objective, self.backend, log)

    @property
    def device_name(self):
        """Name of what computes, for the user."""
        return self.backend.name

    @property
    def steps_per_epoch(self):
        """Batches in an epoch."""
        return self.data.steps_per_epoch

    def train(self, stop=lambda: False, progress=None, after_epoch=None):
        """Train until the planned number of epochs is done, or `stop` returns True.

        Parameters
        ----------
        stop : callable
            Function that is called after every step; when it returns True, the state is saved and training stops.
        progress : callable
            Function that is called as progress(text, steps) with the work in hand and the steps done since.
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
        while self.epoch < self.settings.epochs:
            started = time.perf_counter()
            if stop() or not self._train_epoch(stop, progress):
                self.save("model.npz")
                return False
            row = self._finish_epoch(started, progress)
            self.rows.append(row)
            if (row["f1_pooled"], -row["val_loss"]) > (self.best_f1, -self.best_val_loss):
                self.best_f1, self.best_val_loss = row["f1_pooled"], row["val_loss"]
                self.save("best.npz")
                files.write_csv(self.out / "validation.csv", *self._scores)
                files.write_csv(self.out / "roc.csv", metrics.ROC_COLUMNS, self._roc)
            files.write_csv(self.out / "metrics.csv", metrics.COLUMNS, [list(each.values()) for each in self.rows])
            self.save("model.npz")
            if after_epoch:
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
        return {**self.data.source, **self.settings.as_dict(), "device": self.device_name, "precision": self.precision,
                "steps_per_epoch": self.steps_per_epoch, "version": __version__}

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
        progress = {"epoch": self.epoch, "position": self.position, "step": self.step, "sums": self.sums,
                    "best_f1": self.best_f1, "best_val_loss": self.best_val_loss}
        model = Model(self.network, self.data.scaling, {**self.data.source, **self.settings.as_dict()}, progress,
                      self.optimizer.state())
        checkpoint.save(self.out / name, model, __version__)

    def best_network(self):
        """Return the network of the best epoch, from best.npz.

        Raises
        ------
        InputError
            If best.npz cannot be read, or holds another epoch.
        """
        best = metrics.best(self.rows)["epoch"]
        if (self.epoch, self.position) == (best, 0):
            return self.network
        path = self.out / "best.npz"
        model = checkpoint.load(path)
        found = model.progress.get("epoch")
        if found != best:
            raise InputError(f"{path}: is of epoch {str(found)[:40]}, where the best one is {best}; go on with the run "
                             "until a better one comes")
        model.network.to(self.backend)
        return model.network

    def examples(self, network):
        """Return (name, pixels, truth, probability of cell) of the first and the last validation frame."""
        if network is self.network and self._examples:
            return self._examples
        return [self._example(*each) for each in self._predict(self._pictured_frames(), network)]

    def maps(self, network):
        """Return the feature maps of the middle of the first validation frame, 512 pixels wide at most."""
        window, _, _ = next(self.data.dataset.whole([int(self.data.validation[0])]))
        divisor = network.size_divisor
        sides = [max(min(side, 512) // divisor, 1) * divisor for side in window[0].shape]
        top, left = ((have - side) // 2 for have, side in zip(window[0].shape, sides, strict=True))
        x, _, _ = assemble(self.data.scaling, [Sample(Crop(0, top, left, *sides), window)])
        return feature_maps(network, x)

    def _pictured_frames(self):
        return sorted({int(self.data.validation[0]), int(self.data.validation[-1])})

    def _predict(self, indices, network):
        """Yield (index, `Whole`, logits) of whole frames."""
        for index, whole in zip(indices, self.data.dataset.whole(indices), strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                z = predicted_logits(network, self.data.scaling, whole.window)
            if not np.isfinite(z).all():
                raise self._diverged(f"the prediction of {self.data.dataset.frames[index]} is not finite")
            yield index, whole, z

    def _example(self, index, whole, z):
        return (self.data.dataset.frames[index].name, to_host(whole.window[len(whole.window) // 2]), whole.classes,
                cell_probability(z))

    def _train_epoch(self, stop, progress):
        """Train on the rest of the epoch; return False if stopped."""
        settings = self.settings
        self.optimizer.learning_rate = optimizers.staircase(settings.learning_rate, settings.decay_rate, self.epoch)
        pending, steps = 0, self._steps                         # steps whose cost is not in the sums yet
        batches = self.data.batches(self.epoch, self.position)
        for batch in batches:
            steps.run(batch, self.step)
            pending += 1
            self.position += 1
            self.step += 1
            stopping = stop()
            if stopping or pending == steps.max_pending:
                self._settle(steps, pending)
                pending = 0
            if progress:
                cost = self.sums["cost"] / max(self.position - pending, 1)
                progress(f"epoch {self.epoch + 1}/{settings.epochs}, cost {cost:.3f}", 1)
            if stopping:
                batches.close()
                return False
        self._settle(steps, pending)
        return True

    def _settle(self, steps, pending):
        """Add costs and counts of the last steps to the epoch's sums."""
        first = self.step - pending
        for step, (cost, counts) in enumerate(steps.flush(), first):
            if not math.isfinite(cost):
                raise self._diverged(f"the cost is {cost}", step)
            self.sums["cost"] += cost
            for name, number in asdict(counts).items():
                self.sums[name] += number

    def _finish_epoch(self, started, progress):
        """Validate, and return the epoch's row."""
        costs, scores, predicted, self._examples = [], metrics.Scores(), 0, []
        for index, whole, z in self._predict(self.data.validation.tolist(), self.network):
            if index in self._pictured_frames():
                self._examples.append(self._example(index, whole, z))
            _, truth, weights = whole
            cost, p = self.data.cost.forward(z[None], truth[None], None if weights is None else weights[None])
            costs.append(cost)
            mask = p[0].argmax(axis=-1)
            predicted += int(mask.sum())
            scores.add(mask, z, truth)
            if progress:
                progress(f"epoch {self.epoch + 1}/{self.settings.epochs}, validated {len(costs)} of "
                         f"{len(self.data.validation)}", 0)
        summary, sums = scores.summary(), dict(self.sums)
        cost = sums.pop("cost")
        training = {f"train_{name}": value for name, value in metrics.Counts(**sums).measures().items()}
        row = {"epoch": self.epoch + 1, "seconds": round(time.perf_counter() - started, 3),
               "learning_rate": self.optimizer.learning_rate, "train_loss": cost / self.position,
               "val_loss": float(np.mean(costs)), "val_accuracy": summary.pop("accuracy"), **summary, **training}
        self._roc = scores.roc.points()
        self._scores = scores.table([self.data.dataset.frames[index].name for index in self.data.validation])
        if predicted in (0, scores.total.pixels):
            self._warn_one_class("background" if predicted == 0 else "cell", scores.total)
        self.epoch, self.position = self.epoch + 1, 0
        self.sums = dict(NOTHING)
        return {name: row[name] for name in metrics.COLUMNS}

    def _warn_one_class(self, name, total):
        if total.tp + total.fn in (0, total.pixels):
            return                                          # the truth is one class too
        advice = []
        if self.settings.logits == "relu":
            advice.append("--logits linear (a ReLU on the logits can leave them without gradient)")
        if self.settings.scaling == "minus127":
            advice.append("--scaling standard")
        if name == "background" and self.settings.cost == "weighted_cross_entropy":
            advice.append(f"a higher --class-weight (now {self.data.cost.class_weights[1]:g})")
        if name == "cell" and self.settings.cost == "weighted_cross_entropy":
            advice.append(f"a lower --class-weight (now {self.data.cost.class_weights[1]:.3g})")
        advice.append(f"a lower --learning-rate (now {self.optimizer.learning_rate:.3g})")
        self.log(f"warning: every validation pixel is predicted as {name}; if that stays so, try "
                  + ", or ".join(advice))

    def _diverged(self, what, step=None):
        """Return the error that ends a run in which a number is NaN or infinite."""
        saved = self.out / "model.npz"
        good = f"{saved} holds the last good model; " if saved.exists() else ""
        step = self.step if step is None else step
        return Diverged(f"training has diverged at step {step} (epoch {self.epoch + 1}): {what}; {good}begin a "
                        f"new run in another --out with a lower --learning-rate "
                        f"({self.settings.learning_rate:g} here)")
