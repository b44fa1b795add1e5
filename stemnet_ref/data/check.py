"""Report what a training run would see: python -m stemnet_ref.data.check FRAMES MASKS

run_train.py prints the cheap part of the report, `data.fitting`, before its first step.
"""

import sys
from pathlib import Path

import numpy as np

from ..errors import InputError, pluralize
from ..program import cli
from ..program.options import Option, Parser
from ..storage.outputs import SHEET, check_output
from ..training.settings import FRAMES, MASKS, Settings, chosen_of, pick
from . import alignment
from .balance import WORDS, check_classes, class_weights
from .discovery.sequences import steps
from .fitting import fit
from .frames import spans
from .grouping import grouped
from .pairing import first_and_last
from .training import prepare


def report(prepared, log=print):
    """Print a report on the frames and masks of a run, which are `training.Prepared`.

    Raises
    ------
    InputError
        If a run could not begin.
    """
    dataset, split, fitted = prepared.dataset, prepared.split, fit(prepared, log)
    _describe_frames(dataset, fitted.statistics, log)
    log(f"training frames: mean {fitted.scaling.mean:.4g}, standard deviation {fitted.scaling.std:.4g}, on the "
        "scale of 8 bits")
    check_classes(fitted.share(split.training), fitted.share(split.validation), log)
    cells = [fitted.cells[index] for index in split.training.tolist()]
    shares = [cell / pixels for cell, pixels in cells]
    log(f"a training mask is cell in {min(shares):.2%} to {max(shares):.2%} of its pixels; "
        + "; ".join("--class-weight {}: {:.3g} and {:.3g}".format(word, *class_weights(word, cells))
                    for word in WORDS))
    alignment.describe(dataset, log)


def parts(split, count):
    """Return what a run uses each of its frames for: "training", "validation", "gap", or "no mask"."""
    found = np.full(count, "no mask", object)
    for indices, part in zip(split[:3], ("training", "validation", "gap"), strict=True):
        found[indices] = part
    return found.tolist()


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
    parser = Parser("python -m stemnet_ref.data.check",
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
    with cli.naming(frames="FRAMES", masks="MASKS") as log:
        prepared = prepare(settings, given["frames"], given["masks"], log=log)
        dataset = prepared.dataset
        inputs = {each.path.resolve().parent for each in (*dataset.frames, *dataset.masks)
                  if each and each.page is None}
        if out.absolute().parent.resolve() in inputs:
            raise InputError(f"--out {out}: the sheet would lie among the frames or masks; choose another folder")
        report(prepared, log)
        plot_sheet(dataset, parts(prepared.split, len(dataset.frames)), out, kind=SHEET)
    cli.log(f"done: look at {out}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("check", main, sys.argv[1:]))
