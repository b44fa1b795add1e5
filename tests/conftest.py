"""Hypothesis settings, fixtures, and what a skipped test means in CI."""

import os
from contextlib import nullcontext
from importlib.util import find_spec

# Before NumPy and PyTorch are imported: on tiny arrays their threads only wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import equations
import matplotlib
import pytest
import refusals
from hypothesis import HealthCheck, settings
from matplotlib.figure import Figure
from pictures import drawing, sequence, undrawn

import run_train
from stemnet_ref.report import figures

matplotlib.use("Agg")
Figure.savefig = undrawn
settings.register_profile("default", deadline=None, max_examples=25, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_addoption(parser):
    parser.addoption("--equation", metavar="NUMBER", help="run only the tests of this equation of the thesis")


def pytest_configure(config):
    if config.option.equation is not None:
        try:
            config.equations = equations.chosen(config.option.equation)
        except ValueError as error:
            raise pytest.UsageError(error) from None


def pytest_ignore_collect(collection_path, config):
    """Leave out the files that name no equation, where one is asked for: a fault may keep them from being read."""
    if hasattr(config, "equations") and collection_path.suffix == ".py" and \
            "mark.equation" not in collection_path.read_text():
        return True
    return None


@pytest.hookimpl(trylast=True)                          # after -k and -m
def pytest_collection_modifyitems(config, items):
    """Keep the tests of the equation that was asked for; leave out, and count, those that need what is not installed.

    Those whose markers STEMNET_REQUIRE_ALL names are never left out, and STEMNET_REQUIRE_GPU keeps those of the GPU.
    """
    import nvrtc
    import places

    if hasattr(config, "equations"):
        kept = [item for item in items
                if config.equations & {number for mark in item.iter_markers("equation") for number in mark.args}]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    config.left_out = {}
    required = os.environ.get("STEMNET_REQUIRE_ALL", "").split()
    for marker, what, present in (
            ("gpu", "GPU tests: not run ({} of them; no CuPy or no GPU here)",
             lambda: os.environ.get("STEMNET_REQUIRE_GPU") or places.find_gpu() is not None),
            ("torch", "PyTorch's tests: not run ({} of them; pip install torch)", lambda: find_spec("torch")),
            ("nvrtc", "tests that compile the kernels: not run ({} of them; pip install nvidia-cuda-nvrtc-cu12 "
                      "nvidia-cuda-nvrtc)", lambda: {12, 13} <= {*nvrtc.compilers()}),
            ("tensorflow", "TensorFlow's tests: not run ({} of them; pip install tensorflow)",
             lambda: find_spec("tensorflow")),
            ("jax", "JAX's tests: not run ({} of them; pip install jax)", lambda: find_spec("jax")),
            ("fuzz", "long tests of damaged files: not run ({} of them; pytest -m fuzz)",
             lambda: "fuzz" in config.option.markexpr),
            ("sweep", "kernels over many more shapes, and random right runs: not run ({} of them; pytest -m sweep)",
             lambda: "sweep" in config.option.markexpr)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and marker not in required and not present():
            config.hook.pytest_deselected(items=marked)
            items[:] = [item for item in items if item not in marked]
            config.left_out[what] = len(marked)
    if hasattr(config, "workeroutput"):                     # one of several processes: the first one tells the user
        config.workeroutput["left_out"] = config.left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.left_out = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter, config):
    for what, count in getattr(config, "left_out", {}).items():
        terminalreporter.write_line(what.format(count))


def _refuse_skip(report):
    """Turn a skip into a failure where STEMNET_REQUIRE_ALL is set, so that CI cannot lose a test unnoticed."""
    if report.skipped and os.environ.get("STEMNET_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, but STEMNET_REQUIRE_ALL is set: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    _refuse_skip((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    _refuse_skip((yield).get_result())


@pytest.fixture(autouse=True)
def quick_files(request, monkeypatch):
    """Draw figures only where the test is marked `drawn`, and wait for no disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    with drawing() if request.node.get_closest_marker("drawn") else nullcontext():
        yield


@pytest.fixture
def no_figures(monkeypatch):
    """Leave out the curves, where a test trains many times and does not look at them."""
    monkeypatch.setattr(figures, "plot_curves", lambda rows, folder: None)
    monkeypatch.setattr(figures, "plot_predictions", lambda examples, path: None)
    monkeypatch.setattr(figures, "plot_maps", lambda maps, path: None)
    monkeypatch.setattr(figures, "plot_roc", lambda rows, area, path: None)
    monkeypatch.setattr(figures, "plot_crops", lambda crops, path: None)


@pytest.fixture
def movie(tmp_path):
    """Options that name twelve frames and their masks."""
    frames, masks = sequence(tmp_path / "movie", 12)
    return ["--frames", frames, "--masks", masks]


@pytest.fixture
def pair(tmp_path):
    """Six frames and their masks."""
    return sequence(tmp_path / "movie", 6)


@pytest.fixture
def trained(tmp_path, pair, no_figures, capsys):
    """A folder with a trained model."""
    out = tmp_path / "trained"
    assert refusals.script(run_train.main, "--frames", pair[0], "--masks", pair[1], *refusals.SMALL, "--out", out) == 0
    capsys.readouterr()
    return out
