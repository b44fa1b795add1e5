"""TIFF files of several channels, slices or time points, and what is read of them."""

import struct

import numpy as np
import pytest

from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame, read_size
from stemnet_ref.errors import InputError

SHAPE = 5, 7


def planes(*lengths):
    """Return planes of which every one has its own pixels, uint16 of shape (*lengths, 5, 7)."""
    return np.random.default_rng(0).integers(0, 60000, (*lengths, *SHAPE)).astype(np.uint16)


def frames_of(path, **chosen):
    return find(path, "--frames", selection=Selection.of(chosen))


def assert_read(path, expected, **chosen):
    """Assert that the frames of a file are `expected`, in order."""
    found = frames_of(path, **chosen)
    assert len(found) == len(expected)
    for frame, pixels in zip(found, expected, strict=True):
        assert read_size(frame) == pixels.shape
        np.testing.assert_array_equal(read_frame(frame), pixels)


def refusal(path, **chosen):
    """Return the words of the refusal of a file."""
    with pytest.raises(InputError) as caught:
        frames_of(path, **chosen)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def one_directory(path, data, description):
    """Write planes one after another behind a single directory, as ImageJ does beyond 4 GB."""
    height, width = data.shape[-2:]
    text = description.encode() + b"\0"
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 16), 259: (3, 1, 1), 262: (3, 1, 1),
            270: (2, len(text), 8), 273: (4, 1, 8 + len(text)), 277: (3, 1, 1), 278: (4, 1, height),
            279: (4, 1, 2 * height * width)}
    entries = b"".join(struct.pack(">HHI", tag, *values[:2])
                       + (struct.pack(">HH", values[2], 0) if values[0] == 3 else struct.pack(">I", values[2]))
                       for tag, values in tags.items())
    body = text + data.astype(">u2").tobytes()
    path.write_bytes(b"MM\0*" + struct.pack(">I", 8 + len(body)) + body + struct.pack(">H", len(tags)) + entries
                     + bytes(4))
