"""What is said of numbers that no convention explains: that first, and a cause only as a question that they allow."""

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.observations import NOT_KNOWN
from stemnet_ref.verify.diagnosis.search import diagnose

DROPOUT = "1/forward/down0.dropout"


def said_of(key, change, *others):
    """Return what is said where one tensor is changed, and only it and others are given."""
    made = small_golden()
    array = made.arrays[key].copy()
    report = diagnose(compare(made, {**{other: made.arrays[other] for other in others}, key: change(array)}))
    assert report.conventions == {}
    assert report.first.key == key
    said, = report.diagnoses
    assert said.startswith(f"{key}: {NOT_KNOWN}")
    return said


@pytest.mark.parametrize(("change", "asked"), [
    (lambda x: np.where(np.arange(x.size).reshape(x.shape) % 3, x, 0), True),           # more is dropped
    (lambda x: x * (1 + np.arange(x.size).reshape(x.shape) / x.size), False),           # nothing more is
    (lambda x: np.where(np.arange(x.size).reshape(x.shape) % 3, x * np.float32(1.5), 0), False)])
def test_another_mask_is_asked_for_only_where_it_would_explain_the_numbers(change, asked):
    said = said_of(DROPOUT, lambda x: change(x).astype(x.dtype), "1/forward/down0.conv")
    assert ("is the mask another?" in said) == asked


def test_a_factor_is_said_and_no_cause():
    assert said_of(DROPOUT, lambda x: x * np.float32(1.25), "1/forward/down0.conv").endswith(
        "but the numbers are 1.25 times the reference's.")


def test_numbers_that_are_not_finite_are_counted():
    def change(x):
        x.flat[:3] = np.nan
        return x

    assert "3 numbers are NaN or infinite" in said_of("1/forward/down0.conv", change, "input")
