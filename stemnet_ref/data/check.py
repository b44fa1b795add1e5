"""What a training run is about to see, checked and told: python -m stemnet_ref.data.check FRAMES MASKS

run_train.py tells the cheap part of it before its first step.
"""

import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from .. import cli
from ..errors import InputError, counted
from ..settings import Settings
from .alignment import fit
from .balance import WORDS, class_weights
from .batches import Dataset
from .frames import gaps, listed, spans, split, steps
from .images import eight_bit_units
from .pairing import find_pairs
from .scaling import measure

SHEET = "stemnet_ref.data.check"        # title of the sheet, within the PNG
INVERTED = -0.1         # correlation of masks with what differs from the background, below which they are told
FAR = 4                 # times as bright as another sequence: more is told
SATURATED = 0.01        # of the pixels at a frame's lowest or highest value: more are told


def describe_split(frames, training, validation, left_out, settings, show):
    """Show what is trained and validated on, and the gaps in the numbering.

    Parameters
    ----------
    frames : list of Frame
    training, validation, left_out : int ndarray
        As `frames.split` returns them.
    settings : Settings
    show : callable
        Takes lines of text for the user.
    """
    sequences = len({frame.sequence for frame in frames})
    share = len(validation) / (len(training) + len(validation))
    text = (f"{counted(len(frames), 'frame')} of {counted(sequences, 'sequence')}: "
            f"{len(training)} to train on, {len(validation)} to validate on")
    if len(left_out):
        text += f", {len(left_out)} between them left out (--gap)"
    without = len(frames) - len(training) - len(validation) - len(left_out)
    if without:
        text += f", {without} without a mask, seen as neighbours only"
    show(f"{text}; validated on {spans([frames[index] for index in validation])}")
    if abs(share - settings.validation) > 0.15 and len(validation) > 1:
        show(f"note: that is {share:.0%} to validate on, not --validation {settings.validation:.0%}: whole sequences "
             "are kept for it where there are several")
    cut = {frames[index].sequence for index in training} & {frames[index].sequence for index in validation}
    if not cut and settings.gap != settings.channels:
        show("note: --gap has no effect where whole sequences are kept for validation")
    for sequence, numbers in gaps(frames):
        show(f"note: {counted(len(numbers), 'frame number')} missing in sequence {sequence}, # being the number: "
             f"{listed(numbers)}; the nearest frame stands in for a missing neighbour")


def read_all(dataset, training, validation, scaling, show, odd=None):
    """Read all frames and masks once.

    Parameters
    ----------
    dataset : batches.Dataset
    training, validation : int ndarray
        Indices of its frames.
    scaling : str
        As for `scaling.measure`.
    show : callable
        Takes lines of text for the user.
    odd : OddFrames, optional
        To fill.

    Returns
    -------
    Scaling
    facts : dict
        What the data are known by: training_cells and validation_cells, the parts of the masks that are cell, and
        frames_sha256 and masks_sha256, digests of all pixels.
    cells : list of (int, int)
        Cell pixels, and all pixels, of every training mask.
    """
    _check_one_size(dataset, scaling)
    show(f"reading {counted(len(dataset.frames), 'frame')} and their masks")
    digests = {"frames": sha256(), "masks": sha256()}
    read_before, odd = set(), OddFrames() if odd is None else odd

    def read(index, kind="frames"):
        pixels = dataset.pixels(index) if kind == "frames" else dataset.classes(index)
        if (kind, index) not in read_before:                        # an image to subtract takes two readings
            if kind == "frames":
                odd.add(dataset.frames[index], pixels)
            digests[kind].update(f"{pixels.dtype} {pixels.shape}".encode())
            digests[kind].update(np.ascontiguousarray(pixels))
            read_before.add((kind, index))
        return pixels

    training, validation = training.tolist(), validation.tolist()
    measured = measure(scaling, training, read)
    rest = sorted({*range(len(dataset.frames))} - {*training})
    for index in ([] if ("frames", training[0]) in read_before else training) + rest:
        read(index)
    odd.tell(show)
    cells = {}
    for index in training + validation:
        classes = read(index, "masks")
        cells[index] = int(classes.sum()), classes.size
    facts = {f"{part}_cells": float(np.mean([np.divide(*cells[index]) for index in indices]))
             for part, indices in (("training", training), ("validation", validation))}
    return (measured, {**facts, **{f"{kind}_sha256": digest.hexdigest() for kind, digest in digests.items()}},
            [cells[index] for index in training])


