"""The initial weights of the two presets."""

import numpy as np
import pytest

from stemnet_ref.network.stemnet import StemNet


def four_standard_errors(weight):
    """Return four standard errors of the deviation of so many normal numbers, as a share of it."""
    return 4 / np.sqrt(2 * weight.size)


def test_initial_weights_fan_in_have_the_deviation_of_section_2_1():
    network = StemNet(channels=5, levels=4, init="fan_in")
    for name, weight in network.parameters.items():
        if name.endswith("bias"):
            assert not weight.any()
        else:
            inputs = weight.shape[3] if "deconv" in name else weight.shape[2]
            sigma = np.sqrt(2 / (weight.shape[0] * weight.shape[1] * inputs))
            assert weight.std() == pytest.approx(sigma, rel=four_standard_errors(weight))


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
        assert weight.std() == pytest.approx(truncated * sigma, rel=four_standard_errors(weight))


def test_seeds_give_different_weights_and_one_seed_the_same():
    a, b, c = (StemNet(levels=2, seed=seed).parameters["down1.conv.weight"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert np.all(a != c)
