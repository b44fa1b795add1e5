"""The benchmark: what it prints and writes, what it refuses; never how fast anything is."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from places import backend_at, emulator

from stemnet_ref import backends
from stemnet_ref.backends.cuda.launch import blocks, launch
from stemnet_ref.benchmark import __main__ as benchmark
from stemnet_ref.benchmark import reader, teaching
from stemnet_ref.benchmark.engine import layer_cases
from stemnet_ref.benchmark.ours import Ours
from stemnet_ref.benchmark.pytorch import TorchOnGpu
from stemnet_ref.errors import InputError
from stemnet_ref.layers import conv2d
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.training.settings import Settings


def check_report(capsys, path, names):
    printed, report = capsys.readouterr().out, json.loads(path.read_text())
    assert set(report["seconds"]) >= {"step", "predict"}
    for seconds in report["seconds"].values():
        assert list(seconds) == names
        assert all(value > 0 for value in seconds.values())
    for case in ("step", "predict"):
        assert f"peak memory, {case}: ours" in printed
        assert all(value > 1e6 for value in report["peak_bytes"][case].values())
    return printed, report


def test_the_reference_alone_with_every_layer(tmp_path, capsys):
    assert benchmark.main(["--size", "32", "--channels", "1", "--rounds", "1", "--json", str(tmp_path / "b.json")]) == 0
    printed, report = check_report(capsys, tmp_path / "b.json", ["ours"])
    for name in layer_cases(1, 32):
        assert {f"forward {name}", f"backward {name}"} <= set(report["seconds"])
        assert f"backward {name}" in printed


@pytest.mark.torch
def test_beside_pytorch(tmp_path, capsys):
    assert benchmark.main(["--size", "32", "--channels", "1", "--rounds", "1", "--no-layers", "--against", "torch",
                           "--json", str(tmp_path / "b.json")]) == 0
    printed, report = check_report(capsys, tmp_path / "b.json", ["ours", "torch", "torch-channels-last"])
    step = report["seconds"]["step"]
    line = next(line for line in printed.splitlines() if line.startswith("step"))
    assert float(line.split()[-1]) == pytest.approx(step["ours"] / min(step["torch"], step["torch-channels-last"]),
                                                    abs=0.006)


@pytest.mark.parametrize("form", teaching.FORMS)
def test_what_textbooks_do_is_the_same_convolution(form):
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.standard_normal(shape) for shape in ((7, 6, 3), (5, 5, 3, 2), (7, 6, 2)))
    forward, backward = teaching.FORMS[form]
    np.testing.assert_allclose(forward(x, weight), conv2d.forward(x[None], weight)[0], rtol=1e-12, atol=1e-12)
    for found, exact in zip(backward(dy, x, weight), conv2d.backward(dy[None], x[None], weight), strict=True):
        np.testing.assert_allclose(found, exact.reshape(found.shape), rtol=1e-12, atol=1e-12)


def test_the_table_beside_textbooks(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(teaching.measure, "__defaults__", ((8, 2, 2, 3),))
    assert benchmark.main(["--teaching", "--rounds", "2", "--json", str(tmp_path / "b.json")]) == 0
    printed, seconds = capsys.readouterr().out, json.loads((tmp_path / "b.json").read_text())["seconds"]
    for form in teaching.FORMS:
        assert form in printed
        assert min(seconds[form].values()) > 0


@pytest.mark.parametrize(("options", "culprit"), [
    (["--size", "100"], "--size 100: must be a multiple of 32"), (["--channels", "2"], "--channels 2: must be odd"),
    (["--rounds", "0"], "--rounds 0"), (["--device", "cuda"], "--backend cuda: CuPy is not installed"),
    (["--size", "99999999968"], "up to 8192"), (["--json", "nowhere/b.json"], "--json nowhere/b.json: must be"),
    (["--json", "."], "--json .: is a folder; name a file"),
])
def test_impossible_options(monkeypatch, options, culprit):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)            # as where it is not installed
    with pytest.raises(InputError, match=culprit):
        benchmark.main(options)


def test_the_cases_run_on_a_device(monkeypatch):
    monkeypatch.setattr(backends, "choose", lambda name: backend_at(emulator))
    engine = Ours("cuda", 32, 1)
    for case in (("forward", "down0.conv"), ("backward", "down0.conv"), ("forward", "up1.deconv"),
                 ("backward", "up1.deconv")):
        assert engine.seconds(engine.make(case), 1) > 0


def test_the_ceilings_do_the_work_they_are_counted_for():
    a, b = emulator().to_device(np.arange(4000, dtype=np.float32)), emulator().empty(4000, np.float32)
    launch("benchmark/ceilings.ceiling_copy", blocks(1000), a, b, 1000)
    np.testing.assert_array_equal(emulator().to_host(b), emulator().to_host(a))
    out = emulator().empty(256, np.float32)
    launch("benchmark/ceilings.ceiling_fma", 1, out, 5, 1.0)
    np.testing.assert_array_equal(emulator().to_host(out), 8 * 5.0)         # eight chains of five additions of 1


@pytest.mark.torch
@pytest.mark.parametrize(("tf32", "precision"), [(False, "ieee"), (True, "tf32")])
def test_the_settings_that_pytorch_has_on_a_gpu_are_shown(tf32, precision):
    import torch

    engine = TorchOnGpu("cuda", 32, 1, tf32, channels_last=False)
    try:
        assert engine.settings() == (f"cudnn.conv.fp32_precision={precision}, cuda.matmul.fp32_precision={precision}, "
                                     "cudnn.benchmark=True")
    finally:
        torch.backends.cudnn.benchmark = False
        for backend in (torch.backends.cudnn.conv, torch.backends.cudnn, torch.backends.cuda.matmul):
            backend.fp32_precision = "none"


def test_the_reader(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reader, "CROPS", (64, 96))
    assert benchmark.main(["--reader", "--channels", "1", "--rounds", "1", "--json", str(tmp_path / "b.json")]) == 0
    found = json.loads((tmp_path / "b.json").read_text())["seconds"]
    assert list(found) == ["plain 64", "augmented 64", "plain 96", "augmented 96"]
    for row in found.values():
        assert 0 < row["waited"] < row["step"]
        assert row["alone"] > 0
    assert capsys.readouterr().out.count("augmented / plain") == 2
    with pytest.raises(InputError, match="--size: has no effect with --reader"):
        benchmark.main(["--reader", "--size", "64"])
    with pytest.raises(InputError, match="--reader: has no effect with --teaching"):
        benchmark.main(["--reader", "--teaching"])


def test_the_reader_on_a_device():
    settings = Settings(channels=1, levels=2, crop=32, crops_per_frame=1, **reader.AUGMENTED)
    found = reader._measure(StemNet(1, 2, 2), settings, 1, backend_at(emulator))
    assert 0 < found["waited"] < found["step"]


def test_no_process_outlives_the_benchmark(tmp_path):
    """All of them hold its standard output, and none may write that it leaves something behind."""
    process = subprocess.Popen([sys.executable, "-m", "stemnet_ref.benchmark", "--size", "32", "--rounds", "9999"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    while process.stdout.readline().split()[:1] != ["GFLOP"]:           # then its worker works
        assert process.poll() is None
    process.kill()
    assert process.communicate(timeout=60)[1] == ""
