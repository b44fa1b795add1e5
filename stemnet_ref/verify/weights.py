"""Weights to and from other implementations: `.npz`, `.safetensors`, and ONNX of a trained network."""

from pathlib import Path

import numpy as np

from .. import __version__, checkpoint
from ..errors import InputError, counted
from ..extras import library
from ..files import write_atomically
from ..network import StemNet
from .golden import to_layout
from .theirs import read_arrays

PREFIX = "0/parameter/"         # a golden file's names of the same arrays


def run(given):
    """Convert weights as the options of `verify weights` ask for; return the exit status."""
    target = Path(given["to"])
    model = load(given["source"], given["like"])
    if given["like"] is not None:
        if target.suffix != ".npz":
            raise InputError(f"--to {target}: with --like a model is written; give a name that ends in .npz")
        checkpoint.save(target, model, __version__)
    elif target.suffix == ".onnx":
        from .onnx_export import export

        if model.settings is None:
            raise InputError(f"{given['source']}: a file of weights says nothing of the network; name a model, or make "
                             "one of it by --like MODEL --to model.npz")
        export(model, target)
    elif target.suffix in (".npz", ".safetensors"):
        save({**model.network.parameters, **model.network.statistics}, target, given["layout"])
    else:
        raise InputError(f"--to {target}: must end in .npz, .safetensors or .onnx")
    print(f"{target}: {counted(len(model.network.parameters), 'array')} written")
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
    arrays = {} if source.is_dir() else read_arrays(source)
    if source.is_dir() or (like is None and "stemnet_ref model" in str(arrays.get("about"))):
        return checkpoint.load(source)
    arrays = {name.removeprefix(PREFIX): array for name, array in arrays.items()}
    if like is None:
        network = network_of(arrays, source)
        model = checkpoint.Model(network, None, None, {}, {})
    else:
        model = checkpoint.load(like)
        model.optimizer_state = {}
    fill(model.network, arrays, source)
    return model


def network_of(arrays, path):
    """Return a StemNet of the shape that a file's arrays have."""
    try:
        first, last = arrays["down0.conv.weight"], arrays["output.weight"]
        levels = sum(name.startswith("down") and name.endswith("weight") for name in arrays)
        swapped = first.shape[0] != first.shape[1] or (first.shape[2] == first.shape[3] != first.shape[0])
        kernel, channels, features = (first.shape[2], first.shape[1], first.shape[0]) if swapped else \
            (first.shape[0], first.shape[2], first.shape[3])
        return StemNet(channels, levels, features, last.size // features, kernel,
                       normalisation="batch" if "down0.conv.scale" in arrays else "none")
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: no weights of a StemNet ({error}); names are such as down0.conv.weight and "
                         "up0.deconv.bias") from None


def fill(network, arrays, path):
    """Put arrays, in either layout, into a network's parameters and statistics."""
    for name, parameter in [*network.parameters.items(), *network.statistics.items()]:
        array = arrays.get(name)
        if array is None:
            raise InputError(f"{path}: {name} is missing; the arrays there are {', '.join(list(arrays)[:4])}, ...")
        if array.dtype.kind != "f":
            raise InputError(f"{path}: {name} is {array.dtype}; convert it to float32")
        if array.shape != parameter.shape and array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        if array.shape != parameter.shape:
            raise InputError(f"{path}: {name} has shape {arrays[name].shape}; {parameter.shape} is needed"
                             + (f", or {to_layout(PREFIX, parameter, 'NCHW').shape}" if parameter.ndim == 4 else ""))
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity")
        (network.parameters if name in network.parameters else network.statistics)[name] = array


def save(parameters, path, layout="NHWC"):
    """Write parameters as `.npz` or `.safetensors`, in a layout of `golden.LAYOUTS`."""
    arrays = {name: np.ascontiguousarray(to_layout(PREFIX, array, layout)) for name, array in parameters.items()}
    if path.suffix == ".npz":
        write_atomically(path, lambda file: np.savez(file, **arrays), "--to")
        return
    safetensors = library("safetensors.numpy", "safetensors", f"--to {path}")
    write_atomically(path, lambda file: file.write(safetensors.save(arrays, {"layout": layout})), "--to")
