"""The stored values count, in whatever kind of numbers, number of bits and orientation; colours are named."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from stored import only, refusal, stored, write

from stemnet_ref.data.images import read_bytes, read_frame, read_size, read_values


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float32",
                                   "float64"])
@pytest.mark.parametrize("byteorder", "<>")
def test_kinds_of_numbers(tmp_path, dtype, byteorder):
    values = np.array([[0, 3, 120], [7, 0, 99]], dtype)
    tifffile.imwrite(tmp_path / "t.tif", values, byteorder=byteorder)
    frame, mask = stored(tmp_path / "t.tif")
    np.testing.assert_array_equal(frame, values)
    np.testing.assert_array_equal(mask, values)
    assert read_bytes(only(tmp_path / "t.tif")) <= 4
    if values.dtype.kind != "u":
        tifffile.imwrite(tmp_path / "t.tif", values - 50, byteorder=byteorder)
        frame, mask = stored(tmp_path / "t.tif")
        whole = values.dtype.kind == "i" and dtype != "int8"
        np.testing.assert_allclose(frame, (values - 50) / (257 if whole else 1), rtol=1e-6)
        np.testing.assert_array_equal(mask, values - 50)


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_bits_that_fill_no_bytes(tmp_path, bits):
    values = np.random.default_rng(0).integers(0, 2 ** bits, (5, 9)).astype(np.uint16)
    rows = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(5, 9, 2), axis=-1)[..., 16 - bits:].reshape(5, -1)
    data = np.packbits(rows, axis=1).tobytes()
    write(tmp_path / "t.tif", data, {256: 9, 257: 5, 258: bits})
    frame, mask = stored(tmp_path / "t.tif")
    np.testing.assert_array_equal(frame, values)
    np.testing.assert_array_equal(mask, values)


@pytest.mark.parametrize(("orientation", "upright"), [
    (1, "abc def"), (2, "cba fed"), (3, "fed cba"), (4, "def abc"), (5, "ad be cf"), (6, "da eb fc"), (7, "fc eb da"),
    (8, "cf be ad")])
def test_pictures_are_turned_upright(tmp_path, orientation, upright):
    write(tmp_path / "t.tif", b"abcdef", {256: 3, 257: 2, 274: orientation})
    frame, mask = stored(tmp_path / "t.tif")
    assert " ".join(bytes(row).decode() for row in frame.tolist()) == upright
    np.testing.assert_array_equal(frame, mask)


def test_grey_with_alpha(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for alpha, opaque in ((255, True), (254, False)):
        both = np.stack([grey, np.full_like(grey, alpha)], axis=-1)
        Image.fromarray(both, "LA").save(tmp_path / "t.png")
        tifffile.imwrite(tmp_path / "t.tif", both, photometric="minisblack", extrasamples=["unassalpha"])
        for name in ("t.png", "t.tif"):
            if opaque:
                np.testing.assert_array_equal(read_frame(only(tmp_path / name)), grey)
                np.testing.assert_array_equal(read_values(only(tmp_path / name)), grey)
            else:
                assert "two values, grey and alpha" in refusal(tmp_path / name)


@pytest.mark.parametrize(("photometric", "samples", "word"), [(2, 3, "RGB"), (5, 4, "CMYK"), (6, 3, "YCbCr"),
                                                             (8, 3, "CIELab"), (32803, 1, "a colour filter")])
def test_colours_are_named(tmp_path, photometric, samples, word):
    write(tmp_path / "t.tif", bytes(12 * samples), {256: 3, 257: 4, 262: photometric, 277: samples})
    assert f"the frame has colours ({word}" in refusal(tmp_path / "t.tif", read_size)
    assert f"the mask has colours ({word}" in refusal(tmp_path / "t.tif", read_values)


def test_complex_numbers_and_unknown_compressions_are_named(tmp_path):
    tifffile.imwrite(tmp_path / "c.tif", np.ones((3, 4), np.complex64))
    assert "complex numbers; save their magnitude" in refusal(tmp_path / "c.tif")
    write(tmp_path / "k.tif", bytes(12), {256: 3, 257: 4, 259: 34712 - 1})
    assert "compression 34711 is not supported; save it without compression" in refusal(tmp_path / "k.tif")
    write(tmp_path / "b.tif", bytes(80), {256: 3, 257: 4, 258: 40})
    assert "40 bits a sample are not supported" in refusal(tmp_path / "b.tif")
