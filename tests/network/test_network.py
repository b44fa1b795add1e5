"""The whole network: its shapes, what its blocks compute, what it refuses, and how far an output sees."""

from inspect import signature

import numpy as np
import pytest
from checkers import assert_halo
from models import tiny

from stemnet_ref.layers import conv2d, conv_transpose2d, dropout, relu
from stemnet_ref.network import topology
from stemnet_ref.network.stemnet import StemNet


@pytest.mark.parametrize(("channels", "levels", "features"), [(1, 1, 3), (5, 2, 4), (3, 4, 1)])
def test_shapes_and_names(channels, levels, features):
    network = StemNet(channels, levels, features)
    z, cache = network.forward(np.zeros((2, 16, 24, channels), np.float32), with_cache=False)
    assert z.shape == (2, 16, 24, 2)
    assert z.dtype == np.float32
    assert cache is None
    names = [f"down{level}.conv" for level in range(levels)]
    for level in reversed(range(levels - 1)):
        names += [f"up{level}.deconv", f"up{level}.conv"]
    assert list(network.parameters) == [f"{name}.{kind}" for name in [*names, "output"] for kind in ("weight", "bias")]


def test_the_signature_shows_every_argument():
    shown = signature(StemNet).parameters
    assert [*shown] == [*vars(topology.Architecture()), "dtype", "seed"]
    assert (shown["levels"].default, shown["seed"].default) == (6, 0)


def test_relu_stands_on_the_logits_where_it_is_asked_for():
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 1), np.float32)
    assert StemNet(levels=3, logits="relu").forward(x)[0].min() == 0
    assert StemNet(levels=3).forward(x)[0].min() < 0


def test_dropout_uses_a_mask_of_its_own_for_each_layer_and_none_at_prediction():
    network = StemNet(levels=3, features=2)
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 1), np.float32)
    _, cache = network.forward(x, 0.75, seed=4, step=9)
    found = by_name(network, cache)
    for number, name in enumerate(("down0.conv", "down1.conv", "down2.conv", "up1.conv", "up0.conv")):
        saved = found[name]
        assert (saved.keep_prob, saved.key, network.dropout_layer(name)) == (0.75, (4, 9, number), number)
        z = conv2d.forward(np.concatenate(saved.inputs, axis=3), network.parameters[f"{name}.weight"])
        z = dropout.forward(z, dropout.draw_mask(saved.y.shape, 0.75, 4, 9, number), 0.75)
        np.testing.assert_array_equal(saved.y, relu.forward(z + network.parameters[f"{name}.bias"]))
    _, cache = network.forward(x)
    assert all(saved.keep_prob == 1 for saved in by_name(network, cache).values())


def by_name(network, cache):
    """Return what the blocks with weights saved, by their names."""
    return {block.name: saved for block, saved in zip(network.blocks, cache, strict=True) if block.weight}


def normalised(x, mean, variance):
    return (x - mean) / np.sqrt(variance + 1e-5)


def test_batch_normalisation_is_by_the_batch_in_training_and_by_running_statistics_at_prediction():
    network, x, _ = tiny(0, levels=1, features=2, normalisation="batch")
    weight, scale, b = (network.parameters[f"down0.conv.{kind}"] for kind in ("weight", "scale", "bias"))
    z = conv2d.forward(x, weight)
    mean, variance = z.mean(axis=(0, 1, 2)), z.var(axis=(0, 1, 2))
    running = [np.zeros(2), np.ones(2)]
    for step in range(3):
        _, cache = network.forward(x, 0.75, seed=1, step=step)
        mask = dropout.draw_mask(z.shape, 0.75, 1, step, 0)
        np.testing.assert_allclose(by_name(network, cache)["down0.conv"].y, np.maximum(
            mask * (scale * normalised(z, mean, variance) + b) / 0.75, 0), rtol=1e-12, atol=1e-14)
        running = [0.9 * old + 0.1 * new for old, new in zip(running, (mean, variance), strict=True)]
    np.testing.assert_allclose(network.statistics["down0.conv.mean"], running[0], rtol=1e-12)
    np.testing.assert_allclose(network.statistics["down0.conv.variance"], running[1], rtol=1e-12)
    kept = network.statistics.buffer.copy()
    predicted, _ = network.forward(x, with_cache=False)
    y = np.maximum(scale * normalised(z, *running) + b, 0)
    np.testing.assert_allclose(predicted, conv2d.forward(y, network.parameters["output.weight"])
                               + network.parameters["output.bias"], rtol=1e-12)
    np.testing.assert_array_equal(network.statistics.buffer, kept)


def test_sigmoid_stands_in_the_place_of_every_relu():
    network, x, _ = tiny(0, levels=2, activation="sigmoid")
    _, cache = network.forward(x)
    for name in ("down0.conv", "down1.conv", "up0.deconv", "up0.conv"):
        saved = by_name(network, cache)[name]
        convolve = conv_transpose2d.forward if name.endswith("deconv") else conv2d.forward
        z = convolve(np.concatenate(saved.inputs, axis=3), network.parameters[f"{name}.weight"])
        z += network.parameters[f"{name}.bias"]
        np.testing.assert_allclose(saved.y, 1 / (1 + np.exp(-z)), rtol=1e-12)


def test_a_cache_serves_one_backward_pass():
    network, x, _ = tiny(0)
    z, cache = network.forward(x)
    network.backward(z, cache)
    with pytest.raises(ValueError, match="this cache has been used"):
        network.backward(z, cache)


@pytest.mark.parametrize(("levels", "kernel"), [(1, 5), (2, 5), (3, 5), (4, 3), (3, 2)])
def test_halo_is_exactly_what_an_aligned_cell_of_outputs_sees(levels, kernel):
    assert_halo(StemNet(1, levels, 1, kernel=kernel, dtype=np.float64))


def test_halo_of_the_thesis_network_is_about_190_pixels():
    assert StemNet().halo() == (190, 190)


@pytest.mark.parametrize(("arguments", "culprit"), [
    ({"channels": 4}, "channels=4 must be odd"), ({"channels": 0}, "channels=0"), ({"levels": 0}, "levels=0"),
    ({"features": 1.5}, "features=1.5"), ({"features": 1025}, "features=1025 must be a whole number from 1 to 1024"),
    ({"classes": 1}, "classes=1"), ({"kernel": 0}, "kernel=0"), ({"kernel": True}, "kernel=True"),
    ({"logits": "tanh"}, "tanh"), ({"activation": "tanh"}, "activation='tanh'"),
    ({"normalisation": "layer"}, "layer"), ({"init": "zeros"}, "zeros"), ({"seed": -1}, "seed=-1"),
    ({"seed": 2 ** 64}, "seed="), ({"dtype": int}, "floating-point"),
])
def test_impossible_networks_are_refused(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        StemNet(**arguments)


@pytest.mark.parametrize(("x", "culprit"), [
    (np.zeros((1, 8, 8, 3), np.float32), "needs"), (np.zeros((8, 8, 1), np.float32), "needs"),
    (np.zeros((1, 8, 9, 1), np.float32), "multiples of 4"), (np.zeros((1, 0, 8, 1), np.float32), "multiples of 4"),
    (np.zeros((1, 8, 8, 1)), "x is float64; the parameters are float32"),
])
def test_inputs_that_do_not_fit_are_refused(x, culprit):
    with pytest.raises(ValueError, match=culprit):
        StemNet(levels=3).forward(x)
