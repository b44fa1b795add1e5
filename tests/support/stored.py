"""Pictures written byte by byte, and what is read of a picture as a frame and as a mask."""

import struct

import pytest

from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame, read_size, read_values
from stemnet_ref.errors import InputError


def only(path):
    (frame,) = find(path, "--frames")
    return frame


def stored(path):
    """Return the pixels of a file as a frame, and as a mask."""
    frame = only(path)
    pixels = read_frame(frame)
    assert read_size(frame) == read_size(frame, True) == pixels.shape
    assert pixels.dtype.isnative
    return pixels, read_values(frame)


def refusal(path, read=read_frame):
    with pytest.raises(InputError) as caught:
        read(only(path))
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said


def write(path, data, tags, palette=b""):
    """Write a TIFF by hand: its data, and tags over those of 8-bit grey without compression."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: tags.get(257, 1), 279: len(data), **tags}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    if palette:
        entries += struct.pack("<HHII", 320, 3, len(palette) // 2, 8 + len(data))
        data += palette
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(entries) // 12)
                     + entries + struct.pack("<I", 0))
