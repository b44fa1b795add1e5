"""TIFF files of every compression and layout, and those that are damaged or lie about themselves."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from stored import refusal, stored, write

from stemnet_ref.data.formats import lzw
from stemnet_ref.data.formats.tiff import Tiff


@pytest.mark.parametrize("options", [{"compression": "lzw"}, {"compression": "packbits"}, {"compression": "zstd"},
                                     {"compression": "lzma"}, {"tile": (16, 16)}, {"bigtiff": True},
                                     {"compression": "lzw", "predictor": True, "rowsperstrip": 3},
                                     {"tile": (32, 16), "compression": "zlib"}])
@pytest.mark.parametrize("byteorder", "<>")
def test_compressions_and_layouts(tmp_path, options, byteorder):
    values = np.random.default_rng(0).integers(0, 65536, (21, 37)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "t.tif", values, byteorder=byteorder, **options)
    np.testing.assert_array_equal(stored(tmp_path / "t.tif")[0], values)


def test_jpeg_of_grey_is_read(tmp_path):
    """To 7 grey values, which is what the quality of 95 leaves of these ramps."""
    tiled = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    for options in ({"tile": (16, 32)}, {"rowsperstrip": 16}):
        tifffile.imwrite(tmp_path / "t.tif", tiled, compression="jpeg", compressionargs={"level": 95}, **options)
        assert abs(stored(tmp_path / "t.tif")[0].astype(int) - tiled).max() < 8
    values = np.add.outer(np.arange(24), np.arange(40)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", values, compression="jpeg", compressionargs={"level": 95})
    assert abs(stored(tmp_path / "t.tif")[0].astype(int) - values).max() < 8
    data = (tmp_path / "t.tif").read_bytes()
    end = data.index(b"\xff\xd9")
    (tmp_path / "t.tif").write_bytes(data[:end - 40] + bytes(42) + data[end + 2:])
    assert "JPEG data are cut off" in refusal(tmp_path / "t.tif")
    size = data.index(b"\xff\xc0") + 5
    (tmp_path / "t.tif").write_bytes(data[:size] + b"\xfd\xe8\xfd\xe8" + data[size + 4:])
    assert "JPEG data are of 65000 x 65000 pixels" in refusal(tmp_path / "t.tif")         # 4 GB


LZW = bytes.fromhex("807f00000024160d07844102109864360a11874461212894560a138b466020")


def test_lzw_codes_that_were_never_defined(tmp_path):
    """The library reads memory that was never written then, and may crash."""
    write(tmp_path / "t.tif", LZW, {256: 32, 257: 5, 259: 5})
    assert "LZW data are damaged" in refusal(tmp_path / "t.tif")
    write(tmp_path / "t.tif", bytes(31), {256: 32, 257: 5, 259: 5})
    assert "of a style older than TIFF 6" in refusal(tmp_path / "t.tif")


@given(st.integers(0, 30000), st.integers(1, 256), st.integers(0, 2 ** 32 - 1))
def test_lzw_is_checked_to_its_end(length, levels, seed):
    data = np.random.default_rng(seed).integers(0, levels, length).astype(np.uint8).tobytes()
    lzw.check(imagecodecs.lzw_encode(data))


def test_compressions_that_are_not_safe_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "t.tif", np.zeros((9, 13), np.uint8), compression="jpegxr")
    assert "compression JPEGXR is not supported; save it without" in refusal(tmp_path / "t.tif")


HOLDS = "of data cannot hold"


@pytest.mark.parametrize(("data", "tags", "words"), [
    (b"", {256: 0, 257: 4}, "4 x 0 pixels"),
    (bytes(11), {256: 3, 257: 4}, HOLDS),
    (bytes(12), {256: 3, 257: 4, 279: 6}, HOLDS),                                       # a strip of fewer rows
    (bytes(12), {256: 3, 257: 4, 279: 999}, "strip 1 of 1 are missing"),
    (bytes(12), {256: 3, 257: 4, 273: 999}, "strip 1 of 1 are missing"),
    (bytes(12), {256: 3, 257: 4, 278: 2}, "1 of 2 strips"),
    (bytes(12), {256: 60000, 257: 60000}, HOLDS),
    (bytes(12), {256: 60000, 257: 60000, 259: 8}, HOLDS),
    (bytes(12), {256: 60000, 257: 60000, 259: 50000}, HOLDS),                           # zstd
    (zlib.compress(bytes(9)), {256: 3, 257: 4, 259: 8}, "cannot be read"),              # three rows of four
])
def test_pixels_that_are_missing_are_never_zeros(tmp_path, data, tags, words):
    write(tmp_path / "t.tif", data, tags)
    assert words in refusal(tmp_path / "t.tif")


def test_directories_in_a_circle_and_beyond_the_end(tmp_path):
    write(tmp_path / "t.tif", bytes(12), {256: 3, 257: 4})
    data = (tmp_path / "t.tif").read_bytes()
    for following, words in ((20, "page 2 is an earlier one again"), (2 ** 31, "page 2 would be beyond the end")):
        (tmp_path / "t.tif").write_bytes(data[:-4] + struct.pack("<I", following))
        assert words in refusal(tmp_path / "t.tif")


def test_a_tag_beyond_the_end(tmp_path):
    write(tmp_path / "t.tif", bytes(12), {256: 3, 257: 4}, bytes(6))
    data = (tmp_path / "t.tif").read_bytes()
    at = data.index(struct.pack("<HHI", 320, 3, 3))
    for count, place in ((3, len(data)), (2 ** 31, 8)):
        (tmp_path / "t.tif").write_bytes(data[:at + 4] + struct.pack("<II", count, place) + data[at + 12:])
        assert "tag 320 of page 1 is larger than the file" in refusal(tmp_path / "t.tif")


def test_memory_that_runs_out_is_the_files_fault(tmp_path, monkeypatch):
    write(tmp_path / "t.tif", bytes(12), {256: 3, 257: 4})

    def pixels(*_):
        raise MemoryError

    monkeypatch.setattr(Tiff, "pixels", pixels)
    assert "does not fit into the memory; cut it" in refusal(tmp_path / "t.tif")
