"""Compare an implementation in a framework with the reference: python -m stemnet_ref.verify --help"""

import argparse
import os
import sys

import numpy as np

from ..errors import InputError, counted
from ..network.stemnet import PRESETS
from ..program import cli
from ..storage.outputs import GOLDEN, TENSORS, check_output
from ..training import checkpoint
from ..training.options import add_selection
from ..training.settings import CHOICES, Settings, names, option
from . import against, golden, report, theirs, weights
from .capture import from_model
from .compare import compare
from .layers import LAYERS, Options, compare_layer, draw

PROG = "python -m stemnet_ref.verify"
# By option of `layer`: its default, and the layers that it concerns
CONCERNS = {"filters": (4, ("conv2d", "conv_transpose2d", "dense", "concat")),
            "kernel": ((5, 5), ("conv2d", "conv_transpose2d")), "padding": ("same", ("conv2d", "conv_transpose2d")),
            "stride": (2, ("conv_transpose2d",)), "keep_prob": (0.75, ("dropout",))}


def options():
    """Return the parser."""
    parser = cli.Parser(prog=PROG, description="Find out whether an implementation of StemNet computes what the "
                                               "reference computes, and if not, where and why.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_export(commands)
    add_compare(commands)
    add_against(commands)
    add_layer(commands)
    add_weights(commands)
    return parser


def add_export(commands):
    """Add the options of `export`."""
    each = commands.add_parser("export", argument_default=argparse.SUPPRESS,
                               help="write the numbers of a few steps of training into a golden file")
    add_settings(each)
    each.add_argument("--model", metavar="PATH", help="a trained model, in place of random parameters")
    each.add_argument("--frames", metavar="PATH", help="frames for it, as of run_train.py (the package's sample)")
    each.add_argument("--masks", metavar="PATH", help="and their masks")
    add_selection(each)
    each.add_argument("--layout", choices=golden.LAYOUTS, default="NHWC",
                      help="NCHW: (N, C, H, W) and filters (out, in, kh, kw), as PyTorch has them (NHWC)")
    each.add_argument("--out", metavar="FILE", required=True, help="the golden file, .npz")


def add_settings(each):
    """Add what a golden file is made from."""
    add = each.add_argument
    add("--preset", choices=tuple(PRESETS), help="Table 1, Table 2, or the appendix's code (thesis)")
    add("--channels", type=int, metavar="N", help="frames that the network sees (1)")
    add("--levels", type=int, metavar="N", help="resolutions of the U (6; listing: 7)")
    add("--features", type=int, metavar="N", help="feature maps at the first level (16)")
    add("--size", type=size, metavar="PIXELS", default=(64, 64), help="side of the frames, or HEIGHTxWIDTH (64)")
    add("--batch-size", type=int, metavar="N", help="(1)")
    add("--steps", type=int, metavar="N", default=5, help="steps of training (5)")
    add("--steps-per-epoch", type=int, metavar="N", default=2, help="after which the learning rate decays (2)")
    add("--optimizer", choices=CHOICES["optimizer"], help="(momentum)")
    add("--learning-rate", type=float, metavar="X", help="(0.15; 0.001 with adam)")
    add("--decay-rate", type=float, metavar="X", help="factor on the learning rate after each epoch (0.95)")
    add("--momentum", type=float, metavar="X", help="mu of eq. 28 (0.2)")
    add("--momentum-form", choices=CHOICES["momentum_form"], help="(thesis)")
    add("--adam-form", choices=CHOICES["adam_form"], help="(kingma)")
    add("--weight-decay", type=float, metavar="X", dest="l2", help="lambda/N of eq. 53 (0)")
    add("--keep-prob", type=float, metavar="P", help="probability that dropout keeps a value; 1: no dropout (0.75)")
    add("--class-weight", type=float, metavar="X", help="weight of the cell (2)")
    add("--class-weight-form", choices=CHOICES["class_weight_form"], help="listing: 1 + weight (eq60)")
    add("--logits", choices=CHOICES["logits"], help="ReLU before the softmax or not (linear)")
    add("--seed", type=int, metavar="N", help="of frames, labels, parameters and dropout masks (0)")
    add("--float64", action="store_true", default=False, help="double precision: bounds are 5e8 times tighter")


def add_compare(commands):
    """Add the options of `compare`."""
    each = commands.add_parser("compare", help="compare another implementation's numbers with a golden file")
    each.add_argument("golden", metavar="GOLDEN", help="written by export")
    each.add_argument("theirs", metavar="THEIRS", help=".npz or .safetensors with arrays under the golden file's names")
    each.add_argument("--layout", choices=golden.LAYOUTS, help="of their arrays (what fits)")
    each.add_argument("--all", action="store_true", help="a line for every tensor")


def add_against(commands):
    """Add the options of `against`."""
    each = commands.add_parser("against", argument_default=argparse.SUPPRESS,
                               help="build the network in a framework and compare it")
    each.add_argument("framework", choices=tuple(against.FRAMEWORKS), metavar="FRAMEWORK",
                      help="torch, tensorflow or jax")
    add_settings(each)
    each.add_argument("--all", action="store_true", default=False, help="a line for every tensor")
    each.add_argument("--save", metavar="FILE", help="write the framework's tensors, as a file for compare")


def add_layer(commands):
    """Add the options of `layer`."""
    each = commands.add_parser("layer", help="compare one layer of a framework")
    add = each.add_argument
    add("layer", choices=tuple(LAYERS), metavar="LAYER", help=", ".join(LAYERS))
    add("--against", choices=tuple(against.FRAMEWORKS), required=True, metavar="FRAMEWORK",
        help="torch, tensorflow or jax")
    add("--shape", type=shape, metavar="N,H,W,C", default=(2, 12, 16, 3), help="of the input (2,12,16,3)")
    add("--filters", type=int, metavar="N", help="channels out (4)")
    add("--kernel", type=size, metavar="K", help="side of the kernel, or HEIGHTxWIDTH (5)")
    add("--padding", choices=("same", "valid"), help="(same)")
    add("--stride", type=int, metavar="N", help="of the transposed convolution (2)")
    add("--keep-prob", type=float, metavar="P", help="of the dropout (0.75)")
    add("--seed", type=int, metavar="N", default=0, help="(0)")
    add("--float64", action="store_true", help="double precision")


def add_weights(commands):
    """Add the options of `weights`."""
    each = commands.add_parser("weights", help="take weights from, or to, another implementation")
    add = each.add_argument
    add("source", metavar="SOURCE", help="a run's folder or model; or .npz or .safetensors with arrays under the "
                                         "reference's names")
    add("--to", metavar="FILE", required=True, help=".npz, .safetensors or .onnx; with --like a model.npz of ours")
    add("--like", metavar="MODEL", help="a run's folder or model, whose scaling and settings the weights get")
    add("--layout", choices=golden.LAYOUTS, default="NHWC", help="of the file written (NHWC)")


def size(text):
    """Return (height, width) of "64" or "64x96"."""
    sides = [int(part) for part in text.lower().split("x")]
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(text)
    return tuple(sides * 2 if len(sides) == 1 else sides)


def shape(text):
    """Return the four numbers of "N,H,W,C"."""
    sides = tuple(int(part) for part in text.split(","))
    if len(sides) != 4 or min(sides) < 1:
        raise ValueError(text)
    return sides


def make_golden(given):
    """Return the golden file that options ask for."""
    chosen = {name: given[name] for name in names() if name in given}
    dtype = np.float64 if given["float64"] else np.float32
    for name in ("steps", "steps_per_epoch"):
        if given[name] < 1:
            raise InputError(f"--{name.replace('_', '-')} {given[name]}: must be at least 1")
    if not 0 <= chosen.get("l2", 0) <= 1e6:
        raise InputError(f"--weight-decay {chosen['l2']}: must be from 0 to 1000000")
    counts = given["size"], chosen.get("batch_size", 1), given["steps"], given["steps_per_epoch"], dtype, \
        chosen.get("seed", 0)
    if "model" in given:
        for name in ("preset", "channels", "levels", "features", "logits"):
            if name in given:
                raise InputError(f"--{name}: the model has its own; leave it out")
        model = checkpoint.load(given["model"])
        check_size(given["size"], model.network.levels)
        return from_model(model, *sample(given), *counts, tell=cli.tell, changes=chosen)
    for name in ("frames", "masks", "channel_index", "z", "pattern"):
        if name in given:
            raise InputError(f"{option(name)}: has no effect without --model; give it too, or leave it out")
    settings = Settings.from_options({**chosen, "crop": None})
    check_size(given["size"], settings.levels)
    return golden.from_seed(settings, *counts)


def read_by(given):
    """Return the files that `make_golden` reads."""
    return [given.get(name) for name in ("model", "frames", "masks")]


def sample(given):
    """Return the paths of frames and masks: those given, or the package's sample."""
    from ..sample import FRAMES, MASKS

    return (given["frames"], given.get("masks")) if "frames" in given else (FRAMES, MASKS)


def check_size(sides, levels):
    """Raise InputError unless the network can take frames of these sides."""
    multiple = 2 ** (levels - 1)
    if any(side % multiple for side in sides):
        raise InputError(f"--size {sides[0]}x{sides[1]}: with {levels} levels the sides must be multiples of "
                         f"{multiple}; try {-(-sides[0] // multiple) * multiple}")


def main(argv=None):
    """Do what a command asks for; return the exit status: 0 agrees, 1 differs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    given = vars(options().parse_args(argv))
    return {"export": run_export, "compare": run_compare, "against": run_against, "layer": run_layer,
            "weights": weights.run}[given["command"]](given)


def run_export(given):
    """Write a golden file."""
    check_output(given["out"], GOLDEN, inputs=read_by(given))
    made = make_golden(given)
    golden.write(made, given["out"], given["layout"])
    cli.tell(f"{given['out']}: {counted(len(made.arrays), 'array')}, {os.path.getsize(given['out']) / 1e6:.0f} MB, "
             f"{counted(made.steps, 'step')}; names and layouts are in docs/golden.md")
    return 0


def run_compare(given):
    """Compare two files."""
    reference = golden.read(given["golden"])
    tensors = theirs.read(given["theirs"], reference, given["layout"], cli.tell)
    return show(compare(reference, tensors), given["all"])


def run_against(given):
    """Compare a framework's network."""
    if "save" in given:
        check_output(given["save"], TENSORS, "--save", read_by(given))
    framework = against.load(given["framework"])
    reference = make_golden(given)
    cli.tell(f"{against.describe(given['framework'])}, {reference.input.dtype}, "
             f"Network{reference.network['channels']}, {' x '.join(map(str, reference.input.shape[1:3]))} pixels")
    arrays = against.arrays(framework.train(reference))
    if "save" in given:
        against.save(arrays, given["framework"], given["save"])
    return show(compare(reference, theirs.select(arrays, reference, against.LAYOUTS[given["framework"]])), given["all"])


def run_layer(given):
    """Compare a framework's layer."""
    module = against.load(given["against"], "layers")
    for name, (default, layers) in CONCERNS.items():
        if given[name] is None:
            given[name] = default
        elif given["layer"] not in layers:
            raise InputError(f"--{name.replace('_', '-')}: {given['layer']} has none; leave it out")
    try:
        chosen = Options(given["padding"], given["stride"], keep_prob=given["keep_prob"])
        inputs = draw(given["layer"], chosen, given["shape"], given["filters"], given["kernel"],
                      np.float64 if given["float64"] else np.float32, given["seed"])
    except ValueError as error:
        raise InputError(str(error)) from None
    cli.tell(f"{against.describe(given['against'])}, {', '.join(f'{k} {v.shape}' for k, v in inputs.items())}")
    outputs = against.arrays(module.run(given["layer"], inputs, chosen))
    return show(compare_layer(given["layer"], inputs, outputs, chosen), False)


def show(found, every):
    """Print a report; return the exit status."""
    print("\n".join(report.lines(found, every)))
    return 0 if found.agrees else 1


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:], "use a smaller --size, or fewer --features or --levels"))
