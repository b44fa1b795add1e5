"""Crops, augmentation, the order of an epoch, reading ahead and decoding once."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import sequence
from PIL import Image

from stemnet_ref.data import images
from stemnet_ref.data.crops.crop import Crop
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.dataset import MEMORY, Dataset, read_ahead
from stemnet_ref.data.frames import find
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.pairing import pair
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.errors import InputError
from stemnet_ref.training.settings import Settings

PLAIN = Scaling(0.0, 1.0)


def dataset(folder, channels=5, count=10, memory=MEMORY, **size):
    frames, masks = sequence(folder, count, **size)
    found = find(frames, "--frames")
    return Dataset(inspect(found, pair(found, find(masks, "--masks")), channels), memory)


def plan(data, crop=16, per_frame=2, augment=True, seed=0, epoch=0, indices=None):
    indices = range(len(data.frames)) if indices is None else indices
    settings = Settings(crop=crop, levels=3, crops_per_frame=per_frame, seed=seed, augment=augment)
    return plan_epoch(data, indices, settings, epoch)


@given(st.booleans(), st.integers(0, 3), st.integers(0, 5), st.integers(0, 5))
def test_one_transform_for_every_channel_and_the_mask(mirror, turns, top, left):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12)).astype(np.uint8)
    crop = Crop(0, top, left, 6, 6, mirror, turns)
    np.testing.assert_array_equal(crop.cut(pixels > 127, nearest=True), crop.cut(pixels) > 127)       # a mask
    np.testing.assert_array_equal(crop.cut(np.stack([pixels, pixels + 1], axis=-1)),
                                  np.stack([crop.cut(pixels), crop.cut(pixels + 1)], axis=-1))


def test_all_eight_views_of_a_square_occur_and_differ(tmp_path):
    data = dataset(tmp_path, height=32, width=32)
    crops = plan(data, crop=32, per_frame=20)
    pixels = np.arange(32 * 32).reshape(32, 32)
    assert len({crop.cut(pixels).tobytes() for crop in crops}) == 8
    assert len({crop.cut(pixels).tobytes() for crop in plan(data, crop=32, augment=False)}) == 1
    assert not any(crop.mirror or crop.quarter_turns for crop in plan(data, augment=False))


def test_a_piece_that_is_not_square_keeps_its_shape(tmp_path):
    data = dataset(tmp_path, height=20, width=28)
    crops = plan(data, crop=None, per_frame=10)
    assert {crop.cut(np.zeros((20, 28))).shape for crop in crops} == {(20, 28)}
    assert len({(crop.mirror, crop.quarter_turns) for crop in crops}) == 4


def test_crops_lie_inside_and_reach_every_corner(tmp_path):
    data = dataset(tmp_path, height=20, width=18)
    crops = plan(data, per_frame=100)
    places = {(crop.top, crop.left) for crop in crops}
    assert places == {(top, left) for top in range(5) for left in range(3)}


def test_whole_frames_are_cut_to_a_multiple_for_the_pooling(tmp_path):
    data = dataset(tmp_path, height=23, width=18)
    crops = plan(data, crop=None, per_frame=50, augment=False)
    assert {(crop.height, crop.width) for crop in crops} == {(20, 16)}
    assert {crop.top for crop in crops} == {0, 1, 2, 3}


def test_an_epoch_visits_every_frame_equally_in_a_new_order(tmp_path):
    data = dataset(tmp_path)
    orders = [[crop.frame for crop in plan(data, per_frame=3, epoch=epoch)] for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(list(range(10)) * 3)
    assert orders[0] != orders[1]
    assert plan(data, epoch=5) == plan(data, epoch=5)
    assert plan(data, seed=1) != plan(data, seed=2)


def test_a_batch_holds_windows_of_real_neighbours_and_the_middle_frames_mask(tmp_path):
    data = dataset(tmp_path)
    (x, labels, _), = data.batches([Crop(4, 3, 5, 16, 12), Crop(0, 0, 0, 16, 12)], 2, PLAIN)
    assert x.shape == (2, 16, 12, 5)
    assert x.dtype == np.float32
    for channel, number in enumerate((3, 4, 5, 6, 7)):          # t_03 .. t_07 around frame index 4
        pixels = np.asarray(Image.open(tmp_path / "frames" / f"t_{number:02d}.png"))
        np.testing.assert_array_equal(x[0, :, :, channel], pixels[3:19, 5:17])
    mask = np.asarray(Image.open(tmp_path / "masks" / "t_05.png"))
    np.testing.assert_array_equal(labels[0], mask[3:19, 5:17] > 0)
    np.testing.assert_array_equal(x[1, :, :, 0], x[1, :, :, 2])         # the sequence's end repeats its first frame


def test_batches_are_decoded_in_the_background(tmp_path, monkeypatch):
    threads, read = set(), images.read_frame

    def watched(frame):
        threads.add(threading.get_ident())
        return read(frame)

    monkeypatch.setattr("stemnet_ref.data.dataset.read_frame", watched)
    data = dataset(tmp_path)
    list(data.batches(plan(data), 1, PLAIN))
    list(data.whole(range(10)))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_last_batch_may_be_smaller_and_none_is_lost(tmp_path):
    data = dataset(tmp_path)
    sizes = [len(x) for x, *_ in data.batches(plan(data, per_frame=1), 4, PLAIN)]
    assert sizes == [4, 4, 2]


@pytest.fixture
def decoded(monkeypatch):
    """Frames that Datasets have decoded, a list."""
    found, read = [], images.read_frame
    monkeypatch.setattr("stemnet_ref.data.dataset.read_frame", lambda frame: found.append(frame) or read(frame))
    return found


def test_frames_that_fit_into_memory_are_decoded_once_for_all_epochs(tmp_path, decoded):
    data = dataset(tmp_path)
    for epoch in range(3):
        assert len(list(data.batches(plan(data, epoch=epoch), 1, PLAIN))) == 20
    assert sorted(map(str, decoded)) == sorted(map(str, data.frames))


def test_frames_that_do_not_fit_are_decoded_once_an_epoch(tmp_path, decoded):
    data = dataset(tmp_path, channels=3, count=200, memory=0, height=16, width=16)
    assert not data.cache.fits
    assert data.cache.capacity < 200
    for epoch in range(2):
        decoded.clear()
        crops = plan(data, epoch=epoch)
        alive = [(sum(kind == "pixels" for kind, _ in list(data.cache.arrays)), x.shape)
                 for x, *_ in data.batches(crops, 1, PLAIN)]
        assert sorted(map(str, decoded)) == sorted(map(str, data.frames))
        assert 0 < max(count for count, _ in alive) <= 2 * data.cache.capacity
        assert sorted(crop.frame for crop in crops) == sorted(2 * list(range(200)))
        order = [crop.frame for crop in crops]
        assert order != sorted(order)
    assert not data.cache.arrays


def test_pieces_are_the_same_whether_frames_stay_in_memory_or_not(tmp_path):
    roomy = dataset(tmp_path, count=60, height=16, width=16)
    tight = Dataset(inspect(roomy.frames, roomy.masks, 5), memory=0)
    assert not tight.cache.fits
    crops = plan(roomy)
    for (x, labels, _), (x2, labels2, _) in zip(roomy.batches(crops, 2, PLAIN), tight.batches(crops, 2, PLAIN),
                                          strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(labels, labels2)


def test_whole_frames_come_with_their_windows_and_masks(tmp_path):
    data = dataset(tmp_path)
    for index, (window, classes, _) in zip((2, 9), data.whole([2, 9]), strict=True):
        assert len(window) == 5
        np.testing.assert_array_equal(window[2], np.asarray(Image.open(data.frames[index].path)))
        np.testing.assert_array_equal(classes, np.asarray(Image.open(data.masks[index].path)) > 0)


def test_numbered_cells_are_told_once(tmp_path):
    frames, masks = sequence(tmp_path, 4)
    for number in (1, 2, 3, 4):
        ids = np.arange(40 * 48).reshape(40, 48) % 5
        Image.fromarray(ids.astype(np.uint8)).save(masks / f"t_{number:02d}.png")
    told = []
    found = find(frames, "--frames")
    data = Dataset(inspect(found, pair(found, find(masks, "--masks")), 1), log=told.append)
    list(data.whole(range(4)))
    assert len(told) == 1
    assert "t_01.png" in told[0]
    assert "above 0" in told[0]


def test_reading_runs_ahead_in_another_thread_but_not_far():
    loaded, threads = [], set()

    def load(item):
        loaded.append(item)
        threads.add(threading.get_ident())
        return item * item

    results = read_ahead(load, range(10), depth=3)
    assert next(results) == 0
    deadline = time.monotonic() + 10
    while len(loaded) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert loaded == [0, 1, 2, 3]               # the step has had item 0 only
    assert list(results) == [item * item for item in range(1, 10)]
    assert threading.get_ident() not in threads


def test_an_error_in_the_background_reaches_the_step():
    def load(item):
        if item == 2:
            raise InputError("t_03.png: cannot be read")
        return item

    results = read_ahead(load, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match=r"t_03\.png"):
        next(results)


def test_reading_stops_with_its_consumer():
    before = threading.active_count()
    results = read_ahead(lambda item: item, range(1000))
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(("change", "culprit"), [
    (lambda f, m: Image.new("L", (10, 10)).save(m / "t_03.png"), r"t_03\.png: 10 x 10 pixels, but its frame"),
    (lambda f, m: [Image.new("L", (9, 9)).save(part / "t_04.png") for part in (f, m)],
     r"t_02\.png: 40 x 48 pixels, but .*t_04\.png beside it in a window has 9 x 9; .*--size PIXELS .*--channels 1"),
])
def test_sizes_that_differ_are_named(tmp_path, change, culprit):
    frames, masks = sequence(tmp_path, 5)
    change(frames, masks)
    found = find(frames, "--frames")
    with pytest.raises(InputError, match=culprit):
        inspect(found, pair(found, find(masks, "--masks")), 5)


def test_a_crop_larger_than_the_frame_is_named(tmp_path):
    with pytest.raises(InputError, match=r"40 x 48 pixels are less than the 64 x 64"):
        plan(dataset(tmp_path), crop=64)


def test_a_file_that_is_changed_after_its_header_was_read_is_refused(tmp_path):
    data = dataset(tmp_path, channels=1, count=3, height=16, width=16)
    for part in ("frames", "masks"):
        Image.new("L", (9, 8)).save(tmp_path / part / "t_02.png")
    for read in (data.pixels, data.classes):
        with pytest.raises(InputError, match=r"t_02\.png: has 8 x 9 pixels, and had 16 x 16 when this began"):
            read(1)
