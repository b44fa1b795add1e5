"""The header of a picture, which is known before its pixels are read, and the meaning of its palette.

The stored values count, as for tifffile, scikit-image and ImageJ: no polarity (MinIsWhite, ImageJ's inverting lookup
tables) inverts them. A palette is applied, because programs write its colours in any order.
"""

from dataclasses import dataclass

import numpy as np

WHITE = 65535


@dataclass(frozen=True)
class Header:
    """The header of one plane."""

    height: int             # pixels
    width: int
    dtype: np.dtype         # dtype of the stored values
    colours: str = ""       # kind of colours, for messages; empty where a pixel has one value
    palette: np.ndarray | None = None       # uint16 of shape (n, 3): red, green and blue of each index
    white_is_zero: bool = False             # polarity that the file claims; the stored values count

    def remark(self, mask):
        """Return a remark on such a frame or mask, in the form of `masks.values.check_values`, or None."""
        if not mask and self.white_is_zero:
            return "polarity", "says that 0 is white (MinIsWhite); the stored values count, 0 is taken as the darkest"
        if not mask and self.palette is not None and _falls(self.palette):
            return "palette", ("has a palette that does not rise from dark to bright; the grey of its palette counts, "
                               "not the stored index")
        if not mask:
            return None
        if self.white_is_zero:
            return "polarity", "says that 0 is white (MinIsWhite); the stored values count, 0 is background"
        if self.palette is not None and self.palette[0].any():
            return "palette", ("has a palette that does not begin with black; its black entry counts as background, or "
                               "index 0 if it has none")
        return None


def frame_values(index, palette):
    """Return the grey values of a frame with a palette, or None if the palette is one of colours.

    A grey palette gives its grey: uint8, or uint16 where it needs more bits. A palette of tints of one hue from dark to
    bright, by which ImageJ shows a channel in green, gives the index.

    Parameters
    ----------
    index : uint8 or uint16 ndarray of shape (H, W), or None
        Stored values. Without them a palette with any colour is one of colours, even if no pixel has it.
    palette : uint16 ndarray of shape (n, 3)
        Red, green and blue of each index.
    """
    if _is_ramp(palette):
        return index if index is not None else np.zeros((1, 1), np.uint8)
    used = np.arange(len(palette)) if index is None else np.unique(index)
    _check_index(used, palette)
    entries = palette[used]
    if np.any(entries != entries[:, :1]):
        return None
    grey = palette[:, 0]
    for unit in (257, 256):             # by which programs multiply 8 bits to get 16
        if not np.any(entries % unit) and entries.max(initial=0) // unit < 256:
            grey = (grey // unit).astype(np.uint8)
            break
    return grey[index] if index is not None else grey[:1].reshape(1, 1)


def mask_values(index, palette):
    """Return the numbers of a mask with a palette: its indices, but 0 for black.

    Where the palette does not begin with black, the index 0 gets the number of the index that is black. Parameters and
    shapes are those of `frame_values`.
    """
    used = np.unique(index)
    _check_index(used, palette)
    black = ~palette.any(axis=1)
    if black[0]:
        return index
    last = np.flatnonzero(~black)[-1]               # the entries behind it may be filling
    entries = np.flatnonzero(black)
    entries = entries if last == 0 else entries[(entries < last) | np.isin(entries, used)]
    if not len(entries):
        return index
    numbers = np.arange(len(palette), dtype=index.dtype)
    numbers[0] = entries[0]
    numbers[entries] = 0
    return numbers[index]


def _is_ramp(palette):
    """Return whether the entries, in their order, are tints of one hue from dark to bright; grey is not a hue."""
    colour = palette.astype(float)
    strength = colour.max(axis=1)
    hue = colour[strength.argmax()] / max(strength.max(), 1)
    return bool(np.all(np.diff(strength) >= 0) and strength[-1] > strength[0] and np.ptp(hue) > 0
                and np.all(abs(colour - strength[:, None] * hue) <= WHITE / 64))


def _falls(palette):
    """Return whether a grey is darker than the one before it; black entries that fill the end do not count."""
    grey = palette[np.all(palette == palette[:, :1], axis=1), 0].astype(int)
    if grey.any() and not grey[0]:
        grey = grey[:np.flatnonzero(grey)[-1] + 1]
    return bool(np.any(np.diff(grey) < 0))


def _check_index(used, palette):
    if len(used) and used[-1] >= len(palette):
        raise ValueError(f"a pixel has the index {used[-1]} of a palette of {len(palette)} colours")
