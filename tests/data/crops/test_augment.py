"""Crops between the frame's pixels, pasted cells, brightness and contrast: frames and masks by one transform."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import sequence
from places import KERNEL_PLACES

from stemnet_ref.data.crops import epoch
from stemnet_ref.data.crops.batch import Sample, assemble
from stemnet_ref.data.crops.crop import KNOTS, Crop, _cubic
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.images import read_frame
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.training.settings import Settings

PLAIN = Scaling(0.0, 1.0)
ANGLE, SIGMA, KEY = st.floats(-np.pi, np.pi), st.floats(0, 10), st.integers(0, 2 ** 63 - 1)
EVERYTHING = {"augment": True, "rotation": 180, "elastic": 8, "brightness": 0.3, "contrast": 0.3, "on_cells": 0.5,
              "paste": 2}


def dataset(folder, channels=3, count=8, device=None, **options):
    frames, masks = sequence(folder, count, height=48, width=56, radius=5)
    return Dataset(inspect(*find_pairs(frames, masks), channels), device=device, **options)


def smooth(height=90, width=80):
    """Return a picture that changes by less than 40 from pixel to pixel, float32."""
    i, j = np.mgrid[:height, :width]
    return (1000 + 400 * np.sin(i / 11) * np.cos(j / 13)).astype(np.float32)


@given(st.booleans(), st.integers(0, 3), st.integers(0, 20), st.integers(0, 20), st.integers(1, 3))
def test_without_a_deformation_warped_pieces_are_those_of_the_frame(mirror, turns, top, left, whole_turns):
    pixels = np.random.default_rng(0).integers(0, 60000, (60, 70)).astype(np.uint16)
    plain = Crop(0, top, left, 32, 32, mirror, turns)
    warped = Crop(0, top, left, 32, 32, mirror, turns, angle=2 * np.pi * whole_turns)
    coordinates = warped.sampling_coordinates()
    assert coordinates is not None
    np.testing.assert_array_equal(warped.cut(pixels, coordinates, nearest=True), plain.cut(pixels))
    # coordinates off by a rounding, between neighbours that differ by up to 60,000
    np.testing.assert_allclose(warped.cut(pixels, coordinates), plain.cut(pixels), atol=1)


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_piece_has_its_shape_and_goes_on_beyond_the_frame_as_a_mirror_image(turns):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 35, 2)).astype(np.uint8)
    crop = Crop(0, 4, 3, 24, 40, quarter_turns=turns)
    rows, columns = ([*range(start, side), *range(side - 2, 2 * side - stop - 2, -1)]
                     for start, stop, side in ((4, 28, 20), (3, 43, 35)))
    assert crop.shape == ((40, 24) if turns % 2 else (24, 40))
    np.testing.assert_array_equal(crop.cut(pixels), np.rot90(pixels[rows][:, columns], turns))


@given(st.integers(1, 3))
def test_an_angle_turns_the_way_of_quarter_turns(quarters):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 70)).astype(np.uint8)
    warped = Crop(0, 10, 15, 32, 32, True, angle=np.pi / 2 * quarters)
    np.testing.assert_array_equal(warped.cut(pixels, warped.sampling_coordinates(), nearest=True),
                                  Crop(0, 10, 15, 32, 32, True, quarters).cut(pixels))


@given(ANGLE, SIGMA, KEY, st.booleans(), st.integers(0, 3), st.sampled_from([(32, 32), (24, 40)]))
def test_a_frame_and_its_mask_stay_aligned(angle, sigma, key, mirror, turns, size):
    """The mask is a function of the picture: it is so after the transform too, but for half a pixel at its border."""
    picture = smooth()
    turns = turns if size[0] == size[1] else 2 * (turns % 2)
    crop = Crop(0, 20, 15, *size, mirror, turns, angle, sigma, key=key)
    coordinates = crop.sampling_coordinates()
    mask = crop.cut((picture > 1100).astype(np.uint8), coordinates, nearest=True)
    np.testing.assert_array_equal(mask, crop.cut(picture, coordinates, nearest=True) > 1100)
    shown = crop.cut(picture, coordinates)
    sure = abs(shown - 1100) > 40
    np.testing.assert_array_equal(mask[sure], shown[sure] > 1100)
    assert mask.shape == crop.shape


def test_the_checker_of_alignment_sees_a_mask_that_is_one_pixel_off():
    picture = smooth()
    crop = Crop(0, 20, 15, 32, 32, angle=0.3)
    off = np.roll((picture > 1100).astype(np.uint8), 1, axis=0)
    coordinates = crop.sampling_coordinates()
    assert (crop.cut(off, coordinates, nearest=True) != (crop.cut(picture, coordinates, nearest=True) > 1100)).any()


@given(KEY, st.integers(2, 300), st.integers(2, 300))
def test_displacements_do_not_fold(key, height, width):
    """The determinant of the deformation's derivative, by differences, is above 0 everywhere."""
    crop = Crop(0, 0, 0, height, width, elastic=10.0, key=key)
    down, right = crop.displacements()
    assert down.shape == right.shape == (height, width)
    (down_i, down_j), (right_i, right_j) = np.gradient(down), np.gradient(right)
    assert ((1 + down_i) * (1 + right_j) - down_j * right_i).min() > 0
    np.testing.assert_array_equal(down, crop.displacements()[0])


