"""Models on disk: one `.npz` of plain arrays, read without pickle, replaced in one move.

    parameters/NAME      float arrays, as in `StemNet.parameters`
    statistics/NAME      likewise, of batch normalisation
    optimizer/NAME       state of the optimizer
    scaling/image        float32 (H, W): what is subtracted from every frame, if anything is
    about                JSON text: format, package version, settings, scaling, progress
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .data.scaling import Scaling
from .device import to_host
from .errors import InputError, reason
from .files import write_atomically
from .network import StemNet
from .readers import read_npz

FORMAT = "stemnet_ref model 4"
OLDER = ("stemnet_ref model 2", "stemnet_ref model 3")      # without scaling/image in 2, and without statistics
PARTS = ("parameters", "statistics")                        # of a network


@dataclass
class Model:
    """A network and what belongs to it."""

    network: StemNet
    scaling: Scaling
    settings: dict          # of the run that made it
    progress: dict          # where that run stands
    optimizer_state: dict   # arrays by name


def save(path, model, version):
    """Write a model; the file is the same, byte for byte, for the same model.

    Raises
    ------
    InputError
        If it cannot be written; an older file of this name is unharmed then.
    """
    about = {"format": FORMAT, "version": version, "settings": model.settings, "progress": model.progress,
             "scaling": {"mean": model.scaling.mean, "std": model.scaling.std},
             "network": network_settings(model.network)}
    arrays = {"about": np.array(json.dumps(about, sort_keys=True))}
    if model.scaling.image is not None:
        arrays["scaling/image"] = model.scaling.image
    for part in PARTS:
        arrays.update({f"{part}/{name}": to_host(array) for name, array in getattr(model.network, part).items()})
    arrays.update({f"optimizer/{name}": to_host(array) for name, array in model.optimizer_state.items()})
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load(path):
    """Return the Model of a file, or of the best.npz, or else model.npz, in a folder.

    Raises
    ------
    InputError
        If there is no such file, or it is no model of this package, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in ("best.npz", "model.npz") if (path / name).is_file()]
        if not found:
            raise InputError(f"{path}: no model.npz in this folder; name a folder that run_train.py wrote, or a file")
        path = found[0]
    wrong, remedy = ("this is no model of stemnet_ref, or a damaged one",
                     "name a model.npz or best.npz that run_train.py wrote")
    arrays = read_npz(path, wrong, remedy)
    try:
        about = json.loads(str(arrays.pop("about")))
        if about["format"] not in (FORMAT, *OLDER):
            raise InputError(f"{path}: the file says {about['format']!r}, this version reads {FORMAT!r}; "
                             "use the version that wrote it")
        network = StemNet(**about["network"])
        scaling = _scaling(about, arrays)
        settings, progress = dict(about["settings"]), about["progress"]
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise InputError(f"{path}: {wrong} ({reason(error)}); {remedy}") from None
    _fill(network, arrays, path)
    optimizer_state = {name.removeprefix("optimizer/"): array for name, array in arrays.items()
                       if name.startswith("optimizer/")}
    return Model(network, scaling, settings, progress, optimizer_state)


def network_settings(network):
    """Return the arguments that make a StemNet of the same shape."""
    return {"channels": network.channels, "levels": network.levels, "features": network.features,
            "classes": network.classes, "kernel": network.kernel, "logits": network.logits, "init": network.init,
            "activation": network.activation, "normalisation": network.normalisation}


def _scaling(about, arrays):
    """Return the Scaling of a file; raise ValueError where its numbers cannot be used."""
    scaling = Scaling(float(about["scaling"]["mean"]), float(about["scaling"]["std"]), arrays.get("scaling/image"))
    if not (np.isfinite(scaling.mean) and 0 < scaling.std < np.inf):
        raise ValueError(f"the scaling is {scaling.mean}, {scaling.std}")
    if scaling.image is not None and (scaling.image.dtype != np.float32 or scaling.image.ndim != 2
                                      or not np.isfinite(scaling.image).all()):
        raise ValueError("scaling/image is no image of finite float32 numbers")
    return scaling


def _fill(network, arrays, path):
    """Put the file's parameters and statistics into the network."""
    for part in PARTS:
        for name, initial in list(getattr(network, part).items()):
            array, which = arrays.get(f"{part}/{name}"), f"{part.removesuffix('s')} {name}"
            if array is None or array.shape != initial.shape or array.dtype != initial.dtype:
                found = "missing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise InputError(f"{path}: {which} is {found}; {initial.dtype} of shape {initial.shape} is needed; the "
                                 "file is damaged or changed, take another copy")
            if not np.isfinite(array).all():
                raise InputError(f"{path}: {which} holds NaN or infinity; take another copy of the model")
            getattr(network, part)[name] = array
