"""Class weights, sampling and border weights: the formulas, by hand and by brute force, and whole runs with them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import sequence
from PIL import Image
from runs import SMALL, train_main

from stemnet_ref.cost import Cost
from stemnet_ref.data import balance, training
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.frames import Frame
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.images import read_instances
from stemnet_ref.data.masks.borders import border_weights
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings

CELLS = st.lists(st.tuples(st.integers(1, 99), st.sampled_from([100, 250])), min_size=1, max_size=9)


@given(CELLS)
def test_ratio_weights_the_smaller_class_with_larger_over_smaller(cells):
    cell, pixels = np.sum(cells, axis=0)
    background, weight = balance.class_weights("ratio", cells)
    if 2 * cell <= pixels:
        assert (background, weight) == (1, pytest.approx((pixels - cell) / cell))
    else:
        assert (background, weight) == (pytest.approx(cell / (pixels - cell)), 1)


def test_median_frequency_is_segnets():
    """freq(c): pixels of class c over all pixels of the images that hold c; weight: median of all freq over freq(c)."""
    cells = [(0, 200), (30, 100), (10, 100)]            # the first holds no cell
    background, cell = (200 + 70 + 90) / 400, 40 / 200
    median = (background + cell) / 2
    assert balance.class_weights("median-frequency", cells) == pytest.approx((median / background, median / cell))


@given(CELLS, st.floats(0, 0.99))
def test_the_frames_with_the_fewest_cells_are_dropped(cells, part):
    kept = balance.kept_indices(cells, part)
    assert len(kept) == max(1, len(cells) - round(part * len(cells)))
    assert list(kept) == sorted(kept)
    dropped = {*range(len(cells))} - {*kept}
    if dropped:
        shares = [cell / pixels for cell, pixels in cells]
        assert max(shares[at] for at in dropped) <= min(shares[at] for at in kept)


def test_frames_are_drawn_by_their_share_of_cells(tmp_path):
    frames, masks = sequence(tmp_path, 4, height=32, width=32)
    data = Dataset(inspect(*find_pairs(frames, masks), 1))
    cells = [(5, 100), (20, 200), (0, 100), (35, 100)]
    weights = balance.sampling_weights(cells)
    np.testing.assert_allclose(weights, [0.1, 0.2, 0, 0.7])
    crops = plan_epoch(data, range(4), Settings(crop=16, levels=3, crops_per_frame=1000), 0, weights)
    assert len(crops) == 4000
    shares = np.bincount([crop.frame for crop in crops], minlength=4) / 4000
    np.testing.assert_allclose(shares, weights, atol=0.03)              # four standard errors of 4000 draws
    tight = Dataset(inspect(data.frames, data.masks, 1))
    tight.cache.fits = False
    again = plan_epoch(tight, range(4), Settings(crop=16, levels=3, crops_per_frame=1000), 0, weights)
    assert sorted(crop.frame for crop in again) == sorted(crop.frame for crop in crops)


@given(st.integers(0, 2 ** 32 - 1), st.floats(1, 20), st.floats(0.5, 3))
def test_border_weights_are_unets_formula(seed, w0, sigma):
    """By brute force: the distance of every pixel to every pixel of every cell."""
    rng = np.random.default_rng(seed)
    instances = np.zeros((14, 16), np.int32)
    for number in (1, 2, 5):
        i, j = rng.integers(0, 12, 2)
        instances[i:i + 2, j:j + 3] = number
    at = np.argwhere(np.ones_like(instances))
    distances = [np.sqrt(((at[:, None] - np.argwhere(instances == number)[None]) ** 2).sum(-1)).min(1).reshape(14, 16)
                 for number in np.unique(instances[instances > 0])]
    nearest = np.sort(distances, axis=0)
    expected = np.zeros((14, 16))
    if len(distances) > 1:
        expected = np.where(instances > 0, 0, w0 * np.exp(-(nearest[0] + nearest[1]) ** 2 / (2 * sigma ** 2)))
    np.testing.assert_allclose(border_weights(instances, w0, sigma), expected, atol=1e-7 * w0, rtol=1e-4)


def test_cells_are_numbered_where_the_mask_does_not(tmp_path):
    cell = np.zeros((8, 9), np.uint8)
    cell[1:3, 1:3] = cell[3, 3] = cell[6:, 6:] = 255            # two that touch at a corner, and one apart
    Image.fromarray(cell).save(tmp_path / "m.png")
    instances = read_instances(Frame(tmp_path / "m.png", None, "m", "m", 0, ()))
    assert instances.dtype == np.int32
    assert sorted(np.unique(instances)) == [0, 1, 2]
    assert instances[3, 3] == instances[1, 1] != instances[7, 7]
    Image.fromarray((cell // 255 * np.arange(9)).astype(np.uint16) * 300).save(tmp_path / "m.png")
    instances = read_instances(Frame(tmp_path / "m.png", None, "m", "m", 0, ()))
    assert len(np.unique(instances)) == 1 + 6                   # columns 1, 2, 3, 6, 7 and 8
    assert instances.max() == 6
    Image.fromarray((3 + 4 * (cell > 0)).astype(np.uint8)).save(tmp_path / "m.png")     # no 0 anywhere
    assert set(np.unique(read_instances(Frame(tmp_path / "m.png", None, "m", "m", 0, ())))) == {1, 2}


@pytest.mark.parametrize(("options", "message"), [
    ({"class_weight": "rato"}, "--class-weight rato: must be a number, two of them"),
    ({"class_weight": "1,2,3"}, "--class-weight 1,2,3: must be a number, two of them"),
    ({"class_weight": "1,-2"}, "--class-weight 1,-2: must be above 0"),
    ({"class_weight": "nan,2"}, "must be above 0"),
    ({"class_weight": -1.0}, "--class-weight -1.0: must be above 0"),
    ({"class_weight": "ratio", "cost": "dice"}, "--class-weight: has no effect with --cost dice"),
    ({"class_weight": "ratio", "preset": "listing"}, "the listing's form is for one number"),
    ({"border_weight": 10.0, "cost": "cross_entropy"}, "--border-weight: has no effect"),
    ({"border_sigma": 3.0}, "--border-sigma: has no effect without --border-weight"),
    ({"on_cells": 0.5, "crop": None}, "--on-cells: has no effect without --crop"),
    ({"on_cells": 1.5}, "--on-cells 1.5: must be from 0 to 1"),
    ({"rotation": 200.0}, "--rotation 200: must be from 0 to 180"),
    ({"elastic": 13.0}, "--elastic 13: must be from 0 to 10"),
    ({"contrast": 1.0}, "--contrast 1: must be"), ({"brightness": -1.0}, "--brightness -1: must be"),
    ({"paste": -1}, "--paste -1: must be"), ({"drop_background": 1.0}, "--drop-background 1: must be"),
    ({"sampling": "cells"}, "--sampling cells: must be one of evenly, by-cells"),
])
def test_settings_that_cannot_be_used_are_named(options, message):
    with pytest.raises(InputError, match=message.replace("+", r"\+")):
        Settings.from_options(options)


def test_both_class_weights_can_be_given():
    assert Settings.from_options({"class_weight": "0.5,20"}).class_weights == (0.5, 20)
    ratio = Settings.from_options({"class_weight": "ratio"})
    with pytest.raises(InputError, match="--class-weight ratio: the numbers follow from the training masks"):
        assert ratio.class_weights
    assert ratio.resolved([(10, 100)]).class_weights == (1, 9)
    given_ = Settings.from_options({"class_weight": 3.0})
    assert given_.resolved([(10, 100)]) is given_


@pytest.mark.parametrize("widths", [{48}, {48, 52}])
def test_the_crops_of_an_epoch_are_counted_without_the_dropped_frames(widths, tmp_path):
    """Ten training frames, of which one is dropped: with batches of two, a crop of one last pixel is alone."""
    frames, masks = sequence(tmp_path, 12)
    if 52 in widths:
        sequence(tmp_path, 1, width=52)                         # then the headers do not say which sizes stay
    options = {"levels": 2, "features": 2, "crop": 2, "crops_per_frame": 1, "normalisation": "batch", "gap": 0,
               "validation": 1 / 6, "drop_background": 0.1}
    fitting, alone = (Settings.from_options({**options, "batch_size": size}) for size in (3, 2))
    assert len(training.prepare(fitting, frames, masks).split.training) == 10
    assert Run(fitting, frames, masks, tmp_path / "out").data.steps_per_epoch == 3
    with pytest.raises(InputError, match="--batch-size that leaves none of 9 crops alone"):
        (training.check_crops(training.prepare(alone, frames, masks)) if widths == {48} else
         Run(alone, frames, masks, tmp_path / "out"))


def test_crops_are_planned_for_no_epoch_before_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "plan_epoch", lambda *arguments: pytest.fail("an epoch is planned"))
    settings = Settings.from_options({"levels": 2, "features": 2, "crop": 16})
    assert Run(settings, *sequence(tmp_path, 12), tmp_path / "out").data.steps_per_epoch > 0


def test_masks_without_frames_are_refused(tmp_path):
    _, masks = sequence(tmp_path, 12)
    with pytest.raises(InputError, match="--frames: missing beside --masks"):
        Run(Settings(), None, masks, tmp_path / "out")


def test_the_cost_of_a_run_has_its_class_weights_in_numbers():
    found = training.balance(Settings(class_weight="ratio"), np.arange(2), {0: (15, 100), 1: (5, 100)})
    assert found.cost == Cost("weighted_cross_entropy", (1.0, 9.0))


def test_a_run_says_what_weights_and_frames_it_took(tmp_path, movie, no_figures, capsys):
    out = tmp_path / "out"
    assert train_main(*movie, *SMALL, "--epochs", "1", "--class-weight", "ratio", "--drop-background", "0.4",
                      "--draw", "by-cells", "--out", out) == 0
    said = capsys.readouterr().out
    assert "4 training frames with the fewest cells left out\nclass weights 1 (background) and " in said
    config = json.loads((out / "config.json").read_text())
    assert config["class_weight"] == "ratio"
    trained_on = {*config["training_frames"]} - {*config["dropped_frames"]}
    masks = [np.asarray(Image.open(movie[3] / f"{name}.png")) > 0 for name in trained_on]
    assert len(masks) == 9 - 4
    assert config["class_weights"] == [1, pytest.approx(1 / np.mean(masks) - 1)]