def _check_one_size(dataset, scaling):
    """Raise InputError where an image is to be subtracted from frames of several sizes."""
    sizes = {size: frame for frame, size in zip(dataset.frames, dataset.sizes, strict=True)}
    if scaling.endswith("-image") and len(sizes) > 1:
        (h, w), (other_h, other_w), *_ = sizes
        raise InputError(f"--scaling {scaling}: needs frames of one size, but {sizes[h, w]} has {h} x {w} pixels and "
                         f"{sizes[other_h, other_w]} {other_h} x {other_w}; crop or pad them by python -m "
                         "stemnet_ref.data.preprocess, or use --scaling standard")


class OddFrames:
    """Frames that are constant or saturated, and which frames are of each kind (shape, dtype)."""

    def __init__(self):
        self.constant, self.saturated, self.kinds, self.means = [], [], {}, {}

    def add(self, frame, pixels):
        """Look at the pixels of a frame."""
        self.kinds.setdefault((pixels.shape, str(pixels.dtype)), []).append(frame)
        self.means.setdefault(frame.sequence, []).append(float(eight_bit_units(pixels).mean()))
        low, high = pixels.min(), pixels.max()
        if low == high:
            self.constant.append((frame, low))
            return
        part, word, value = max((np.mean(pixels == low), "lowest", low), (np.mean(pixels == high), "highest", high))
        if part > SATURATED:
            self.saturated.append((frame, f"{part:.1%} of the pixels have the {word} value, {value:g}"))

    def tell(self, show):
        """Show a line for each kind, and for sequences of very different brightness."""
        means = {sequence: np.mean(values) for sequence, values in self.means.items()}
        dark, bright = min(means, key=means.get), max(means, key=means.get)
        if means[bright] > FAR * max(means[dark], 0) and means[bright] > 0:
            show(f"warning: the pixels of sequence {bright} are {means[bright]:.4g} on average and those of {dark} "
                 f"{means[dark]:.4g}, on the scale of 8 bits; one scaling is for all, so that the dark one has hardly "
                 "any contrast")
        for frames, what in ((self.constant, "constant"), (self.saturated, "saturated")):
            if frames:
                frame, of = frames[0]
                detail = f"every pixel is {of:g}" if what == "constant" else of
                verb = "is" if len(frames) == 1 else "are"
                show(f"warning: {counted(len(frames), 'frame')} {verb} {what}, the first {frame} ({detail})")


def check_classes(training, validation, show):
    """Show which part of the pixels of the training and validation masks is cell, and warn where that is odd.

    Raises
    ------
    InputError
        If there is nothing to tell apart.
    """
    if training == 0:
        raise InputError("--masks: no training mask holds a cell, all their pixels are 0; name the folder of the "
                         "masks, with cells above 0")
    if training == 1:
        raise InputError("--masks: no training mask holds background, all their pixels are above 0; background "
                         "must be 0 (or are --frames and --masks swapped?)")
    show(f"cell pixels: {training:.1%} of the training masks, {validation:.1%} of the validation masks")
    if training > 0.95:
        show("warning: nearly all of the training masks is cell; are --frames and --masks swapped, or the "
             "masks inverted?")
    if validation == 0:
        show("warning: no validation mask holds a cell, so that precision, recall and F1 are 0, and best.npz "
             "is chosen by the validation cost alone; a larger --validation takes more frames")
    if validation == 1:
        show("warning: no validation mask holds background, so that F1 says nothing; check the masks of these "
             "frames, or take others with another --validation")


def report(dataset, settings, show=print):
    """Show all that can be said of frames and masks before a training run, and return what the frames are for.

    Parameters
    ----------
    dataset : batches.Dataset
    settings : Settings
        Of which channels, validation, gap, scaling and sparse_masks count.
    show : callable
        Takes lines of text for the user.

    Returns
    -------
    list of str
        Of each frame: "training", "validation", "gap", or "no mask".

    Raises
    ------
    InputError
        If a run could not begin.
    """
    found = dataset.frames
    with_masks = [index for index, mask in enumerate(dataset.masks) if mask]
    training, validation, left_out = split(found, settings.validation, settings.gap, with_masks)
    parts = np.full(len(found), "no mask", object)
    for indices, part in ((training, "training"), (validation, "validation"), (left_out, "gap")):
        parts[indices] = part
    describe_split(found, training, validation, left_out, settings, show)
    odd = OddFrames()
    scaling, facts, cells = read_all(dataset, training, validation, settings.scaling, show, odd)
    _describe_frames(dataset, odd.kinds, show)
    show(f"training frames: mean {scaling.mean:.4g}, standard deviation {scaling.std:.4g}, on the scale of 8 bits")
    check_classes(facts["training_cells"], facts["validation_cells"], show)
    shares = [cell / pixels for cell, pixels in cells]
    show(f"a training mask is cell in {min(shares):.2%} to {max(shares):.2%} of its pixels; "
         + "; ".join("--class-weight {}: {:.3g} and {:.3g}".format(word, *class_weights(word, cells))
                     for word in WORDS))
    _describe_fit(fit(dataset), show)
    return parts.tolist()


