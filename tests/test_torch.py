"""Parity with PyTorch in float64: every layer to 1e-10, ten training steps of the whole network to 1e-9."""

import cases
import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed; pip install torch==2.13.0")
torch_cases = pytest.importorskip("torch_cases")

pytestmark = pytest.mark.torch


def assert_equal_outputs(ours, theirs, tolerance):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", cases.LAYERS)
def test_layer(name, seed):
    inputs = cases.layer_inputs(name, seed)
    assert_equal_outputs(cases.layer_outputs(name, inputs), torch_cases.layer_outputs(name, inputs), 1e-10)


@pytest.mark.parametrize("name", cases.NETWORKS)
def test_ten_training_steps_of_the_network(name):
    assert_equal_outputs(cases.network_outputs(name), torch_cases.network_outputs(name), 1e-9)


def test_prediction_of_the_thesis_network_in_float32():
    import torch

    from stemnet_ref import StemNet
    from stemnet_ref.verify import torch_twin

    network = StemNet(channels=5)
    twin = torch_twin.StemNet(channels=5)
    twin.load_reference(network.parameters)
    x = np.random.default_rng(0).standard_normal((1, 64, 96, 5), np.float32)
    z, _ = network.forward(x)
    with torch.no_grad():
        theirs = torch_twin.nhwc(twin(torch_twin.nchw(x)))
    # float32 through twelve convolutions: the sums run in different orders
    np.testing.assert_allclose(z, theirs, rtol=0, atol=1e-4 * abs(theirs).max())


def test_parity_notices_another_learning_rate_schedule():
    ours, theirs = cases.network_outputs("momentum"), torch_cases.network_outputs("momentum_tensorflow")
    with pytest.raises(AssertionError, match="costs"):
        assert_equal_outputs(ours, theirs, 1e-9)
