"""Measures against their equations pixel by pixel, against scikit-learn, and against the listing's definitions."""

import numpy as np
import pytest
from checkers import SEED
from hypothesis import given
from hypothesis import strategies as st
from places import KERNEL_PLACES

from stemnet_ref.dispatch import to_host
from stemnet_ref.metrics import Counts, Roc, Scores, count, margins, outcomes, summarise


def masks(seed, shape=(6, 7)):
    """Return a predicted mask and a true one, with any share of cell."""
    rng = np.random.default_rng(seed)
    return rng.random((2, *shape)) > rng.random((2, *(1 for _ in shape)))


def sklearn():
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed; pip install scikit-learn")


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
    assert measures["iou"] == (tp / (tp + fp + fn) if tp + fp + fn else 0)
    assert measures["dice"] == measures["f1"]


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


@given(SEED)
def test_measures_are_scikit_learn_s(seed):
    reference = sklearn()
    predicted, truth = masks(seed)
    measures, flat = count(predicted, truth).measures(), (truth.ravel(), predicted.ravel())
    counts = count(predicted, truth)
    np.testing.assert_array_equal(reference.confusion_matrix(*flat, labels=[False, True]),
                                  [[counts.tn, counts.fp], [counts.fn, counts.tp]])
    assert measures["accuracy"] == pytest.approx(reference.accuracy_score(*flat))
    for name, of in (("precision", reference.precision_score), ("recall", reference.recall_score),
                     ("f1", reference.f1_score), ("iou", reference.jaccard_score)):
        assert measures[name] == pytest.approx(of(*flat, zero_division=0)), name
    if (predicted.any() or truth.any()) and not (predicted.all() and truth.all()):      # else 0/0, which is nan there
        assert measures["kappa"] == pytest.approx(reference.cohen_kappa_score(*flat), abs=1e-12)


@given(SEED)
def test_measures_of_an_image_are_the_listing_s(seed):
    """Its harmonic mean of precision and recall, and its two ways to drop pixels from the comparison."""
    predicted, truth = masks(seed)
    measures = count(predicted, truth).measures()
    right, wrong = predicted == truth, predicted != truth
    tp, fp, fn = np.sum(right & truth), np.sum(wrong & ~truth), np.sum(wrong & truth)
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
    assert (measures["precision"], measures["recall"]) == (precision, recall)
    assert measures["f1"] == pytest.approx(f1)
    assert measures["error_rate_percent"] == pytest.approx(100 - 100 * np.sum(right) / right.size)
    white = np.flatnonzero(truth)
    assert measures["false_white_pixels"] == np.delete(predicted.ravel(), white).sum()
    assert measures["white_pixel_accuracy"] == (predicted.ravel()[white].mean() if len(white) else 1)


def test_where_a_measure_is_0_by_0():
    nothing, all_cell = Counts(tp=0, fp=0, tn=9, fn=0).measures(), Counts(tp=9, fp=0, tn=0, fn=0).measures()
    for name in ("precision", "recall", "f1", "iou", "dice", "kappa"):
        assert nothing[name] == 0, name
    assert nothing["white_pixel_accuracy"] == 1
    assert (all_cell["kappa"], all_cell["f1"]) == (0, 1)
    roc = Roc()
    assert np.isnan(roc.area())
    roc.add(np.ones(4, np.float32), np.zeros(4))
    assert np.isnan(roc.area())


def ranked(seed, size=2000):
    """Return margins of all sizes, some of them equal, and a truth that they tell something of."""
    rng = np.random.default_rng(seed)
    found = (rng.standard_normal(size) * 10 ** rng.uniform(-4, 2.5, size)).astype(np.float32)
    found[rng.random(size) < 0.2] = rng.choice(found, 1)
    return found, rng.random(size) < 1 / (1 + np.exp(-np.clip(found, -5, 5)))


@given(SEED, st.integers(1, 400))
def test_the_roc_is_scikit_learn_s_of_the_margins_as_they_are_cut(seed, parts):
    reference = sklearn()
    found, truth = ranked(seed)
    roc = Roc()
    for values, true in zip(np.array_split(found, parts), np.array_split(truth, parts), strict=True):
        roc.add(values, true)
    bits = found.view(np.uint32)
    cut = np.where(found < 0, bits | 0x1fff, bits & ~np.uint32(0x1fff)).view(np.float32)        # the least of each
    false, true, margin = roc.curve()
    expected_false, expected_true, thresholds = reference.roc_curve(truth, cut, drop_intermediate=False)
    np.testing.assert_allclose(false, expected_false)
    np.testing.assert_allclose(true, expected_true)
    np.testing.assert_array_equal(margin, thresholds.astype(np.float32))
    assert roc.area() == pytest.approx(reference.roc_auc_score(truth, cut), abs=1e-12)
    assert roc.area() == pytest.approx(reference.roc_auc_score(truth, found), abs=2e-4)
    for least, above, found_true in list(zip(margin, false, true, strict=True))[1::97]:    # "from which on": exactly
        called = found >= least
        assert above == pytest.approx(np.mean(called[~truth]))
        assert found_true == pytest.approx(np.mean(called[truth]))


