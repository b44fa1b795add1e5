"""Weights go to other implementations and come back."""

import time

import numpy as np
import pytest
from verifying import run

from stemnet_ref import StemNet
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.errors import InputError
from stemnet_ref.storage import archives
from stemnet_ref.storage.archives import open_arrays
from stemnet_ref.training import checkpoint
from stemnet_ref.verify import onnx_export, weights
from stemnet_ref.verify.layouts import LAYOUTS


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_there_and_back(ending, layout, trained, tmp_path):
    file, back = tmp_path / f"weights{ending}", tmp_path / "back.npz"
    assert run("weights", trained, "--to", file, "--layout", layout) == 0
    with open_arrays(file) as arrays:
        shape = arrays["down0.conv.weight"].shape
    assert shape[:2] == ((5, 5) if layout == "NHWC" else shape[:2])
    assert shape[2:] == ((5, 5) if layout == "NCHW" else shape[2:])
    assert run("weights", file, "--like", trained, "--to", back) == 0
    model, again = checkpoint.load(trained), checkpoint.load(back)
    for name, array in model.network.parameters.items():
        np.testing.assert_array_equal(again.network.parameters[name], array)
    assert (again.scaling.mean, again.scaling.std) == (model.scaling.mean, model.scaling.std)
    assert run("weights", file, "--to", tmp_path / "plain.npz") == 0
    with open_arrays(tmp_path / "plain.npz") as plain:
        for name, array in model.network.parameters.items():
            np.testing.assert_array_equal(plain[name], array)


