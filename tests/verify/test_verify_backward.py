"""check names the usual mistakes of backward passes, and accuses no layer that is right."""

import numpy as np
import pytest
from backward_mistakes import MISTAKES
from numpy_layers import RIGHT, backward_of, square_inputs

from stemnet_ref.layers import relu, sigmoid, softmax
from stemnet_ref.verify import check
from stemnet_ref.verify.compare import compare_layer
from stemnet_ref.verify.diagnosis.layer import diagnose_layer
from stemnet_ref.verify.expected.layer import LAYERS, Options, sample_inputs

PLANTED = [(layer, key, said) for (layer, key), planted in MISTAKES.items() for said in planted]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_as_people_write_them_agree(layer, dtype):
    report = check(RIGHT[layer][0], backward_of(layer), square_inputs(layer, dtype), layer)
    assert not report.notes


@pytest.mark.parametrize(("layer", "key", "said"), PLANTED)
def test_a_mistake_of_a_backward_pass_is_named(layer, key, said):
    wrong = backward_of(layer, **{key: MISTAKES[layer, key][said]})
    with pytest.raises(AssertionError, match=said) as raised:
        check(RIGHT[layer][0], wrong, square_inputs(layer), layer)
    text = str(raised.value)
    assert f"{key} the first" in text
    assert "The forward pass is right, the fault is in the backward pass" in text or "where several pixels" in text
    assert "  2. " not in text                                  # nothing else is said


@pytest.mark.parametrize("layer", [relu, sigmoid, softmax], ids=["relu", "sigmoid", "softmax"])
def test_a_gradient_that_follows_from_a_wrong_output_is_not_accused(layer):
    """The output is a pixel too far to the right, and the backward pass takes it as it is."""
    name = layer.__name__.rpartition(".")[2]
    inputs = sample_inputs(name, Options())
    y = np.roll(layer.forward(inputs["x"]), 1, 2)
    for dx, verdict in ((layer.backward(inputs["dy"], y), "follows"), (inputs["dy"] * (1 + y), "departs")):
        report = diagnose_layer(compare_layer(name, inputs, {"y": y, "dx": dx}))
        assert [row.verdict for row in report.rows] == ["departs", verdict]
        assert any("dx is what the backward pass makes of this y" in each for each in report.diagnoses) == (
            verdict == "follows")


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(28))
def test_right_layers_are_not_accused(seed):
    from right_layers import random_layer

    arguments, _ = random_layer(seed)
    check(*arguments, seed=seed)


@pytest.mark.torch
@pytest.mark.parametrize("layer", LAYERS)
def test_a_fault_that_nobody_makes_has_no_name(layer):
    from single_layers import FAULTS, faults

    names = list(FAULTS)[list(LAYERS).index(layer) % 3::3]
    found = list(faults([layer], names, [np.float32]))
    assert len(found) >= len(names)
    assert [words for outcome, words in found if outcome == "falsely named"] == []