def test_displacements_have_the_deviation_asked_for_at_the_grids_points():
    points = [Crop(0, 0, 0, 129, 129, elastic=10.0, key=key).displacements()[:, ::128, ::128] for key in range(400)]
    # of a normal variable held within 2 deviations: P(|z| < 2) - 4 phi(2) + 4 P(|z| > 2)
    assert np.std(points) == pytest.approx(10 * np.sqrt(0.9545 - 4 * 0.05399 + 4 * 0.0455), rel=0.05)
    assert abs(np.mean(points)) < 1
    assert np.max(np.abs(points)) == pytest.approx(20, rel=1e-6)


@given(st.integers(1, 300))
def test_the_cubic_goes_through_the_points_and_keeps_straight_lines(side):
    weights = _cubic(side)
    knots = np.arange(weights.shape[1]) - 1.0
    np.testing.assert_allclose(weights @ knots, np.arange(side) / KNOTS, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    for point, row in enumerate(weights[::KNOTS]):
        assert row[point + 1] == 1


@KERNEL_PLACES
@given(ANGLE, SIGMA, KEY, st.booleans(), st.sampled_from([np.uint8, np.uint16, np.float32]), st.booleans())
def test_kernels_sample_as_the_cpu_does(place, angle, sigma, key, mirror, dtype, image):
    where, rng = place(), np.random.default_rng(0)
    pixels = [rng.integers(0, 250, (50, 60)).astype(dtype) for _ in range(3)]
    classes, own = rng.integers(0, 2, (50, 60)).astype(np.uint8), rng.uniform(0, 9, (50, 60)).astype(np.float32)
    scaling = Scaling(3.0, 20.0, rng.uniform(0, 200, (50, 60)).astype(np.float32) if image else None)
    crop = Crop(0, 5, 20, 24, 32, mirror, 2, angle, sigma, gain=1.2, offset=-0.3, key=key)
    expected = assemble(scaling, [Sample(crop, pixels, classes, own, crop.sampling_coordinates())])
    there = where.to_device
    moved = None if crop.sampling_coordinates() is None else there(crop.sampling_coordinates())
    sample = Sample(crop, [there(each) for each in pixels], there(classes), there(own), moved)
    actual = assemble(scaling, [sample])
    for mine, other in zip(expected, actual, strict=True):
        np.testing.assert_allclose(where.to_host(other), mine, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(where.to_host(actual[1]), expected[1])


def test_every_channel_has_the_same_brightness_and_contrast(tmp_path):
    data = dataset(tmp_path)
    crops = plan_epoch(data, range(8), Settings(crop=16, levels=3, crops_per_frame=4, brightness=0.5, contrast=0.25), 0)
    plain = plan_epoch(data, range(8), Settings(crop=16, levels=3, crops_per_frame=4), 0)
    gains, offsets = (np.array([getattr(crop, name) for crop in crops]) for name in ("gain", "offset"))
    assert 0.75 <= gains.min() < 0.85 < 1.15 < gains.max() <= 1.25
    assert -0.5 <= offsets.min() < -0.3 < 0.3 < offsets.max() <= 0.5
    for crop, (x, labels, _), (y, same, _) in zip(crops, data.batches(crops, 1, PLAIN),
                                                   data.batches(plain, 1, PLAIN), strict=True):
        np.testing.assert_allclose(x, y * crop.gain + crop.offset, rtol=1e-5)
        np.testing.assert_array_equal(labels, same)


def test_pieces_are_moved_onto_cells(tmp_path):
    data = dataset(tmp_path)
    crops = plan_epoch(data, range(8), Settings(crop=16, levels=3, crops_per_frame=50, on_cells=0.5), 0)
    asked = [crop.on_cell for crop in crops]
    assert 0.4 < np.mean(asked) < 0.6
    held = [labels.any() for _, labels, _ in data.batches(crops, 1, PLAIN)]
    assert all(held[at] for at in np.flatnonzero(asked))
    assert not all(held)
    spots = set()
    for crop in crops:
        moved = crop.moved_onto_cell(data.classes(crop.frame))
        assert 0 <= moved.top <= 48 - 16
        assert 0 <= moved.left <= 56 - 16
        spots.add((moved.top, moved.left))
    assert len(spots) > 100
    assert crops[0].moved_onto_cell(np.zeros((48, 56), np.uint8)) == crops[0]


@KERNEL_PLACES
@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["all fit", "few fit"])
def test_a_device_makes_the_same_varied_batches(tmp_path, place, memory):
    here = dataset(tmp_path, count=30, border=(10.0, 5.0))
    there = dataset(tmp_path, count=30, border=(10.0, 5.0), device=place(), memory=memory)
    assert there.cache.fits == bool(memory)
    crops = plan_epoch(there, range(30), Settings(crop=32, levels=3, crops_per_frame=1, **EVERYTHING), 0)
    scaling, host, pasted_cells = Scaling(100.0, 30.0), place().to_host, 0
    for crop, mine, other in zip(crops, here.batches(crops, 1, scaling), there.batches(crops, 1, scaling),
                                  strict=True):
        for which in range(3):
            np.testing.assert_allclose(host(other[which]), mine[which], rtol=1e-4, atol=1e-4)
        pasted_cells += len(here.sample(crop).pastes)
    assert pasted_cells > 5


def test_varied_pieces_are_the_same_whether_frames_stay_in_memory_or_not(tmp_path, monkeypatch):
    roomy, tight = dataset(tmp_path, count=40), dataset(tmp_path, count=40, memory=0)
    assert not tight.cache.fits
    crops, decoded = plan_epoch(tight, range(40), Settings(crop=32, levels=3, crops_per_frame=2, **EVERYTHING), 0), []
    monkeypatch.setattr("stemnet_ref.data.dataset.read_frame", lambda frame: decoded.append(frame) or read_frame(frame))
    for mine, other in zip(roomy.batches(crops, 3, PLAIN), tight.batches(crops, 3, PLAIN), strict=True):
        np.testing.assert_array_equal(mine[0], other[0])
        np.testing.assert_array_equal(mine[1], other[1])
    assert 2 * 40 <= len(decoded) <= 40 + 2 * 40                        # donors are near
    distances = [abs(donor - crop.frame) for crop in crops for donor in crop.donors]
    assert 1 <= max(distances) <= epoch.MAX_DISTANCE


def test_augmentation_changes_neither_order_nor_places(tmp_path):
    data = dataset(tmp_path)
    some = Settings(crop=16, levels=3, crops_per_frame=3, seed=5)
    plain, varied = (plan_epoch(data, range(8), replace(some, **changed), 2) for changed in ({}, EVERYTHING))
    assert [(crop.frame, crop.top, crop.left) for crop in plain] == [
        (crop.frame, crop.top, crop.left) for crop in varied]
    assert varied == plan_epoch(data, range(8), replace(some, **EVERYTHING), 2)
    assert len({crop.key for crop in varied}) == len(varied)
