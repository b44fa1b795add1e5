"""The gradient of the whole network, against finite differences."""

from functools import partial

import numpy as np
import pytest
from checkers import STEP, assert_gradient, assert_gradient_along_directions
from models import tiny

from stemnet_ref.cost import Cost
from stemnet_ref.layers import max_pool2d, relu
from stemnet_ref.network import topology
from stemnet_ref.network.topology import Block
from stemnet_ref.regularization import add_penalty, add_penalty_gradients
from stemnet_ref.training.settings import Settings

MARGIN = 20 * STEP      # no ReLU or maximum may change its mind within a finite difference
# all elements of a kernel move at once: a smaller step, so that they do not carry a ReLU's input further than one does
along_directions = partial(assert_gradient_along_directions, step=STEP / 4)


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
    assert [block.name for block in network.blocks] == ["down0.conv", "down0.conv2", "down0.conv3", "output"]
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
