"""The topology is stated once: with a second convolution on every level, all that derives from it follows."""

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from checkers import assert_halo

from stemnet_ref import StemNet, layers
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.explain import page
from stemnet_ref.explain.step import Step
from stemnet_ref.layers import weighted_cross_entropy
from stemnet_ref.network import topology
from stemnet_ref.network.maps import feature_maps
from stemnet_ref.network.table import layer_table
from stemnet_ref.report import figures
from stemnet_ref.training import checkpoint
from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden, onnx_export, weights
from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.trace import Trace

ADDED = ["down0.conv2", "down1.conv2", "down2.conv2", "up1.conv2", "up0.conv2"]


def deeper(blocks):
    """Return blocks with a second convolution, NAME2, after every 5x5 one; who read the first reads the second."""
    found, renamed = [], {}
    for block in blocks:
        found.append(block._replace(inputs=tuple(renamed.get(name, name) for name in block.inputs)))
        if block.dropout:
            renamed[block.name] = f"{block.name}2"
            weight = (*block.weight[:2], block.channels, block.channels)
            found.append(block._replace(name=f"{block.name}2", inputs=(block.name,), weight=weight))
    return tuple(found)


@pytest.fixture
def two_convolutions(monkeypatch):
    """Give every network of the test two convolutions on each level of each way."""
    plain = topology.stemnet_blocks
    monkeypatch.setattr(topology, "stemnet_blocks", lambda *arguments, **named: deeper(plain(*arguments, **named)))


@pytest.fixture
def made(two_convolutions):
    """A golden file of three levels, two features and three channels, in float64, made without a cache."""
    settings = Settings.from_options({"preset": "thesis", "channels": 3, "features": 2, "levels": 3})
    return golden.from_seed(settings, (16, 24), 2, 2, 2, np.float64, 1)


def trained(made, on_map=lambda name, array: None):
    """Return a golden file's network, and the gradients of its first step."""
    network = StemNet(**made.network, dtype=np.float64)
    for name, array in made.parameters.items():
        network.parameters[name] = array
    z, cache = network.forward(made.input, made.training["keep_prob"], made.about["seed"], 0, on_map=on_map)
    _, p = weighted_cross_entropy.forward(z, made.labels, made.class_weights)
    return network, network.backward(weighted_cross_entropy.backward(p, made.labels, made.class_weights), cache)


def test_names_of_layers():
    blocks = topology.stemnet_blocks(topology.Architecture(levels=2))
    found = {layer.name: layer for layer in topology.list_layers(deeper(blocks))}
    assert list(found) == [
        "down0.conv", "down0.dropout", "down0.bias", "down0.relu",
        "down0.conv2", "down0.conv2_dropout", "down0.conv2_bias", "down0.conv2_relu", "down0.pool",
        "down1.conv", "down1.dropout", "down1.bias", "down1.relu",
        "down1.conv2", "down1.conv2_dropout", "down1.conv2_bias", "down1.conv2_relu",
        "up0.deconv", "up0.deconv_bias", "up0.deconv_relu", "up0.concat",
        "up0.conv", "up0.dropout", "up0.bias", "up0.relu",
        "up0.conv2", "up0.conv2_dropout", "up0.conv2_bias", "up0.conv2_relu",
        "output.conv", "output.bias", "logits", "probabilities"]
    assert found["up0.concat"].inputs == ("down0.conv2_relu", "up0.deconv_relu")
    assert found["down0.conv2_bias"].parameter == "down0.conv2.bias"
    assert found["output.conv"].parameter == "output.weight"


@pytest.mark.parametrize("chosen", [{}, {"logits": "relu"}, {"activation": "sigmoid", "normalisation": "batch"}],
                         ids=str)
