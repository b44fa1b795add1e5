"""PNG files of every depth, those that hold fewer rows than they declare, and those that are damaged."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stored import only, refusal

from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame, read_values
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


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(tmp_path, bits):
    values = np.random.default_rng(0).integers(0, 2 ** bits, (5, 9)).astype(np.uint8)
    rows = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits:].reshape(5, -1)
    raw = b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)
    (tmp_path / "t.png").write_bytes(png(raw, 9, 5, bits))
    np.testing.assert_array_equal(read_values(only(tmp_path / "t.png")), values)
    np.testing.assert_array_equal(read_frame(only(tmp_path / "t.png")), values * (255 if bits == 1 else 1))


def test_png_of_more_pixels_than_its_data_can_hold(tmp_path):
    (tmp_path / "t.png").write_bytes(png(bytes(1000), 10 ** 6, 10 ** 6))
    assert "end before 1000000 x 1000000 pixels" in refusal(tmp_path / "t.png")
    (tmp_path / "t.png").write_bytes(png(b"", 0, 5))
    assert "5 x 0 pixels" in refusal(tmp_path / "t.png")


@given(st.integers(0, 10 ** 9), st.integers(0, 7))
def test_every_flipped_bit_of_a_png_is_found(tmp_path_factory, at, bit):
    path = tmp_path_factory.mktemp("png") / "t.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    refusal(path)
