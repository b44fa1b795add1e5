"""Palettes and polarity: what they mean for frames and for masks, and that it is said."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from stored import only, refusal, stored, write

from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.frames import find
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.images import read_bytes, read_frame, read_mask, read_values
from stemnet_ref.data.preprocess import Preprocess, options

RAMP = np.arange(256)
ZERO = np.zeros(256, int)
INDEX = np.random.default_rng(0).integers(0, 256, (9, 13)).astype(np.uint8)
INDEX[0, :2] = 0, 255


def paletted(path, index, red, green, blue):
    """Write a picture of 8 bits whose colours are given as 256 values of 0 to 255."""
    if path.suffix == ".png":
        image = Image.fromarray(index)
        image.putpalette(np.stack([red, green, blue], axis=-1).astype(np.uint8).tobytes())
        image.save(path)
    else:
        tifffile.imwrite(path, index, photometric="palette", colormap=(257 * np.stack([red, green, blue]))
                         .astype(np.uint16))


def assert_told(folder, words, told):
    """Assert that a note on the first frame of a folder is told once, or none, by training and by preprocessing."""
    frames, by_training, by_preprocessing = find(folder, "--frames"), [], []
    dataset = Dataset(inspect(frames, [None] * len(frames), 1), log=by_training.append)
    for index in range(len(frames)):
        dataset.pixels(index)
    given = options().parse_args([str(folder), str(folder / "out"), "--size", "0"])
    Preprocess(given, log=by_preprocessing.append).run()
    for lines in (by_training, by_preprocessing):
        notes = [line for line in lines if line.startswith(f"note: {folder}")]
        assert len(notes) == told
        assert all(line.startswith(words.format(frames[0])) for line in notes)


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


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_polarity_of_frames_is_told_once(tmp_path, photometric):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"p{number}.tif", INDEX, photometric=photometric)
    assert_told(tmp_path, "note: {} says that 0 is white (MinIsWhite); the stored values count",
                photometric == "miniswhite")


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
