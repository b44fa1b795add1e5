"""Read frames and masks.

A frame is a grey PNG or TIFF of 8 or 16 bits, or of 32-bit floats. Values are handled in 8-bit units: 16-bit values are
divided by 257, so that 65535 is 255 and a model does not depend on the bit depth of its frames.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError, reason

REPLACE = "replace or remove this file"
Image.MAX_IMAGE_PIXELS = None       # mosaics of a microscope are larger than what Pillow takes for an attack


@contextmanager
def _opened(path, page=None):
    """Open a picture; every way in which that fails becomes an InputError that names the file."""
    try:
        if Path(path).stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes); {REPLACE}")
        with Image.open(path, formats=("PNG", "TIFF")) as image:
            if page:
                image.seek(page)
            yield image
    except InputError:
        raise
    except Image.UnidentifiedImageError:
        raise InputError(f"{path}: this is no PNG or TIFF picture, whatever its name; convert it, or {REPLACE}"
                         ) from None
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:     # as Pillow does
        raise InputError(f"{path}: the picture cannot be read ({reason(error)}); {REPLACE}") from None


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


def read_frame(frame):
    """Return the pixels of a frame, uint8, uint16 or float32 of shape (H, W), as stored.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN or infinity.
    """
    with _opened(frame.path, frame.page) as image:
        _check_grey(image, frame)
        pixels = np.asarray(image)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all():
            raise InputError(f"{frame}: {np.sum(~np.isfinite(pixels))} pixels are NaN or infinite; {REPLACE}")
        return pixels.astype(np.float32)
    if pixels.dtype.itemsize > 2:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise InputError(f"{frame}: values from {pixels.min()} to {pixels.max()} do not fit into 16 bits; "
                             "convert it to 8- or 16-bit grey")
        return pixels.astype(np.uint16)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=True)


def eight_bit_units(pixels):
    """Return float32 pixels on the scale of 8 bits: 16-bit values divided by 257, others as they are."""
    if pixels.dtype == np.uint16:
        return pixels * np.float32(1 / 257)
    return pixels.astype(np.float32)


def read_mask(frame):
    """Return the classes of a mask's pixels, and whether the mask numbers its cells.

    Masks may be 0/1, 0/255 or numbers of cells.

    Returns
    -------
    classes : uint8 ndarray of shape (H, W)
        1 where the value is above 0 (a cell), else 0.
    numbered : bool
        Whether there are several values above 0.

    Raises
    ------
    InputError
        If the file cannot be read, has colours, or holds NaN.
    """
    with _opened(frame.path, frame.page) as image:
        _check_one_value(image, frame)
        pixels = np.asarray(image)
    if np.issubdtype(pixels.dtype, np.floating) and np.isnan(pixels).any():
        raise InputError(f"{frame}: {np.sum(np.isnan(pixels))} pixels are NaN; {REPLACE}")
    cell = pixels > 0
    numbered = pixels.dtype != bool and bool(np.any(cell & (pixels != pixels.max(initial=0))))
    return cell.astype(np.uint8), numbered


def _check_grey(image, frame):
    if len(image.getbands()) > 1 or image.mode == "P":
        raise InputError(f"{frame}: the frame has colours (mode {image.mode}), a grey one is needed; "
                         "convert it to 8- or 16-bit grey")


def _check_one_value(image, mask):
    if len(image.getbands()) > 1:
        raise InputError(f"{mask}: the mask has colours (mode {image.mode}); a mask has one value a pixel: "
                         "0 background, above 0 cell")
