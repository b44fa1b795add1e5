"""The whole network: its gradient, its shapes, its presets, and how far an output sees."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from checkers import STEP, assert_gradient, assert_gradient_along_directions, assert_halo
from refusals import check, script

from stemnet_ref.cost import Cost
from stemnet_ref.layers import conv2d, conv_transpose2d, dropout, max_pool2d, relu
from stemnet_ref.network import topology
from stemnet_ref.network.__main__ import main
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.network.table import layer_table, training_gflop
from stemnet_ref.network.topology import Block
from stemnet_ref.regularization import add_penalty, add_penalty_gradients
from stemnet_ref.training.settings import Settings

MARGIN = 20 * STEP      # no ReLU or maximum may change its mind within a finite difference

# all elements of a kernel move at once: a smaller step, so that they do not carry a ReLU's input further than one does
along_directions = partial(assert_gradient_along_directions, step=STEP / 4)


def tiny(seed, logits="linear", channels=3, levels=3, features=1, kernel=3, **alternatives):
    """Return a small float64 network with biases away from zero, a frame and labels."""
    rng = np.random.default_rng(seed)
    network = StemNet(channels, levels, features, kernel=kernel, logits=logits, dtype=np.float64, seed=seed,
                      **alternatives)
    for name, array in network.parameters.items():
        if name.endswith(("bias", "scale")):
            array[:] = rng.uniform(0.05, 0.2, array.shape) + name.endswith("scale")
    return network, rng.standard_normal((1, 16, 16, channels)), rng.integers(0, 2, (1, 16, 16))


def narrowest(monkeypatch, forward):
    """Return how near any ReLU input comes to 0, or any two candidates of a maximum above 0 to each other."""
    found = []
    relu_forward, pool_forward = relu.forward, max_pool2d.forward

    def watched_relu(x):
        found.append(np.min(abs(x[x != 0]), initial=np.inf))
        return relu_forward(x)

    def watched_pool(x, size=2):
        n, h, w, c = x.shape
        windows = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
        first, second = -np.sort(-windows)[:, :2].T
        differ = (first > 0) & (first != second)        # dropped values of one window tie, at the bias, and stay so
        found.append(np.min((first - second)[differ], initial=np.inf))
        return pool_forward(x, size)

    with monkeypatch.context() as patch:
        patch.setattr(relu, "forward", watched_relu)
        patch.setattr(max_pool2d, "forward", watched_pool)
        forward()
    return min(found, default=np.inf)


@pytest.mark.parametrize(("cost", "keep_prob", "logits", "shape"), [
    ("weighted_cross_entropy", 0.75, "linear", {"kernel": 5, "features": 2}),
    ("weighted_cross_entropy", 0.75, "relu", {"check": assert_gradient}),
    ("weighted_cross_entropy", 1.0, "linear", {}),
    ("cross_entropy", 0.75, "linear", {}),
    ("dice", 0.75, "linear", {}),
    ("quadratic", 0.75, "linear", {}),
    ("dice", 0.75, "linear", {"channels": 1, "levels": 1, "kernel": 5}),
    ("weighted_cross_entropy", 0.75, "linear", {"activation": "sigmoid"}),
    ("weighted_cross_entropy", 0.75, "linear", {"normalisation": "batch", "features": 2, "kernel": 5}),
    ("weighted_cross_entropy", 1.0, "relu", {"normalisation": "batch"}),
    ("dice", 0.75, "linear", {"normalisation": "batch", "activation": "sigmoid"}),
    ("quadratic", 1.0, "linear", {"normalisation": "batch", "activation": "sigmoid", "levels": 1,
                                  "check": assert_gradient}),
    ("weighted_cross_entropy", 0.75, "linear", {"l1": 0.3}),
    ("weighted_cross_entropy", 0.75, "linear", {"l2": 0.5}),
    ("dice", 0.75, "linear", {"l1": 0.3, "l2": 0.5, "normalisation": "batch"}),
])
@pytest.mark.equation("31", "34", "35", "36", "51", "52", "56", "57", "58")
def test_gradient_of_the_whole_network(monkeypatch, cost, keep_prob, logits, shape):
    shape, settings = dict(shape), Settings(cost=cost)
    penalty = shape.pop("l1", 0.0), shape.pop("l2", 0.0), 7.0     # of 7 examples
    checker = shape.pop("check", along_directions)
    for seed in range(200):
        network, x, labels = tiny(seed, logits, **shape)
        weights = [array for name, array in network.parameters.items() if name.endswith("weight")]
        if (narrowest(monkeypatch, lambda: network.forward(x, keep_prob, seed, 3)) > MARGIN      # noqa: B023
                and min(abs(weight).min() for weight in weights) > MARGIN):         # L1 has a kink too
            break
    else:
        pytest.fail("no seed keeps every ReLU and maximum away from its kink")
    z, cache = network.forward(x, keep_prob, seed, 3)
    dlogits = Cost.of(settings).backward(Cost.of(settings).forward(z, labels)[1], labels)
    gradients = network.backward(dlogits, cache)
    add_penalty_gradients(gradients, network.parameters, *penalty)
    assert gradients.keys() == network.parameters.keys()
    assert not cache
    assert all(np.any(gradient) for gradient in gradients.values()), "a gradient of zeros checks nothing"
    for name, array in list(network.parameters.items()):
        def of_one(value, name=name):
            kept = network.parameters[name].copy()
            network.parameters[name] = value
            z, _ = network.forward(x, keep_prob, seed, 3, with_cache=False, training=True)
            penalised = add_penalty(Cost.of(settings).forward(z, labels)[0], network.parameters, *penalty)
            network.parameters[name] = kept
            return penalised
        checker(of_one, array, gradients[name])


def test_gradient_check_of_the_network_notices_a_lost_skip_connection(monkeypatch):
    network, x, labels = tiny(0)
    settings = Settings()
    z, cache = network.forward(x)
    dlogits = Cost.of(settings).backward(Cost.of(settings).forward(z, labels)[1], labels)
    backward = max_pool2d.backward
    monkeypatch.setattr(max_pool2d, "backward", lambda dy, argmax, add_to: backward(dy, argmax))
    wrong = network.backward(dlogits, cache)["down0.conv.weight"]

    def of_one(value):
        network.parameters["down0.conv.weight"] = value
        return Cost.of(settings).forward(network.forward(x)[0], labels)[0]

    for checker in (assert_gradient, along_directions):
        with pytest.raises(AssertionError, match="finite difference"):
            checker(of_one, network.parameters["down0.conv.weight"].copy(), wrong)


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


def test_the_thesis_network_has_12_convolutions_and_goes_from_1024_to_32():
    network = StemNet(channels=5)
    convolutions = [block.name for block in network.blocks if block.kind == "conv"]
    assert len(convolutions) == 12                              # eleven of 5x5, and the output's 1x1
    rows = {name: shape for name, shape, _, _ in layer_table(network.blocks, 1024, 1024)}
    assert rows["down5.conv"] == (32, 32, 512)
    assert rows["output"] == (1024, 1024, 2)
    assert network.parameters["up3.deconv.weight"].shape == (2, 2, 128, 256)
    assert network.parameters["up3.conv.weight"].shape == (5, 5, 256, 128)


def test_table_of_layers_adds_up_to_the_notes_figures(capsys):
    network = StemNet(channels=5)
    rows = layer_table(network.blocks, 1024, 1024)
    assert sum(row[3] for row in rows) == pytest.approx(177, abs=0.5)
    assert training_gflop(rows) == pytest.approx(528, abs=0.5)
    assert sum(row[2] for row in rows) == sum(array.size for array in network.parameters.values())
    main(["--channels", "5"])
    printed = capsys.readouterr().out
    assert "down0.conv    1024 x 1024 x 16           2,016     4.194" in printed
    assert "177.402" in printed
    assert "528.013" in printed


@pytest.mark.parametrize(("argv", "culprit"), [(["--size", "1000"], "multiple of 32"), (["--channels", "2"], "odd"),
                                               (["--levels", "0"], "--levels 0"), (["--levels", "31"], "--levels 31"),
                                               (["--features", "0"], "--features 0")])
def test_table_of_layers_refuses_what_is_impossible(capsys, argv, culprit):
    check(capsys, script(main, *argv), culprit)
    z, _ = StemNet(levels=3, logits="relu").forward(np.random.default_rng(0).standard_normal((1, 8, 8, 1), np.float32))
    assert z.min() == 0
    z, _ = StemNet(levels=3).forward(np.random.default_rng(0).standard_normal((1, 8, 8, 1), np.float32))
    assert z.min() < 0


def test_initial_weights_fan_in_have_the_deviation_of_section_2_1():
    network = StemNet(channels=5, levels=4, init="fan_in")
    for name, weight in network.parameters.items():
        if name.endswith("bias"):
            assert not weight.any()
        elif weight.size > 1000:
            inputs = weight.shape[3] if "deconv" in name else weight.shape[2]
            sigma = np.sqrt(2 / (weight.shape[0] * weight.shape[1] * inputs))
            assert weight.std() == pytest.approx(sigma, rel=0.1)


def test_initial_weights_of_the_listing_are_truncated():
    network = StemNet(channels=5, levels=4, init="listing")
    truncated = 0.8796                          # deviation of a unit normal cut at two sigma
    for name, weight in network.parameters.items():
        if name.endswith("bias"):
            np.testing.assert_array_equal(weight, np.float32(0.1))
            continue
        level = int(name[4 if name.startswith("down") else 2]) if name != "output.weight" else 0
        features = 16 * 2 ** level * (1 if name.startswith("down") else 2)
        sigma = 0.1 if name == "output.weight" else np.sqrt(2 / (25 * features))
        assert abs(weight).max() <= 2 * sigma * (1 + 1e-6)
        if weight.size > 1000:
            assert weight.std() == pytest.approx(truncated * sigma, rel=0.1)


def test_seeds_give_different_weights_and_one_seed_the_same():
    a, b, c = (StemNet(levels=2, seed=seed).parameters["down1.conv.weight"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert np.all(a != c)


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


def test_the_documented_command_warns_of_nothing():
    done = subprocess.run([sys.executable, "-W", "error", "-m", "stemnet_ref.network", "--size", "64"],
                          capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")


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


def test_the_gradients_of_a_map_that_several_blocks_read_are_added(monkeypatch):
    """Both convolutions after the first read its map, which no pooling does here."""
    def blocks(*arguments):
        first, *_, output = stemnet(*arguments)
        between = Block("down0.conv2", "conv", (first.name,), (3, 3, 2, 2), 0, activation="sigmoid")
        both = Block("down0.conv3", "conv", (first.name, between.name), (3, 3, 4, 2), 0, activation="sigmoid")
        return first, between, both, output._replace(inputs=(both.name,))

    stemnet = topology.stemnet_blocks
    monkeypatch.setattr(topology, "stemnet_blocks", blocks)
    network, x, _ = tiny(0, levels=1, features=2, activation="sigmoid")
    z, cache = network.forward(x)
    dz = np.random.default_rng(1).standard_normal(z.shape)
    weight, dweight = network.parameters["down0.conv.weight"], network.backward(dz, cache)["down0.conv.weight"]

    def logits(value):
        kept = weight.copy()
        weight[...] = value
        found = network.forward(x, with_cache=False)[0]
        weight[...] = kept
        return found

    assert_gradient(logits, weight.copy(), dweight, dz)
