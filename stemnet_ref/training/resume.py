"""Resume a run from its folder, after a check that all of its state is there."""

import glob
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import metrics
from ..errors import InputError, reason
from ..program.options import flag_of
from ..storage import files, readers
from . import checkpoint
from .settings import OPTIONS, Settings, chosen_of

# Entries of a model on its data, beside the settings, with their types; [type] is a list of values of the type
SOURCE = {"frames": str, "masks": str, "training_frames": [str], "validation_frames": [str], "training_cells": float,
          "validation_cells": float, "frames_sha256": str, "masks_sha256": str, "dropped_frames": [str],
          "class_weights": [float]}

# Settings that earlier versions did not have; their models were trained with the defaults
ADDED = "channel_index", "z", "pattern"

UNUSABLE = TypeError, ValueError, KeyError, AttributeError, OverflowError      # what wrong types and values raise


def resolve(given):
    """Return the Settings, frames, masks (both None: the sample) and output folder of a run, new or resumed.

    Parameters
    ----------
    given : dict
        Options of run_train.py: frames, masks, out (None where they are not given), resume, and the settings chosen.

    Raises
    ------
    InputError
        If options do not go together, or the run to resume cannot be read.
    """
    chosen, frames, masks, out = chosen_of(given), given["frames"], given["masks"], given["out"]
    if not given["resume"]:
        settings = Settings.from_options(chosen)
        return settings, frames, masks, Path(out or files.new_folder(Path("runs") / f"network{settings.channels}"))
    if out is None:
        raise InputError("--resume: name the run to go on with by --out DIR")
    settings, *saved = settings_of(out)
    settings = replace(settings, **chosen)
    settings.check_effects(chosen)
    for name, path, now in (("frames", saved[0], frames), ("masks", saved[1], masks)):
        if now is None and path is not None and not (os.path.exists(path) or glob.glob(path, recursive=True)):
            raise InputError(f"--resume: the {name} of this run are no longer at {path}; "
                             f"say by --{name} PATH where they are now")
    return settings, saved[0] if frames is None else frames, saved[1] if masks is None else masks, Path(out)


def settings_of(out):
    """Return the Settings, frames and masks of the run in a folder, from its model.npz.

    Raises
    ------
    InputError
        If there is no run, or its model is damaged.
    """
    path = Path(out) / "model.npz"
    if not path.exists():
        inside = checkpoint.runs_inside(out)
        raise InputError(f"--out {out}: no model.npz to resume from; {inside}" + (
            "name one of them" if inside else "leave out --resume to begin a new run"))
    saved = checkpoint.load(path).settings
    source = {name: saved.pop(name, None) for name in SOURCE}
    try:
        for name, wanted in SOURCE.items():
            value = source[name]                            # None: of the sample, or of an earlier version
            parts, wanted = (value, wanted[0]) if isinstance(wanted, list) else ([value], wanted)
            if value is not None and not (isinstance(parts, list) and all(_is(part, wanted) for part in parts)):
                raise ValueError(f"{name} is {str(value)[:40]!r}")
        return _settings(saved), source["frames"], source["masks"]
    except UNUSABLE as error:
        raise InputError(f"{path}: its settings cannot be used ({reason(error)}); "
                         "go on with the version that wrote it") from None


