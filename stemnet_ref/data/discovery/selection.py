"""Select a channel and a slice of files that hold several."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import InputError, pluralize
from ..formats.damage import damage_of
from ..formats.picture import picture
from ..formats.tiff import GREY_AND_ALPHA
from . import challenge

WORDS = {"T": "time point", "C": "channel", "Z": "slice"}


class ChoiceRefused(InputError):
    """A file has nothing of what was chosen; it must not be read without the choice."""


class ChoiceNeeded(ChoiceRefused):
    """A file holds several channels or slices, and none is chosen."""


@dataclass(frozen=True)
class Selection:
    """The choice of a channel and of a slice, and how names are read; None where nothing is chosen."""

    channel_index: int | None = None    # from 0
    z: int | str | None = None          # slice, from 0; or "max", the maximum over all slices; or "time": time points
    pattern: str | None = None          # of file names, with {t} in place of the frame number

    must_apply: bool = True             # whether a choice that no file needs is an error: the user's, not a model's
    pages_are_slices: bool = True       # of files that do not say what their pages are, where a slice is chosen
    of_masks_alone: bool = False        # whose names need not match the pattern

    @classmethod
    def of(cls, options):
        """Return the Selection of a mapping from names to values, in which names may be absent."""
        return cls(*(options.get(name) for name in ("channel_index", "z", "pattern")))

    @property
    def options(self):
        """The values that were chosen, a dict that `of` takes."""
        return {"channel_index": self.channel_index, "z": self.z, "pattern": self.pattern}

    @property
    def takes_pages(self):
        """Whether the pages of a file that does not say what they are count as slices."""
        return self.pages_are_slices and self.z not in (None, "time")

    def of_masks(self, pages_are_slices=False):
        """Return the Selection for the masks of such frames, which have one channel, and may have other names."""
        return replace(self, channel_index=None, pages_are_slices=pages_are_slices, of_masks_alone=True)

    def completed(self, options):
        """Return this selection with the channel and the slice of other options where it has none."""
        channel = options.get("channel_index") if self.channel_index is None else self.channel_index
        z = options.get("z") if self.z is None else self.z
        return replace(self, channel_index=channel, z=z, must_apply=False,
                       pages_are_slices=self.z is not None and self.pages_are_slices)

    def take(self, planes, channels, path):
        """Return the planes of every time point of a position, and its axes that have more than one entry.

        Parameters
        ----------
        planes, channels
            Planes of a `formats.axes.Position`, and the names of its channels; empty where they are not known.
        path : path
            File, for messages.

        Returns
        -------
        taken : list of (int, tuple)
            Time point from 0, and its planes, pairs of int, of which the maximum is taken. Time points that the file
            does not have are left out.
        several : str
            Axes, "C" and "Z", along which the file has more than one plane.

        Raises
        ------
        ChoiceRefused
            If there are several channels or slices and none is chosen (ChoiceNeeded), or there is no such one.
        """
        sizes = dict(zip("TCZ", planes.shape, strict=False))
        several = "".join(axis for axis in "CZ" if sizes[axis] > 1)
        if self.of_masks_alone and sizes["C"] > 1:
            raise ChoiceNeeded(f"{path}: the mask holds {_described(sizes)}; a mask has one: save the one that says "
                               "which pixels are cell alone (ImageJ: Image > Color > Split Channels)")
        needed = [words for axis, chosen, words in (("C", self.channel_index, _choose_channel),
                                                    ("Z", self.z, _choose_slice)) if axis in several and chosen is None]
        if needed:
            raise ChoiceNeeded(f"{path}: holds {_described(sizes)}; "
                               + "; ".join(words(sizes, channels, path) for words in needed))
        channel = _checked(self.channel_index, sizes["C"], "--channel-index", "channel", path)
        if self.z == "time":
            planes = self._slices_as_time(planes, sizes, path)
        z = slice(None) if self.z == "max" else [_checked(self.z, planes.shape[2], "--z", "slice", path)]
        chosen = planes[:, channel, z]
        here = [time for time, each in enumerate(chosen) if np.all(each >= 0)]
        return [(time, tuple(map(tuple, chosen[time].tolist()))) for time in here], several

    def _slices_as_time(self, planes, sizes, path):
        """Return the planes with the slices in place of the one time point."""
        if challenge.holds_slices(path):
            raise ChoiceRefused(f"--z time: {path} is one time point of a set of the Cell Tracking Challenge, by its "
                                "name; choose a slice by its number, or max; or rename it, if its pages are time "
                                "points")
        if sizes["Z"] > 1 and sizes["T"] > 1:
            raise ChoiceRefused(f"--z time: {path} holds {_described(sizes)}; only the slices of a single time point "
                                "can be time points; choose a slice by its number, or max")
        return planes if sizes["T"] > 1 else planes.swapaxes(0, 2)

    def check_effect(self, frames, masks, option):
        """Raise ChoiceRefused where a choice was made that no frame of an option needs, or one that a frame lacks.

        A choice that a mask needs, of which some may be None, may be without effect on the frames.
        """
        for name, chosen, axis in (("--channel-index", self.channel_index, "C"), ("--z", self.z, "Z")):
            if not self.must_apply or chosen is None or any(mask and axis in mask.several for mask in masks):
                continue
            single = [frame.path for frame in frames if axis not in frame.several]
            if len(single) == len(frames):
                raise ChoiceRefused(f"{name} {chosen}: no file of {option} holds several {WORDS[axis]}s ({single[0]}); "
                                    "leave it out")
            if single and chosen not in (0, "max", "time"):
                raise ChoiceRefused(f"{name} {chosen}: {single[0]} holds 1 {WORDS[axis]}; it must be 0")


UNCHOSEN = Selection()


def _checked(index, size, option, word, path):
    """Return an index; 0 where none is chosen, or there is but one, for which `Selection.check_effect` looks at it."""
    if index in (None, "time") or size == 1:
        return 0
    if not 0 <= index < size:
        raise ChoiceRefused(f"{option} {index}: {path} holds {pluralize(size, word)}; it must be 0 to {size - 1}")
    return index


def _described(sizes):
    return " x ".join(pluralize(sizes[axis], WORDS[axis]) for axis in "CZT" if sizes[axis] > 1 or axis == "T")


def _choose_channel(sizes, names, path):
    known = f" ({', '.join(names)})" if len(names) == sizes["C"] and any(names) else ""
    some = " or ".join(map(str, range(sizes["C"]))) if sizes["C"] < 4 else f"0 to {sizes['C'] - 1}"
    return (f"choose a channel by --channel-index {some}{known}, or save one channel as a stack (ImageJ: Image > Color "
            "> Split Channels)")


def _choose_slice(sizes, names, path):
    may_be_time = sizes["T"] == 1 and not challenge.holds_slices(path)
    time = ", or take them for time points by --z time" if may_be_time else ""
    return (f"choose a slice by --z 0 to {sizes['Z'] - 1}, or the maximum over all by --z max{time}, or save one as a "
            "stack (ImageJ: Image > Stacks > Z Project)")


def time_lapses(path, selection):
    """Return the time-lapses that a file holds, one for each position of the microscope.

    Each is a pair: the name of the position, empty where there is only one, and its time points as `Selection.take`
    returns them, or None in a file of one plane. With these come the axes along which the file has several planes.

    Raises
    ------
    InputError
        If the file cannot be read, or `Selection.take` raises it.
    """
    with damage_of(path):
        found = picture(path).positions
    if selection.must_apply and selection.channel_index is not None and found[0].has_alpha:
        raise ChoiceRefused(f"{path}: {GREY_AND_ALPHA}")
    if selection.takes_pages or challenge.holds_slices(Path(path)):
        found = [replace(each, planes=each.planes.swapaxes(0, 2))
                 if not each.timed and each.planes.shape[2] == 1 else each for each in found]
    taken = [(each.name, *selection.take(each.planes, each.channels, path)) for each in found]
    several = "".join(sorted({axis for _, _, axes_ in taken for axis in axes_}))
    if len(found) == 1 and found[0].planes.size == 2:
        return [("", None)], several
    return [(name, points) for name, points, _ in taken], several


def pages_taken_for_time(path):
    """Return the number of pages that are taken for time points because the file does not say what they are, or 1."""
    with damage_of(path):
        found = picture(path).positions
    return len(found[0].planes) if len(found) == 1 and not found[0].timed else 1
