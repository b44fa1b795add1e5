"""Right ways to compute the same are not accused, and a small fault is seen beside them."""

from importlib.util import find_spec

import numpy as np
import pytest
from verifying import only_costs_and_gradients, small_golden

from stemnet_ref.verify import actual, frameworks, report
from stemnet_ref.verify.compare import compare, compare_layer
from stemnet_ref.verify.diagnosis.layer import diagnose_layer
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import Options, sample_inputs
from stemnet_ref.verify.expected.rounding import SINGLE

if find_spec("torch"):          # else conftest.py leaves these tests out
    import torch
    from right_convolutions import by_fft, by_winograd
    from right_runs import run
    from right_ways import WAYS
    from torch.nn import functional

    from stemnet_ref.verify.twins import torch_twin
    from stemnet_ref.verify.twins.torch_twin import from_reference, nchw, nhwc
else:
    WAYS = ()

pytestmark = pytest.mark.torch

OTHER_ORDER = "agrees (another order of sums)"


def computed(way, made):
    """Return a way's tensors, in the reference's layouts."""
    with pytest.MonkeyPatch.context() as patch:
        changed = WAYS[way](patch, made)
        tensors = torch_twin.train(changed)
    if way.startswith("input"):
        tensors["input"] = nchw(changed.input)
    return actual.select(frameworks.arrays(tensors), made, ("NCHW",))


@pytest.mark.parametrize("options", [{}, {"float64": True, "keep_prob": 1.0}], ids=["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_is_not_accused(way, options):
    made = small_golden((8, 12), 2, 2, levels=2, decay_rate=1.0, **options)
    given = computed(way, made)
    for shown in (given, only_costs_and_gradients(given), {"1/cost": given["1/cost"]}):
        found = diagnose(compare(made, shown))
        assert found.agrees, found.diagnoses


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("optimizer")])
def test_forms_of_optimizers_are_not_accused(way, optimizer):
    made = small_golden((8, 12), 1, 4, levels=2, optimizer=optimizer, l2=0.05, decay_rate=1.0)
    found = diagnose(compare(made, computed(way, made)))
    assert found.agrees, found.diagnoses


def test_an_input_with_what_cancels_is_not_accused_and_one_with_a_fault_is():
    made = small_golden((8, 12), 2, 1, levels=2, preset="listing")
    given = computed("input: normalized", made)
    assert (abs(given["input"] - made.input) > 4 * SINGLE * abs(made.input)).any()
    given["input"] = given["input"].copy()
    given["input"][1, 3, 5, 1] += 1e-4 * abs(given["input"]).max()
    assert compare(made, given).first.key == "input"


def test_what_parameters_that_are_not_given_can_do_is_allowed():
    """A ReLU goes the other way in the second step; the third, of which a third is given, follows from it."""
    assert {row["view"]: float(row["share"]) for row in run(4053)}["a third"] < 0.6


@pytest.mark.parametrize(("kind", "is_more"), [("gradient", False), ("parameter", False), ("cost", True)])
def test_beside_gradients_or_parameters_nothing_more_is_allowed(kind, is_more):
    made = small_golden((8, 12), 2, 3, levels=2)
    given = {key: array for key, array in computed("cost: nll", made).items() if f"/{kind}" in key}
    assert (compare(made, given).trace.computed("3/backward/down0.relu").value.shared is not None) == is_more


def fault_in_a_weight(x, w):
    """Compute with one weight that is wrong by a part in 10000."""
    factor = torch.ones(w.shape)
    factor.view(-1)[abs(w).argmax()] += 1e-4
    return torch.conv2d(x, w * factor)


def fault_in_an_element(x, w):
    """Compute one element wrong, by two parts in 10000: by one a map differs no more than by Winograd's algorithm."""
    y = torch.conv2d(x, w)
    factor = torch.ones(y.shape)
    factor.view(-1)[abs(y).ravel().argsort()[y.numel() // 2]] += 2e-4
    return y * factor


def fault_in_a_factor(x, w):
    return torch.conv2d(x, w) * (1 + 1e-5)


def fault_in_an_offset(x, w):
    return torch.conv2d(x, w) + 1e-5


def fault_beside_fourier(x, w):
    """Compute by Fourier transforms, and one element of those that are not small wrong, by a part in 10000."""
    y = by_fft(x, w)
    factor = torch.ones(y.shape)
    factor.view(-1)[abs(y).argmax()] += 1e-4
    return y * factor


@pytest.mark.parametrize("fault", [fault_in_a_weight, fault_in_an_element, fault_in_a_factor, fault_in_an_offset,
                                   fault_beside_fourier] if WAYS else [])
@pytest.mark.parametrize("seed", range(3))
def test_a_small_fault_is_no_other_order_of_sums(fault, seed):
    """In a convolution of any layer."""
    made = small_golden((16, 20), 2, 1, seed, features=3, levels=2)
    plain = functional.conv2d

    def conv2d(x, w, *rest):
        if w.shape[2] == 1:
            return plain(x, w, *rest)
        return fault(functional.pad(x, (2, 2, 2, 2)), w)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "conv2d", conv2d)
        given = actual.select(frameworks.arrays(torch_twin.train(made)), made, ("NCHW",))
    assert diagnose(compare(made, given)).first.key.endswith(".conv")


def test_another_order_of_sums_is_said():
    made = small_golden((16, 20), 2, 1, features=3, levels=2)
    found = diagnose(compare(made, computed("convolution: fft", made)))
    assert found.agrees
    assert any(row.spread for row in found.rows)
    text = report.lines(found)
    assert any(line.endswith(OTHER_ORDER) for line in text)
    assert not any(OTHER_ORDER in line for line in report.lines(diagnose(compare(made, computed("cost: nll", made)))))


@pytest.mark.parametrize("conv", [by_fft, by_winograd] if WAYS else [])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_in_another_order_of_sums(conv, dtype):
    inputs = sample_inputs("conv2d", Options(), (2, 20, 24, 5), dtype=dtype)
    x, w = nchw(inputs["x"]).requires_grad_(), from_reference(inputs["weight"]).clone().requires_grad_()
    y = conv(functional.pad(x, (2, 2, 2, 2)), w)
    y.backward(nchw(inputs["dy"]))
    outputs = {"y": nhwc(y), "dx": nhwc(x.grad), "dweight": torch_twin.to_reference(w.grad)}
    assert diagnose_layer(compare_layer("conv2d", inputs, outputs)).agrees


def test_a_maximum_without_ties_passes_all_to_it():
    """By amax, which shares the gradient where several are largest."""
    inputs = sample_inputs("max_pool2d", Options())
    inputs["x"] = np.random.default_rng(0).permutation(inputs["x"].size).reshape(inputs["x"].shape).astype(np.float32)
    x = nchw(inputs["x"]).clone().requires_grad_()
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    y.backward(nchw(inputs["dy"]))
    rows = compare_layer("max_pool2d", inputs, {"y": nhwc(y), "dx": nhwc(x.grad)}).rows
    assert {row.verdict for row in rows} == {"agrees"}


@pytest.mark.sweep
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_200_random_runs(first):
    """Way by way, in random settings; `tests/sweeps/right_runs.py` runs as many as one likes."""
    for number in range(first, first + 20):
        found = list(run(number))
        assert not [row for row in found if row["verdict"] == "departs"]
        # "unclear" is what gradients alone may be, where rounding has grown from step to step
        assert {row["view"] for row in found if row["verdict"] == "unclear"} <= {"gradients", "costs", "a third"}
