"""What is small enough for another order of sums, and is none."""

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify.compare import compare, compare_layer
from stemnet_ref.verify.diagnosis.layer import diagnose_layer
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import LayerTrace, Options, sample_inputs
from stemnet_ref.verify.expected.rounding import SINGLE, Held

OPTIONS = Options()


def within_wide_bounds(comparison):
    """Return whether a tensor departs that agrees where rounding errors are spread."""
    return comparison.first is not None and comparison.spread_out().first is None


def of_convolution(change, channels=3, kernel=(5, 5), filters=4):
    """Return the comparison of y of a convolution as `change` leaves it; it takes a LayerTrace."""
    inputs = sample_inputs("conv2d", OPTIONS, (2, 12, 16, channels), filters, kernel)
    trace = LayerTrace("conv2d", inputs, OPTIONS, SINGLE)
    return compare_layer("conv2d", inputs, {"y": np.asarray(change(trace), np.float32)}, OPTIONS)


@pytest.mark.parametrize("name", ["tf32", "half_weights"])
def test_a_short_format_is_named(name):
    comparison = of_convolution(lambda trace: trace.under(frozenset({Held(name)})).array("y"), 512, (3, 3))
    assert within_wide_bounds(comparison)
    assert list(diagnose_layer(comparison).conventions) == [name]


@pytest.mark.parametrize("change", [lambda y: y * (1 + 2e-5), lambda y: y + 1e-4], ids=["factor", "offset"])
@pytest.mark.parametrize("channels", [slice(None), 1], ids=["all channels", "one channel"])
def test_a_factor_or_an_offset_departs(change, channels):
    def changed(trace):
        y = trace.array("y").copy()
        y[..., channels] = change(y[..., channels])
        return y

    comparison = of_convolution(changed)
    assert within_wide_bounds(comparison)
    assert not diagnose_layer(comparison).agrees


def test_a_kernel_of_one_pixel_has_no_wide_bound():
    rng = np.random.default_rng(0)
    for kernel, wide in (((3, 3), True), ((1, 1), False)):
        assert within_wide_bounds(of_convolution(lambda trace: trace.array("y") + 1e-5 * rng.standard_normal(
            trace.array("y").shape), kernel=kernel)) == wide


def test_another_rate_departs_where_the_weights_of_convolutions_are_given_alone():
    made = small_golden((16, 20), 2, 1, levels=3, optimizer="sgd")
    begun = {key: made.arrays[key.replace("1/", "0/")] for key in made.arrays
             if key.startswith("1/parameter/") and key.endswith(".conv.weight")}
    comparison = compare(made, {key: np.float32(w + 1.001 * (np.float64(made.arrays[key]) - w))
                                for key, w in begun.items()})
    assert within_wide_bounds(comparison)
    assert not diagnose(comparison).agrees
