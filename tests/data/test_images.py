"""Reading frames and masks, and scaling."""

import struct

import numpy as np
import pytest
from pictures import stack
from PIL import Image

from stemnet_ref.data.frames import find
from stemnet_ref.data.images import eight_bit_units, read_frame, read_mask
from stemnet_ref.data.scaling import LISTING, fit
from stemnet_ref.errors import InputError


def only(path):
    (frame,) = find(path, "--frames")
    return frame


@pytest.mark.parametrize("name", ["f.png", "f.tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_come_back_as_written(tmp_path, name, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 7), dtype, endpoint=True)
    Image.fromarray(pixels).save(tmp_path / name)
    got = read_frame(only(tmp_path / name))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, pixels)


def test_float_tiff_big_endian_tiff_and_one_bit_png(tmp_path):
    pixels = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    Image.fromarray(pixels).save(tmp_path / "f.tif")
    np.testing.assert_array_equal(read_frame(only(tmp_path / "f.tif")), pixels)
    raw = (1000 * np.arange(6).reshape(2, 3)).astype(">u2")
    Image.frombytes("I;16B", (3, 2), raw.tobytes()).save(tmp_path / "g.tif")
    assert (tmp_path / "g.tif").read_bytes().startswith(b"MM")              # big-endian
    got = read_frame(only(tmp_path / "g.tif"))
    assert got.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(got, raw)
    Image.fromarray(pixels > 0.5).save(tmp_path / "h.png")
    np.testing.assert_array_equal(read_frame(only(tmp_path / "h.png")), 255 * (pixels > 0.5))


def test_pages_of_a_stack_are_read_one_by_one(tmp_path):
    pages = np.random.default_rng(0).integers(0, 65536, (4, 5, 7)).astype(np.uint16)
    stack(tmp_path / "s.tif", pages)
    for frame, page in zip(find(tmp_path / "s.tif", "--frames"), pages, strict=True):
        np.testing.assert_array_equal(read_frame(frame), page)


def test_bit_depth_does_not_change_the_scale():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(eight_bit_units(values.astype(np.uint16) * 257), eight_bit_units(values), rtol=1e-6)


@pytest.mark.parametrize(("values", "numbered"), [([0, 1], False), ([0, 255], False), ([0, 1, 2, 3], True),
                                                  ([0], False), ([7], False), ([0, 300, 65535], True)])
def test_masks_are_above_zero(tmp_path, values, numbered):
    pixels = np.resize(np.array(values, np.uint16 if max(values) > 255 else np.uint8), (4, 4))
    Image.fromarray(pixels).save(tmp_path / "m.png")
    classes, more = read_mask(only(tmp_path / "m.png"))
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, pixels > 0)
    assert bool(more) == numbered


def test_whole_numbers_of_32_bits_keep_the_scale_of_16(tmp_path):
    values = np.array([[0, 257, 65535]], np.int32)
    Image.fromarray(values).save(tmp_path / "few.tif")
    few = read_frame(only(tmp_path / "few.tif"))
    assert few.dtype == np.uint16
    np.testing.assert_array_equal(few, values)
    Image.fromarray(values * 100 - 5).save(tmp_path / "many.tif")
    many = read_frame(only(tmp_path / "many.tif"))
    assert many.dtype == np.float32
    np.testing.assert_allclose(eight_bit_units(many), 100 * eight_bit_units(few) - 5 / 257, rtol=1e-6)


def write_tiff(path, pixels, sample_format):
    """Write a TIFF of any type by hand; the format is 1 for unsigned, 2 for signed numbers, 3 for floats."""
    (h, w), data = pixels.shape, pixels.tobytes()
    tags = {256: w, 257: h, 258: 8 * pixels.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: h, 279: len(data),
            339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries
                     + struct.pack("<I", 0))


@pytest.mark.parametrize(("dtype", "sample_format"), [
    (np.uint8, 1), (np.uint16, 1), (np.int16, 2), (np.uint32, 1), (np.int32, 2), (np.float32, 3)])
def test_tiff_of_every_kind_of_number(tmp_path, dtype, sample_format):
    values = np.array([[0, 3, 120], [7, 0, 99]])
    write_tiff(tmp_path / "t.tif", values.astype(dtype), sample_format)
    np.testing.assert_array_equal(read_frame(only(tmp_path / "t.tif")), values)
    np.testing.assert_array_equal(read_mask(only(tmp_path / "t.tif"))[0], values > 0)


