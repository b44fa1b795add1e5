"""Weights to and from other implementations: `.npz`, `.safetensors`, and ONNX of a trained network."""

from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import InputError, pluralize, reason
from ..program.extras import library
from ..program.terminal import log
from ..storage.archives import header_of, open_arrays
from ..storage.files import write_atomically, write_npz
from ..storage.outputs import CONVERTED, WEIGHTS, check_output
from ..training import checkpoint
from .layouts import fitting, from_layout, nchw_shape, shape_from_layout, stated, to_layout

PREFIX = "0/parameter/"         # a golden file has it before the names
FIRST = "down0.conv.weight"
ENDS = ".weight", ".bias", ".scale"         # of the names of parameters


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
    with open_arrays(source) as file:
        if like is None and "about" in file and "stemnet_ref model" in str(file["about"]):
            return checkpoint.load(source)
        names, layouts = {key.removeprefix(PREFIX): key for key in file}, stated(file, source)
        if like is None:
            shapes = {name: header_of(file, key).shape for name, key in names.items() if name.endswith(ENDS)}
            model = checkpoint.Model(network_of(shapes, layouts, source), None, None, {}, {})
        else:
            model = checkpoint.load(like)
            model.optimizer_state = {}
        wanted = {**model.network.parameters, **model.network.statistics}
        for name in wanted:
            if name not in names:
                raise InputError(f"{source}: {name} is missing; the arrays there are {', '.join(list(names)[:4])}, ...")
        fill(model.network, {name: file[names[name]] for name in wanted}, layouts, source)
    return model


def network_of(shapes, layouts, path):
    """Return a StemNet whose parameters have the shapes, by name, in the first of `layouts` that fits."""
    found = [{name: shape_from_layout(name, shape, layout) for name, shape in shapes.items()} for layout in layouts]
    found.sort(key=lambda shapes: len({*shapes.get(FIRST, ())[:2]}))        # a kernel is square
    reasons = []
    for shapes in found:
        try:
            kernel, _, channels, features = shapes[FIRST]
            described = {"channels": channels,
                         "levels": len({name.partition(".")[0] for name in shapes if name.startswith("down")}),
                         "features": features, "classes": shapes["output.weight"][3], "kernel": kernel,
                         "normalisation": "batch" if "down0.conv.scale" in shapes else "none"}
            return checkpoint.build(described, shapes.__getitem__)
        except (KeyError, ValueError, IndexError) as error:
            reasons.append(reason(error))
    raise InputError(f"{path}: no weights of a StemNet ({reasons[0]}); names are such as down0.conv.weight and "
                     "up0.deconv.bias")


def fill(network, arrays, layouts, path):
    """Put arrays, in the one of `layouts` that fits, into a network's parameters and statistics of the same names."""
    parts = {name: part for part in (network.parameters, network.statistics) for name in part}
    shapes = {name: part[name].shape for name, part in parts.items()}
    layout = fitting({name: array.shape for name, array in arrays.items()}, shapes, layouts)
    for name, part in parts.items():
        array, shape = from_layout(name, arrays[name], layout), shapes[name]
        if array.dtype.kind != "f":
            raise InputError(f"{path}: {name} is {array.dtype}; convert it to float32")
        if array.shape != shape:
            raise InputError(f"{path}: {name} has shape {arrays[name].shape}; {shape} is needed"
                             + (f", or {nchw_shape(name, shape)}" if len(shape) == 4 else ""))
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity")
        part[name] = array


def save(parameters, path, layout="NHWC"):
    """Write parameters as `.npz` or `.safetensors`, in a layout of `layouts.LAYOUTS`."""
    arrays = {name: np.ascontiguousarray(to_layout(name, array, layout)) for name, array in parameters.items()}
    kind = WEIGHTS[path.suffix]
    if path.suffix == ".npz":
        write_npz(path, {"format": f"{kind.mark} 1", "layout": layout}, arrays, kind, "--to")
        return
    safetensors = library("safetensors.numpy", "safetensors", f"--to {path}")
    write_atomically(path, safetensors.save(arrays, {f"{kind.mark}, layout": layout}), kind, "--to")
