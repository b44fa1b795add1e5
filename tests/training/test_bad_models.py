"""Model files that cannot be used: exit status 2 and one line, and nothing already written is harmed."""

import errno
import json
import os
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from refusals import check, contents, script

import run_predict
import run_train
from stemnet_ref.storage import archives
from stemnet_ref.training import checkpoint
from stemnet_ref.training.progress import Progress


def damage(kind, trained, tmp_path):
    """Return the path of a model file that cannot be used."""
    path = tmp_path / "bad.npz"
    good = (trained / "model.npz").read_bytes()
    if kind == "absent":
        return path
    if kind == "folder without a model":
        path.mkdir()
        return path
    if kind.startswith("about: "):
        with np.load(trained / "model.npz") as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays["about"]))
        about.update(json.loads(kind.removeprefix("about: ")))
        np.savez(path, **{**arrays, "about": np.array(json.dumps(about))})
    elif kind.startswith("velocity"):
        with np.load(trained / "model.npz") as archive:
            arrays = {name: archive[name] for name in archive.files}
        name = "optimizer/velocity/output.bias"
        arrays[name] = {"velocity missing": None, "velocity of another shape": np.zeros(5, np.float32),
                        "velocity NaN": np.full(2, np.nan, np.float32)}[kind]
        np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    elif kind in ("parameter missing", "parameter of another shape", "NaN", "another format", "image NaN", "image 1-D"):
        with np.load(trained / "model.npz") as archive:
            arrays = {name: archive[name] for name in archive.files}
        if kind == "parameter missing":
            del arrays["parameters/output.bias"]
        elif kind == "parameter of another shape":
            arrays["parameters/output.bias"] = np.zeros(3, np.float32)
        elif kind.startswith("image"):
            arrays["scaling/image"] = {"image NaN": np.full((40, 48), np.nan, np.float32),
                                       "image 1-D": np.zeros(5, np.float32)}[kind]
        elif kind == "NaN":
            arrays["parameters/output.bias"][:] = np.nan
        else:
            arrays["about"] = np.array(str(arrays["about"]).replace(checkpoint.FORMAT, "other model 9"))
        np.savez(path, **arrays)
    elif kind == "pickle":
        np.savez(path, about=np.array([{"an": "object"}], dtype=object))
    elif kind == "foreign npz":
        np.savez(path, weights=np.zeros(3))
    else:
        path.write_bytes({"text": b"no model", "empty": b"", "truncated": good[:len(good) // 2],
                          "one bit": good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]}[kind])
    return path


def assert_not_resumed(capsys, path, trained):
    """Assert that a run whose model is that of a path is not gone on with, and stays as it is."""
    shutil.copy(path, trained / "model.npz")
    before = contents(trained)
    check(capsys, script(run_train.main, "--resume", "--out", trained, "--epochs", "2"), trained / "model.npz")
    assert contents(trained) == before


@pytest.mark.parametrize("kind", ["absent", "folder without a model", "text", "empty", "truncated", "one bit", "pickle",
                                  "foreign npz", "image NaN", "image 1-D",
                                  "parameter missing", "parameter of another shape", "NaN",
                                  "another format"])
def test_bad_model_files(tmp_path, pair, trained, capsys, kind):
    path = damage(kind, trained, tmp_path)
    check(capsys, script(run_predict.main, path, pair[0], "--out", tmp_path / "out"), path)
    assert not (tmp_path / "out").exists()
    if path.is_file():
        assert_not_resumed(capsys, path, trained)


@pytest.mark.parametrize("kind", ['about: {"settings": {}}', 'about: {"settings": {"wings": 2}}',
                                  'about: {"progress": {}}', 'about: {"progress": {"epoch": "x"}}',
                                  f'about: {{"progress": {json.dumps(asdict(Progress(epoch=1)))}}}', "velocity missing",
                                  "velocity of another shape", "velocity NaN"])
def test_model_files_that_predict_but_cannot_be_resumed(tmp_path, pair, trained, capsys, kind):
    path = damage(kind, trained, tmp_path)
    assert script(run_predict.main, path, pair[0], "--out", tmp_path / "out") == 0
    capsys.readouterr()
    assert_not_resumed(capsys, path, trained)


@pytest.mark.parametrize("kind", ['about: {"scaling": {"mean": 0, "std": 0}}', 'about: {"settings": 7}',
                                  'about: {"scaling": {"mean": 0, "std": "x"}}', 'about: {"scaling": {}}',
                                  'about: {"network": {"levels": 2}}', 'about: {"network": {"colour": 2}}',
                                  'about: {"network": {"channels": 1, "levels": 2, "features": 2, "kernel": 5}}'])
def test_model_files_whose_description_is_damaged(tmp_path, pair, trained, capsys, kind):
    path = damage(kind, trained, tmp_path)
    check(capsys, script(run_predict.main, path, pair[0], "--out", tmp_path / "out"), path)


def test_an_unreadable_model_is_named(trained, pair, tmp_path, capsys, monkeypatch):
    def refuse(path, *arguments):                   # root may read everything, so that a mode of 0 would not do
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(archives, "open", refuse, raising=False)
    check(capsys, script(run_predict.main, trained / "best.npz", pair[0], "--out", tmp_path / "out"),
          "best.npz: cannot be opened (Permission denied)")


def test_the_folder_of_an_experiment_names_its_runs(trained, pair, tmp_path, capsys):
    folder = tmp_path / "table3"
    for name in ("network1-seed0", "network5-seed0"):
        shutil.copytree(trained, folder / name)
    check(capsys, script(run_train.main, "--resume", "--out", folder), "--out", "its folders hold 2 runs",
          folder / "network1-seed0")
    check(capsys, script(run_predict.main, folder, pair[0], "--out", tmp_path / "out"), folder,
          "its folders hold 2 runs", folder / "network1-seed0")
