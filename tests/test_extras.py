"""Options that need a library say so in one line where it is not installed, before anything is written."""

import sys

import pytest
import refusals

import run_predict
import run_train

SCIPY = "needs SciPy, which is not installed; python -m pip install scipy"


@pytest.fixture
def without_scipy(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)             # so that importing it fails


@pytest.mark.parametrize("options", [["--rotation", "90"], ["--elastic", "5"], ["--paste", "1"],
                                     ["--border-weight", "5"]])
def test_training_options(tmp_path, pair, capsys, without_scipy, options):
    start = "--frames", pair[0], "--masks", pair[1], *refusals.SMALL
    status = refusals.script(run_train.main, *start, *options, "--out", tmp_path / "out")
    refusals.check(capsys, status, f"{options[0]}: {SCIPY}")
    assert not (tmp_path / "out").exists()
    assert refusals.script(run_train.main, *start, "--augment", "--on-cells", "0.5", "--out", tmp_path / "out") == 0


def test_cells_are_numbered_without_it(tmp_path, pair, trained, without_scipy):
    assert refusals.script(run_predict.main, trained, pair[0], "--results", "challenge", "--out", tmp_path / "out") == 0
