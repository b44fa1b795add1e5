"""The scripts with --backend cuda: the whole run in kernels, on the emulated device and on a GPU."""

import json

import numpy as np
import pytest
from pictures import sequence
from PIL import Image
from places import KERNEL_PLACES, backend_at, cpu
from refusals import script

import run_predict
import run_train
from stemnet_ref import metrics
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.storage import readers
from stemnet_ref.training import checkpoint
from stemnet_ref.training import run as train
from stemnet_ref.training.checkpoint import Model

SMALL = ["--levels", "2", "--features", "2", "--crop", "16", "--crops-per-frame", "1", "--channels", "3", "--gap", "1"]


@pytest.fixture
def movie(tmp_path, no_figures):
    frames, masks = sequence(tmp_path / "movie", 6)
    return ["--frames", frames, "--masks", masks]


@KERNEL_PLACES
@pytest.mark.parametrize(("product", "options"), [
    (1, ["--augment", "--rotation", "180", "--elastic", "3", "--contrast", "0.2", "--border-weight", "5",
         "--scaling", "median-image"]),
    (1, ["--crop", "32", "--paste", "2", "--on-cells", "0.5", "--class-weight", "median-frequency"]),
    (1, ["--normalisation", "batch"]), (1, ["--activation", "sigmoid", "--cost", "quadratic", "--l1", "0.01"]),
    (1, []), (1, ["--optimizer", "adam"]), (1, ["--cost", "dice", "--l2", "0.01"]), (1, ["--preset", "listing"]),
    (2, ["--features", "8"])])
def test_a_run_is_that_of_the_cpu_within_rounding_and_goes_on_there(tmp_path, movie, monkeypatch, place, product,
                                                                    options):
    monkeypatch.setattr(place(), "product", product)
    start = [*movie, *SMALL, *options]
    assert script(run_train.main, *start, "--backend", "cpu", "--epochs", "2", "--out", tmp_path / "cpu") == 0
    monkeypatch.setattr(train, "choose", lambda name, precision, log: backend_at({"cuda": place, "cpu": cpu}[name]))
    assert script(run_train.main, *start, "--backend", "cuda", "--epochs", "1", "--out", tmp_path / "gpu") == 0
    assert json.loads((tmp_path / "gpu" / "config.json").read_text())["device"] == place().name
    assert script(run_train.main, "--resume", "--backend", "cuda", "--out", tmp_path / "gpu", "--epochs", "2") == 0
    actual, expected = (checkpoint.load(tmp_path / name / "model.npz") for name in ("gpu", "cpu"))
    for name, array in expected.network.parameters.items():
        # float32: a dozen steps, whose sums run in another order
        np.testing.assert_allclose(actual.network.parameters[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
    for name, array in expected.network.statistics.items():
        np.testing.assert_allclose(actual.network.statistics[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
    assert actual.optimizer_state.keys() == expected.optimizer_state.keys()
    rows = [readers.read_csv(tmp_path / name / "metrics.csv", metrics.COLUMNS) for name in ("gpu", "cpu")]
    for column in ("train_loss", "train_accuracy", "val_loss", "train_recall", "roc_auc"):
        np.testing.assert_allclose(*([row[column] for row in each] for each in rows), rtol=1e-3, err_msg=column)
    assert script(run_train.main, "--resume", "--backend", "cpu", "--out", tmp_path / "gpu", "--epochs", "3") == 0
    assert script(run_predict.main, tmp_path / "gpu", movie[1], "--out", tmp_path / "p") == 0


@KERNEL_PLACES
def test_a_prediction_is_that_of_the_cpu_within_rounding(tmp_path, movie, monkeypatch, capsys, place):
    checkpoint.save(tmp_path / "model.npz", Model(StemNet(3, 3, 4), Scaling(100.0, 30.0), {}, {}, {}), "0")
    monkeypatch.setattr(run_predict, "choose", lambda name, precision, log: backend_at(
        {"cuda": place, "cpu": cpu}[name]))
    recorded, record = [], place().record
    monkeypatch.setattr(place(), "record", lambda *arguments: recorded.append(arguments) or record(*arguments))
    for name in ("cpu", "cuda"):
        assert script(run_predict.main, tmp_path / "model.npz", movie[1], "--backend", name, "--out",
                      tmp_path / name) == 0
    assert f"backend {place().name}\n" in capsys.readouterr().out
    assert len(recorded) == 1                                                       # of the second frame, for the rest
    for number in range(1, 7):
        actual, expected = (np.asarray(Image.open(tmp_path / name / f"t_{number:02d}_probability.png")).astype(int)
                        for name in ("cuda", "cpu"))
        assert np.ptp(expected) > 3
        assert abs(actual - expected).max() <= 1                                # of 255: rounding


@KERNEL_PLACES
def test_two_runs_are_bit_equal(tmp_path, movie, monkeypatch, place):
    monkeypatch.setattr(train, "choose", lambda name, precision, log: backend_at(place))
    for name in ("a", "b"):
        assert script(run_train.main, *movie, *SMALL, "--epochs", "2", "--out", tmp_path / name) == 0
    assert (tmp_path / "a" / "model.npz").read_bytes() == (tmp_path / "b" / "model.npz").read_bytes()
