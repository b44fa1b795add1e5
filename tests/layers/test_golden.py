"""The reference against numbers that PyTorch made once (golden/make_golden.py), without PyTorch."""

import json
from pathlib import Path

import cases
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


def load(name):
    with np.load(GOLDEN / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def below(arrays, prefix):
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


@pytest.mark.parametrize("name", cases.LAYERS)
def test_layer(name):
    golden = load("layers.npz")
    actual, expected = cases.layer_outputs(name, below(golden, f"{name}/in/")), below(golden, f"{name}/out/")
    assert actual.keys() == expected.keys()
    for key in actual:
        np.testing.assert_allclose(actual[key], expected[key], rtol=1e-10, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", cases.NETWORKS)
def test_ten_training_steps_of_the_network(name, monkeypatch):
    golden = load("network.npz")
    make = cases.small_network

    def stored_network(*arguments):
        network = make(*arguments)
        for key in network.parameters:
            network.parameters[key] = golden[f"start/{key}"].copy()
        return network

    monkeypatch.setattr(cases, "small_network", stored_network)
    monkeypatch.setattr(cases, "batch", lambda step: (golden[f"x/{step}"], golden[f"labels/{step}"]))
    actual, expected = cases.network_outputs(name), below(golden, f"{name}/")
    assert actual.keys() == expected.keys()
    for key in actual:
        np.testing.assert_allclose(actual[key], expected[key], rtol=1e-9, atol=1e-9, err_msg=key)


def test_golden_files_say_what_made_them():
    for name in ("layers.npz", "network.npz"):
        about = json.loads(str(load(name)["about"]))
        assert about["torch"].startswith("2.13.0")
        assert (about["seed"], about["made_by"]) == (2017, "tests/golden/make_golden.py")


def test_a_changed_golden_number_is_noticed():
    golden = load("layers.npz")
    expected = golden["conv2d_5x5/out/dweight"].copy()
    expected[0, 0, 0, 0] += 1e-8
    actual = cases.layer_outputs("conv2d_5x5", below(golden, "conv2d_5x5/in/"))["dweight"]
    with pytest.raises(AssertionError, match="Mismatched elements: 1 /"):
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)
