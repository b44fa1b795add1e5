"""Read the stored values of frames and masks.

A frame is a grey PNG or TIFF of any number of bits, or of floats. The stored values count, whatever a file says of its
polarity (MinIsWhite).
"""

import numpy as np

from ...errors import InputError
from .damage import REPLACE, damage_of
from .header import frame_values, mask_values
from .picture import picture

ONE_PLANE = (0, 0),


def read_size(frame, mask=False):
    """Return (height, width) in pixels of a frame or a mask, from the header alone.

    Raises
    ------
    InputError
        If the header cannot be read, or has colours.
    """
    header = _header(frame)
    _check_header(header, frame, mask)
    return header.height, header.width


def read_bytes(frame):
    """Return the bytes of each pixel that `read_frame` returns: 1, 2 or 4."""
    header = _header(frame)
    dtype = header.dtype
    if header.palette is not None:
        grey = frame_values(None, header.palette)
        dtype = dtype if grey is None else np.promote_types(dtype, grey.dtype)
    return dtype.itemsize if dtype.kind in "ub" and dtype.itemsize <= 2 else 4


def read_values(mask):
    """Return the stored values of a mask, (H, W), or of one with a palette its `header.mask_values`.

    Raises
    ------
    InputError
        If the file cannot be read, or has colours.
    """
    return projected(mask, True)


def read_remark(frame, mask):
    """Return a remark on the polarity or palette of a frame or mask, (kind, text), or None."""
    return _header(frame).remark(mask)


def facts(frame):
    """Return the dict that stores facts about a frame or mask; it is empty again where the file has changed."""
    with damage_of(frame):
        return picture(frame.path).facts.setdefault(frame.planes, {})


def projected(frame, mask):
    """Return the values of a frame, or with `mask` of a mask, (H, W): the maximum where it has several slices."""
    found = None
    for page, part in _planes(frame):
        with damage_of(frame):
            file = picture(frame.path)
            header = file.header(page)
            _check_header(header, frame, mask)
            pixels = file.pixels(page, part)
            if header.palette is not None:
                pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
                pixels = (mask_values if mask else frame_values)(pixels, header.palette)
                if pixels is None:
                    raise InputError(_coloured(frame, "a palette of colours"))
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
    return tuple(map(tuple, found[0].planes.reshape(-1, 2).tolist())) if found else ONE_PLANE


def _check_header(header, frame, mask):
    if header.colours and mask:
        raise InputError(f"{frame}: the mask has colours ({header.colours}); a mask has one value a pixel: 0 "
                         "background, above 0 cell; convert it to 8-bit grey, black being background, or, if each "
                         "colour is a cell, number the colours, since two of them may have one grey")
    if header.colours:
        raise InputError(_coloured(frame, header.colours))


def _coloured(frame, colours):
    return (f"{frame}: the frame has colours ({colours}), a grey one is needed; convert it to 8- or 16-bit grey "
            "(ImageJ: Image > Lookup Tables > Grays, or Image > Type > 8-bit)")
