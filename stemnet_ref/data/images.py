"""Read frames and masks.

A frame is a grey PNG or TIFF of any number of bits, or of floats. The stored values count, whatever a file says of its
polarity (MinIsWhite). They are handled in 8-bit units: whole numbers of 16 and more bits are divided by 257, so that
65535 is 255 and a model does not depend on the bit depth of its frames; floats and whole numbers of 8 bits or less are
taken as they are, but those of one bit, which are 0 and 255.
"""

import numpy as np

from ..errors import InputError
from .formats.damage import REPLACE, damage_of
from .formats.header import frame_values, mask_values
from .formats.picture import picture
from .masks.regions import regions
from .masks.values import check_values

MAX_FLOAT = 1e18    # largest float of a frame, so that sums of squares fit into 32 bits


def read_size(frame, mask=False):
    """Return (height, width) in pixels of a frame or a mask, from the header alone.

    Raises
    ------
    InputError
        If the header cannot be read, or has colours.
    """
    header = _header(frame)
    _check_grey(header.colours, frame, mask)
    return header.height, header.width


def read_bytes(frame):
    """Return the bytes of each pixel that `read_frame` returns: 1, 2 or 4."""
    header = _header(frame)
    dtype = header.dtype
    if header.palette is not None:
        grey = frame_values(None, header.palette)
        dtype = dtype if grey is None else np.promote_types(dtype, grey.dtype)
    return dtype.itemsize if dtype.kind in "ub" and dtype.itemsize <= 2 else 4


def read_remark(frame, mask):
    """Return a remark on the polarity or palette of a frame or mask, (kind, text), or None."""
    return _header(frame).remark(mask)


def read_frame(frame):
    """Return the pixels of a frame, uint8, uint16 or float32 of shape (H, W), as stored.

    Whole numbers become uint8 or uint16 where they fit, else float32 in 8-bit units: those below 0, and above 65535. Of
    several slices the maximum is taken. A palette of grey gives its grey.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN, infinity, or floats beyond 1e18.
    """
    pixels = _read(frame, mask=False)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "f":
        with np.errstate(over="ignore"):
            pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise InputError(f"{frame}: {np.sum(~np.isfinite(pixels))} pixels are NaN or infinite; {REPLACE}")
        if (largest := max(pixels.max(), -pixels.min())) > MAX_FLOAT:
            raise InputError(f"{frame}: the largest of its pixels is {largest:g}, and those above {MAX_FLOAT:g} cannot "
                             f"be computed with; divide them by a number, or {REPLACE}")
        return pixels
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels
    small = pixels.dtype.itemsize == 1
    if pixels.min() < 0 or pixels.max() > 65535:
        return pixels.astype(np.float32) if small else (pixels / 257).astype(np.float32)
    return pixels.astype(np.uint8 if small else np.uint16)


def read_values(mask):
    """Return the stored values of a mask, (H, W), or of one with a palette its `formats.header.mask_values`.

    Raises
    ------
    InputError
        If the file cannot be read, or has colours.
    """
    return _read(mask, mask=True)


def read_mask(frame, numbered=False):
    """Return the classes of a mask's pixels, or its numbered cells, and a remark on its values.

    Masks may be 0/1, 0/255 or numbers of cells.

    Returns
    -------
    classes : uint8 ndarray of shape (H, W)
        1 where the value is above 0 (a cell), else 0; or, if `numbered`, what `read_instances` returns.
    remark : (str, str) or None
        Kind and text of the remark, from `masks.values.check_values`.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or a value may be something else than background or cell.
    """
    pixels, remark = _read_checked(frame)
    if numbered:
        return _renumbered(pixels) if _numbered(pixels) else regions(pixels), remark
    return (pixels > 0).astype(np.uint8), remark


def read_instances(frame):
    """Return the numbered cells of a mask: int32 ndarray of shape (H, W), 0 in the background.

    Where the mask does not number its cells, cells that touch, also at a corner, are one.

    Raises
    ------
    InputError
        If `read_mask` raises it.
    """
    return read_mask(frame, numbered=True)[0]


