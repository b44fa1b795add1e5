"""Folders to work in, and a process that does jobs and is killed."""

import json
import os
import subprocess
import sys

import pytest
from jobs import MOVIE, SMALL
from pictures import sequence
from runs import ROOT

from stemnet_ref.benchmark import teaching
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.training import checkpoint
from stemnet_ref.training.checkpoint import Model
from stemnet_ref.training.settings import Settings


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a run and a movie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(teaching, "measure", lambda rounds: {})
    sequence(tmp_path / "movie", 6)
    (tmp_path / "run").mkdir()
    settings = Settings.from_options({"levels": 1, "features": 1, "crop": 16}).as_dict()
    for name in ("model.npz", "best.npz"):
        checkpoint.save(tmp_path / "run" / name, Model(StemNet(1, 1, 1), Scaling(127.0, 20.0), settings, {}, {}), "0")
    (tmp_path / "run" / "config.json").write_text('{"preset": 1, "steps_per_epoch": 1, "version": 1}')
    return tmp_path


@pytest.fixture(scope="session")
def killing():
    """A function that does a job in a process of its own, killed before its n-th change of the disk."""
    with subprocess.Popen([sys.executable, ROOT / "tests" / "support" / "killing.py"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env={
                              **os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1",
                              "MPLBACKEND": "Agg"}) as process:

        def do(folder, words, at=0):
            job = {"main": words[0], "argv": words[1:], "folder": str(folder), "at": at}
            print(json.dumps(job), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield do
        process.stdin.close()


@pytest.fixture(scope="session")
def before(killing, tmp_path_factory):
    """A folder with a movie and a run, as all commands find it."""
    folder = tmp_path_factory.mktemp("before")
    sequence(folder / "movie", 6)
    assert killing(folder, ["run_train.py", *MOVIE, *SMALL, "--epochs", "1", "--out", "run"])["status"] == 0
    return folder