def test_the_layers_of_a_block_are_those_that_it_computes(chosen):
    """Forward in the order of `Block.layers`, backward in the opposite one."""
    calls, kinds = {"forward": [], "backward": []}, {
        "conv2d": "conv", "conv_transpose2d": "deconv", "max_pool2d": "pool", "relu": "activation",
        "sigmoid": "activation", "bias": "bias", "dropout": "dropout", "batch_norm": "batch_norm"}

    def watched(name, function, way):
        def call(*arguments, **named):
            calls[way].append(kinds[name])
            return getattr(getattr(layers, name), function)(*arguments, **named)
        return call

    spies = SimpleNamespace(concat=layers.concat, **{
        name: SimpleNamespace(**vars(getattr(layers, name)) | {
            function: watched(name, function, function.partition("_")[0])
            for function in ("forward", "backward", "backward_weight")}) for name in kinds})
    spies.block = SimpleNamespace(forward=partial(layers.block.forward, layers=spies),
                                  backward=partial(layers.block.backward, layers=spies))
    network = StemNet(1, 2, 2, dtype=np.float64, **chosen)
    network.layers = spies
    z, cache = network.forward(np.zeros((1, 8, 8, 1)), 0.75)
    network.backward(z, cache)
    expected = [kind for block in network.blocks for kind in block.layers
                if (kind, block.activation) != ("activation", "linear")]
    assert calls == {"forward": expected, "backward": expected[::-1]}


def test_two_concatenations_under_one_prefix_have_names_of_their_own():
    blocks = [block._replace(inputs=("up0.conv", "down0.conv")) if block.name == "up0.conv2" else block
              for block in deeper(topology.stemnet_blocks(topology.Architecture(levels=2)))]
    names = [layer.name for layer in topology.list_layers(blocks) if layer.kind == "concat"]
    assert names == ["up0.concat", "up0.conv2_concat"]


def test_the_bias_stands_before_the_dropout_where_it_is_asked_for():
    blocks = topology.stemnet_blocks(topology.Architecture(levels=2))
    found = {layer.name: layer for layer in topology.list_layers(
        blocks, lambda block: ("conv", "bias", "dropout", "activation") if block.name == "up0.conv" else block.layers)}
    assert found["up0.bias"].inputs == ("up0.conv",)
    assert found["up0.relu"].inputs == ("up0.dropout",)
    assert found["down0.bias"].inputs == ("down0.dropout",)


def test_shapes_parameters_and_halo(two_convolutions):
    network = StemNet(3, 3, 2, dtype=np.float64)
    shapes = {name: array.shape for name, array in network.parameters.items()}
    assert shapes == topology.parameter_shapes(network.blocks)
    assert [name for name in shapes if name.endswith("conv2.weight")] == [f"{name}.weight" for name in ADDED]
    assert shapes["down1.conv2.weight"] == (5, 5, 4, 4)
    assert topology.map_shapes(network.blocks, 16, 24, 3)["down1.conv2"] == (8, 12, 4)
    assert topology.halo(network.blocks) == network.halo() == (40, 40)
    assert_halo(StemNet(1, 2, 1, kernel=3, dtype=np.float64))


def test_the_golden_file_is_the_networks_forward_and_backward(made, tmp_path):
    maps = {}
    network, gradients = trained(made, maps.__setitem__)
    outputs = {block.name: block.layer_name("relu") if block.weight else block.name for block in network.blocks[:-1]}
    for name, array in maps.items():
        key = "input" if name == "input" else f"1/forward/{outputs.get(name, 'logits')}"
        np.testing.assert_allclose(made.arrays[key], array, rtol=1e-9, atol=1e-12, err_msg=key)
    for name, array in gradients.items():
        np.testing.assert_allclose(made.arrays[f"1/gradient/{name}"], array, rtol=1e-9, atol=1e-12, err_msg=name)
    for name in ADDED:
        assert made.arrays[f"1/mask/{name}"].shape == maps[name].shape
        assert f"1/backward/{name}_dropout" in made.arrays
    golden.write(made, tmp_path / "golden.npz", "NCHW")
    read = golden.read(tmp_path / "golden.npz")
    assert read.arrays.keys() == made.arrays.keys()
    assert diagnose(compare(read, {key: read.arrays[key] for key in golden.keys(read)})).agrees


def test_a_gradient_by_a_map_is_that_of_finite_differences(made):
    for name in ("down0.conv2_relu", "up0.concat", "down1.conv2_bias"):
        tensor, gradient = made.arrays[f"1/forward/{name}"], made.arrays[f"1/backward/{name}"]
        at = np.unravel_index(abs(gradient).argmax(), gradient.shape)
        costs = []
        for step in (1e-6, -1e-6):
            moved = tensor.copy()
            moved[at] += step
            costs.append(float(Trace(made, {f"1/forward/{name}": moved}).computed("1/cost").value.array))
        assert (costs[0] - costs[1]) / 2e-6 == pytest.approx(gradient[at], rel=1e-4), name


