"""The settings and paths of a run: those that are saved in its folder, or those that a user gives a new one."""

import glob
import os
from dataclasses import replace
from pathlib import Path

from ..errors import InputError, reason
from ..program.options import check_effects
from ..storage import files, readers
from . import checkpoint
from .settings import OPTIONS, Settings, chosen_of, renamed

# Entries of a model on its data, beside the settings, with their types; [types] is a list of values of the types
TEXT, NUMBER = {str}, {int, float}
SOURCE = {"frames": TEXT, "masks": TEXT, "training_frames": [TEXT], "validation_frames": [TEXT],
          "training_cells": NUMBER, "validation_cells": NUMBER, "frames_sha256": TEXT, "masks_sha256": TEXT,
          "dropped_frames": [TEXT], "class_weights": [NUMBER]}

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
    check_effects(OPTIONS, chosen, settings.as_dict())
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
    saved = checkpoint.load_settings(path)
    source = {name: saved.pop(name, None) for name in SOURCE}
    try:
        for name, wanted in SOURCE.items():
            value = source[name]                            # None: of the sample, or of an earlier version
            parts, wanted = (value, wanted[0]) if isinstance(wanted, list) else ([value], wanted)
            if value is not None and not (isinstance(parts, list) and all(type(part) in wanted for part in parts)):
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
        return {**config, **_settings(chosen_of(renamed(config))).as_dict()}
    except UNUSABLE as error:
        raise InputError(f"{path}: its settings cannot be used ({reason(error)}); {remedy}") from None


def _settings(saved):
    """Return the Settings from their values in a file, by name; raise one of UNUSABLE where they are wrong."""
    odd = (saved.keys() ^ OPTIONS.keys()) - {*ADDED}
    if odd:
        raise ValueError(f"{min(odd)} is missing or unknown")
    return Settings(**saved)
