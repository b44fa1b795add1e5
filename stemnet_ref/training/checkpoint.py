"""Models on disk: one `.npz` of plain arrays, read without pickle, replaced in one move.

    parameters/NAME      float arrays, as in `StemNet.parameters`
    statistics/NAME      float arrays, as in `StemNet.statistics`, with batch normalisation
    optimizer/NAME       state of the optimizer
    scaling/image        image that is subtracted from every frame, float32 (H, W), if there is one
    about                JSON text: format, package version, settings, scaling, progress
"""

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..data.scaling import Scaling
from ..dispatch import to_host
from ..errors import InputError, pluralize
from ..network import topology
from ..network.stemnet import StemNet
from ..storage.archives import open_npz
from ..storage.files import write_npz
from ..storage.outputs import CONVERTED, MODEL
from .settings import renamed

FORMAT = "stemnet_ref model 4"
OLDER = ("stemnet_ref model 2", "stemnet_ref model 3")      # 2 has no scaling/image, and neither has statistics
PARTS = ("parameters", "statistics")                        # dicts of arrays of a network
MEMBERS = ("parameters/", "statistics/", "optimizer/")


@dataclass
class Model:
    """A network and what belongs to it."""

    network: StemNet
    scaling: Scaling
    settings: dict          # settings of the run that trained it
    progress: dict          # epoch, step and sums of that run
    optimizer_state: dict   # arrays by name


def save(path, model, version, kind=MODEL, option="--out"):
    """Write a model; the file is the same, byte for byte, for the same model.

    `kind` is MODEL, or CONVERTED for a model that comes from no run.

    Raises
    ------
    InputError
        If the file cannot be written; an older file of this name is unharmed.
    """
    about = {"format": FORMAT, "version": version, "settings": model.settings, "progress": model.progress,
             "scaling": {"mean": model.scaling.mean, "std": model.scaling.std},
             "network": asdict(model.network.architecture)}
    if kind is CONVERTED:
        about["made_by"] = kind.mark
    arrays = {} if model.scaling.image is None else {"scaling/image": model.scaling.image}
    for part in PARTS:
        arrays.update({f"{part}/{name}": to_host(array) for name, array in getattr(model.network, part).items()})
    arrays.update({f"optimizer/{name}": to_host(array) for name, array in model.optimizer_state.items()})
    write_npz(path, about, arrays, kind, option)


def load(path):
    """Return the Model of a file, or of the best.npz, or else model.npz, in a folder.

    Raises
    ------
    InputError
        If there is no such file, or the file is damaged, or is no model of this package.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in ("best.npz", "model.npz") if (path / name).is_file()]
        if not found:
            raise InputError(f"{path}: no model.npz in this folder; {runs_inside(path)}"
                             "name a folder that run_train.py wrote, or a file")
        path = found[0]
    with _opened(path) as (arrays, about):
        odd = [name for name in arrays if not name.startswith(MEMBERS) and name not in ("about", "scaling/image")]
        if odd:
            raise ValueError(f"{min(odd)} is in it, which no model has")
        network = build(about["network"], lambda name: arrays.header(f"parameters/{name}").shape)
        scaling = _scaling(about, arrays)
        settings, progress = renamed(about["settings"]), dict(about["progress"])
        if scaling.image is None and settings.get("scaling") in ("mean-image", "median-image"):
            raise ValueError("scaling/image is missing")
        _fill(network, arrays, path)
        optimizer_state = {name.removeprefix("optimizer/"): arrays[name] for name in arrays
                           if name.startswith("optimizer/")}
    return Model(network, scaling, settings, progress, optimizer_state)


def load_settings(path):
    """Return the settings of a model file, a dict; its arrays are not read.

    Raises
    ------
    InputError
        If the file is no model of this package, or its description is damaged.
    """
    with _opened(path) as (_, about):
        return renamed(about["settings"])


@contextmanager
def _opened(path):
    """Open a model file; yield its arrays, as `storage.archives.Npz`, and its description, a dict."""
    with open_npz(path, "this is no model of stemnet_ref, or a damaged one",
                  "name a model.npz or best.npz that run_train.py wrote") as arrays:
        about = arrays.about()
        if about["format"] not in (FORMAT, *OLDER):
            raise InputError(f"{path}: the file says {str(about['format'])[:40]!r}, this version reads {FORMAT!r}; "
                             "use the version that wrote it")
        yield arrays, about


def runs_inside(folder):
    """Return text that names the runs inside a folder, such as an experiment's, or "" where there are none."""
    inside = sorted(path.parent for path in Path(folder).glob("*/model.npz"))
    if not inside:
        return ""
    return f"its folders hold {pluralize(len(inside), 'run')} ({inside[0]}{', ...' if len(inside) > 1 else ''}); "


def build(described, shape):
    """Return the StemNet with the arguments that a file describes, after a check that the file can hold it.

    `shape` is a function that takes the name of a parameter and returns the shape of the file's array.

    Raises
    ------
    ValueError, KeyError or TypeError
        If no network has these arguments, or an array is missing or has another shape.
    """
    if missing := topology.LIMITS.keys() - described.keys():            # a default would be a guess
        raise KeyError(min(missing))
    for block in topology.stemnet_blocks(topology.Architecture(**described)):
        if block.weight and (found := shape(f"{block.name}.weight")) != block.weight:
            raise ValueError(f"parameter {block.name}.weight has shape {found}; {block.weight} is needed")
    return StemNet(**described)


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
            member, which = f"{part}/{name}", f"{part.removesuffix('s')} {name}"
            found = arrays.header(member) if member in arrays else None
            if found is None or found.shape != initial.shape or found.dtype.newbyteorder("=") != initial.dtype:
                found = "missing" if found is None else f"{found.dtype} of shape {found.shape}"
                raise InputError(f"{path}: {which} is {found}; {initial.dtype} of shape {initial.shape} is needed; the "
                                 "file is damaged or changed, take another copy")
            array = arrays[member]
            if not np.isfinite(array).all():
                raise InputError(f"{path}: {which} holds NaN or infinity; take another copy of the model")
            getattr(network, part)[name] = array
