"""Frames and masks by their headers: sizes, which must fit, the neighbours of each frame, and what is left out."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .discovery.sequences import window_indices
from .grouping import grouped
from .images import read_size

ONE_SIZE = ("crop or pad them to one size by python -m stemnet_ref.data.preprocess --size PIXELS --background none, or "
            "take a network of --channels 1, which sees no neighbours")
STANDS_IN = "; the nearest frame stands in for it as a neighbour"


@dataclass(frozen=True, eq=False)
class Headers:
    """The headers of frames and masks that fit one another."""

    frames: list
    masks: list             # None for a frame without a mask, and where the frame or the mask is left out
    windows: np.ndarray     # int (frames, channels): indices of the frames in each frame's window
    sizes: list             # (height, width) of each frame, in pixels; None for one that is left out or not examined
    bad: dict               # InputErrors of the frames that are left out, by index


def inspect(frames, masks, channels, neighbours="frames", targets=None, left_out=None, log=print, check=None):
    """Read the headers of frames and masks, and return the Headers.

    Parameters
    ----------
    frames, masks, channels, neighbours, log
        Common arguments of `data`.
    targets : list of int, optional
        Frames to segment, by default all or those with masks; only these and their neighbours are examined.
    left_out : list, optional
        List that gets an InputError for each frame and mask that cannot be used: the nearest frame takes the place of a
        neighbour, and a frame loses its mask. Without a list the first error is raised.
    check : callable, optional
        Function of a target and its (height, width), which raises InputError where it cannot be used.

    Raises
    ------
    InputError
        If a frame and its mask, or the frames of a window, differ in size, or no frame can be used.
    """
    windows = window_indices(frames, channels, neighbours)
    seen = range(len(frames)) if targets is None else np.unique(windows[targets]).tolist()
    if targets is None:
        targets = [index for index, mask in enumerate(masks) if mask] or seen
    masks, sizes, bad = [*masks], [None] * len(frames), {}

    def leave_out(index, error):
        refuse(error, left_out, log, STANDS_IN if channels > 1 else "")
        masks[index] = sizes[index] = None
        bad[index] = error

    for index in seen:
        try:
            sizes[index] = read_size(frames[index])
        except InputError as error:
            leave_out(index, error)
    for index, error in _odd_sizes(frames, sizes, windows).items() if left_out is not None else ():
        leave_out(index, error)
    for index in targets:
        if index not in bad:
            _check_window(frames, sizes, index, windows[index].tolist())
        if masks[index]:
            _check_other_file(masks[index], frames[index])
            try:
                check_mask_size(masks[index], read_size(masks[index], mask=True), frames[index], sizes[index])
            except InputError as error:
                refuse(error, left_out, log)
                masks[index] = None
    for index in targets if check else ():
        try:
            if index not in bad:
                check(frames[index], sizes[index])
        except InputError as error:
            leave_out(index, error)
    if not (set(seen) - set(bad)) & set(targets):
        raise bad[targets[0]]
    return Headers(frames, masks, windows, sizes, bad)


def refuse(error, left_out, log=print, consequence="", aloud=True):
    """Add the error of what is left out to a list, and print it as a warning; raise it where there is no list."""
    if left_out is None:
        raise error
    left_out.append(error)
    if aloud:
        log(f"warning: left out: {error}{consequence}")


def _odd_sizes(frames, sizes, windows):
    """Return the errors of frames that differ in size from a frame of their window and from most of their sequence."""
    odd, good = {}, [index for index, size in enumerate(sizes) if size]
    for indices in grouped(good, lambda index: frames[index].sequence).values():
        ((height, width), times), = Counter(sizes[index] for index in indices).most_common(1)
        for index in indices if 2 * times > len(indices) else ():
            beside = {sizes[other] for other in windows[index]} - {sizes[index], None}
            if sizes[index] != (height, width) and beside:
                odd[index] = InputError(f"{frames[index]}: {sizes[index][0]} x {sizes[index][1]} pixels, but most of "
                                        f"its sequence has {height} x {width}; {ONE_SIZE}")
    return odd


def _check_window(frames, sizes, index, window):
    """Raise InputError where the frames of a frame's window, as far as they are not left out, differ in size."""
    (h, w), other = sizes[index], next((other for other in window if sizes[other] not in (sizes[index], None)), None)
    if other is not None:
        raise InputError(f"{frames[index]}: {h} x {w} pixels, but {frames[other]} beside it in a window has "
                         f"{sizes[other][0]} x {sizes[other][1]}; {ONE_SIZE}")


def _check_other_file(mask, frame):
    """Raise InputError where a frame is its own mask."""
    if mask.page == frame.page and mask.path.resolve() == frame.path.resolve():
        raise InputError(f"--masks: {frame} is a frame too; name the folder of the masks")


def check_mask_size(mask, size, frame, frame_size):
    """Raise InputError unless a mask has the (height, width) of its frame."""
    if size != frame_size:
        raise InputError(f"{mask}: {size[0]} x {size[1]} pixels, but its frame {frame} has {frame_size[0]} x "
                         f"{frame_size[1]}; a mask must have the size of its frame")


def unchanged(pixels, file, size):
    """Return the pixels of a frame or a mask; raise InputError unless they have the size that its header gave."""
    if pixels.shape != size:
        raise InputError("{}: has {} x {} pixels, and had {} x {} when this began; it was changed since then; put it "
                         "back, and give the command again".format(file, *pixels.shape, *size))
    return pixels
