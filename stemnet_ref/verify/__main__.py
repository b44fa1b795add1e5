"""Compare an implementation in a framework with the reference: python -m stemnet_ref.verify --help"""

import os
import sys
from argparse import SUPPRESS
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from ..errors import InputError, pluralize
from ..network.topology import check_size
from ..program import cli
from ..program.options import Option, Parser, check_effects, flag_of, sides
from ..storage.files import write_npz
from ..storage.outputs import GOLDEN, TENSORS, check_output
from ..training import checkpoint
from ..training.settings import FRAMES, MASKS, OPTIONS, Settings, chosen_of, pick
from . import actual, coverage, frameworks, golden, report, weights
from .capture import from_model
from .compare import compare, compare_layer
from .diagnosis.layer import diagnose_layer
from .diagnosis.search import diagnose
from .expected import layer
from .layouts import LAYOUTS

PROG = "python -m stemnet_ref.verify"
STEPS = {                       # what a golden file is made from
    **pick("preset", "channels", "levels", "features"),
    "size": Option("side of the frames in pixels, or HEIGHTxWIDTH", (64, 64), object, metavar="PIXELS",
                   takes="a side in pixels, or HEIGHTxWIDTH, such as 64 or 64x96", read=sides, default_text="64"),
    **pick("batch_size"),
    "steps": Option("steps of training", 5, int, (1, 10 ** 6)),
    "steps_per_epoch": golden.STEPS_PER_EPOCH,
    **pick("optimizer", "learning_rate", "decay_rate", "momentum", "momentum_form", "adam_form"),
    "weight_decay": replace(OPTIONS["l2"], help="lambda/N of eq. 53", group=None),
    **pick("keep_prob", "cost", "class_weight_form", "logits", class_weight={
        "help": "weight of the cell class in the cross-entropy, eq. 60", "type": float, "takes": None},
        seed={"help": "seed of the frames, the labels, the parameters and the dropout masks"}),
    "float64": Option("double precision: bounds are 5e8 times tighter", False, bool),
}
OF_MODEL = {"needs": {"model": ""}}
LAYOUT = Option("order of the axes of the arrays written; NCHW: (N, C, H, W) and filters (out, in, kh, kw), as PyTorch "
                "has them", "NHWC", choices=LAYOUTS)
ALL = {"all": Option("print a line for every tensor", False, bool)}
EXPORT = {
    "out": Option("the golden file, .npz", metavar="FILE", required=True),
    **STEPS,
    "model": Option("a trained model, in place of random parameters", metavar="PATH"),
    "frames": replace(FRAMES, **OF_MODEL), "masks": replace(MASKS, **OF_MODEL),
    **pick(channel_index=OF_MODEL, z=OF_MODEL, pattern=OF_MODEL),
    "layout": LAYOUT,
}
COMPARE = {"layout": Option("order of the axes of its arrays", None, str | None, choices=LAYOUTS,
                            default_text="what fits"),
           "only": Option(f"what is compared, {coverage.TAKES}; without it a verdict needs at least a cost and a "
                          "gradient", (), object, metavar="KINDS", takes=coverage.TAKES, read=coverage.kinds,
                          default_text="all that is given"),
           "allow_extra": Option("arrays under names that the golden file has not are no error, and are not looked at",
                                 False, bool),
           **ALL}
AGAINST = {**STEPS, **ALL, "save": Option("write the framework's tensors, as a file for compare", metavar="FILE")}
LAYER = {
    "against": Option("framework to compare with", choices=tuple(frameworks.FRAMEWORKS), required=True),
    "shape": Option("shape of the input", (2, 12, 16, 3), object, takes="four numbers N,H,W,C, each at least 1",
                    read=lambda text: shape(text), default_text="2,12,16,3", metavar="N,H,W,C"),
    # those that are not given are absent from the result
    "filters": Option("channels of the output", SUPPRESS, int, (1, 1 << 16), default_text=str(layer.FILTERS)),
    "kernel": Option("side of the kernel in pixels, or HEIGHTxWIDTH", SUPPRESS, object, metavar="K", read=sides,
                     takes="a side in pixels, or HEIGHTxWIDTH, such as 5 or 5x3", default_text=str(layer.KERNEL[0])),
    "padding": Option("padding of the convolutions", SUPPRESS, choices=layer.PADDINGS,
                      default_text=layer.Options.padding),
    "stride": Option("stride of the transposed convolution", SUPPRESS, int, (1, 1 << 16),
                     default_text=str(layer.Options.stride)),
    **pick(keep_prob={"default_text": str(layer.Options.keep_prob),
                      "help": "probability that the dropout keeps a value"},
           seed={"default": 0, "help": "seed of the arrays"}),
    "float64": Option("double precision", False, bool),
}
WEIGHTS = {
    "to": Option("file to write, .npz, .safetensors or .onnx; with --like a model.npz of this package", metavar="FILE",
                 required=True),
    "like": Option("a run's folder or model, whose scaling and settings the weights get", metavar="MODEL"),
    "layout": LAYOUT,
}
FRAMEWORK = "framework", tuple(frameworks.FRAMEWORKS), "the framework"
# By command: what it does, its arguments (name, choices, help), its options
COMMANDS = {
    "export": ("write the numbers of a few steps of training into a golden file", (), EXPORT),
    "compare": ("compare another implementation's numbers with a golden file", (
        ("golden", None, "written by export"),
        ("actual", None, ".npz or .safetensors with its arrays under the golden file's names")), COMPARE),
    "against": ("build the network in a framework and compare it", (FRAMEWORK,), AGAINST),
    "layer": ("compare one layer of a framework", (("layer", tuple(layer.LAYERS), "the layer"),), LAYER),
    "weights": ("take weights from, or to, another implementation", (
        ("source", None, "a run's folder or model; or .npz or .safetensors with arrays under the reference's names"),),
        WEIGHTS),
}


