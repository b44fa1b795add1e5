"""Going on with a run from its folder, after checking that all of its state is there."""

from pathlib import Path

import numpy as np

from . import checkpoint, files, metrics
from .errors import InputError
from .settings import Settings, option


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
    frames, masks = saved.pop("frames", None), saved.pop("masks", None)
    odd = saved.keys() ^ Settings.__dataclass_fields__.keys()
    try:
        if odd:
            raise ValueError(f"{min(odd)} is missing or unknown")
        return Settings(**saved).checked(()), frames, masks
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
        If the settings differ from the run's own, or a part of the state is missing or damaged.
    """
    path = run.out / "model.npz"
    model = checkpoint.load(path)
    wanted = {**run.where, **run.settings.as_dict()}
    for name, value in model.settings.items():
        if name != "epochs" and wanted.get(name) != value:
            raise InputError(f"{option(name)} {wanted.get(name)}: the run in {run.out} has {value}; "
                             "--resume goes on with what it began with, leave the option out")
    try:
        _check_optimizer_state(run.optimizer, model)
        run.optimizer.load_state(model.optimizer_state)
        progress = model.progress
        run.epoch, run.position, run.step = (int(progress[name]) for name in ("epoch", "position", "step"))
        run.sums = {name: progress["sums"][name] for name in run.sums}
        run.best_f1 = float(progress["best_f1"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the state of its run is damaged ({error}); restore the file, or begin a new "
                         "run") from None
    run.network, run.scaling = model.network, model.scaling
    if run.epoch:       # a row written after model.npz is of an epoch that is done again
        rows = files.read_csv(run.out / "metrics.csv", metrics.COLUMNS)
        run.rows = [row for row in rows if row["epoch"] <= run.epoch]


def _check_optimizer_state(optimizer, model):
    """Raise ValueError unless every slot of the optimizer has a finite array for every parameter."""
    for slot in optimizer.slots:
        for name, array in model.network.parameters.items():
            found = model.optimizer_state.get(f"{slot}/{name}")
            if found is None or found.shape != array.shape or found.dtype != array.dtype:
                raise ValueError(f"{slot} of {name} is missing or has another shape")
            if not np.isfinite(found).all():
                raise ValueError(f"{slot} of {name} is not finite")
