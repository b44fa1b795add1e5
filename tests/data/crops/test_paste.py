"""Cells pasted into crops: with their masks, their surroundings, their windows and their borders."""

import numpy as np
import pytest
from pictures import sequence

from stemnet_ref.data.crops.crop import Crop
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.crops.pasting import boxes, choose_pastes, paste
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.masks.borders import border_weights
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.training.settings import Settings

PLAIN = Scaling(0.0, 1.0)


def dataset(folder, channels=3, count=8, device=None, **options):
    frames, masks = sequence(folder, count, height=48, width=56, radius=5)
    return Dataset(inspect(*find_pairs(frames, masks), channels), device=device, **options)


def pasted(data, crop):
    """Return the labels of a crop before and after, and the pastes."""
    before = crop.cut(data.classes(crop.frame))
    after = before.copy()
    return before, after, choose_pastes(crop, after, data.instances, data.boxes)


def test_cells_are_pasted_with_their_masks_and_touch_no_other(tmp_path):
    data = dataset(tmp_path)
    crops = plan_epoch(data, range(8), Settings(crop=40, levels=3, crops_per_frame=10, paste=2), 0)
    count = 0
    for crop in crops:
        assert all(donor in range(8) and donor != crop.frame for donor in crop.donors)
        before, after, pastes = pasted(data, crop)
        cells = np.zeros_like(before)
        for each in pastes:
            count += 1
            h, w = each.cell.shape
            place = np.s_[each.top:each.top + h, each.left:each.left + w]
            assert not (before[place] & (each.alpha > 0.5)).any()
            assert not each.alpha[(before[place] | cells[place]) > 0].any()         # what is there stays as it is
            assert (each.alpha[each.cell > 0] == 1).all()
            assert max(each.alpha[0].max(), each.alpha[-1].max(), each.alpha[:, 0].max()) == 0      # all of it is there
            cells[place] |= each.cell
        np.testing.assert_array_equal(after, before | cells)
    assert count > 60


def test_a_pasted_cell_is_the_donors_and_its_surroundings_go_over_into_the_crop():
    rng = np.random.default_rng(0)
    instances = np.zeros((60, 60), np.int32)
    instances[20:30, 22:34] = 7
    (number, *box), = boxes(instances)
    assert (number, box) == (7, [14, 16, 22, 24])
    donor = (50 + 30 * (instances > 0) + rng.standard_normal((60, 60))).astype(np.float32)
    target = np.full((40, 40, 1), 200, np.float32)
    crop = Crop(0, 0, 0, 40, 40, donors=(0,), key=1)
    labels = np.zeros((40, 40), np.uint8)
    each, = choose_pastes(crop, labels, lambda index: instances, lambda index: [(7, *box)])
    h, w = each.cell.shape
    part = target[each.top:each.top + h, each.left:each.left + w]
    paste(part, each.source.cut(donor)[..., None].astype(np.float32), each.alpha)
    assert (target[labels > 0] - 230).std() < 1.5                       # 30 above its surroundings, as in the donor
    assert target[labels > 0].mean() == pytest.approx(230, abs=1.5)
    assert abs(target[labels == 0] - 200).max() < 4
    far = np.ones((40, 40), bool)
    far[each.top:each.top + h, each.left:each.left + w] = each.alpha == 0
    assert (target[far] == 200).all()


def test_a_neighbour_of_the_donor_cell_is_not_pasted_along():
    instances = np.zeros((60, 60), np.int32)
    instances[20:30, 22:34], instances[32:40, 22:34], instances[22:28, 34:38] = 1, 2, 3     # two pixels off; touching
    crop, labels = Crop(0, 0, 0, 50, 50, donors=(0,), key=1), np.zeros((50, 50), np.uint8)
    each, = choose_pastes(crop, labels, lambda index: instances, lambda index: boxes(instances)[:1])
    shown = each.source.cut(instances)
    assert not each.alpha[shown > 1].any()
    assert (each.alpha[shown == 1] == 1).all()
    assert 0 < each.alpha[shown == 0].max() < 1
    assert labels.sum() == 120


