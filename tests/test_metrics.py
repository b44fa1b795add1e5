"""Measures against their equations, pixel by pixel."""

import numpy as np
import pytest
from checkers import SEED
from hypothesis import given

from stemnet_ref.metrics import Counts, count, summarise


@pytest.mark.equation("59", "61", "62", "63")
@given(SEED)
def test_measures_are_the_equations(seed):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.random((2, 6, 7)) > rng.random((2, 1, 1))
    pairs = list(zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True))
    tp, fp, tn, fn = (pairs.count(kind) for kind in ((True, True), (True, False), (False, False), (False, True)))
    counts = count(predicted, truth)
    assert counts == Counts(tp, fp, tn, fn)
    measures = counts.measures()
    assert measures["accuracy"] == (tp + tn) / 42                                               # eq. 59
    assert measures["error_rate_percent"] == pytest.approx(100 * np.mean(predicted != truth))
    assert measures["precision"] == (tp / (tp + fp) if tp + fp else 0)                          # eq. 61
    assert measures["recall"] == (tp / (tp + fn) if tp + fn else 0)                             # eq. 62
    p, r = measures["precision"], measures["recall"]
    assert measures["f1"] == pytest.approx(2 * p * r / (p + r) if p + r else 0)                 # eq. 63
    assert measures["false_white_pixels"] == fp
    assert measures["false_white_fraction"] == fp / 42
    assert measures["white_pixel_accuracy"] == (tp / (tp + fn) if tp + fn else 1)


def test_instance_numbers_and_255_count_as_cell():
    assert count(np.array([0, 255, 7]), np.array([0, 1, 0])) == Counts(1, 1, 1, 0)
    with pytest.raises(ValueError, match="predicted has shape"):
        count(np.zeros(3), np.zeros(4))


def test_table_3_is_consistent():
    """346 wrong pixels of 1024^2, 165 of them false white: the thesis's Network1."""
    measures = Counts(tp=845, fp=165, tn=1024 ** 2 - 845 - 165 - 181, fn=181).measures()
    assert measures["error_rate_percent"] == pytest.approx(0.033, abs=5e-4)
    assert measures["false_white_fraction"] == pytest.approx(0.000157, abs=1e-6)
    assert measures["f1"] == pytest.approx(0.83, abs=5e-3)
    assert measures["white_pixel_accuracy"] == pytest.approx(0.83, abs=1e-2)


@given(SEED)
def test_mean_of_images_and_pooled_are_different_things(seed):
    rng = np.random.default_rng(seed)
    images = [Counts(*rng.integers(0, 50, 4).tolist()) for _ in range(3)]
    summary = summarise(images)
    for name, value in summary.items():
        if name != "f1_pooled":
            assert value == pytest.approx(np.mean([each.measures()[name] for each in images]))
    tp, fp, fn = (sum(getattr(each, name) for each in images) for name in ("tp", "fp", "fn"))
    assert summary["f1_pooled"] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0)


def test_pooling_weighs_an_image_by_its_cells():
    summary = summarise([Counts(tp=90, fp=0, tn=0, fn=10), Counts(tp=0, fp=1, tn=99, fn=0)])
    assert summary["f1"] == pytest.approx((180 / 190 + 0) / 2)
    assert summary["f1_pooled"] == pytest.approx(180 / 191)
