"""Read PNG pictures by Pillow, after a check of every chunk of the file.

Pillow does not compare some checksums, so that a flipped bit would be read as other pixels.
"""

import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

from ...errors import InputError
from .header import Header

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Passes of an interlaced picture: left, top, step to the right, step down
ADAM7 = (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
MAX_INFLATED = 1 << 20      # bytes that are inflated at once
Image.MAX_IMAGE_PIXELS = None       # mosaics of a microscope are larger than what Pillow takes for an attack


def read_header(file):
    """Return the Header of an open PNG without reading its pixels; raise the errors of `read_pixels`."""
    return _header(_chunks(file))[0]


def read_pixels(path):
    """Return the stored grey values, or indices of the palette, of a PNG: bool, uint8 or uint16 of shape (H, W).

    Raises
    ------
    InputError
        If the pixels have a second sample that is not always opaque.
    ValueError, OSError
        If the file is damaged; the message is the reason alone.
    """
    with open(path, "rb") as file:
        _, kind, bits = _header(_chunks(file))
        file.seek(0)
        _check(_chunks(file))
        file.seek(0)
        with PngImagePlugin.PngImageFile(file) as image:
            pixels = np.array(image)
    if kind == 4:
        if bits == 16 or np.any(pixels[..., 1] != 255):
            raise InputError(f"{path}: its pixels have two values, grey and alpha; save it as grey without alpha")
        return pixels[..., 0]
    if kind == 0 and 1 < bits < 8:
        return pixels // np.uint8(255 // (2 ** bits - 1))           # Pillow spreads them to 0 to 255
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _chunks(file):
    """Yield the name and the bytes of every chunk, up to IEND."""
    if file.read(8) != SIGNATURE:
        raise ValueError("the first bytes are damaged")
    size = file.seek(0, 2)
    file.seek(8)
    name = b""
    while name != b"IEND":
        start = file.read(8)
        if len(start) < 8:
            raise ValueError("it is cut off")
        length, name = struct.unpack(">I4s", start)
        if length > size - file.tell() - 4:
            raise ValueError("it is cut off, or damaged")
        data = file.read(length)
        if zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(file.read(4), "big"):
            raise ValueError(f"its checksum of {name.decode('ascii', 'replace')!r} does not fit: it is damaged")
        yield name, data


def _header(chunks):
    """Return the Header, the kind of colours and the bits of a sample, from the chunks before the pixels."""
    name, data = next(chunks)
    if name != b"IHDR" or len(data) != 13:
        raise ValueError("it does not begin with its header")
    width, height, bits, kind, *methods = struct.unpack(">IIBBBBB", data)
    if bits not in DEPTHS.get(kind, ()) or methods[0] or methods[1] or methods[2] > 1:
        raise ValueError("its header is damaged")
    if not width or not height:
        raise ValueError(f"it has {height} x {width} pixels")
    palette = None
    for name, data in chunks if kind == 3 else ():
        if name == b"PLTE" and data and len(data) % 3 == 0:
            palette = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.uint16) * np.uint16(257)
            break
        if name == b"IDAT":
            break
    if kind == 3 and palette is None:
        raise ValueError("its palette is missing")
    dtype = np.dtype(bool if bits == 1 and kind == 0 else np.uint16 if bits == 16 else np.uint8)
    return Header(height, width, dtype, KINDS[kind] if kind in (2, 6) else "", palette), kind, bits


def _check(chunks):
    """Raise ValueError unless all chunks are whole and in order, and hold all rows that the header announces.

    Pillow would fill missing rows with zeros. The rows are inflated in parts and not stored.
    """
    _, header = next(chunks)
    width, height, bits, kind, interlaced = struct.unpack(">IIBBxxB", header)
    inflate, names, found = zlib.decompressobj(), [], 0
    for name, data in chunks:
        while name == b"IDAT" and data:
            found += len(inflate.decompress(data, MAX_INFLATED))
            data = inflate.unconsumed_tail
        if name != (names or [b""])[-1]:
            names.append(name)
    if names.count(b"IDAT") != 1 or b"IHDR" in names or b"PLTE" in names[names.index(b"IDAT"):]:
        raise ValueError("its parts are out of order")
    sides = [(len(range(left, width, right)), len(range(top, height, down)))
             for left, top, right, down in (ADAM7 if interlaced else [(0, 0, 1, 1)])]
    needed = sum(h * (1 + -(-w * bits * SAMPLES[kind] // 8)) for w, h in sides if w)    # a row begins with its filter
    if found + len(inflate.flush()) < needed:
        raise ValueError(f"its data end before {height} x {width} pixels: rows are missing")
