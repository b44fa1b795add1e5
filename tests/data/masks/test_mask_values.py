"""Masks of which not every value above 0 is a cell: refused, or said in a line."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refusals import SMALL, check, script

import run_train
from stemnet_ref import sample
from stemnet_ref.data.masks.regions import regions
from stemnet_ref.data.masks.values import check_values
from stemnet_ref.errors import InputError

NUMBERED = regions(np.asarray(Image.open(sorted(sample.MASKS.glob("*.png"))[0]))).astype(np.uint8)
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def resized(mask, factor, how):
    height, width = mask.shape
    return np.asarray(Image.fromarray(mask).resize((round(width * factor), round(height * factor)), how))


def jpeg(mask, quality):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def blobs(seed, count, size=64):
    """Return numbered discs of random places and radii, the later over the earlier."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    mask = np.zeros((size, size), np.uint8)
    for number in range(1, count + 1):
        row, column, radius = *rng.integers(0, size, 2), rng.integers(3, 9)
        mask[(rows - row) ** 2 + (columns - column) ** 2 <= radius ** 2] = number
    return mask


@pytest.mark.parametrize("kind", ["numbered", "0 and 255"])
@pytest.mark.parametrize("change", ["as it is", *(f"nearest {factor}" for factor in (0.25, 0.8, 3)),
                                    *(f"{how} {factor}" for how in FILTERS for factor in (0.25, 0.8, 1.5, 3)),
                                    *(f"jpeg {quality}" for quality in (50, 75, 95))])
def test_masks_are_told_from_interpolated_and_compressed_ones(kind, change):
    mask = NUMBERED if kind == "numbered" else np.uint8(255) * (NUMBERED > 0)
    how, _, number = change.partition(" ")
    if how in ("as", "nearest"):
        remark = check_values(mask if how == "as" else resized(mask, float(number), Image.NEAREST), "m.png")
        assert remark == (None if kind == "0 and 255" else
                          ("numbers", "holds more than two values; every value above 0 counts as cell"))
        return
    changed = jpeg(mask, int(number)) if how == "jpeg" else resized(mask, float(number), FILTERS[how])
    with pytest.raises(InputError, match=r"^m.png: holds \d+ grey values that pass smoothly"):
        check_values(changed, "m.png")


@pytest.mark.parametrize("quality", [98, 99, 100])
def test_the_best_jpeg_of_0_and_255_does_not_pass(quality):
    with pytest.raises(InputError, match="pass smoothly"):
        check_values(jpeg(np.uint8(255) * (NUMBERED > 0), quality), "m.png")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(6, 60))
def test_numbered_cells_are_no_false_alarm(seed, count):
    remark = check_values(blobs(seed, count), "m.png")
    assert remark[0] == "numbers"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(3, 30), how=st.sampled_from(sorted(FILTERS)),
       factor=st.floats(0.4, 3).filter(lambda factor: abs(factor - 1) > 0.1))
def test_interpolated_masks_do_not_pass(seed, count, how, factor):
    mask = np.uint8(255) * (blobs(seed, count) > 0)
    with pytest.raises(InputError, match="pass smoothly"):
        check_values(resized(mask, factor, FILTERS[how]), "m.png")


def test_small_cells_that_a_threshold_numbered_are_no_false_alarm():
    mask = np.zeros((64, 64), np.uint16)
    mask[::2, ::2] = np.arange(1, 32 * 32 + 1).reshape(32, 32)              # single pixels
    assert check_values(mask, "m.png")[0] == "numbers"


@pytest.mark.parametrize(("values", "words"), [([0, 1, 255], "holds 0, 1 and 255"), ([1, 255], "holds 1 and 255"),
                                               ([0, 1, 2, 255], "holds 0, 1, 2 and 255"), ([-1, 0, 1], "holds -1")])
def test_what_may_mean_ignore_is_refused(values, words):
    mask = np.resize(np.array(values), (8, 8)).astype(np.int8 if values[0] < 0 else np.uint8)
    with pytest.raises(InputError, match=f"m.png: {words}, which often means 'ignore'"):
        check_values(mask, "m.png")


def blocks(*values, dtype=np.uint8):
    """Return a mask of a square cell for each value, apart from one another."""
    mask = np.zeros((24, 16 * len(values)), dtype)
    for index, value in enumerate(values):
        mask[6:18, 16 * index + 2:16 * index + 14] = value
    return mask


@pytest.mark.parametrize(("values", "dtype"), [((1, 255), np.uint8), ((1, 2, 255), np.uint8),
                                               ((1, 2, 255), np.uint16), ((1, 2, 255), np.int32)])
