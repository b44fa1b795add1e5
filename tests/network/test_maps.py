"""Feature maps are what the layers make, in the order of the data."""

import numpy as np
import pytest
from cases import small_network

from stemnet_ref.layers import conv2d, conv_transpose2d, max_pool2d, softmax
from stemnet_ref.network.maps import feature_maps, liveliest


@pytest.mark.parametrize("alternatives", [{}, {"activation": "sigmoid"}, {"normalisation": "batch"}], ids=str)
def test_maps_are_what_the_layers_make(alternatives):
    network = small_network(**alternatives)
    x = np.random.default_rng(0).standard_normal((1, 16, 8, 3))
    maps = feature_maps(network, x)
    assert list(maps) == ["input", "down0.conv", "down0.pool", "down1.conv", "down1.pool", "down2.conv", "up1.deconv",
                          "up1.concat", "up1.conv", "up0.deconv", "up0.concat", "up0.conv", "output",
                          "probabilities"]
    z, _ = network.forward(x, with_cache=False)
    np.testing.assert_array_equal(maps["output"], z)
    np.testing.assert_allclose(maps["probabilities"], softmax.forward(z))
    np.testing.assert_array_equal(maps["down1.pool"], max_pool2d.forward(maps["down1.conv"])[0])
    np.testing.assert_array_equal(maps["up0.concat"], np.concatenate((maps["down0.conv"], maps["up0.deconv"]), axis=3))
    if not alternatives:
        parameters = network.parameters
        for name, source, convolve in (("up0.conv", "up0.concat", conv2d.forward),
                                       ("down0.conv", "input", conv2d.forward),
                                       ("up1.deconv", "down2.conv", conv_transpose2d.forward)):
            y = convolve(maps[source], parameters[f"{name}.weight"]) + parameters[f"{name}.bias"]
            np.testing.assert_allclose(maps[name], np.maximum(y, 0), atol=1e-12)


def test_the_liveliest_map_varies_most():
    array = np.zeros((2, 4, 4, 3))
    array[0, :2, :, 1] = 1
    array[0, :2, :, 2] = 5
    array[1, :2, :, 0] = 99
    one, channel = liveliest(array)
    assert channel == 2
    np.testing.assert_array_equal(one, array[0, :, :, 2])