def test_a_difference_is_found_in_an_added_layer(made):
    actual = {key: made.arrays[key] for key in golden.keys(made)}
    actual["1/forward/down1.conv2"] = actual["1/forward/down1.conv2"] * 1.25
    report = diagnose(compare(made, actual))
    assert report.first.key == "1/forward/down1.conv2"


def test_table(two_convolutions):
    network = StemNet(3, 3, 2)
    rows = layer_table(network.blocks, 16, 24)
    assert [row[0] for row in rows] == [block.name for block in network.blocks]
    assert sum(row[2] for row in rows) == sum(array.size for array in network.parameters.values())
    shape, parameters, gflop = next(row[1:] for row in rows if row[0] == "up1.conv2")
    assert (shape, parameters) == ((8, 12, 4), 5 * 5 * 4 * 4 + 4)
    assert gflop == pytest.approx(2e-9 * 5 * 5 * 4 * 4 * 8 * 12)


def test_maps_and_their_picture(two_convolutions, tmp_path, monkeypatch):
    network = StemNet(3, 3, 2, dtype=np.float64)
    maps = feature_maps(network, np.random.default_rng(0).standard_normal((1, 16, 24, 3)))
    shapes = topology.map_shapes(network.blocks, 16, 24, 3)
    assert {name: array.shape[1:] for name, array in maps.items() if name in shapes} == shapes
    titles = []
    monkeypatch.setattr(figures, "save", lambda figure, path: titles.extend(
        (axes.get_title().partition("\n")[0].partition(":")[0], axes.get_subplotspec().colspan.start,
         axes.get_subplotspec().rowspan.start) for axes in figure.axes if axes.get_title()))
    figures.plot_maps(maps, tmp_path / "maps.png")
    cells = {title: (row, column) for title, column, row in titles}
    assert len(set(cells.values())) == len(cells)
    assert cells == {"frame": (0, 0), "down0.conv": (0, 1), "down0.conv2": (0, 2), "up0.deconv": (0, 3),
                     "up0.conv": (0, 4), "up0.conv2": (0, 5), "down0.pool": (1, 0), "down1.conv": (1, 1),
                     "down1.conv2": (1, 2), "up1.deconv": (1, 3), "up1.conv": (1, 4), "up1.conv2": (1, 5),
                     "down1.pool": (2, 0), "down2.conv": (2, 1), "down2.conv2": (2, 2),
                     "probability of cell": (2, 5)}


def test_the_explanation_page(two_convolutions):
    body = "".join(page.parts(Step(size=4, levels=2, features=1)))
    for name in ("down0.conv2", "down1.conv2_relu", "up0.conv2_bias"):
        assert f'id="f-{name}"' in body
        assert f'id="b-{name}"' in body
    assert re.search(r"up0\.conv2\[\d,\d,0\]", body)


def test_models_and_weights_come_back(two_convolutions, tmp_path):
    network = StemNet(3, 3, 2, seed=4)
    checkpoint.save(tmp_path / "model.npz", checkpoint.Model(network, Scaling(0.0, 1.0), {}, {}, {}), "0")
    weights.save(network.parameters, tmp_path / "weights.npz", "NCHW")
    for path in ("model.npz", "weights.npz"):
        again = weights.load(tmp_path / path).network
        assert (again.levels, again.features, again.channels) == (3, 2, 3)
        for name, array in network.parameters.items():
            np.testing.assert_array_equal(again.parameters[name], array)


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_onnx(two_convolutions, normalisation):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; pip install onnx onnxruntime")
    network = StemNet(3, 3, 2, normalisation=normalisation, seed=4)
    model = checkpoint.Model(network, Scaling(100.0, 40.0), {}, {}, {})
    built = onnx_export.build(model)
    assert {f"{name}_relu" for name in ADDED} <= {node.name for node in built.graph.node}
    assert onnx_export.check(built.SerializeToString(), model, runtime) < 1
