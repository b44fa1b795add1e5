"""Background subtraction and one size for all frames (thesis section 6.4): python -m stemnet_ref.data.preprocess

    background[i,j] = median over t of frames[t,i,j]         (eq. 3 of section 6.4)
    foreground[t,i,j] = frames[t,i,j] - background[i,j]

The background is that of each sequence. Foreground is written as centre + scale * foreground, rounded, with 127 as
centre in 8 bits and 127 * 257 in 16 bits, which are the same to the network. Then frames and masks are cropped or
padded to one size, alike.

    OUT/frames/NAME.png, OUT/masks/NAME.png
    OUT/preprocess.json     what was done to each frame, so that run_predict.py --restore can bring results back
"""

import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import __version__, cli, files
from ..errors import InputError, counted
from ..layers._threads import count
from .batches import read_ahead
from .frames import find, gaps
from .geometry import RECORD, Geometry
from .images import read_frame, read_numbers
from .median import MEMORY, Stack
from .pairing import find_pairs

CENTRES = {8: 127, 16: 127 * 257}


def background(frames):
    """Return the temporal median of a sequence, pixel by pixel.

    Parameters
    ----------
    frames : real ndarray of shape (T, H, W)
        All frames of one sequence, T at least 1.

    Returns
    -------
    float64 ndarray of shape (H, W), or float32 for float32 frames

    Raises
    ------
    ValueError
        If `frames` has no time axis or no frame.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or not len(frames):
        raise ValueError(f"background: frames has shape {frames.shape}; it needs (T, H, W) with T at least 1")
    return np.median(frames, axis=0)


def subtract_background(frames):
    """Return the frames less their temporal median, float of shape (T, H, W): what stands still becomes 0."""
    return np.asarray(frames) - background(frames)


class Preprocess:
    """What is done to all sequences.

    Parameters
    ----------
    frames, masks : path or str
        As for `pairing.find_pairs`; masks may be None.
    out : path
        Folder to write into.
    size : tuple of int or None
        Height and width that all frames are cropped or padded to; None leaves them.
    subtract : bool
        Whether to subtract the background.
    bits : {8, 16}, optional
        Of the written frames; else those of the frames, 16 for floats.
    scale : float, optional
        Grey levels written for one that was read. Else 1 where the written frames have as many bits as those read, and
        otherwise, sequence by sequence, the largest with which 99.9 % of the pixels fit.
    memory : int
        Bytes of pixels to hold at once.
    sparse : bool
        Whether frames may be without a mask.
    show, progress : callable
        Take a line of text for the user, and (what is done, number of all, unit) to show it by the result's `update`.

    Raises
    ------
    InputError
        If frames and masks cannot be found or paired, or the folder cannot be used.
    """

    def __init__(self, frames, masks, out, size=(1024, 1024), subtract=True, bits=None, scale=None, memory=MEMORY,
                 sparse=False, show=print, progress=tqdm):
        self.out, self.size, self.subtract, self.bits = Path(out), size, subtract, bits
        self.scale, self.memory, self.show, self.progress = scale, memory, show, progress
        self.bad = []
        if masks is None:
            found = find(frames, "RAW", self._leave_out)
            self.pairs = [(frame, None) for frame in found]
        else:
            found, paired = find_pairs(frames, masks, show, sparse)
            self.pairs = list(zip(found, paired, strict=True))
        _check_out(self.out, found)
        for sequence, missing in gaps(found):
            show(f"warning: {counted(missing, 'frame number')} missing in sequence {sequence}, # being the number")

    def run(self):
        """Preprocess all frames; return how many were written."""
        sequences = {}
        for frame, mask in self.pairs:
            sequences.setdefault(frame.sequence, []).append((frame, mask))
        for name in ("frames", *(["masks"] if any(mask for _, mask in self.pairs) else [])):
            files.make_folder(self.out / name)
        record = {"version": __version__, "complete": False, "background": "median" if self.subtract else "none",
                  "sequences": {}, "frames": {}}
        files.write_json(self.out / RECORD, record, "OUT")
        for sequence, pairs in sequences.items():
            with Stack(self.memory, self.out) as stack:
                pairs = self._read(sequence, pairs, stack)
                if pairs:
                    record["sequences"][sequence] = self._write(sequence, pairs, stack, record["frames"])
        record["complete"] = True
        files.write_json(self.out / RECORD, record, "OUT")
        for error in self.bad:
            self.show(f"warning: left out: {error}")
        return len(record["frames"])

    def _leave_out(self, error):
        self.bad.append(error)

    def _read(self, sequence, pairs, stack):
        """Put the frames of a sequence onto the stack; return the pairs of those that can be read."""
        def load(pair):
            try:
                return read_frame(pair[0])
            except InputError as error:
                return error

        good = []
        with self.progress(total=len(pairs), desc=f"reading {sequence}", unit="frame") as bar:
            for pair, pixels in zip(pairs, read_ahead(load, pairs), strict=True):
                bar.update()
                try:
                    if isinstance(pixels, InputError):
                        raise pixels
                    if stack.count and (pixels.shape, pixels.dtype) != (stack.shape, stack.dtype):
                        raise InputError(f"{pair[0]}: {pixels.dtype} pixels of shape {pixels.shape}, but its sequence "
                                         f"has {stack.dtype} of shape {stack.shape}")
                except InputError as error:
                    self._leave_out(error)
                    continue
                stack.append(pixels)
                good.append(pair)
        return good

    def _write(self, sequence, pairs, stack, frames):
        """Write the frames and masks of a sequence; return what was done to it."""
        bits = self.bits or (8 if stack.dtype == np.uint8 else 16)
        still = 0.0
        if self.subtract:
            with self.progress(total=stack.shape[0], desc=f"median of {sequence}", unit="row") as bar:
                still = stack.median(bar.update).astype(np.float32)
        scale = self._scale(stack, still, bits)
        centre = CENTRES[bits] if self.subtract else 0
        geometry = Geometry(stack.shape, self.size or stack.shape)
        clipped = 0

        def work(number):
            frame, mask = pairs[number]
            values = (stack.frame(number) - still) * np.float32(scale) + np.float32(centre)
            pixels = np.rint(np.clip(values, 0, 2 ** bits - 1)).astype(f"u{bits // 8}")
            fill = centre if self.subtract else int(np.median(pixels))
            files.write_png(self.out / "frames" / f"{frame.name}.png", geometry.apply(pixels, fill), fast=True)
            if mask:
                numbers = geometry.apply(read_numbers(mask))
                files.write_png(self.out / "masks" / f"{frame.name}.png", numbers, fast=True)
            return int(np.sum((values < 0) | (values > 2 ** bits - 1)))

        with (self.progress(total=len(pairs), desc=f"writing {sequence}", unit="frame") as bar,
              ThreadPoolExecutor(count()) as pool):
            pending = deque()
            for number in range(len(pairs)):
                pending.append(pool.submit(work, number))
                if len(pending) > 2 * count():
                    clipped += pending.popleft().result()
                    bar.update()
            for each in pending:
                clipped += each.result()
                bar.update()
        for frame, _ in pairs:
            frames[frame.name] = {"source": str(frame), "size": list(stack.shape), "sequence": sequence}
        if clipped:
            part = clipped / stack.count / (stack.shape[0] * stack.shape[1])
            self.show(f"note: {part:.2g} of the pixels of {sequence} are beyond {bits} bits and were clipped; "
                      f"a smaller --scale (now {scale:g}) keeps them")
        return {"bits": bits, "centre": centre, "scale": scale, "written_size": list(geometry.size)}

    def _scale(self, stack, still, bits):
        """Return the grey levels written for one that was read."""
        if self.scale is not None:
            return self.scale
        if stack.dtype == f"u{bits // 8}":
            return 1.0
        room = CENTRES[bits] if self.subtract else 2 ** bits - 1
        some = range(0, stack.count, -(-stack.count // 20))
        most = max(float(np.percentile(abs(stack.frame(number) - still), 99.9)) for number in some)
        return room / max(most, 1e-6)


def _check_out(out, frames):
    """Raise InputError where writing would touch what is there."""
    files.check_folder(out)
    folders = {out / "frames", out / "masks"}
    inputs = {frame.path.resolve().parent for frame in frames}
    if {folder.resolve() for folder in (out, *folders)} & inputs:
        raise InputError(f"OUT {out}: the frames are in it; choose another folder")
    record = out / RECORD
    begun = record.exists() and '"complete": false' in record.read_text()      # by a call that did not end
    for folder in folders:
        if not begun and folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"OUT {out}: {folder} holds files already; choose another folder, or remove it")


def options():
    """Return the parser."""
    parser = cli.Parser(prog="python -m stemnet_ref.data.preprocess",
                        description="Subtract each sequence's background (its median over time), crop or pad frames "
                                    "and masks to one size.")
    add = parser.add_argument
    add("raw", metavar="RAW", help="folder, quoted pattern, multi-page TIFF or Cell Tracking Challenge set")
    add("out", metavar="OUT", help="folder for OUT/frames, OUT/masks and OUT/preprocess.json")
    add("--masks", metavar="PATH", help="masks, which are cropped or padded with their frames")
    add("--sparse-masks", action="store_true", help="frames may be without a mask")
    add("--background", choices=("median", "none"), default="median", help="what is subtracted (median)")
    add("--size", default="1024", metavar="PIXELS", help="side, or HEIGHTxWIDTH, to crop or pad to; 0: leave it (1024)")
    add("--bits", type=int, choices=(8, 16), help="of the frames written (as many as they have)")
    add("--scale", type=float, metavar="X", help="grey levels written for one that was read (1, or what fits)")
    add("--memory", type=float, default=MEMORY / 1e6, metavar="MB",
        help="for the frames of a sequence; what does not fit goes through a scratch file in OUT (500)")
    return parser


def parsed_size(text):
    """Return (height, width) of --size, None for 0."""
    if text == "0":
        return None
    try:
        sides = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or not all(0 < side <= 1 << 16 for side in sides):
        raise InputError(f"--size {text}: must be a side in pixels, or HEIGHTxWIDTH, such as 1024 or 1040x1114")
    return sides * 2 if len(sides) == 1 else sides


def main(argv=None):
    """Preprocess; return the exit status."""
    given = options().parse_args(argv)
    if not given.memory > 0:
        raise InputError(f"--memory {given.memory:g}: must be above 0, in MB")
    if given.scale is not None and not 0 < given.scale < float("inf"):
        raise InputError(f"--scale {given.scale:g}: must be above 0")

    def bar(**options):
        return tqdm(disable=None, leave=False, **options)

    written = Preprocess(given.raw, given.masks, given.out, parsed_size(given.size), given.background == "median",
                         given.bits, given.scale, int(given.memory * 1e6), given.sparse_masks, tqdm.write, bar).run()
    if not written:
        raise InputError(f"RAW {given.raw}: no frame could be read; the lines above name them")
    print(f"done: {counted(written, 'frame')} in {Path(given.out) / 'frames'}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("preprocess", main, sys.argv[1:]))
