"""How far a training run has come: where a new run begins, and where a run that was left goes on."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import metrics
from ..data import alignment
from ..data.balance import check_classes
from ..errors import InputError, reason
from ..network.stemnet import StemNet
from ..optimizers import SGD
from ..program.options import flag_of
from ..storage import readers
from . import checkpoint
from .resume import UNUSABLE
from .settings import Settings
from .step import make_optimizer


def no_sums():
    """Return the sums of an epoch without a step."""
    return {"cost": 0.0, **asdict(metrics.Counts(0, 0, 0, 0))}


@dataclass
class Progress:
    """How far a run has come; a model file holds these numbers by their names."""

    epoch: int = 0                  # epochs that are done
    position: int = 0               # batches of the next epoch that are done
    step: int = 0                   # steps since the beginning
    sums: dict = field(default_factory=no_sums)     # cost and counts of pixels, over the steps of the present epoch
    best_f1: float = -1.0           # pooled F1 in validation of the best epoch; below every F1 before there is one
    best_val_loss: float = 0.0      # cost of that epoch in validation

    @classmethod
    def read(cls, saved):
        """Return the Progress that a model file holds; raise one of `resume.UNUSABLE` where no run can be so far."""
        for name in ("epoch", "position", "step"):
            value = saved[name]
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
                raise ValueError(f"{name} is {str(value)[:40]!r}")
        found = cls(saved["epoch"], saved["position"], saved["step"], {name: saved["sums"][name] for name in no_sums()},
                    float(saved["best_f1"]), float(saved["best_val_loss"]))
        if not np.isfinite([*found.sums.values(), found.best_f1, found.best_val_loss]).all():
            raise ValueError("its numbers are not finite")
        before = found.step - found.position                    # steps of the epochs that are done, which are alike
        if before < found.epoch or before % max(found.epoch, 1):
            raise ValueError(f"step {found.step} is not that of epoch {found.epoch}, batch {found.position}")
        return found


class State(NamedTuple):
    """All that the next step of a run depends on, beside its settings and its data."""

    network: StemNet
    optimizer: SGD                  # or another optimizer
    rows: list                      # of metrics.csv, a dict for each epoch that is done, by `metrics.COLUMNS`
    progress: Progress


def begin_run(prepared, backend=None, log=print):
    """Return the State of a new run, and the `Measured` of its data.

    `prepared` is its `data.training.Prepared`, and `backend` the Backend that computes; without one it is plain.
    """
    settings = prepared.settings
    network = StemNet(**{name: getattr(settings, name) for name in (
        "channels", "levels", "features", "logits", "init", "activation", "normalisation", "seed")})
    measured = prepared.measure(log)
    check_classes(*(measured.share(indices) for indices in prepared.split[:2]), log)
    alignment.describe(prepared.dataset, log, quick=True)
    return State(network, make_optimizer(settings, backend), [], Progress()), measured


def resume_run(out, prepared, backend=None, log=print):
    """Return the State in which the model.npz of a folder left its run, and the `Measured` of its data.

    The scaling in it is the model's. `prepared` and `backend` are as `begin_run` takes them.

    Raises
    ------
    InputError
        If the settings or the data differ from the run's own, or a part of the state is missing or damaged.
    """
    path = Path(out) / "model.npz"
    model = checkpoint.load(path)
    for name, value in prepared.settings.as_dict().items():
        had = model.settings.get(name, getattr(Settings, name))
        unknown = name == "gap" and had is None                 # of earlier versions; _check_data compares its effect
        if name != "epochs" and had != value and not unknown:
            raise InputError(f"{flag_of(name)} {value}: the run in {out} has {had}; "
                             "--resume goes on with what it began with, leave the option out")
    measured = _check_data(out, prepared, model, log)
    optimizer, progress = read_state(path, model, prepared.settings, backend)
    rows = read_rows(out, progress.epoch)
    return State(model.network, optimizer, rows, progress), measured._replace(scaling=model.scaling)


def read_state(path, model, settings, backend=None):
    """Return the optimizer and the Progress of the run whose Model was read from a path.

    Raises
    ------
    InputError
        If a part of the state is missing, or the state is impossible.
    """
    optimizer = make_optimizer(settings, backend)
    try:
        progress = Progress.read(model.progress)
        if not progress.step:
            return optimizer, progress          # before the first step it remembers nothing
        for slot in optimizer.slots:
            for name, array in model.network.parameters.items():
                found = model.optimizer_state.get(f"{slot}/{name}")
                if found is None or found.shape != array.shape or found.dtype != array.dtype:
                    raise ValueError(f"{slot} of {name} is missing or has another shape")
                if not np.isfinite(found).all():
                    raise ValueError(f"{slot} of {name} is not finite")
        optimizer.load_state(model.optimizer_state)
        return optimizer, progress
    except UNUSABLE as error:
        raise InputError(f"{path}: the state of its run is damaged ({reason(error)}); restore the file, or begin a new "
                         "run") from None


def read_rows(out, epochs):
    """Return the rows of the metrics.csv of a run that has finished `epochs` epochs.

    Raises
    ------
    InputError
        If a row for one of the epochs is missing, in the wrong order, or damaged.
    """
    if not epochs:
        return []
    path, remedy = Path(out) / "metrics.csv", "restore it, or begin a new run"
    rows = readers.read_csv(path, metrics.COLUMNS, remedy)
    found = [row["epoch"] for row in rows]
    if found != list(range(1, len(rows) + 1)) or len(rows) < epochs:
        there = ", ".join(map(str, found[:20])) + (", ..." if len(found) > 20 else "") if found else "none"
        raise InputError(f"{path}: has epochs {there}; epochs 1 to {epochs} are needed, each once; {remedy}")
    for row in rows:
        odd = [name for name, value in row.items() if not np.isfinite(value) and name != "roc_auc"]
        if odd:
            raise InputError(f"{path}: {odd[0]} of epoch {row['epoch']} is {row[odd[0]]}; {remedy}")
    return rows[:epochs]        # a row written after model.npz is of an epoch that is done again


def _check_data(out, prepared, model, log):
    """Return the `Measured` of frames and masks, which must be those that the run began with, wherever they are now."""
    saved, source = model.settings, prepared.source
    for part in ("training_frames", "validation_frames"):
        if source[part] != saved.get(part):
            odd = _names(source) ^ _names(saved)
            differ = f"{min(odd)} is in one of them only" if odd else f"the {part.replace('_', ' ')} are others"
            raise InputError(f"--frames {source['frames']}: not the frames that the run in {out} began with "
                             f"({differ}); give it those, or begin a new run")
    measured = prepared.measure(log)
    for kind, digest in measured.digests.items():
        if digest != saved.get(f"{kind}_sha256"):
            raise InputError(f"--{kind} {source[kind]}: their pixels are not those that the run in {out} began "
                             "with; give it those, or begin a new run")
    return measured


def _names(source):
    return {*(source.get("training_frames") or ()), *(source.get("validation_frames") or ())}
