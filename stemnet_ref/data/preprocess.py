"""Background subtraction and one size for all frames (thesis section 6.4): python -m stemnet_ref.data.preprocess

The background is that of each sequence (eq. 3, `data.median`). Foreground is written as centre + scale * foreground,
rounded, with 127 as centre in 8 bits and 127 * 257 in 16 bits, which are the same to the network. Then frames and masks
are cropped or padded to one size, alike.

    OUT/frames/NAME.png, OUT/masks/NAME.png
    OUT/preprocess.json     what was done to each frame, so that run_predict.py --restore can bring results back
"""

import json
import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import __version__
from ..backends.cpu.threads import count
from ..errors import InputError, others_done, pluralize, reason
from ..program import cli
from ..program.options import Option, Parser, sides
from ..storage import files, locks, outputs
from ..storage.readers import read_json
from ..training.settings import FRAMES, pick
from .dataset import read_ahead
from .discovery import challenge
from .discovery.selection import Selection
from .discovery.sequences import describe_gaps
from .frames import describe_pages, find
from .geometry import RECORD, Geometry
from .grouping import grouped
from .headers import check_mask_size, unchanged
from .images import Remarks, read_frame, read_numbers, read_remark, read_size
from .median import MEMORY, Stack
from .pairing import find_pairs

MIN_FRAMES = 3      # frames of a sequence; the median of fewer is the frames themselves
CENTRES = {8: 127, 16: 127 * 257}


