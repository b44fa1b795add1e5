"""The stored values count: polarity, palettes, kinds of numbers, orientation; and what is refused by its name."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.formats import lzw
from stemnet_ref.data.formats.tiff import Tiff
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_bytes, read_frame, read_mask, read_size, read_values
from stemnet_ref.data.preprocess import Preprocess
from stemnet_ref.errors import InputError

RAMP = np.arange(256)
ZERO = np.zeros(256, int)


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


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_polarity_turns_nothing_round(tmp_path, dtype, photometric, compression):
    values = np.random.default_rng(0).integers(0, 200, (9, 13)).astype(np.uint8) > 60
    values = values if dtype is bool else values.astype(dtype) * 3
    tifffile.imwrite(tmp_path / "t.tif", values, photometric=photometric, compression=compression)
    frame, mask = stored(tmp_path / "t.tif")
    np.testing.assert_array_equal(mask, values)
    np.testing.assert_array_equal(frame, values * np.uint8(255) if dtype is bool else values)
    _, remark = read_mask(only(tmp_path / "t.tif"))
    assert ("polarity" in (remark or ())) == (photometric == "miniswhite")


def paletted(path, index, red, green, blue):
    """Write a picture of 8 bits whose colours are given as 256 values of 0 to 255."""
    if path.suffix == ".png":
        image = Image.fromarray(index)
        image.putpalette(np.stack([red, green, blue], axis=-1).astype(np.uint8).tobytes())
        image.save(path)
    else:
        tifffile.imwrite(path, index, photometric="palette", colormap=(257 * np.stack([red, green, blue]))
                         .astype(np.uint16))


INDEX = np.random.default_rng(0).integers(0, 256, (9, 13)).astype(np.uint8)
INDEX[0, :2] = 0, 255


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("colours", "frame", "mask"), [
    ((RAMP, RAMP, RAMP), RAMP, RAMP),                               # grey already
    ((RAMP // 2, RAMP // 2, RAMP // 2), RAMP // 2, RAMP),           # grey of another contrast; masks: black 0 and 1
    ((255 - RAMP,) * 3, 255 - RAMP, np.r_[255, 1:255, 0]),          # white first; masks: 0 and 255 change places
    ((ZERO, RAMP, ZERO), RAMP, RAMP),                               # a channel shown in green
    ((RAMP, RAMP // 2, ZERO), RAMP, RAMP),                          # or in orange
])
def test_palettes(tmp_path, suffix, colours, frame, mask):
    path = tmp_path / f"p{suffix}"
    paletted(path, INDEX, *colours)
    got_frame, got_mask = stored(path)
    np.testing.assert_array_equal(got_frame, frame[INDEX])
    np.testing.assert_array_equal(got_mask, mask[INDEX])
    assert read_bytes(only(path)) == 1


@pytest.mark.parametrize(("colours", "told"), [
    ((255 - RAMP,) * 3, True),
    ((np.r_[0, 255, 90, ZERO[3:]],) * 3, True),
    ((np.r_[255, ZERO[1:]],) * 3, True),
    ((RAMP,) * 3, False),
    ((np.r_[0, 90, 255, ZERO[3:]],) * 3, False),            # black fills the end
    ((ZERO, RAMP, ZERO), False),
])
def test_a_palette_that_turns_frames_round_is_told_once(tmp_path, colours, told):
    for number in range(3):
        paletted(tmp_path / f"p{number}.png", INDEX, *colours)
    assert_told(tmp_path, "note: {} has a palette that does not rise from dark to bright", told)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_polarity_of_frames_is_told_once(tmp_path, photometric):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"p{number}.tif", INDEX, photometric=photometric)
    assert_told(tmp_path, "note: {} says that 0 is white (MinIsWhite); the stored values count",
                photometric == "miniswhite")


def assert_told(folder, words, told):
    """Assert that a note on the first frame of a folder is told once, or none, by training and by preprocessing."""
    frames, by_training, by_preprocessing = find(folder, "--frames"), [], []
    dataset = Dataset(frames, [None] * len(frames), 1, log=by_training.append)
    for index in range(len(frames)):
        dataset.pixels(index)
    Preprocess(folder, None, folder / "out", size=None, log=by_preprocessing.append).run()
    for lines in (by_training, by_preprocessing):
        notes = [line for line in lines if line.startswith(f"note: {folder}")]
        assert len(notes) == told
        assert all(line.startswith(words.format(frames[0])) for line in notes)


def test_palettes_that_spread_8_bits_to_16_by_shifting(tmp_path):
    colours = np.stack([RAMP << 8] * 3).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", INDEX, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read_frame(only(tmp_path / "p.tif")), INDEX)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palettes_of_colours(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    colours = RAMP.copy(), RAMP.copy(), RAMP.copy()
    colours[2][0], colours[0][255], colours[1][255] = 255, 255, 0       # ImageJ's HiLo: blue is 0, red 255
    paletted(path, INDEX, *colours)
    said = refusal(path)
    assert "has colours" in said
    assert "Image > Lookup Tables > Grays" in said
    np.testing.assert_array_equal(read_values(only(path)), INDEX)
    inner = np.clip(INDEX, 1, 254)
    paletted(path, inner, *colours)
    np.testing.assert_array_equal(read_frame(only(path)), inner)        # only grey entries are used


@pytest.mark.parametrize(("colours", "index", "cell"), [
    ([255, 0], [0, 1], [1, 0]),                 # white is cell
    ([255, 0], [0, 0], [1, 1]),                 # also where nothing is black
    ([255, 90], [0, 1], [0, 1]),                # no black: the index counts
    ([0, 255], [0, 1], [0, 1]),
    ([255, 90, 0], [0, 2], [1, 0]),
])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_black_is_the_background_of_masks(tmp_path, suffix, colours, index, cell):
    grey = np.r_[colours, np.zeros(256 - len(colours), int)]
    paletted(tmp_path / f"p{suffix}", np.array([index], np.uint8), grey, grey, grey)
    np.testing.assert_array_equal(read_values(only(tmp_path / f"p{suffix}")) > 0, [cell])
    _, remark = read_mask(only(tmp_path / f"p{suffix}"))
    assert remark == (None if colours[0] == 0 else (
        "palette", "has a palette that does not begin with black; its black entry counts as background, or index 0 if "
                   "it has none"))


def test_a_palette_of_two(tmp_path):
    white_and_black = struct.pack("<6H", 65535, 0, 65535, 0, 65535, 0)
    write(tmp_path / "t.tif", bytes([0b01000000]), {256: 3, 257: 1, 258: 1, 262: 3}, white_and_black)
    frame, mask = stored(tmp_path / "t.tif")
    np.testing.assert_array_equal(frame, [[255, 0, 255]])
    np.testing.assert_array_equal(mask > 0, [[True, False, True]])


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


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(tmp_path, bits):
    values = np.random.default_rng(0).integers(0, 2 ** bits, (5, 9)).astype(np.uint8)
    rows = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits:].reshape(5, -1)
    raw = b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)
    write_png(tmp_path / "t.png", struct.pack(">IIBBBBB", 9, 5, bits, 0, 0, 0, 0), raw)
    np.testing.assert_array_equal(read_values(only(tmp_path / "t.png")), values)
    np.testing.assert_array_equal(read_frame(only(tmp_path / "t.png")), values * (255 if bits == 1 else 1))


def write_png(path, header, raw):
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks))


def write(path, data, tags, palette=b""):
    """Write a TIFF by hand: its data, and tags over those of 8-bit grey without compression."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: tags.get(257, 1), 279: len(data), **tags}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    if palette:
        entries += struct.pack("<HHII", 320, 3, len(palette) // 2, 8 + len(data))
        data += palette
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(entries) // 12)
                     + entries + struct.pack("<I", 0))


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
    tifffile.imwrite(tmp_path / "t.tif", INDEX, compression="jpegxr")
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


def test_png_of_more_pixels_than_its_data_can_hold(tmp_path):
    write_png(tmp_path / "t.png", struct.pack(">IIBBBBB", 10 ** 6, 10 ** 6, 8, 0, 0, 0, 0), bytes(1000))
    assert "end before 1000000 x 1000000 pixels" in refusal(tmp_path / "t.png")
    write_png(tmp_path / "t.png", struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0), b"")
    assert "5 x 0 pixels" in refusal(tmp_path / "t.png")


@given(st.integers(0, 10 ** 9), st.integers(0, 7))
def test_every_flipped_bit_of_a_png_is_found(tmp_path_factory, at, bit):
    path = tmp_path_factory.mktemp("png") / "t.png"
    Image.fromarray(INDEX).save(path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    refusal(path)
