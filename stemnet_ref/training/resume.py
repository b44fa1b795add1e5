"""Go on with a run that was left: the state in its folder, after a check that settings and data are its own."""

from pathlib import Path

import numpy as np

from .. import metrics
from ..errors import InputError, reason
from ..program.options import flag_of
from ..storage import readers
from . import checkpoint
from .progress import Progress, State
from .saved import UNUSABLE
from .settings import Settings
from .step import make_optimizer


def resume_run(out, prepared, backend=None):
    """Return the State in which the model.npz of a folder left its run, and the Model in it.

    `prepared` is the `data.training.Prepared` of this call, and `backend` the Backend, as for `run.begin_run`.

    Raises
    ------
    InputError
        If the settings or the frames differ from the run's own, or a part of the state is missing or damaged.
    """
    path = Path(out) / "model.npz"
    model = checkpoint.load(path)
    for name, value in prepared.settings.as_dict().items():
        had = model.settings.get(name, getattr(Settings, name))
        unknown = name == "gap" and had is None                 # of earlier versions; its effect is compared below
        if name != "epochs" and had != value and not unknown:
            raise InputError(f"{flag_of(name)} {value}: the run in {out} has {had}; "
                             "--resume goes on with what it began with, leave the option out")
    saved, source = model.settings, prepared.source
    for part in ("training_frames", "validation_frames"):
        if source[part] != saved.get(part):
            odd = _names(source) ^ _names(saved)
            differ = f"{min(odd)} is in one of them only" if odd else f"the {part.replace('_', ' ')} are others"
            raise InputError(f"--frames {source['frames']}: not the frames that the run in {out} began with "
                             f"({differ}); give it those, or begin a new run")
    optimizer, progress = read_state(path, model, prepared.settings, backend)
    return State(model.network, optimizer, read_rows(out, progress.epoch), progress), model


def check_pixels(out, prepared, fitted, model):
    """Raise InputError unless the pixels are those that the run began with, wherever their files are now."""
    for kind, digest in fitted.digests.items():
        if digest != model.settings.get(f"{kind}_sha256"):
            raise InputError(f"--{kind} {prepared.source[kind]}: their pixels are not those that the run in {out} "
                             "began with; give it those, or begin a new run")


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


def _names(source):
    return {*(source.get("training_frames") or ()), *(source.get("validation_frames") or ())}