class Preprocess:
    """The preprocessing of all sequences.

    Parameters
    ----------
    given : namespace
        Values of RAW, OUT and the OPTIONS, as `options` parses them.
    log, progress : callable
        Function that prints a line of text for the user, and tqdm, or a function that takes its arguments.

    Raises
    ------
    InputError
        If frames and masks cannot be found or paired, or the folder cannot be used.
    """

    def __init__(self, given, log=print, progress=tqdm):
        self.given, self.log, self.progress = given, log, progress
        self.out, self.subtract = Path(given.out), given.background == "median"
        selection = Selection.of(vars(given))
        if given.masks is None and not challenge.has_truth(challenge.sequences(given.raw)):
            found = find(given.raw, "--frames", True, selection)
            paired = [None] * len(found)
            selection.check_effect(found, paired, "--frames")
        else:
            found, paired = find_pairs(given.raw, given.masks, log, given.sparse_masks, True, selection)
        self.pairs = list(zip(found, paired, strict=True))
        self.settings = {"version": __version__, "raw": str(Path(given.raw).absolute()), "masks": given.masks,
                         "size": given.size, "background": given.background, "bits": given.bits, "scale": given.scale,
                         **selection.options}
        files.check_names(found, "--frames", ".png")
        self._claim = locks.Claim(self.out, "OUT", lambda: _check_out(
            self.out, [each for each in (*found, *paired) if each], self.settings,
            {f"{frame.name}.png" for frame in found}), log)
        self._claim.check()
        self._remarks = Remarks(log)
        self.left_out = []                                  # an InputError for each frame or mask
        describe_pages(found, log)
        if missing := describe_gaps(found):
            log(f"warning: {missing}")

    def run(self):
        """Preprocess all frames; return how many were written."""
        record = {"complete": False, "settings": self.settings, "sequences": {}, "frames": {}}
        with self._claim:
            self._claim.take()
            files.write_json(self.out / RECORD, record, outputs.RECORD, "OUT")      # first: it says whose the rest is
            for name in ("frames", *(["masks"] if any(mask for _, mask in self.pairs) else [])):
                files.make_folder(self.out / name, "OUT")
            for sequence, pairs in grouped(self.pairs, lambda pair: pair[0].sequence).items():
                with Stack(int(self.given.memory * 1e6), self.out) as stack:
                    try:
                        pairs = self._read(sequence, pairs, stack)
                        if pairs:
                            record["sequences"][sequence] = self._write(sequence, pairs, stack, record["frames"])
                    except MemoryError as error:
                        largest = max(pairs, key=lambda pair: np.prod(self._attempt(read_size, pair[0]) or 0))[0]
                        hint = ", or use a smaller --memory" if len(pairs) > 1 else ""
                        raise InputError(f"{largest}: does not fit into the memory ({reason(error)}); cut the frames "
                                         f"into smaller ones{hint}") from None
            record["complete"] = True
            files.write_json(self.out / RECORD, record, outputs.RECORD, "OUT")
        for error in self.left_out:
            self.log(f"warning: left out: {error}")
        return len(record["frames"])

    def _attempt(self, read, *arguments):
        """Return what a function reads, or None where it raises an InputError, which is stored."""
        try:
            return read(*arguments)
        except InputError as error:
            self.left_out.append(error)
            return None

    def _read(self, sequence, pairs, stack):
        """Put the frames of a sequence onto the stack; return the pairs of those that can be used."""
        sizes = {frame: self._attempt(read_size, frame) for frame, _ in pairs}
        (usual, _), = Counter(size for size in sizes.values() if size).most_common(1) or [(None, 0)]
        usable = []
        for frame, mask in pairs:
            if self.subtract and sizes[frame] not in (None, usual):
                self.left_out.append(InputError(
                    f"{frame}: {sizes[frame][0]} x {sizes[frame][1]} pixels, but most of its sequence has {usual[0]} x "
                    f"{usual[1]}, and a median over time needs one size; --background none takes frames of any size"))
            elif sizes[frame]:
                usable.append((frame, mask))

        def read(pair):
            return self._attempt(lambda frame: unchanged(read_frame(frame), frame, sizes[frame]), pair[0])

        good = []
        loaded = self.progress(read_ahead(read, usable), total=len(usable), desc=f"reading {sequence}", unit="frame")
        for pair, pixels in zip(usable, loaded, strict=True):
            if pixels is not None:
                good.append(pair)
                self._remarks.add(pair[0], read_remark(pair[0], False))
                stack.append(pixels)
        return good

    def _write(self, sequence, pairs, stack, frames):
        """Write the frames and masks of a sequence; return what was done to it."""
        bits = self.given.bits or (8 if stack.dtype == np.uint8 else 16)
        still = 0.0
        if self.subtract:
            with self.progress(total=stack.shape[0], desc=f"median of {sequence}", unit="row") as bar:
                still = stack.median(bar.update).astype(np.float32)
        scale = self._scale(stack, still, bits)
        centre = CENTRES[bits] if self.subtract else 0
        geometries = [Geometry(shape, self.given.size or shape) for shape in stack.shapes]

        def work(number):
            (frame, mask), geometry = pairs[number], geometries[number]
            values = (stack.frame(number) - still) * np.float32(scale) + np.float32(centre)
            pixels = np.rint(np.clip(values, 0, 2 ** bits - 1)).astype(f"u{bits // 8}")
            fill = centre if self.subtract else int(np.median(pixels))
            self._write_picture("frames", frame, geometry.apply(pixels, fill))
            counts = self._attempt(self._write_mask, frame, mask, geometry) if mask else None
            return np.array([np.sum((values < 0) | (values > 2 ** bits - 1)), *(counts or (0, 0))])

        written = self.progress(read_ahead(work, range(len(pairs)), 2 * count(), count()), total=len(pairs),
                                desc=f"writing {sequence}", unit="frame")
        clipped, cell, lost = sum(written)
        for (frame, _), geometry in zip(pairs, geometries, strict=True):
            frames[frame.name] = {"source": str(frame), "size": list(geometry.original),
                                  "written_size": list(geometry.size), "sequence": sequence}
        if clipped:
            part = clipped / sum(h * w for h, w in stack.shapes)
            self.log(f"note: {part:.2%} of the pixels of {sequence} are beyond {bits} bits and were clipped; a "
                     f"smaller --scale (now {scale:g}) keeps them")
        changed = sorted({geometry.original for geometry in geometries if geometry.original != geometry.size})
        if changed:
            (h, w), *others = changed
            what = f"frames of {len(changed)} sizes" if others else f"{h} x {w} pixels"
            padding = np.mean([geometry.padding for geometry in geometries])
            self.log(f"{'warning: ' if lost else ''}{sequence}: {what} made {self.given.size[0]} x {self.given.size[1]}"
                     + (f"; {lost / cell:.1%} of the cell pixels were cut off" if lost else "")
                     + (f"; {padding:.1%} of the written pixels are padding, which training and its measures count as "
                        "background; a smaller --size pads less" if padding else ""))
        if self.subtract and len(pairs) < MIN_FRAMES:
            self.log(f"warning: {sequence} has {pluralize(len(pairs), 'frame')}, whose median is nearly the frames "
                     "themselves: hardly anything is left of them; use --background none")
        return {"bits": bits, "centre": centre, "scale": scale}

    def _write_mask(self, frame, mask, geometry):
        """Write the mask of a frame; return its cell pixels, and how many of them are cut off."""
        numbers = read_numbers(mask)
        check_mask_size(mask, numbers.shape, frame, geometry.original)
        written = geometry.apply(numbers)
        self._write_picture("masks", frame, written)
        return np.sum(numbers > 0), np.sum(numbers > 0) - np.sum(written > 0)

    def _write_picture(self, kind, frame, pixels):
        files.write_png(self.out / kind / f"{frame.name}.png", pixels, outputs.PREPROCESSED, fast=True, option="OUT")

    def _scale(self, stack, still, bits):
        """Return the factor on the grey levels of a sequence."""
        if self.given.scale is not None:
            return self.given.scale
        if stack.dtype == f"u{bits // 8}":
            return 1.0
        room = CENTRES[bits] if self.subtract else 2 ** bits - 1
        some = range(0, stack.count, -(-stack.count // 20))
        for percent in 99.9, 100:                           # all of them in a scene that hardly changes
            largest = max(float(np.percentile(abs(stack.frame(number) - still), percent)) for number in some)
            if largest:
                return room / largest
        return 1.0


def _check_out(out, inputs, settings, names):
    """Raise InputError where writing would replace other files than those of these names by the same call."""
    files.check_folder(out, "OUT")
    folders = out / "frames", out / "masks"
    if {folder.resolve() for folder in (out, *folders)} & {each.path.resolve().parent for each in inputs}:
        raise InputError(f"OUT {out}: frames or masks are in it; choose another folder")
    outputs.check_replaceable(out / RECORD, outputs.RECORD, "OUT", "choose another folder")
    begun = False                                           # by the same call, whether or not it ended
    with suppress(OSError, ValueError, KeyError, TypeError):
        begun = read_json(out / RECORD, "")["settings"] == json.loads(json.dumps(settings))
    for folder in folders:
        there = [path for path in folder.iterdir() if not files.is_temporary(path)] if folder.is_dir() else ()
        if there and not (begun and all(path.name in names and outputs.PREPROCESSED.made(path) for path in there)):
            raise InputError(f"OUT {out}: {folder} holds files already; choose another folder, or remove it")


OPTIONS = {
    "masks": Option("masks, which are cropped or padded with their frames", metavar="PATH"),
    **pick("channel_index", "z", "pattern", sparse_masks={"default": False, "help": "let frames be without a mask"}),
    "background": Option("what is subtracted from the frames", "median", choices=("median", "none")),
    "size": Option("what frames and masks are cropped or padded to; 0: leave their size", (1024, 1024),
                   object, takes="a side in pixels, or HEIGHTxWIDTH, such as 1024 or 1040x1114",
                   read=lambda text: None if text == "0" else sides(text), default_text="1024", metavar="PIXELS"),
    "bits": Option("bits of the written frames", None, int | None, choices=(8, 16),
                   default_text="as many as they have"),
    "scale": Option("grey levels written for one that was read", None, float | None, (1e-9, 1e6),
                    takes="above 0 and at most 1000000", default_text="1; where the bits change, what fits"),
    "memory": Option("memory for the frames of a sequence; what does not fit goes through a scratch file in OUT",
                     MEMORY / 1e6, float, (1e-6, 1e12), takes="above 0, in MB", metavar="MB"),
}


def options():
    """Return the parser."""
    parser = Parser("python -m stemnet_ref.data.preprocess",
                    "Subtract each sequence's background (its median over time), crop or pad frames and masks to "
                    "one size.", OPTIONS)
    parser.add_argument("raw", metavar="RAW", help=FRAMES.help)
    parser.add_argument("out", metavar="OUT", help="folder for OUT/frames, OUT/masks and OUT/preprocess.json")
    return parser


def main(argv=None):
    """Preprocess; return the exit status."""
    given = options().parse_args(argv)
    with cli.naming(frames="RAW") as log:
        work = Preprocess(given, log, partial(tqdm, disable=None, leave=False))
        written = work.run()
        if not written:
            raise InputError(f"--frames {given.raw}: no frame could be read; the lines above name them")
        log(f"done: {pluralize(written, 'frame')} in {Path(given.out) / 'frames'}")
        if work.left_out:
            raise others_done(work.left_out)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("preprocess", main, sys.argv[1:], "use a smaller --memory"))
