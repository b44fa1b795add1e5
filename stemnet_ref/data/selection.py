"""What of the files is taken for frames, where files hold more than one time-lapse."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """The choice of a channel and of a slice, and how names are read; None where nothing is chosen."""

    channel_index: int | None = None    # from 0
    z: int | str | None = None          # slice, from 0; or "max", the maximum over all slices
    pattern: str | None = None          # of file names, with {t} in place of the frame number

    strict = True                       # whether all names must match the pattern; no field

    @classmethod
    def of(cls, options):
        """Return that of a mapping from names to values, in which names may be absent."""
        return cls(*(options.get(name) for name in ("channel_index", "z", "pattern")))

    def of_masks(self):
        """Return what holds for the masks of such frames: they have one channel, and may be named otherwise."""
        return SelectionOfMasks(None, self.z, self.pattern)


class SelectionOfMasks(Selection):
    """The choice for masks: their names are read by the pattern only where all of them match it."""

    strict = False


UNCHOSEN = Selection()
