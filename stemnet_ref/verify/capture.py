"""Golden files of a trained model and real frames."""

import numpy as np

from ..data.discovery.selection import Selection
from ..data.images import eight_bit_units
from ..data.training import open_dataset
from ..errors import InputError
from ..training.saved import SOURCE
from ..training.settings import Settings
from .golden import compute


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
    for name, plain in (("activation", "relu"), ("normalisation", "none")):
        if getattr(model.network, name) != plain:
            raise InputError(f"--model: it was trained with --{name} {getattr(model.network, name)}; golden files are "
                             "of the thesis's network; give a model that was trained without")
    settings = Settings(**{**{name: value for name, value in model.settings.items() if name not in SOURCE},
                           **(changes or {})})
    if isinstance(settings.class_weight, str):
        background, cell = model.settings["class_weights"]
        settings = Settings(**{**settings.as_dict(), "class_weight": f"{background!r},{cell!r}"})
    selection = Selection.of(changes or {}).completed(model.settings)
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