def _describe_frames(dataset, kinds, show):
    place = {frame: index for index, frame in enumerate(dataset.frames)}
    for (shape, dtype), those in kinds.items():
        those.sort(key=place.get)
        bits = {"uint8": "8 bits", "uint16": "16 bits"}.get(dtype, "32 bits")
        show(f"{counted(len(those), 'frame')} of {shape[0]} x {shape[1]} pixels, {bits}: {spans(those)}")
    if len({dtype for _, dtype in kinds}) > 1:
        show("warning: frames differ in their bits; values of 16 bits are divided by 257, others taken as they are")
    for sequence, step in steps(dataset.frames).items():
        if step != 1:
            show(f"note: sequence {sequence}: numbers rise by {step} from frame to frame")
    pairs = [(frame, mask) for frame, mask in zip(dataset.frames, dataset.masks, strict=True) if mask]
    show(f"{counted(len(pairs), 'pair')}, from "
         + " to ".join(f"{pairs[at][0].name} with {pairs[at][1].name}" for at in (0, -1)))


def _describe_fit(found, show):
    if found is None:
        show("whether masks fit their frames cannot be told: it takes sequences of 5 frames or more that change")
        return
    given, in_time, in_space = found.correlation
    if given < INVERTED:
        show(f"warning: masks look inverted: they are cell where frames show none (correlation {given:.3f}); in a "
             "mask 0 is background")
        return
    moved = found.pixels != (0, 0)
    if found.frames and not (moved and in_space > in_time):
        when = f"{counted(abs(found.frames), 'frame')} {'later' if found.frames > 0 else 'earlier'}"
        show(f"warning: the masks of {when} fit better (correlation with the picture {in_time:.3f}, as paired "
             f"{given:.3f}); are frames and masks counted from different numbers?")
    if moved and not (found.frames and in_time > in_space):
        down, right = found.pixels
        move = f"{abs(down)} pixels {'up' if down > 0 else 'down'} and {abs(right)} {'left' if right > 0 else 'right'}"
        show(f"warning: masks fit better when moved {move} (correlation {in_space:.3f}, as given {given:.3f}); were "
             "they cropped or drawn otherwise than the frames?")
    if not found.frames and not moved:
        show(f"masks fit their frames best as they are paired and placed (correlation {given:.3f})")


def options():
    """Return the parser."""
    parser = cli.Parser(prog="python -m stemnet_ref.data.check",
                        description="Say what a training run would see, and draw a sheet of frames with their masks.")
    add = parser.add_argument
    add("frames", metavar="FRAMES", help="as --frames of run_train.py")
    add("masks", metavar="MASKS", nargs="?", help="as --masks of run_train.py")
    add("--out", metavar="FILE", default="check.png", help="the sheet (check.png)")
    add("--channels", type=int, metavar="N", default=1, help="as of run_train.py (1)")
    add("--validation", type=float, metavar="PART", default=0.2, help="as of run_train.py (0.2)")
    add("--gap", type=int, metavar="N", help="as of run_train.py (--channels)")
    add("--sparse-masks", action="store_true", help="as of run_train.py")
    return parser


def _check_out(out):
    """Raise InputError unless the sheet can be written there, over nothing but an earlier sheet."""
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: the sheet is a PNG; give a name that ends in .png")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: its folder does not exist; name another one")
    if out.exists():
        with suppress(OSError), Image.open(out) as sheet:
            if sheet.info.get("Title") == SHEET:
                return
        raise InputError(f"--out {out}: exists, and is no sheet of an earlier check; choose another name")


def main(argv=None):
    """Check; return the exit status."""
    from ..figures import draw_sheet

    given = vars(options().parse_args(argv))
    settings = Settings.from_options({name: given[name] for name in ("channels", "validation", "gap", "sparse_masks")})
    out = Path(given["out"])
    _check_out(out)
    pairs = find_pairs(given["frames"], given["masks"], print, settings.sparse_masks, names=("FRAMES", "MASKS"))
    inputs = {each.path.resolve().parent for each in (*pairs[0], *pairs[1]) if each and each.page is None}
    if out.absolute().parent.resolve() in inputs:
        raise InputError(f"--out {out}: the sheet would lie among the frames or masks; choose another folder")
    dataset = Dataset(*pairs, settings.channels)
    parts = report(dataset, settings)
    draw_sheet(dataset, parts, out, title=SHEET)
    print(f"done: look at {out}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("check", main, sys.argv[1:]))