def test_same_bytes_every_time(trained, tmp_path, monkeypatch):
    for ending in (".npz", ".safetensors", ".onnx"):
        for name, now in (("a", 1.5e9), ("b", 1.6e9)):
            monkeypatch.setattr(time, "time", lambda now=now: now)
            assert run("weights", trained, "--to", tmp_path / f"{name}{ending}") == 0
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.torch
def test_pytorch_takes_them(trained, tmp_path):
    import torch
    from safetensors.torch import load_file

    from stemnet_ref.verify.twins import torch_twin

    model = checkpoint.load(trained)
    assert run("weights", trained, "--to", tmp_path / "w.safetensors", "--layout", "NCHW") == 0
    network = model.network
    twin = torch_twin.StemNet(network.channels, network.levels, network.features)
    with torch.no_grad():
        for name, array in load_file(tmp_path / "w.safetensors").items():
            twin.reference_names()[name].copy_(array)
        x = np.random.default_rng(0).standard_normal((1, 32, 32, network.channels), np.float32)
        z = torch_twin.nhwc(twin(torch_twin.nchw(x)))
    np.testing.assert_allclose(z, network.forward(x)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", [5, 4])
@pytest.mark.parametrize(("logits", "levels", "image", "normalisation"), [
    ("linear", 3, False, "none"), ("relu", 2, False, "none"), ("linear", 1, True, "none"),
    ("linear", 3, False, "batch")])
def test_onnx_gives_the_reference_s_logits(kernel, logits, levels, image, normalisation, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; pip install onnx onnxruntime")
    network = StemNet(3, levels, 4, logits=logits, kernel=kernel, normalisation=normalisation, seed=3)
    for array in (network.parameters, network.statistics):
        array.buffer += np.random.default_rng(2).uniform(0, 0.05, array.buffer.shape).astype(np.float32)
    scaling = Scaling(100.0, 40.0, np.random.default_rng(0).normal(0, 9, (8, 12)).astype(np.float32) if image else None)
    model = checkpoint.Model(network, scaling, {}, {}, {})
    lines = []
    onnx_export.export(model, tmp_path / "net.onnx", lines.append)
    assert "agrees with the reference" in lines[0]
    made = (tmp_path / "net.onnx").read_bytes()
    session = runtime.InferenceSession(made)
    frames = np.random.default_rng(1).uniform(0, 255, (2, 3, 8, 12)).astype(np.float32)
    z, p = session.run(["logits", "probabilities"], {"frames": frames})
    x = scaling.apply(frames).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(z.transpose(0, 2, 3, 1), network.forward(x, with_cache=False)[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    network.parameters["up0.conv.weight" if levels > 1 else "down0.conv.weight"][0, 0, 0, 0] += 0.01
    assert onnx_export.check(made, model, runtime) > 1


def test_an_onnx_file_that_would_be_wrong_is_not_written(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; pip install onnx onnxruntime")
    network, path = StemNet(1, 2, 2), tmp_path / "net.onnx"
    padded = Scaling(100.0, 40.0, np.zeros((9, 12), np.float32))
    with pytest.raises(InputError, match="an image of 9 x 12 pixels, no multiple of 2"):
        onnx_export.export(checkpoint.Model(network, padded, {}, {}, {}), path)
    monkeypatch.setattr(onnx_export, "check", lambda made, model, runtime: 1.5)
    with pytest.raises(InputError, match="not written, because the logits"):
        onnx_export.export(checkpoint.Model(network, Scaling(0.0, 1.0), {}, {}, {}), path)
    assert not path.exists()


def test_weights_of_a_batch_normalised_network_bring_their_statistics(tmp_path):
    network = StemNet(1, 2, 2, normalisation="batch")
    network.statistics["down1.conv.mean"] = [3, 4, 5, 6]
    model = checkpoint.Model(network, Scaling(0.0, 1.0), {}, {}, {})
    checkpoint.save(tmp_path / "model.npz", model, "0")
    assert run("weights", tmp_path / "model.npz", "--to", tmp_path / "w.npz") == 0
    assert run("weights", tmp_path / "w.npz", "--to", tmp_path / "again.npz") == 0
    assert (tmp_path / "w.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    network.statistics["down1.conv.mean"] = 0
    checkpoint.save(tmp_path / "model.npz", model, "0")
    assert run("weights", tmp_path / "w.npz", "--like", tmp_path / "model.npz", "--to", tmp_path / "back.npz") == 0
    back = checkpoint.load(tmp_path / "back.npz").network
    np.testing.assert_array_equal(back.statistics["down1.conv.mean"], [3, 4, 5, 6])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("channels", "features", "kernel"), [(5, 5, 5), (3, 3, 5), (5, 5, 3)])
def test_filters_that_fit_in_both_layouts(channels, features, kernel, layout, tmp_path):
    """The first filters, alone, might be of either."""
    network = StemNet(channels, 2, features, kernel=kernel, seed=3)
    checkpoint.save(tmp_path / "model.npz", checkpoint.Model(network, Scaling(0.0, 1.0), {}, {}, {}), "0")
    weights.save(network.parameters, tmp_path / "said.npz", layout)
    with open_arrays(tmp_path / "said.npz") as arrays:
        np.savez(tmp_path / "unsaid.npz", **{name: array for name, array in arrays.items() if name != "about"})
    for name in ("said.npz", "unsaid.npz"):
        for like in (None, tmp_path / "model.npz"):
            again = weights.load(tmp_path / name, like).network
            for each, array in network.parameters.items():
                np.testing.assert_array_equal(again.parameters[each], array, err_msg=f"{name} {each}")


def test_what_is_not_the_thesis_s_network_is_refused(tmp_path, capsys):
    for alternative in ({"activation": "sigmoid"}, {"normalisation": "batch"}):
        path = tmp_path / "model.npz"
        checkpoint.save(path, checkpoint.Model(StemNet(1, 2, 2, **alternative), Scaling(0.0, 1.0), {}, {}, {}), "0")
        assert run("export", "--model", path, "--out", tmp_path / "golden.npz") == 2
        assert next(iter(alternative.values())) in capsys.readouterr().err
    checkpoint.save(path, checkpoint.Model(StemNet(1, 2, 2, activation="sigmoid"), Scaling(0.0, 1.0), {}, {}, {}), "0")
    assert run("weights", path, "--to", tmp_path / "net.onnx") == 2
    assert "--activation sigmoid" in capsys.readouterr().err


def test_refusals(trained, tmp_path, capsys):
    capsys.readouterr()
    good = dict(checkpoint.load(trained).network.parameters)
    np.savez(tmp_path / "weights.npz", **good)
    np.savez(tmp_path / "missing.npz", **{name: array for name, array in good.items() if name != "output.bias"})
    np.savez(tmp_path / "nan.npz", **{**good, "output.bias": np.array([np.nan, 0], np.float32)})
    np.savez(tmp_path / "shape.npz", **{**good, "output.bias": np.zeros(3, np.float32)})
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    (tmp_path / "cut.safetensors").write_bytes(b"1234567890")
    like = ["--like", trained, "--to", tmp_path / "model.npz"]
    for arguments, words in (
            ([trained, "--to", tmp_path / "w.txt"], "must end in .npz, .safetensors or .onnx"),
            ([tmp_path / "missing.npz", *like], "output.bias is missing"),
            ([tmp_path / "nan.npz", *like], "output.bias holds NaN or infinity"),
            ([tmp_path / "shape.npz", *like], "output.bias has shape (3,); (2,) is needed"),
            ([tmp_path / "other.npz", "--to", tmp_path / "w.npz"], "no weights of a StemNet"),
            ([tmp_path / "none.npz", *like], "no such file"),
            ([tmp_path / "none.safetensors", *like], "no such file"),
            ([tmp_path / "cut.safetensors", *like], "cannot be read as safetensors"),
            ([tmp_path / "weights.npz", "--to", tmp_path / "w.onnx"], "says nothing of the network"),
            ([tmp_path / "weights.npz", "--like", trained, "--to", tmp_path / "w.onnx"], "name that ends in .npz")):
        assert run("weights", *arguments) == 2, arguments
        text = capsys.readouterr().err
        assert words in text, text
        assert text.count("\n") == 1
    assert not (tmp_path / "model.npz").exists()


def test_what_is_not_installed_is_said_in_one_line(trained, tmp_path, monkeypatch, capsys):
    import sys

    for module, ending in (("onnx", ".onnx"), ("safetensors.numpy", ".safetensors")):
        monkeypatch.setitem(sys.modules, module, None)
        assert run("weights", trained, "--to", tmp_path / f"w{ending}") == 2
        assert f"pip install {module.partition('.')[0]}" in capsys.readouterr().err


def test_a_golden_file_and_odd_arrays(trained, tmp_path, capsys):
    """A golden file holds weights too; arrays that are no numbers are refused."""
    assert run("export", "--model", trained, "--size", "16", "--steps", "1", "--out", tmp_path / "golden.npz") == 0
    assert run("weights", tmp_path / "golden.npz", "--to", tmp_path / "w.npz") == 0
    good = dict(checkpoint.load(trained).network.parameters)
    with open_arrays(tmp_path / "w.npz") as arrays:
        np.testing.assert_array_equal(arrays["output.bias"], good["output.bias"])
    for odd in (np.array(["a", "b"]), np.ones(2, complex), np.array(1.0)):
        np.savez(tmp_path / "odd.npz", **{**good, "output.bias": odd})
        capsys.readouterr()
        assert run("weights", tmp_path / "odd.npz", "--to", tmp_path / "x.npz") == 2
        text = capsys.readouterr().err
        assert "output.bias" in text
        assert text.count("\n") == 1


def test_arrays_that_are_no_weights_are_not_read(tmp_path, monkeypatch):
    assert run("export", "--channels", "1", "--levels", "2", "--features", "2", "--size", "4", "--out",
               tmp_path / "golden.npz") == 0
    names, getitem = [], archives.Npz.__getitem__
    monkeypatch.setattr(archives.Npz, "__getitem__", lambda npz, name: names.append(name) or getitem(npz, name))
    assert run("weights", tmp_path / "golden.npz", "--to", tmp_path / "weights.npz") == 0
    assert {name.partition("/")[0] for name in names} == {"about", "0"}
