"""Report what a training run would see: python -m stemnet_ref.data.check FRAMES MASKS

run_train.py prints the cheap part of the report, `data.inspection`, before its first step.
"""

import sys
from pathlib import Path

import numpy as np

from ..errors import InputError, pluralize
from ..program import cli
from ..program.options import Option
from ..storage.outputs import SHEET, check_output
from ..training.settings import FRAMES, MASKS, Settings, chosen_of, pick
from . import alignment
from .balance import WORDS, check_classes, class_weights
from .dataset import Dataset
from .discovery.sequences import steps
from .frames import spans
from .grouping import grouped
from .inspection import measure
from .pairing import find_pairs, first_and_last
from .split import describe, divide


def report(dataset, settings, log=print):
    """Print a report on frames and masks, and return the use of each frame in a training run.

    That is "training", "validation", "gap", or "no mask".

    Raises
    ------
    InputError
        If a run could not begin.
    """
    found = dataset.frames
    split = divide(found, dataset.masks, settings)
    parts = np.full(len(found), "no mask", object)
    for indices, part in zip(split[:3], ("training", "validation", "gap"), strict=True):
        parts[indices] = part
    describe(found, split, settings, log)
    measured = measure(dataset, split, settings.scaling, log)
    _describe_frames(dataset, measured.statistics, log)
    log(f"training frames: mean {measured.scaling.mean:.4g}, standard deviation {measured.scaling.std:.4g}, on the "
        "scale of 8 bits")
    check_classes(measured.share(split.training), measured.share(split.validation), log)
    cells = [measured.cells[index] for index in split.training.tolist()]
    shares = [cell / pixels for cell, pixels in cells]
    log(f"a training mask is cell in {min(shares):.2%} to {max(shares):.2%} of its pixels; "
        + "; ".join("--class-weight {}: {:.3g} and {:.3g}".format(word, *class_weights(word, cells))
                    for word in WORDS))
    alignment.describe(dataset, log)
    return parts.tolist()


def _describe_frames(dataset, statistics, log):
    kinds = grouped(statistics, lambda index: (statistics[index].shape, statistics[index].dtype))
    for (shape, dtype), those in kinds.items():
        bits = {"uint8": "8 bits", "uint16": "16 bits"}.get(dtype, "32 bits")
        log(f"{pluralize(len(those), 'frame')} of {shape[0]} x {shape[1]} pixels, {bits}: "
            + spans([dataset.frames[index] for index in sorted(those)]))
    if len({dtype for _, dtype in kinds}) > 1:
        log("warning: frames differ in their bits; values of 16 bits are divided by 257, others taken as they are")
    timed = {frame.sequence for frame in dataset.frames if frame.timed}
    for sequence, step in steps(dataset.frames).items():
        if step != 1 and sequence not in timed:
            log(f"note: sequence {sequence}: numbers rise by {step} from frame to frame")
    log(f"{pluralize(sum(map(bool, dataset.masks)), 'pair')}, {first_and_last(dataset.frames, dataset.masks)}")


OPTIONS = {
    "out": Option("the sheet to draw", "check.png", metavar="FILE"),
    **pick("channels", "validation", "gap", "sparse_masks", "channel_index", "z", "pattern"),
}


def options():
    """Return the parser."""
    parser = cli.Parser("python -m stemnet_ref.data.check",
                        "Say what a training run would see, and draw a sheet of frames with their masks.", OPTIONS)
    parser.add_argument("frames", metavar="FRAMES", help=FRAMES.help)
    parser.add_argument("masks", metavar="MASKS", nargs="?", help=MASKS.help)
    return parser


def main(argv=None):
    """Check; return the exit status."""
    from ..report.figures import plot_sheet

    given = vars(options().parse_args(argv))
    settings = Settings.from_options(chosen_of(given))
    out = Path(given["out"])
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: the sheet is a PNG; give a name that ends in .png")
    check_output(out, SHEET, inputs=(given["frames"], given["masks"]))
    pairs = find_pairs(given["frames"], given["masks"], cli.log, settings.sparse_masks, names=("FRAMES", "MASKS"),
                       selection=settings.selection)
    inputs = {each.path.resolve().parent for each in (*pairs[0], *pairs[1]) if each and each.page is None}
    if out.absolute().parent.resolve() in inputs:
        raise InputError(f"--out {out}: the sheet would lie among the frames or masks; choose another folder")
    dataset = Dataset(*pairs, settings.channels, log=cli.log)
    parts = report(dataset, settings, cli.log)
    plot_sheet(dataset, parts, out, kind=SHEET)
    cli.log(f"done: look at {out}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("check", main, sys.argv[1:]))