def read_config(folder):
    """Return the content of a run's config.json, after a check of all its entries that are used.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    path, remedy = Path(folder) / "config.json", "remove this run's folder"
    config = readers.read_json(path, remedy, frames=str | None, masks=str | None, training_frames=list,
                               validation_frames=list, dropped_frames=list, steps_per_epoch=int, device=str,
                               precision=str, version=str)
    try:
        return {**config, **_settings(chosen_of(config)).as_dict()}
    except UNUSABLE as error:
        raise InputError(f"{path}: its settings cannot be used ({reason(error)}); {remedy}") from None


def _settings(saved):
    """Return the Settings from their values in a file, by name; raise one of UNUSABLE where they are wrong."""
    odd = (saved.keys() ^ OPTIONS.keys()) - {*ADDED}
    if odd:
        raise ValueError(f"{min(odd)} is missing or unknown")
    return Settings(**saved)


def _is(value, wanted):
    """Return whether a value has a type, or one of several; a whole number counts as float, a bool as no number."""
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, wanted) or (isinstance(value, int) and isinstance(0.0, wanted))


def resume_run(run, prepared):
    """Put a run back where its model.npz stands, and return the `Measured` of its data and the model's Scaling.

    Parameters
    ----------
    run : training.run.Run
        Run with new settings and a new optimizer; it gets network, progress and rows from the folder.
    prepared : data.training.Prepared
        Data of the run, prepared anew.

    Raises
    ------
    InputError
        If the settings or the data differ from the run's own, or a part of the state is missing or damaged.
    """
    path = run.out / "model.npz"
    model = checkpoint.load(path)
    for name, value in run.settings.as_dict().items():
        had = model.settings.get(name, getattr(Settings, name))
        unknown = name == "gap" and had is None                 # of earlier versions; _check_data compares its effect
        if name != "epochs" and had != value and not unknown:
            raise InputError(f"{flag_of(name)} {value}: the run in {run.out} has {had}; "
                             "--resume goes on with what it began with, leave the option out")
    measured = _check_data(run, prepared, model)
    read_progress(run, model)
    run.network = model.network
    run.rows = read_rows(run.out, run.epoch)
    return measured, model.scaling


def restore_best(run):
    """Write best.npz where it is missing and the best epoch is the last one; warn where it is missing otherwise.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if not run.rows or (run.out / "best.npz").exists():
        return
    best = metrics.best(run.rows)
    if (run.epoch, run.position) == (best["epoch"], 0):
        run.save("best.npz")
    else:
        run.log(f"warning: {run.out / 'best.npz'}: is missing, the model of epoch {best['epoch']} with the best "
                 f"pooled F1 ({best['f1_pooled']:.3f}); restore it, or go on until a better one comes")


def read_progress(run, model):
    """Set epoch, step, sums and the optimizer's state of a run to those of its model.

    Raises
    ------
    InputError
        If a part of the state is missing, or the state is impossible.
    """
    try:
        _check_optimizer_state(run.optimizer, model)
        run.optimizer.load_state(model.optimizer_state)
        progress = model.progress
        run.epoch, run.position, run.step = (_count(progress, name) for name in ("epoch", "position", "step"))
        run.sums = {name: progress["sums"][name] for name in run.sums}
        run.best_f1, run.best_val_loss = float(progress["best_f1"]), float(progress["best_val_loss"])
        if not np.isfinite([*run.sums.values(), run.best_f1, run.best_val_loss]).all():
            raise ValueError("its numbers are not finite")
        if run.step < run.position or (run.step - run.position) % max(run.epoch, 1):    # epochs are equally long
            raise ValueError(f"step {run.step} is not that of epoch {run.epoch}, batch {run.position}")
    except UNUSABLE as error:
        raise InputError(f"{run.out / 'model.npz'}: the state of its run is damaged ({reason(error)}); restore the "
                         "file, or begin a new run") from None


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


def _count(progress, name):
    value = progress[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    return value


def _check_data(run, prepared, model):
    """Return the `Measured` of frames and masks, which must be those that the run began with, wherever they are now."""
    saved, source = {name: model.settings.get(name) for name in SOURCE}, prepared.source
    for part in ("training_frames", "validation_frames"):
        if source[part] != saved[part]:
            odd = _names(source) ^ _names(saved)
            differ = f"{min(odd)} is in one of them only" if odd else f"the {part.replace('_', ' ')} are others"
            raise InputError(f"--frames {source['frames']}: not the frames that the run in {run.out} began with "
                             f"({differ}); give it those, or begin a new run")
    measured = prepared.measure(run.log)
    for kind, digest in measured.digests.items():
        if digest != saved[f"{kind}_sha256"]:
            raise InputError(f"--{kind} {source[kind]}: their pixels are not those that the run in {run.out} began "
                             "with; give it those, or begin a new run")
    return measured


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
