"""Read the pixels of frames and masks.

A frame is a grey PNG or TIFF of 8, 16 or 32 bits, or of floats. Values are handled in 8-bit units: whole numbers of 16
and 32 bits are divided by 257, so that 65535 is 255 and a model does not depend on the bit depth of its frames; floats
are taken as they are.
"""

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import get_ident

import numpy as np
from PIL import Image

from ..errors import InputError, reason

SAMPLE_FORMAT = 339         # the TIFF tag that says whether whole numbers have a sign
MAGIC = b"\x89PNG", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
REPLACE = "replace or remove this file"
Image.MAX_IMAGE_PIXELS = None       # mosaics of a microscope are larger than what Pillow takes for an attack


@contextmanager
def _opened(path, page=None):
    """Open a picture; every way in which that fails becomes an InputError that names the file."""
    try:
        status = Path(path).stat()
        if status.st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes); {REPLACE}")
        if page is None:
            with Image.open(path, formats=("PNG", "TIFF")) as image:
                yield image
        else:
            stack = _stack(str(path), status.st_mtime_ns, status.st_size, get_ident())
            stack.image.seek(page)
            yield stack.image
    except InputError:
        raise
    except Image.UnidentifiedImageError:
        with open(path, "rb") as file:
            begins_so = file.read(4) in MAGIC
        what = "the picture is damaged, cut off, or not of 8, 16 or 32 bits" if begins_so else \
            "this is no PNG or TIFF picture, whatever its name"
        raise InputError(f"{path}: {what}; convert it, or {REPLACE}") from None
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:     # as Pillow does
        raise InputError(f"{path}: the picture cannot be read ({reason(error)}); {REPLACE}") from None


class _Stack:
    """A stack that is kept open: where its pages are is looked up only once, page by page from the first."""

    def __init__(self, path):
        self.image = Image.open(path, formats=("PNG", "TIFF"))

    def __del__(self):
        if hasattr(self, "image"):
            self.image.close()


@lru_cache(maxsize=8)
def _stack(path, modified, size, thread):
    """Return the _Stack of a file, for each thread its own, and anew after the file has changed."""
    return _Stack(path)


def count_pages(path):
    """Return the number of pages of a TIFF; 1 for a PNG."""
    if Path(path).suffix.lower() == ".png":
        return 1
    with _opened(path) as image:
        return getattr(image, "n_frames", 1)


def read_size(frame, mask=False):
    """Return (height, width) in pixels of a frame or a mask, from the header alone.

    Raises
    ------
    InputError
        If the header cannot be read, or has colours.
    """
    with _opened(frame.path, frame.page) as image:
        if mask:
            _check_one_value(image, frame)
        else:
            _check_grey(image, frame)
        return image.height, image.width


def read_bytes(frame):
    """Return the bytes of a frame's pixel, decoded: 1, 2 or, at most, 4."""
    with _opened(frame.path, frame.page) as image:
        return {"1": 1, "L": 1, "I": 4, "F": 4}.get(image.mode, 2)


def read_frame(frame):
    """Return the pixels of a frame, uint8, uint16 or float32 of shape (H, W), as stored.

    Whole numbers of 32 bits become uint16 where they fit, else float32 in 8-bit units.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN or infinity.
    """
    with _opened(frame.path, frame.page) as image:
        _check_grey(image, frame)
        pixels = _values(image)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all():
            raise InputError(f"{frame}: {np.sum(~np.isfinite(pixels))} pixels are NaN or infinite; {REPLACE}")
        return pixels.astype(np.float32)
    if pixels.dtype.itemsize > 2:
        if pixels.min() < 0 or pixels.max() > 65535:
            return (pixels / 257).astype(np.float32)
        return pixels.astype(np.uint16)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=True)


def eight_bit_units(pixels, dtype=None):
    """Return pixels as float32 on the scale of 8 bits: those of 16 bits divided by 257, others as they are.

    `dtype` is what they were read as, if they are computed values.
    """
    if (pixels.dtype if dtype is None else dtype) == np.uint16:
        return pixels * np.float32(1 / 257)
    return pixels.astype(np.float32)


def read_values(mask):
    """Return the stored values of a mask, (H, W).

    Raises
    ------
    InputError
        If the file cannot be read, or has colours.
    """
    with _opened(mask.path, mask.page) as image:
        _check_one_value(image, mask)
        return _values(image)


def _values(image):
    """Return a picture's values; Pillow takes unsigned ones of 32 bits for signed."""
    pixels = np.asarray(image)
    unsigned = image.mode == "I" and image.format == "TIFF" and image.tag_v2.get(SAMPLE_FORMAT, 1) in (1, (1,))
    return pixels.view(np.uint32) if unsigned else pixels


def _check_grey(image, frame):
    if len(image.getbands()) > 1 or image.mode == "P":
        raise InputError(f"{frame}: the frame has colours (mode {image.mode}), a grey one is needed; "
                         "convert it to 8- or 16-bit grey")


def _check_one_value(image, mask):
    if len(image.getbands()) > 1:
        raise InputError(f"{mask}: the mask has colours (mode {image.mode}); a mask has one value a pixel: "
                         "0 background, above 0 cell")
