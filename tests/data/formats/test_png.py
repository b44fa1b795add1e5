"""PNG files that hold fewer rows than they declare, and those that hold them all."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame
from stemnet_ref.errors import InputError

# Where Adam7's passes begin, and their steps: down, right
PASSES = (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)


def png(data, width, height, bits=8, interlaced=False):
    """Return a grey PNG whose compressed data inflate to `data`, with right checksums."""
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(part)) + name + part
                                          + struct.pack(">I", zlib.crc32(name + part)) for name, part in chunks)


def rows_of(pixels, interlaced):
    """Return the bytes of 8-bit pixels as a PNG stores them, without filters."""
    parts = [pixels[top::down, left::right] for top, left, down, right in PASSES] if interlaced else [pixels]
    return b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)


@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 2 ** 32))
def test_all_rows_or_a_refusal(tmp_path_factory, height, width, interlaced, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width), dtype=np.uint8)
    path, data = tmp_path_factory.mktemp("png") / "a1.png", rows_of(pixels, interlaced)
    path.write_bytes(png(data, width, height, interlaced=interlaced))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels)         # the test writes what Pillow reads
    np.testing.assert_array_equal(read_frame(find(path, "")[0]), pixels)
    path.write_bytes(png(data[:rng.integers(len(data))], width, height, interlaced=interlaced))
    with pytest.raises(InputError, match=r"a1\.png: .* rows are missing"):
        read_frame(find(path, "")[0])


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_rows_of_other_depths(tmp_path, bits):
    path, row = tmp_path / "a1.png", 1 + -(-13 * bits // 8)
    path.write_bytes(png(bytes(5 * row), 13, 5, bits))
    assert not read_frame(find(path, "")[0]).any()
    path.write_bytes(png(bytes(5 * row - 1), 13, 5, bits))
    with pytest.raises(InputError, match="rows are missing"):
        read_frame(find(path, "")[0])