@pytest.mark.parametrize(("low", "high", "spread"), [(80, 120, 15), (0, 2e-4, 1e-4), (-3e5, -2e5, 1e5), (-1, 1, 1)])
def test_the_area_is_scikit_learn_s_wherever_the_margins_lie(low, high, spread):
    rng = np.random.default_rng(0)
    truth = rng.random(100_000) < 0.3
    found = np.where(truth, rng.normal(high, spread, truth.size), rng.normal(low, spread, truth.size))
    roc = Roc()
    roc.add(found.astype(np.float32), truth)
    assert roc.area() == pytest.approx(sklearn().roc_auc_score(truth, found), abs=1e-4)


def test_margins_that_are_not_numbers():
    roc = Roc()
    roc.add(np.array([-np.inf, np.nan, -0.0, 0.0, 3e38, np.inf], np.float32), np.array([0, 0, 0, 1, 1, 1]))
    false, true, margin = roc.curve()
    assert margin.tolist() == [np.inf, np.inf, pytest.approx(3e38, rel=2e-3), 0, -np.inf]
    assert true.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert false.tolist() == pytest.approx([0, 0, 0, 1 / 3, 1])


def test_scores_leave_images_of_one_class_out_of_the_mean_area():
    rng, scores = np.random.default_rng(0), Scores()
    logits, truths = rng.standard_normal((3, 8, 9, 2)).astype(np.float32), rng.integers(0, 2, (3, 8, 9))
    truths[1] = 0
    for z, truth in zip(logits, truths, strict=True):
        scores.add(z[..., 1] > z[..., 0], z, truth)
    header, rows = scores.table(["a", "b", "c"])
    table = {name: dict(zip(header[1:], row, strict=True)) for name, *row in rows}
    areas = [table[name]["roc_auc"] for name in "abc"]
    assert np.isnan(areas[1])
    assert table["mean"]["roc_auc"] == (areas[0] + areas[2]) / 2
    assert table["mean"]["f1"] == pytest.approx(np.mean([table[name]["f1"] for name in "abc"]))
    assert table["pooled"]["roc_auc"] == scores.summary()["roc_auc"]
    assert table["pooled"]["tp"] == sum(table[name]["tp"] for name in "abc") == scores.summary()["tp"]
    together = count(np.concatenate(logits[..., 1] > logits[..., 0]), np.concatenate(truths))
    assert table["pooled"]["kappa"] == together.measures()["kappa"]


def test_the_order_of_the_pixels_does_not_matter_to_the_roc():
    found, truth = ranked(0)
    forward, back = Roc(), Roc()
    forward.add(found.reshape(40, 50), truth.reshape(40, 50))
    for value, true in zip(found[::-1], truth[::-1], strict=True):
        back.add(np.array([value]), np.array([255 * true]))
    np.testing.assert_array_equal(forward.counts, back.counts)


def test_probabilities_that_round_to_1_are_told_apart():
    logits = np.array([[0, 30], [0, 40], [-30, 5], [5, -60]], np.float32)
    roc = Roc()
    roc.add(margins(logits), np.array([0, 1, 0, 0]))
    assert roc.area() == 1


def test_the_margin_of_several_classes_is_that_of_any_cell():
    z = np.random.default_rng(0).standard_normal((5, 4))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(margins(z), np.log((1 - p[:, 0]) / p[:, 0]))


@KERNEL_PLACES
@given(SEED, st.integers(1, 3), st.integers(1, 30), st.integers(2, 4))
def test_outcomes_are_the_same_in_a_kernel(place, seed, n, side, classes):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 4, (n, side, side, classes)) / 4        # ties: the lowest class has it
    labels = rng.integers(0, classes, (n, side, side)).astype(np.uint8)
    found = outcomes(p, labels)
    where = place()
    np.testing.assert_array_equal(to_host(outcomes(where.to_device(p), where.to_device(labels))), found)
    assert Counts.of(found) == count(p.argmax(axis=-1) > 0, labels > 0)
