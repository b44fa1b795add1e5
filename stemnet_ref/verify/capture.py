"""Golden files of a trained model and real frames."""

from dataclasses import replace

import numpy as np

from ..data.discovery.selection import Selection
from ..data.images import eight_bit_units
from ..data.training import open_dataset
from ..errors import InputError
from ..program.options import flag_of
from ..training.saved import SOURCE
from ..training.settings import Settings
from .golden import compute

# Settings and properties of a run that no golden file can hold, and their values in those that one can
PLAIN = {"activation": "relu", "normalisation": "none", "l1": 0, "border_weight": 0}


def from_model(model, frames, masks, size, batch, steps, steps_per_epoch, dtype, seed, log=print, changes=None):
    """Return the golden file of a trained model and the middle of real frames.

    Parameters
    ----------
    model : checkpoint.Model
    frames, masks : path
        Paths as run_train.py takes them; the first `batch` frames with masks are taken.
    size : tuple of int
        Height and width of what is cut out of the middle, in pixels.
    batch, steps, steps_per_epoch, dtype
        The same as for `golden.from_seed`.
    seed : int
        Seed of the dropout masks.
    log : callable
        Takes a line of text for the user.
    changes : dict, optional
        Settings in place of the model's.

    Raises
    ------
    InputError
        If frames cannot be read, or are smaller.
    """
    changes = {**(changes or {})}
    settings = Settings(**{**{name: value for name, value in model.settings.items() if name not in SOURCE}, **changes})
    for name, plain in PLAIN.items():
        value = getattr(model.network, name, getattr(settings, name))
        if value != plain:
            raise InputError(f"--model: it was trained with {flag_of(name)} {value}, which golden files do not hold; "
                             "give a model that was trained without")
    if settings.l2 and "l2" not in changes:
        if not model.settings.get("training_frames"):
            raise InputError(f"--model: it was trained with --l2 {settings.l2} and does not say on how many frames; "
                             "give --weight-decay, lambda/N")
        changes["l2"] = settings.l2 / len(model.settings["training_frames"])
        settings = replace(settings, l2=changes["l2"])
    if isinstance(settings.class_weight, str):
        background, cell = model.settings["class_weights"]
        settings = Settings(**{**settings.as_dict(), "class_weight": f"{background!r},{cell!r}"})
    selection = Selection.of(changes).completed(model.settings)
    data = open_dataset(settings, frames, masks, log=log, selection=selection)
    chosen = [index for index, mask in enumerate(data.masks) if mask][:batch]
    if len(chosen) < batch:
        raise InputError(f"--batch-size {batch}: there are {len(chosen)} frames with masks")
    windows, inputs, labels = [], [], []
    for index in chosen:
        have = data.sizes[index]
        if min(have[0] - size[0], have[1] - size[1]) < 0:
            raise InputError(f"--size {size[0]}x{size[1]}: {data.frames[index]} has {have[0]} x {have[1]} pixels; ask "
                             "for less")
        model.scaling.check(data.frames[index], have)
        top, left = ((have[axis] - size[axis]) // 2 for axis in (0, 1))
        place = np.s_[top:top + size[0], left:left + size[1]]
        pixels = data.window(index)
        inputs.append(np.stack([model.scaling.apply(each)[place] for each in pixels], -1))
        below = 0 if model.scaling.image is None else model.scaling.image[place]
        windows.append(np.stack([eight_bit_units(each)[place] - below for each in pixels], -1))
        labels.append(data.classes(index)[place])
    parameters = {name: np.array(array, dtype) for name, array in model.network.parameters.items()}
    about = {"made_from": f"model and {data.frames[chosen[0]].name}", "seed": seed}
    return compute(settings, parameters, np.stack(windows).astype(dtype), np.stack(inputs).astype(dtype),
                   np.stack(labels), (model.scaling.mean, model.scaling.std), steps, steps_per_epoch, about)
