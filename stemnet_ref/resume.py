"""Going on with a run from its folder, after checking that all of its state is there."""

from pathlib import Path

import numpy as np

from . import checkpoint, metrics, readers
from .errors import InputError
from .settings import Settings, option

# What a model says of its data, beside the settings
SOURCE = ("frames", "masks", "training_frames", "validation_frames", "training_cells", "validation_cells",
          "frames_sha256", "masks_sha256", "dropped_frames", "class_weights")

# Settings that earlier versions did not have; their models are of the defaults
ADDED = "channel_index", "z", "pattern"


def settings_of(out):
    """Return the Settings, frames and masks of the run in a folder, as its model.npz has them.

    Raises
    ------
    InputError
        If there is no run, or its model is damaged.
    """
    path = Path(out) / "model.npz"
    if not path.exists():
        raise InputError(f"--out {out}: no model.npz to resume from; leave out --resume to begin a new run")
    saved = checkpoint.load(path).settings
    source = {name: saved.pop(name, None) for name in SOURCE}
    odd = (saved.keys() ^ Settings.__dataclass_fields__.keys()) - {*ADDED}
    try:
        if odd:
            raise ValueError(f"{min(odd)} is missing or unknown")
        return Settings(**saved).checked(()), source["frames"], source["masks"]
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: its settings cannot be used ({error}); "
                         "go on with the version that wrote it") from None


def resume_run(run):
    """Put a run back where its model.npz stands.

    Parameters
    ----------
    run : train.Run
        Its settings, data and optimizer made anew; network, scaling, progress and rows are taken from the folder.

    Raises
    ------
    InputError
        If the settings or the data differ from the run's own, or a part of the state is missing or damaged.
    """
    path = run.out / "model.npz"
    model = checkpoint.load(path)
    for name, value in run.settings.as_dict().items():
        had = model.settings.get(name, getattr(Settings, name))
        if name != "epochs" and had != value:
            raise InputError(f"{option(name)} {value}: the run in {run.out} has {had}; "
                             "--resume goes on with what it began with, leave the option out")
    _check_data(run, model)
    try:
        _check_optimizer_state(run.optimizer, model)
        run.optimizer.load_state(model.optimizer_state)
        progress = model.progress
        run.epoch, run.position, run.step = (int(progress[name]) for name in ("epoch", "position", "step"))
        run.sums = {name: progress["sums"][name] for name in run.sums}
        run.best_f1, run.best_val_loss = float(progress["best_f1"]), float(progress["best_val_loss"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the state of its run is damaged ({error}); restore the file, or begin a new "
                         "run") from None
    run.network, run.scaling = model.network, model.scaling
    if run.epoch:       # a row written after model.npz is of an epoch that is done again
        rows = readers.read_csv(run.out / "metrics.csv", metrics.COLUMNS)
        run.rows = [row for row in rows if row["epoch"] <= run.epoch]


def _check_data(run, model):
    """Raise InputError unless frames and masks are those that the run began with, wherever they are by now."""
    saved, source = {name: model.settings.get(name) for name in SOURCE}, run.data.source
    for part in ("training_frames", "validation_frames"):
        if source[part] != saved[part]:
            odd = _names(source) ^ _names(saved)
            differ = f"{min(odd)} is in one of them only" if odd else f"the {part.replace('_', ' ')} are others"
            raise InputError(f"--frames {source['frames']}: not the frames that the run in {run.out} began with "
                             f"({differ}); give it those, or begin a new run")
    run.data.measure()
    for kind in ("frames", "masks"):
        if source[f"{kind}_sha256"] != saved[f"{kind}_sha256"]:
            raise InputError(f"--{kind} {source[kind]}: their pixels are not those that the run in {run.out} began "
                             "with; give it those, or begin a new run")


def _names(source):
    return {*(source["training_frames"] or ()), *(source["validation_frames"] or ())}


def _check_optimizer_state(optimizer, model):
    """Raise ValueError unless every slot of the optimizer has a finite array for every parameter."""
    for slot in optimizer.slots:
        for name, array in model.network.parameters.items():
            found = model.optimizer_state.get(f"{slot}/{name}")
            if found is None or found.shape != array.shape or found.dtype != array.dtype:
                raise ValueError(f"{slot} of {name} is missing or has another shape")
            if not np.isfinite(found).all():
                raise ValueError(f"{slot} of {name} is not finite")