def options():
    """Return the parser. A setting that is not given is absent from the result, so that presets can fill it."""
    parser = Parser(prog=PROG, description="Find out whether an implementation of StemNet computes what the "
                                           "reference computes, and if not, where and why.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (does, arguments, table) in COMMANDS.items():
        each = commands.add_parser(name, help=does, options=table)
        for argument, choices, words in arguments:
            each.add_argument(argument, metavar=argument.upper(), choices=choices,
                              help=f"{words}: {', '.join(choices)}" if choices else words)
    return parser


def shape(text):
    """Return the four numbers of "N,H,W,C"."""
    found = tuple(int(part) for part in text.split(","))
    if len(found) != 4 or min(found) < 1:
        raise ValueError(text)
    return found


def make_golden(given):
    """Return the golden file that options ask for."""
    chosen = chosen_of(given)
    if "weight_decay" in given:
        chosen["l2"] = given["weight_decay"]
    dtype = np.float64 if given["float64"] else np.float32
    counts = given["size"], chosen.get("batch_size", 1), given["steps"], given["steps_per_epoch"], dtype, \
        chosen.get("seed", 0)
    if given.get("model") is not None:
        for name in ("preset", "channels", "levels", "features", "logits"):
            if name in given:
                raise InputError(f"--{name}: the model has its own; leave it out")
        model = checkpoint.load(given["model"])
        check_size(given["size"], model.network.levels)
        return from_model(model, *sample(given), *counts, log=cli.log, changes=chosen)
    check_effects(EXPORT, [name for name, option in EXPORT.items() if option.needs == OF_MODEL["needs"]
                           and given.get(name) is not None], given)
    settings = Settings.from_options({**chosen, "crop": None})
    check_size(given["size"], settings.levels)
    return golden.from_seed(settings, *counts)


def read_by(given):
    """Return the files that `make_golden` reads."""
    return [given.get(name) for name in ("model", "frames", "masks")]


def sample(given):
    """Return the paths of frames and masks: those given, or the package's sample."""
    from ..sample import FRAMES, MASKS

    return (given["frames"], given["masks"]) if given["frames"] is not None else (FRAMES, MASKS)


def main(argv=None):
    """Do what a command asks for; return the exit status: 0 agrees, 1 differs, or nobody can tell."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    given = vars(options().parse_args(argv))
    # two threads of BLAS add up large products in another order, and mostly wait for each other
    with threadpool_limits(1, "blas"):
        return {"export": run_export, "compare": run_compare, "against": run_against, "layer": run_layer,
                "weights": weights.run}[given["command"]](given)


def run_export(given):
    """Write a golden file."""
    check_output(given["out"], GOLDEN, inputs=read_by(given))
    made = make_golden(given)
    golden.write(made, given["out"], given["layout"])
    cli.log(f"{given['out']}: {pluralize(len(made.arrays), 'array')}, {os.path.getsize(given['out']) / 1e6:.0f} MB, "
            f"{pluralize(made.steps, 'step')}; names and layouts are in docs/golden.md")
    return 0


def run_compare(given):
    """Compare two files."""
    reference = golden.read(given["golden"])
    tensors = actual.read(given["actual"], reference, given["layout"], cli.log, given["allow_extra"], given["only"])
    return print_report(diagnose(compare(reference, tensors)), given["all"], given["only"])


def run_against(given):
    """Compare a framework's network."""
    if given["save"] is not None:
        check_output(given["save"], TENSORS, "--save", read_by(given))
    framework = frameworks.load(given["framework"])
    reference = make_golden(given)
    cli.log(f"{frameworks.describe(given['framework'])}, {reference.input.dtype}, "
            f"Network{reference.network['channels']}, {' x '.join(map(str, reference.input.shape[1:3]))} pixels")
    arrays = frameworks.arrays(framework.train(reference))
    if given["save"] is not None:
        about = {"format": f"{TENSORS.mark} 1", "layout": frameworks.LAYOUTS[given["framework"]],
                 "made_by": frameworks.describe(given["framework"])}
        write_npz(given["save"], about, arrays, TENSORS, "--save")
    tensors = actual.select(arrays, reference, (frameworks.LAYOUTS[given["framework"]],))
    return print_report(diagnose(compare(reference, tensors)), given["all"])


def run_layer(given):
    """Compare a framework's layer."""
    module = frameworks.load(given["against"], "layers")
    for name, layers in layer.OPTIONS.items():
        if name in given and given["layer"] not in layers:
            raise InputError(f"{flag_of(name)}: {given['layer']} has none; leave it out")
    chosen = {name: given[name] for name in layer.OPTIONS if name in given}
    sizes = {name: chosen.pop(name) for name in ("filters", "kernel") if name in chosen}
    try:
        chosen = layer.Options(**chosen)
        inputs = layer.sample_inputs(given["layer"], chosen, given["shape"], **sizes, seed=given["seed"],
                                     dtype=np.float64 if given["float64"] else np.float32)
    except ValueError as error:
        raise InputError(str(error)) from None
    cli.log(f"{frameworks.describe(given['against'])}, {', '.join(f'{k} {v.shape}' for k, v in inputs.items())}")
    outputs = frameworks.arrays(module.run(given["layer"], inputs, chosen))
    return print_report(diagnose_layer(compare_layer(given["layer"], inputs, outputs, chosen)))


def print_report(found, every=False, only=()):
    """Print a report on the kinds of tensors that were asked for; return the exit status."""
    print("\n".join(report.lines(found, every, only)))
    return 0 if found.agrees and not coverage.lacking(found, only) else 1


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:], "use a smaller --size, or fewer --features or --levels"))
