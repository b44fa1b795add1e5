"""Weights to and from other implementations: `.npz`, `.safetensors`, and ONNX of a trained network."""

from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import InputError, pluralize, reason
from ..program.extras import library
from ..program.terminal import log
from ..storage.archives import open_arrays
from ..storage.files import write_atomically, write_npz
from ..storage.outputs import CONVERTED, WEIGHTS, check_output
from ..training import checkpoint
from .golden import from_layout, nchw_shape, to_layout

PREFIX = "0/parameter/"         # a golden file's names of the same arrays


def run(given):
    """Convert weights as the options of `verify weights` ask for; return the exit status."""
    target = Path(given["to"])
    kind = CONVERTED if given["like"] is not None else WEIGHTS.get(target.suffix)
    if kind:
        check_output(target, kind, "--to", (given["source"], given["like"]))
    model = load(given["source"], given["like"])
    if given["like"] is not None:
        if target.suffix != ".npz":
            raise InputError(f"--to {target}: with --like a model is written; give a name that ends in .npz")
        checkpoint.save(target, model, __version__, CONVERTED, "--to")
    elif target.suffix == ".onnx":
        from .onnx_export import export

        if model.settings is None:
            raise InputError(f"{given['source']}: a file of weights says nothing of the network; name a model, or make "
                             "one of it by --like MODEL --to model.npz")
        export(model, target, log)
    elif target.suffix in (".npz", ".safetensors"):
        save({**model.network.parameters, **model.network.statistics}, target, given["layout"])
    else:
        raise InputError(f"--to {target}: must end in .npz, .safetensors or .onnx; choose another name")
    log(f"{target}: {pluralize(len(model.network.parameters), 'array')} written")
    return 0


def load(source, like=None):
    """Return the Model of a run, or one like another with the weights of a file.

    Parameters
    ----------
    source : path
        A model or a run's folder; or a file of arrays under the reference's names, in either layout.
    like : path, optional
        A model or a run's folder: what the weights are for.

    Raises
    ------
    InputError
        If an array is missing or has another shape than the network's.
    """
    source = Path(source)
    if source.is_dir():
        return checkpoint.load(source)
    with open_arrays(source) as arrays:
        if like is None and "about" in arrays and "stemnet_ref model" in str(arrays["about"]):
            return checkpoint.load(source)
        names = {name.removeprefix(PREFIX): name for name in arrays}
        if like is None:
            model = checkpoint.Model(network_of(names, arrays, source), None, None, {}, {})
        else:
            model = checkpoint.load(like)
            model.optimizer_state = {}
        fill(model.network, names, arrays, source)
    return model


def network_of(names, arrays, path):
    """Return a StemNet of the shape that a file's arrays have; `names` are the arrays' names by the parameters'."""
    try:
        first, last = arrays[names["down0.conv.weight"]], arrays[names["output.weight"]]
        levels = len({name.partition(".")[0] for name in names if name.startswith("down")})
        swapped = first.shape[0] != first.shape[1] or (first.shape[2] == first.shape[3] != first.shape[0])
        kernel, channels, features = (first.shape[2], first.shape[1], first.shape[0]) if swapped else \
            (first.shape[0], first.shape[2], first.shape[3])

        def shape(name):
            return from_layout(PREFIX, arrays[names[name]], "NCHW" if swapped else "NHWC").shape

        described = {"channels": channels, "levels": levels, "features": features,
                     "classes": last.size // max(features, 1), "kernel": kernel,
                     "normalisation": "batch" if "down0.conv.scale" in names else "none"}
        return checkpoint.build(described, shape)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: no weights of a StemNet ({reason(error)}); names are such as down0.conv.weight and "
                         "up0.deconv.bias") from None


def fill(network, names, arrays, path):
    """Put arrays, in either layout, into a network's parameters and statistics; `names` as for `network_of`."""
    for name, parameter in [*network.parameters.items(), *network.statistics.items()]:
        if name not in names:
            raise InputError(f"{path}: {name} is missing; the arrays there are {', '.join(list(names)[:4])}, ...")
        found = array = arrays[names[name]]
        if array.dtype.kind != "f":
            raise InputError(f"{path}: {name} is {array.dtype}; convert it to float32")
        if array.shape != parameter.shape and array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        if array.shape != parameter.shape:
            raise InputError(f"{path}: {name} has shape {found.shape}; {parameter.shape} is needed"
                             + (f", or {nchw_shape(PREFIX, parameter.shape)}" if parameter.ndim == 4 else ""))
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity")
        (network.parameters if name in network.parameters else network.statistics)[name] = array


def save(parameters, path, layout="NHWC"):
    """Write parameters as `.npz` or `.safetensors`, in a layout of `golden.LAYOUTS`."""
    arrays = {name: np.ascontiguousarray(to_layout(PREFIX, array, layout)) for name, array in parameters.items()}
    kind = WEIGHTS[path.suffix]
    if path.suffix == ".npz":
        write_npz(path, {"format": f"{kind.mark} 1", "layout": layout}, arrays, kind, "--to")
        return
    safetensors = library("safetensors.numpy", "safetensors", f"--to {path}")
    write_atomically(path, safetensors.save(arrays, {f"{kind.mark}, layout": layout}), kind, "--to")
