"""Killed before any change of the disk, every command works again, and what it writes is what it would have written."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pictures import sequence
from refusals import contents
from runs import ROOT

SMALL = ["--levels", "1", "--features", "1", "--crop", "16", "--crops-per-frame", "1", "--gap", "1"]
MOVIE = ["--frames", "movie/frames", "--masks", "movie/masks"]
TINY = ["--levels", "1", "--features", "1", "--size", "4", "--steps", "1"]
TRAIN = ["run_train.py", *MOVIE, *SMALL, "--epochs", "2", "--out", "out"]
JOBS = {
    "train": TRAIN, "train with summaries": [*TRAIN, "--summaries"],
    "resume": ["run_train.py", "--resume", "--epochs", "2", "--out", "run"],
    "predict": ["run_predict.py", "run", "movie/frames", "--masks", "movie/masks", "--out", "out"],
    "predict, as the challenge has it": ["run_predict.py", "run", "movie/frames", "--results", "challenge", "--out",
                                         "out"],
    "preprocess": ["preprocess", "movie/frames", "out", "--masks", "movie/masks", "--size", "32", "--memory", "0.01"],
    "check": ["check", "movie/frames", "movie/masks"],
    "explain": ["explain", "--levels", "1", "--features", "1", "--size", "4", "--out", "page.html"],
    "experiments": ["experiments", "table3", *MOVIE, *SMALL, "--epochs", "1", "--channels", "1", "--vary", "l2=0,1",
                    "--seeds", "1", "--out", "out"],
    "golden file": ["verify", "export", *TINY, "--out", "golden.npz"],
    "arrays": ["verify", "weights", "run", "--to", "weights.npz"],
    "a model of weights": ["verify", "weights", "run", "--like", "run", "--to", "model.npz"],
    "safetensors": ["verify", "weights", "run", "--to", "weights.safetensors"],
    "onnx": ["verify", "weights", "run", "--to", "weights.onnx"],
}
NEEDS = {"train with summaries": "tensorboardX", "onnx": "onnx",
         "safetensors": "safetensors"}
SOME = 6            # kill points of each command, beside the last


@pytest.fixture(scope="module")
def killing(tmp_path_factory):
    """A function that does a job in a process of its own, killed before its n-th change of the disk."""
    with subprocess.Popen([sys.executable, Path(__file__).parents[1] / "killing.py"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env={
                              **os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1",
                              "MPLBACKEND": "Agg"}) as process:

        def do(folder, words, at=0):
            job = {"main": words[0], "argv": words[1:], "folder": str(folder), "at": at}
            print(json.dumps(job), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield do
        process.stdin.close()


@pytest.fixture(scope="module")
def before(killing, tmp_path_factory):
    """A folder with a movie and a run, as all commands find it."""
    folder = tmp_path_factory.mktemp("before")
    sequence(folder / "movie", 6)
    assert killing(folder, ["run_train.py", *MOVIE, *SMALL, "--epochs", "1", "--out", "run"])["status"] == 0
    return folder


def needed(name):
    """Skip the test where the library is missing that a job needs."""
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")


def again(folder, words):
    """Return the command that goes on: the same, but for a run that has a model."""
    if words[0] == "run_train.py" and (folder / words[words.index("--out") + 1] / "model.npz").exists():
        return ["run_train.py", "--resume", *(word for word in words[1:] if word != "--resume")]
    return words


def written(folder):
    """Return what is in a folder; of the summaries the names, for an epoch that was done before has no maps in its."""
    return {path: b"" if "tfevents" in path.name else data for path, data in contents(folder).items()}


def killed_and_repeated(killing, before, folder, name, points):
    """Kill a command at some points, given their number; let it go on, and compare with one that was left alone."""
    words = JOBS[name]
    needed(name)
    folder = folder / "work"                                    # one place for all, because files tell where they were

    def start():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, folder)

    start()
    whole = killing(folder, words)
    assert whole["status"] == 0, whole["error"]
    expected, changes = written(folder), whole["changes"]
    assert changes > 3
    for at in points(changes):
        start()
        assert killing(folder, words, at)["status"] == -9
        done = killing(folder, again(folder, words))
        assert done["status"] == 0, f"killed before change {at} of {changes}: {done['error']}"
        assert written(folder) == expected, f"killed before change {at} of {changes}"


@pytest.mark.parametrize(("status", "left", "words"), [
    (2, b"whole", "killed before change 1 of 5: refused"), (0, b"half", "killed before change 1 of 5")])
def test_a_command_that_a_kill_spoils_is_noticed(before, tmp_path, status, left, words):
    calls = []

    def spoiled(folder, words, at=0):
        calls.append(at)
        (folder / "file").write_bytes(b"half" if at else b"whole" if len(calls) == 1 else left)
        return {"status": -9 if at else 0 if len(calls) == 1 else status, "error": "refused", "changes": 5}

    with pytest.raises(AssertionError, match=words):
        killed_and_repeated(spoiled, before, tmp_path, "explain", lambda changes: [1])


@pytest.mark.parametrize("name", JOBS)
def test_killed_and_repeated(killing, before, tmp_path, name):
    def points(changes):
        return sorted({1 + round(part * (changes - 1) / SOME) for part in range(SOME + 1)})

    killed_and_repeated(killing, before, tmp_path, name, points)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_every_point_and_repeated(killing, before, tmp_path, name):
    killed_and_repeated(killing, before, tmp_path, name, lambda changes: range(1, changes + 1))