def test_large_and_negative_whole_numbers(tmp_path):
    for dtype, sample_format, value in ((np.uint32, 1, 3_000_000_000), (np.int32, 2, -70000), (np.int16, 2, -300)):
        write_tiff(tmp_path / "t.tif", np.full((2, 3), value, dtype), sample_format)
        np.testing.assert_allclose(read_frame(only(tmp_path / "t.tif")), value / 257, rtol=1e-6)
        if value > 0:
            np.testing.assert_array_equal(read_mask(only(tmp_path / "t.tif"))[0], 1)
        else:
            with pytest.raises(InputError, match=f"holds {value}, which often means 'ignore'"):
                read_mask(only(tmp_path / "t.tif"))


def test_palette_and_one_bit_masks(tmp_path):
    index = np.random.default_rng(0).integers(0, 3, (4, 4)).astype(np.uint8)
    image = Image.fromarray(index)
    for colours, cell in (([0, 0, 0, 255, 255, 255, 9, 9, 9], index != 0),      # the index counts, not the colour
                          ([255, 255, 255, 9, 9, 9], index != 0),               # also on a ground that is not black
                          ([255, 255, 255, 0, 0, 0, 9, 9, 9], index != 1)):     # but black is background, where it is
        image.putpalette(colours)
        image.save(tmp_path / "m.png")
        np.testing.assert_array_equal(read_mask(only(tmp_path / "m.png"))[0], cell)
    Image.fromarray(index > 0).save(tmp_path / "n.png")
    classes, numbered = read_mask(only(tmp_path / "n.png"))
    np.testing.assert_array_equal(classes, index > 0)
    assert not numbered


def test_scaling_gives_zero_mean_and_unit_deviation():
    rng = np.random.default_rng(0)
    frames = [(20000 + 300 * rng.standard_normal((30, 40))).astype(np.uint16) for _ in range(3)]
    scaling = fit("standard", range(3), frames.__getitem__)
    scaled = np.stack([scaling.apply(frame) for frame in frames])
    assert scaled.dtype == np.float32
    assert scaled.mean(dtype=float) == pytest.approx(0, abs=1e-4)
    assert scaled.std(dtype=float) == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(LISTING.apply(np.array([0, 127, 255], np.uint8)), [-127, 0, 128])


@pytest.mark.parametrize(("kind", "of"), [("mean-image", np.mean), ("median-image", np.median)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_is_subtracted_pixel_by_pixel(kind, of, dtype):
    rng = np.random.default_rng(0)
    frames = (100 + 50 * rng.random((30, 40)) + rng.normal(0, 8, (4, 30, 40))).astype(dtype)
    unit = 257 if dtype == np.uint16 else 1
    scaling = fit(kind, range(4), frames.__getitem__)
    np.testing.assert_allclose(scaling.image, of(frames, axis=0) / unit, rtol=1e-5)
    left = (frames - of(frames, axis=0)) / unit
    assert scaling.std == pytest.approx(left.std(), rel=1e-4)
    np.testing.assert_allclose(scaling.apply(frames[2]), left[2] / left.std(), atol=1e-3)


def test_an_image_of_frames_of_different_bits_is_in_one_unit():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 200, (6, 7)).astype(np.uint8) for _ in range(3)]
    mixed = [frames[0], frames[1].astype(np.uint16) * np.uint16(257), frames[2]]
    scaling = fit("median-image", range(3), mixed.__getitem__)
    np.testing.assert_allclose(scaling.image, np.median(frames, axis=0), rtol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "mean-image", "median-image"])
@pytest.mark.parametrize("dtypes", [(np.uint8,), (np.uint16, np.uint8)])
def test_each_frame_is_read_once(kind, dtypes):
    read = []
    fit(kind, range(4), lambda index: read.append(index) or np.arange(index, index + 6).reshape(2, 3).astype(
        dtypes[index % len(dtypes)]) ** 2)
    assert read == [0, 1, 2, 3]


def test_frames_that_are_their_own_image_are_refused():
    frames = np.random.default_rng(0).integers(0, 255, (1, 8, 8)).astype(np.uint8).repeat(3, axis=0)
    with pytest.raises(InputError, match="minus their mean image every pixel of them is 0"):
        fit("mean-image", range(3), frames.__getitem__)


def test_frames_without_contrast_are_refused():
    with pytest.raises(InputError, match="every pixel of the training frames is 9"):
        fit("standard", range(2), lambda index: np.full((3, 3), 9, np.uint8))
