"""Golden files: the numbers of a few steps of training, for another implementation to be compared with.

docs/golden.md describes every array in one. They are computed in float64 from numbers that the file holds exactly, and
rounded once.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from .. import __version__
from ..cost import COSTS
from ..errors import InputError
from ..layers import dropout
from ..layers._shapes import check_labels
from ..network import topology
from ..network.stemnet import StemNet
from ..optimizers import BETA1, BETA2, EPSILON
from ..program.options import Option
from ..storage.archives import READ_ERRORS, header_of, open_npz
from ..storage.files import write_npz
from ..storage.outputs import GOLDEN
from ..storage.readers import refusing
from ..training.settings import OPTIONS
from .expected.key import Key
from .expected.rounding import SINGLE
from .expected.trace import Trace
from .layouts import LAYOUTS, to_layout
from .stored import Stored

FORMAT = f"{GOLDEN.mark} 1"
NETWORK = ("channels", "levels", "features", "classes", "kernel", "logits")       # arguments of StemNet in a file
# What is wrong with a file that cannot be read, and the remedy
DAMAGED = "no golden file, or a damaged one", "write one by python -m stemnet_ref.verify export --out FILE"
NUMBER = Option("", type=float)
STEPS_PER_EPOCH = Option("steps after which the learning rate decays", 2, int, (1, 10 ** 6))
TRAINING = ("keep_prob", "cost", "class_weight_form", "optimizer", "learning_rate", "decay_rate", "momentum",
            "momentum_form", "adam_form")                                           # settings in a file
# By setting in a file: the values that it takes
SETTINGS = {**{name: OPTIONS[name] for name in TRAINING}, "steps_per_epoch": STEPS_PER_EPOCH,
            "beta1": replace(NUMBER, limits=(0, 0.999999)), "beta2": replace(NUMBER, limits=(0, 0.999999)),
            "epsilon": replace(NUMBER, limits=(0, 10 ** 6)), "weight_decay": OPTIONS["l2"]}
SPREAD = 8.0            # standard deviation of the logits' difference, so that some probabilities are below 1e-10
WRONG = 1 / 16          # share of the labels that differ from the likelier class: more would make training diverge


@dataclass
class Golden:
    """A golden file, in the reference's layouts: (N, H, W, C), filters (kh, kw, in, out).

    Attributes
    ----------
    about : dict
        Network, training, scaling, number of steps, and what made it.
    arrays : mapping of str to ndarray
        All arrays by key.
    """

    about: dict
    arrays: dict

    def __post_init__(self):
        self.network, self.training, self.steps = (self.about[name] for name in ("network", "training", "steps"))
        self.scaling = self.about["scaling"]["mean"], self.about["scaling"]["std"]
        self.input, self.labels, self.class_weights = (self.arrays[name]
                                                       for name in ("input", "labels", "class_weights"))
        self.frames = self.arrays.get("frames")
        layers = [layer.parameter for layer in topology.list_layers(self.blocks)]
        self.parameters = {key.removeprefix("0/parameter/"): self.arrays[key] for key in self.arrays
                           if key.startswith("0/parameter/") and key.removeprefix("0/parameter/") in layers}
        dropped = [block.name for block in self.blocks if block.dropout]
        self.masks = {key.replace("/mask/", "/"): self.arrays[key] for key in self.arrays
                      if "/mask/" in key and key.partition("/mask/")[2] in dropped}

    @cached_property
    def blocks(self):
        """Blocks of the network, as `topology.stemnet_blocks` gives them."""
        return topology.stemnet_blocks(topology.Architecture(**self.network))

    def masks_of(self, step):
        """Return the dropout masks of a step, in the order of the data; none where keep_prob is 1."""
        return [mask for key, mask in self.masks.items() if key.startswith(f"{step}/")]


def keys(golden, activations=1):
    """Return the keys of all tensors in the order of the data: forward, backward, then the update, step by step.

    `activations` is the number of steps whose forward and backward tensors are listed.
    """
    layers = topology.list_layers(golden.blocks)
    listed = ["input", *(f"0/parameter/{name}" for name in golden.parameters)]
    backward = [(layer.name, layer.parameter) for layer in reversed(layers[:-1])] + [("input", None)]
    for step in range(1, golden.steps + 1):
        if step <= activations:
            listed += [f"{step}/forward/{layer.name}" for layer in layers]
        listed.append(f"{step}/cost")
        for name, parameter in backward:
            if step <= activations:
                listed.append(f"{step}/backward/{name}")
            if parameter:
                listed.append(f"{step}/gradient/{parameter}")
        listed += [f"{step}/parameter/{name}" for name in golden.parameters]
    return listed


def mask_shapes(golden):
    """Return the shape (N, H, W, C) of the dropout masks by block, in the order of the data."""
    n, *frame = golden.input.shape
    shapes = topology.map_shapes(golden.blocks, *frame)
    return {block.name: (n, *shapes[block.name]) for block in golden.blocks if block.dropout}


def from_seed(settings, size, batch, steps, steps_per_epoch, dtype, seed):
    """Return a golden file of random frames, labels and parameters.

    They are sampled so that what implementations do differently shows: biases are not 0, the output layer is scaled so
    that some probabilities are below 1e-10, and most labels are those that it predicts, as if it had been trained.

    Parameters
    ----------
    settings : Settings
    size : tuple of int
        Height and width in pixels, multiples of 2^(levels-1).
    batch : int
        Frames in the batch.
    steps, steps_per_epoch : int
        Steps of training, and those after which the learning rate decays.
    dtype : float32 or float64
    seed : int
        Seed of frames, labels, parameters and dropout masks.
    """
    network = StemNet(settings.channels, settings.levels, settings.features, logits=settings.logits, init=settings.init,
                      dtype=np.float64, seed=seed)
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (batch, *size, settings.channels)).astype(dtype)
    for name, array in network.parameters.items():
        if name.endswith("bias"):
            array[:] = rng.uniform(-0.1, 0.2, array.shape)
    own = float(frames.mean()), float(frames.std()) or 1.0          # of one pixel the deviation is 0
    mean, std = (127.0, 1.0) if settings.scaling == "minus127" else own
    x = (frames - dtype(mean)) * dtype(1 / std)
    z, _ = network.forward(x.astype(np.float64), with_cache=False)
    wrong = rng.random(z.shape[:3]) < WRONG
    labels = ((z[..., 1] > z[..., 0]) ^ wrong).astype(np.uint8)
    spread = float(np.std(z[..., 1] - z[..., 0])) or SPREAD     # 0 where all ReLUs are; nothing can be spread then
    network.parameters["output.weight"] = network.parameters["output.weight"] * (SPREAD / spread)
    parameters = {name: array.astype(dtype) for name, array in network.parameters.items()}
    about = {"made_from": f"seed {seed}", "seed": seed}
    return compute(settings, parameters, frames, x, labels, (mean, std), steps, steps_per_epoch, about)


def compute(settings, parameters, frames, x, labels, scaling, steps, steps_per_epoch, about):
    """Return the golden file of `steps` steps of training from these numbers; `settings` as of a training run."""
    dtype = x.dtype.type
    classes = 2
    about = {
        "format": FORMAT, "version": __version__, "layout": "NHWC", **about, "steps": steps,
        "network": {"channels": settings.channels, "levels": settings.levels, "features": settings.features,
                    "classes": classes, "kernel": len(parameters["down0.conv.weight"]), "logits": settings.logits},
        "training": {**{name: getattr(settings, name) for name in TRAINING}, "steps_per_epoch": steps_per_epoch,
                     "beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weight_decay": settings.l2},
        "scaling": {"mean": scaling[0], "std": scaling[1]}}
    arrays = {"frames": frames, "input": x, "labels": labels, "class_weights": np.array(settings.class_weights)}
    arrays.update({f"0/parameter/{name}": array for name, array in parameters.items()})
    shapes = mask_shapes(Golden(about, arrays))
    for step in range(1, steps + 1) if settings.keep_prob < 1 else ():
        for number, (name, shape) in enumerate(shapes.items()):
            arrays[f"{step}/mask/{name}"] = dropout.draw_mask(shape, settings.keep_prob, about["seed"], step - 1,
                                                              number).astype(np.uint8)
    golden = Golden(about, arrays)
    trace, done = Trace(golden, bounds=False), 0
    for key in keys(golden):
        if key not in arrays:
            if (step := Key.of(key).step) > done + 1:
                trace.forget(done := step - 1)
            arrays[key] = trace.computed(key).value.array.astype(dtype)
    return golden


def prediction(network, x):
    """Return the logits of a StemNet for scaled frames, a Value: exact, and what float32 may make of them."""
    about = {"network": {name: getattr(network, name) for name in NETWORK}, "training": {"keep_prob": 1.0},
             "steps": 1, "scaling": {"mean": 0.0, "std": 1.0}}
    arrays = {"input": x, "labels": None, "class_weights": None}
    arrays.update({f"0/parameter/{name}": array for name, array in network.parameters.items()})
    return Trace(Golden(about, arrays), unit=SINGLE, inexact=SINGLE).computed("1/forward/logits").value


def write(golden, path, layout="NHWC"):
    """Write a golden file, the same byte for byte for the same numbers."""
    about = {**golden.about, "layout": layout}
    arrays = {key: to_layout(key, array, layout) for key, array in golden.arrays.items()}
    write_npz(path, about, arrays, GOLDEN)


def read(path):
    """Return the Golden of a file.

    Raises
    ------
    InputError
        If it is no golden file, or of another version.
    """
    with ExitStack() as opened:
        arrays = opened.enter_context(open_npz(path, *DAMAGED))
        about = arrays.about()
        if about["format"] != FORMAT:
            raise InputError(f"{path}: the file says {str(about['format'])[:40]!r}, this version reads {FORMAT!r}; "
                             "export it anew")
        about["training"].setdefault("cost", COSTS[0])      # the only one of earlier versions
        if about["layout"] not in LAYOUTS:
            raise ValueError(f"layout {str(about['layout'])[:40]!r}")
        made = Golden(about, Stored(arrays, {key: about["layout"] for key in arrays if key != "about"},
                                    partial(refusing, path, *DAMAGED, READ_ERRORS)))
        _check(made)
        made.arrays.keep(opened.pop_all())
        return made


def _check(golden):
    """Raise ValueError unless all is there that tensors are computed from."""
    if not isinstance(golden.network["logits"], str):       # StemNet has a default
        raise ValueError("logits is no word")
    if missing := topology.LIMITS.keys() - golden.network.keys():       # a default would be a guess
        raise KeyError(min(missing))
    training, x, classes = golden.training, golden.input, golden.network["classes"]
    try:
        for name, option in SETTINGS.items():
            option.check(name, training[name])
        SETTINGS["steps_per_epoch"].check("steps", golden.steps)
        for number in golden.scaling:
            NUMBER.check("scaling", number)
    except InputError as error:                             # it names no file
        raise ValueError(str(error)) from None
    if golden.steps > len(golden.arrays):
        raise ValueError(f"steps {str(golden.steps)[:40]}, and only {len(golden.arrays)} arrays")
    if x.ndim != 4 or x.shape[3] != golden.network["channels"] or any(
            side % topology.size_divisor(golden.blocks) for side in x.shape[1:3]):
        raise ValueError(f"input has shape {x.shape}")
    wanted = {"labels": x.shape[:3], "class_weights": (classes,)}
    wanted |= {f"0/parameter/{name}": shape for name, shape in topology.parameter_shapes(golden.blocks).items()}
    if training["keep_prob"] < 1:
        wanted |= {f"{step}/mask/{name}": shape for step in range(1, golden.steps + 1)
                   for name, shape in mask_shapes(golden).items()}
    wanted |= {"frames": x.shape} if golden.frames is not None else {}
    headers = {key: header_of(golden.arrays, key) for key in (*wanted, *keys(golden))}
    for key, header in headers.items():
        if header.shape != wanted.get(key, header.shape):
            raise ValueError(f"{key} has shape {header.shape}; it must have {wanted[key]}")
        if header.dtype.kind not in "fiub":
            raise ValueError(f"{key} is {header.dtype}")
    check_labels("labels", golden.labels, classes)
    for key in ("input", "class_weights", *wanted):
        if headers[key].dtype.kind == "f" and not np.isfinite(golden.arrays[key]).all():
            raise ValueError(f"{key} holds NaN or infinity")