def read_numbers(frame):
    """Return a mask's pixels for a PNG, as they are, uint8 or uint16; raise the errors of `read_mask`."""
    pixels, _ = _read_checked(frame)
    if not _numbered(pixels):
        return (pixels > 0).astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating) or pixels.max() > 65535:
        pixels = _renumbered(pixels)
    return pixels.astype(np.uint8 if pixels.max() < 256 else np.uint16)


def _read_checked(frame):
    """Return a mask's pixels, and the remark on them, which is made once."""
    pixels = read_values(frame)
    with damage_of(frame):
        remarks = picture(frame.path).remarks
    if frame.planes not in remarks:
        remark = None if pixels.dtype == bool else check_values(pixels, frame)
        if remark is None or remark[0] == "numbers":
            remark = read_remark(frame, True) or remark
        remarks[frame.planes] = remark
    return pixels, remarks[frame.planes]


def _numbered(pixels):
    """Return whether there are several values above 0."""
    return bool(np.any((pixels > 0) & (pixels != pixels.max(initial=0))))


def _renumbered(pixels):
    """Return the values above 0 numbered from 1, in their order, int32; 0 elsewhere."""
    cell = pixels > 0
    return np.where(cell, 1 + np.searchsorted(np.unique(pixels[cell]), pixels), 0).astype(np.int32)


def _read(frame, mask):
    """Return the values of a frame, or of a mask, (H, W): the maximum where it has several slices."""
    found = None
    for page, part in _planes(frame):
        with damage_of(frame):
            file = picture(frame.path)
            header = file.header(page)
            _check_grey(header.colours, frame, mask)
            pixels = file.pixels(page, part)
            if header.palette is not None:
                pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
                pixels = (mask_values if mask else frame_values)(pixels, header.palette)
                _check_grey("a palette of colours" if pixels is None else "", frame, mask)
            if found is not None and (found.shape, found.dtype) != (pixels.shape, pixels.dtype):
                raise InputError(f"{frame}: its slices have several sizes; save them anew, or {REPLACE}")
            found = pixels if found is None else np.maximum(found, pixels, out=found)
    return found


def _header(frame):
    """Return the Header of the first plane of a frame or mask."""
    page, _ = _planes(frame)[0]
    with damage_of(frame):
        return picture(frame.path).header(page)


def _planes(frame):
    """Return the planes of a frame or mask; raise InputError where none of the file's planes was chosen."""
    if frame.planes:
        return frame.planes
    with damage_of(frame):
        found = picture(frame.path).positions
    if sum(each.planes.size // 2 for each in found) > 1:
        raise InputError(f"{frame}: holds several planes, and none of them is chosen; save the one that is meant as "
                         "a file of its own")
    return tuple(map(tuple, found[0].planes.reshape(-1, 2).tolist()))


def _check_grey(colours, frame, mask):
    """Raise InputError where a frame or a mask has colours, whose kind is given; it is empty where there are none."""
    if colours and mask:
        raise InputError(f"{frame}: the mask has colours ({colours}); a mask has one value a pixel: 0 background, "
                         "above 0 cell; convert it to 8-bit grey, black being background, or, if each colour is a "
                         "cell, number the colours, since two of them may have one grey")
    if colours:
        raise InputError(f"{frame}: the frame has colours ({colours}), a grey one is needed; convert it to 8- or "
                         "16-bit grey (ImageJ: Image > Lookup Tables > Grays, or Image > Type > 8-bit)")


class Remarks:
    """Logs the first remark of each kind on frames and on masks."""

    def __init__(self, log=print):
        self.log, self._logged = log, set()

    def add(self, file, remark, mask=False):
        """Log a remark, (kind, words) or None, on a frame or a mask, if it is the first of its kind."""
        if remark and (mask, remark[0]) not in self._logged:
            self._logged.add((mask, remark[0]))
            self.log(f"note: {file} {remark[1]}")


def eight_bit_units(pixels, dtype=None):
    """Return pixels as float32 on the scale of 8 bits: those of 16 bits divided by 257, others as they are.

    `dtype` is what they were read as, if they are computed values.
    """
    if (pixels.dtype if dtype is None else dtype) == np.uint16:
        return pixels * np.float32(1 / 257)
    return pixels.astype(np.float32)