def test_weights_of_borders_know_the_pasted_cells_and_are_0_in_cells(tmp_path):
    data = dataset(tmp_path, channels=1, border=(10.0, 5.0), paste=True)
    settings = Settings(crop=40, levels=3, crops_per_frame=10, paste=2, rotation=180, elastic=5)
    crops = plan_epoch(data, range(8), settings, 0)
    raised = 0
    for crop, (_, labels, weights) in zip(crops, data.batches(crops, 1, PLAIN), strict=True):
        assert not weights[labels > 0].any()
        sample = data.sample(crop)
        if not sample.pastes:
            continue
        instances = crop.cut(data.instances(crop.frame), sample.coordinates, nearest=True).copy()
        for number, (each, *_) in enumerate(sample.pastes, 100):
            h, w = each.cell.shape
            instances[each.top:each.top + h, each.left:each.left + w][each.cell > 0] = number
        plain = np.where(labels[0] > 0, 0, crop.cut(data.weights(crop.frame), sample.coordinates))
        np.testing.assert_allclose(weights[0], np.maximum(plain, border_weights(instances, 10, 5)), atol=1e-6)
        raised += (weights[0] > plain + 1).any()
    assert raised > 10


def test_a_window_takes_the_pasted_cell_from_the_donors_window(tmp_path):
    data = dataset(tmp_path)
    crop = next(crop for crop in plan_epoch(data, range(8), Settings(crop=40, levels=3, crops_per_frame=10, paste=1), 0)
                if pasted(data, crop)[2] and crop.donors[0] in range(2, 6))
    each, = pasted(data, crop)[2]
    (x, labels, _), = data.batches([crop], 1, PLAIN)
    inside = np.s_[each.top:each.top + len(each.cell), each.left:each.left + each.cell.shape[1]]
    cell = each.cell > 0
    for channel, frame in enumerate(data.windows[each.source.frame]):
        shift = x[0][inside][cell, channel] - each.source.cut(data.pixels(frame))[cell]
        np.testing.assert_allclose(shift, shift[0], atol=1e-3)
    assert labels[0][inside][cell].all()


def test_no_cell_is_pasted_where_none_fits(tmp_path):
    data = dataset(tmp_path)
    crop = Crop(0, 0, 0, 16, 16, donors=(1, 2), key=3)                # cells are 10 wide, with margins 22
    before, after, pastes = pasted(data, crop)
    assert not pastes
    np.testing.assert_array_equal(after, before)
    full = np.ones((40, 40), np.uint8)
    assert not choose_pastes(Crop(0, 0, 0, 40, 40, donors=(1,), key=3), full, data.instances, data.boxes)


def test_a_cell_has_a_box_where_all_of_its_margin_is_inside():
    instances = np.zeros((16, 18), np.int32)
    instances[6:10, 6:12] = 3
    assert boxes(instances) == [(3, 0, 0, 16, 18)]
    for cut in (instances[1:], instances[:-1], instances[:, 1:], instances[:, :-1]):
        assert boxes(np.ascontiguousarray(cut)) == []


@pytest.mark.parametrize(("height", "width", "fits"), [
    (16, 18, False), (18, 16, False), (17, 30, False), (18, 18, True)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_cell_is_pasted_where_it_fits_however_it_is_turned(height, width, fits, turned):
    instances = np.zeros((16, 18), np.int32)
    instances[6:10, 6:12] = 1
    instances = np.ascontiguousarray(instances.T) if turned else instances
    crop = Crop(0, 0, 0, height, width, donors=(0,), key=1)
    pastes = choose_pastes(crop, np.zeros((height, width), np.uint8), lambda _: instances, lambda _: boxes(instances))
    assert len(pastes) == fits


def test_every_cell_is_pasted_in_every_view_and_at_every_place():
    instances = np.zeros((60, 90), np.int32)
    for number, (row, column) in enumerate(((10, 10), (10, 40), (30, 70)), 1):
        instances[row:row + 8, column:column + 8] = number
    pastes = [choose_pastes(Crop(0, 0, 0, 24, 26, donors=(0,), key=key), np.zeros((24, 26), np.uint8),
                            lambda _: instances, lambda _: boxes(instances))[0] for key in range(300)]
    assert {(each.source.top, each.source.left) for each in pastes} == {(4, 4), (4, 34), (24, 64)}
    assert len({(each.source.mirror, each.source.quarter_turns) for each in pastes}) == 8
    assert {each.top for each in pastes} == {*range(24 - 20 + 1)}
    assert {each.left for each in pastes} == {*range(26 - 20 + 1)}


def test_pasted_cells_are_of_the_same_sequence(tmp_path):
    for name in ("a", "b"):
        sequence(tmp_path / "both", 4, name=f"{name}_{{}}.png", height=48, width=56)
    data = Dataset(inspect(*find_pairs(tmp_path / "both" / "frames", tmp_path / "both" / "masks"), 1))
    crops = plan_epoch(data, [0, 1, 2, 4, 5], Settings(crop=16, levels=3, crops_per_frame=20, paste=3), 0)
    assert {len(crop.donors) for crop in crops} == {3}
    for crop in crops:
        assert set(crop.donors) <= ({0, 1, 2} if crop.frame < 4 else {4, 5})
