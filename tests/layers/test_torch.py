"""Parity with PyTorch in float64: every layer to 1e-10, ten training steps of the whole network to 1e-9."""

from importlib.util import find_spec

import cases
import numpy as np
import pytest

from stemnet_ref import StemNet

if find_spec("torch"):          # else conftest.py leaves these tests out
    import torch
    import torch_cases

pytestmark = pytest.mark.torch


def assert_equal_outputs(actual, expected, tolerance):
    assert actual.keys() == expected.keys()
    for name in actual:
        np.testing.assert_allclose(actual[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", cases.LAYERS)
def test_layer(name, seed):
    inputs = cases.layer_inputs(name, seed)
    assert_equal_outputs(cases.layer_outputs(name, inputs), torch_cases.layer_outputs(name, inputs), 1e-10)


@pytest.mark.parametrize("name", cases.NETWORKS)
def test_ten_training_steps_of_the_network(name):
    assert_equal_outputs(cases.network_outputs(name), torch_cases.network_outputs(name), 1e-9)


def test_prediction_of_the_thesis_network_in_float32():
    from stemnet_ref.verify.twins import torch_twin

    network = StemNet(channels=5)
    twin = torch_twin.StemNet(channels=5)
    twin.load_reference(network.parameters)
    x = np.random.default_rng(0).standard_normal((1, 64, 96, 5), np.float32)
    z, _ = network.forward(x)
    with torch.no_grad():
        expected = torch_twin.nhwc(twin(torch_twin.nchw(x)))
    # float32 through twelve convolutions: the sums run in different orders
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-4 * abs(expected).max())


def test_parity_notices_another_learning_rate_schedule():
    actual, expected = cases.network_outputs("momentum"), torch_cases.network_outputs("momentum_tensorflow")
    with pytest.raises(AssertionError, match="costs"):
        assert_equal_outputs(actual, expected, 1e-9)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.equation("56", "57", "58")
def test_block_with_batch_normalisation(activation):
    """Two batches in training, and the running mean, which PyTorch keeps at the same rate."""
    rng = np.random.default_rng(0)
    network = StemNet(3, 1, 4, activation=activation, normalisation="batch", dtype=np.float64)
    convolution = torch.nn.Conv2d(3, 4, 5, padding=2, bias=False).double()
    norm = torch.nn.BatchNorm2d(4).double()
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(network.parameters["down0.conv.weight"].transpose(3, 2, 0, 1)))
    for _ in range(2):
        x = rng.standard_normal((2, 8, 9, 3))
        _, cache = network.forward(x)
        y = getattr(torch, activation)(norm(convolution(torch.from_numpy(x).permute(0, 3, 1, 2)))).permute(0, 2, 3, 1)
        np.testing.assert_allclose(cache[0].y, y.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(network.statistics["down0.conv.mean"], norm.running_mean, rtol=1e-10)
    np.testing.assert_allclose(network.statistics["down0.conv.variance"],       # PyTorch's has 1/(n-1) for 1/n
                               0.9 ** 2 + (norm.running_var - 0.9 ** 2) * 143 / 144, rtol=1e-10)
    dy = rng.standard_normal(y.shape)
    y.backward(torch.from_numpy(dy))
    gradients = network.parameters.like()
    network._backward(network.blocks[0], cache[0], dy, gradients)
    for name, expected in (("weight", convolution.weight.grad.permute(2, 3, 1, 0)), ("scale", norm.weight.grad),
                         ("bias", norm.bias.grad)):
        np.testing.assert_allclose(gradients[f"down0.conv.{name}"], expected, rtol=1e-9, atol=1e-12)