def test_255_may_be_one_more_cell(values, dtype):
    for mask in (blocks(*values, dtype=dtype), np.pad(blocks(*values, dtype=dtype)[6:18, 2:], 1)):
        kind, words = check_values(mask, "m.png")
        assert kind == "ignore"
        assert words.startswith("holds 255, which means 'ignore' in some masks; here it counts as cell")
    touching = np.repeat(blocks(*values, dtype=dtype)[:, 2:14], 2, axis=1)
    touching[6:18, 12:] = 255                                           # two cells with a side in common
    assert check_values(touching, "m.png")[0] == "ignore"


@pytest.mark.parametrize("cells", [(1,), (1, 2), (1, 2, 3)])
def test_255_around_or_beside_cells_is_no_cell(cells):
    around = blocks(*cells)
    around[(around == 0) & (np.indices(around.shape)[0] % 21 > 3)] = 255            # one region
    apart = np.hstack([blocks(*cells), blocks(255, 255)])
    many = np.hstack([blocks(*cells, *cells), blocks(255)])                          # of classes, not numbers
    for mask in (around, apart, many):
        with pytest.raises(InputError, match="which often means 'ignore'"):
            check_values(mask, "m.png")
        assert check_values(mask.astype(np.uint16), "m.png")[0] in ("ignore", "classes")


@pytest.mark.parametrize("values", [(10, 240, 255), (1, 2, 250), (3, 7, 250, 251), (16, 239, 255)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numbers_near_0_and_255_are_no_jpeg(values, dtype):
    assert check_values(blocks(*values, dtype=dtype), "m.png")[0] == "numbers"
    several = np.tile(blocks(*values, dtype=dtype), (3, 1))
    assert check_values(several, "m.png")[0] == "classes"


@pytest.mark.parametrize("values", [[0, 255], [0, 7, 255], [0, 200, 255], list(range(256))])
def test_255_is_a_value_as_others_where_it_can_be_a_cell(values):
    mask = np.repeat(np.repeat(np.resize(np.array(values, np.uint8), (16, 16)), 3, axis=0), 3, axis=1)
    check_values(mask, "m.png")


def test_classes_are_told_from_numbers():
    cells = blobs(5, 14) > 0
    inner = np.zeros_like(cells)
    inner[1:-1, 1:-1] = cells[1:-1, 1:-1] & cells[:-2, 1:-1] & cells[2:, 1:-1] & cells[1:-1, :-2] & cells[1:-1, 2:]
    for mask in (np.where(inner, 1, 2 * cells), np.where(inner, 255, 127 * cells)):
        kind, words = check_values(mask.astype(np.uint8), "m.png")
        assert kind == "classes"
        low, high = np.unique(mask)[1:]
        counts = ", ".join(f"value {value}: {regions(mask == value).max()} regions" for value in (low, high))
        assert f"({counts})" in words
        assert check_values(mask + np.uint8(1) if high < 255 else np.maximum(mask, 1), "m.png")[0] == "full"
    two = np.zeros((64, 64), np.uint8)
    two[4:20, 4:20], two[30:50, 30:50] = 1, 2
    assert check_values(two, "m.png")[0] == "numbers"


def test_floats_are_whole_numbers():
    assert check_values(np.eye(8, dtype=np.float32), "m.tif") is None
    with pytest.raises(InputError, match=r"m.tif: holds fractions such as 0.5, as a map of probabilities"):
        check_values(np.eye(8, dtype=np.float32) / 2, "m.tif")
    with pytest.raises(InputError, match="8 pixels are infinite"):
        check_values(np.where(np.eye(8) > 0, np.inf, 0), "m.tif")


def test_training_refuses_such_a_mask_and_tells_of_classes_once(tmp_path, pair, no_figures, capsys):
    masks = sorted(pair[1].iterdir())
    for number, path in enumerate(masks):
        mask = np.zeros((40, 48), np.uint8)
        mask[4:36:8, 4:40] = 1
        mask[6:36:8, 4:40] = 2
        mask[:, 20:24] = 0
        Image.fromarray(mask if number else np.minimum(mask, 1)).save(path)
    given = "--frames", pair[0], "--masks", pair[1], *SMALL
    assert script(run_train.main, *given, "--out", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert told.count("classes rather than numbers") == 1
    assert f"note: {masks[1]} looks as if" in told
    smooth = resized(np.asarray(Image.open(masks[2])) * np.uint8(100), 3, Image.BILINEAR)[:40, :48]
    Image.fromarray(smooth).save(masks[2])
    check(capsys, script(run_train.main, *given, "--out", tmp_path / "smooth"), f"{masks[2]}: holds", "interpolation")
