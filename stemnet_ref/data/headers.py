"""Frames and masks by their headers: sizes, which must fit, the neighbours of each frame, and what is left out."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .discovery.sequences import window_indices
from .grouping import grouped
from .images import read_size

ONE_SIZE = ("crop or pad them to one size by python -m stemnet_ref.data.preprocess --size PIXELS --background none, or "
            "take a network of --channels 1, which sees no neighbours")


@dataclass(frozen=True, eq=False)
class Headers:
    """The headers of frames and masks that fit one another."""

    frames: list
    masks: list
    windows: np.ndarray     # int (frames, channels): indices of the frames in each frame's window
    sizes: list             # (height, width) of each frame, in pixels; None for one that is left out or not examined
    bad: dict               # InputErrors of the frames that are left out, by index

    def without(self, index, error):
        """Return the headers as if a frame were missing; the nearest frame takes its place as a neighbour."""
        windows, middle = self.windows.copy(), self.windows.shape[1] // 2
        for direction in (-1, 1):
            for distance in range(1, middle + 1):
                column = windows[:, middle + direction * distance]
                column[column == index] = windows[column == index, middle + direction * (distance - 1)]
        return replace(self.without_mask(index), windows=windows, sizes=_with_none(self.sizes, index),
                       bad={**self.bad, index: error})

    def without_mask(self, index):
        """Return the headers as if the mask of a frame were missing."""
        return replace(self, masks=_with_none(self.masks, index))


def read_headers(frames, masks, channels, neighbours, targets, refuse, lenient):
    """Read the headers of frames and masks, and return the Headers.

    Parameters
    ----------
    frames, masks, channels, neighbours, lenient
        Common arguments of `data`.
    targets : list of int or None
        Frames to segment, None for all or those with masks; only these and their neighbours are examined.
    refuse : callable
        Function that takes the InputError of a frame or a mask that cannot be used, and the consequence in words;
        unless it raises the error, the frame or the mask is left out.

    Raises
    ------
    InputError
        If a frame and its mask, or the frames of a window, differ in size, or no frame can be used.
    """
    windows = window_indices(frames, channels, neighbours)
    seen = range(len(frames)) if targets is None else np.unique(windows[targets]).tolist()
    sizes, unreadable = [None] * len(frames), {}
    for index in seen:
        try:
            sizes[index] = read_size(frames[index])
        except InputError as error:
            unreadable[index] = error
            if not lenient:
                break
    headers = Headers(frames, list(masks), windows, sizes, {})
    for index, error in unreadable.items():
        headers = leave_out(headers, index, error, refuse)
    for index, error in _odd_sizes(headers, seen).items() if lenient else ():
        headers = leave_out(headers, index, error, refuse)
    if targets is None:
        targets = [index for index, mask in enumerate(masks) if mask] or seen
    for index in targets:
        if index not in headers.bad:
            _check_window(headers, index)
            try:
                _check_mask(headers, index)
            except InputError as error:
                headers = leave_out(headers, index, error, refuse, mask_alone=True)
    if not (set(seen) - set(headers.bad)) & set(targets):
        raise headers.bad[targets[0]]
    return headers


def leave_out(headers, index, error, refuse, mask_alone=False):
    """Return the headers without a frame, or without its mask alone, whose error `refuse` takes."""
    refuse(error, "; the nearest frame stands in for it as a neighbour"
           if headers.windows.shape[1] > 1 and not mask_alone else "")
    return headers.without_mask(index) if mask_alone else headers.without(index, error)


def _with_none(items, index):
    return [*items[:index], None, *items[index + 1:]]


def _odd_sizes(headers, seen):
    """Return the errors of frames that differ in size from a frame of their window and from most of their sequence."""
    frames, sizes, odd = headers.frames, headers.sizes, {}
    good = [index for index in seen if index not in headers.bad]
    for indices in grouped(good, lambda index: frames[index].sequence).values():
        ((height, width), times), = Counter(sizes[index] for index in indices).most_common(1)
        for index in indices if 2 * times > len(indices) else ():
            beside = {sizes[other] for other in headers.windows[index]} - {sizes[index], None}
            if sizes[index] != (height, width) and beside:
                odd[index] = InputError(f"{frames[index]}: {sizes[index][0]} x {sizes[index][1]} pixels, but most of "
                                        f"its sequence has {height} x {width}; {ONE_SIZE}")
    return odd


def _check_window(headers, index):
    """Raise InputError where the frames of a window differ in size, or a frame is its own mask."""
    frame, mask, size = headers.frames[index], headers.masks[index], headers.sizes[index]
    other = next((other for other in headers.windows[index].tolist() if headers.sizes[other] != size), index)
    if other != index:
        (h, w), (other_h, other_w) = size, headers.sizes[other]
        raise InputError(f"{frame}: {h} x {w} pixels, but {headers.frames[other]} beside it in a window has "
                         f"{other_h} x {other_w}; {ONE_SIZE}")
    if mask and mask.page == frame.page and mask.path.resolve() == frame.path.resolve():
        raise InputError(f"--masks: {frame} is a frame too; name the folder of the masks")


def _check_mask(headers, index):
    """Raise InputError where a mask cannot be read, or has another size than its frame."""
    mask = headers.masks[index]
    if mask:
        check_mask_size(mask, read_size(mask, mask=True), headers.frames[index], headers.sizes[index])


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
