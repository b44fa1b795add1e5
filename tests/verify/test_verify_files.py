"""Golden files, others' files, and the commands that read and write them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from verifying import COMMANDS, run, small_golden, write_files

from stemnet_ref.errors import InputError
from stemnet_ref.training import checkpoint
from stemnet_ref.verify import actual, golden, layouts
from stemnet_ref.verify.arrays import as_array
from stemnet_ref.verify.golden import keys

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path):
    """A golden file, and one that agrees with it."""
    return write_files(tmp_path)


def test_same_bytes_from_run_to_run(tmp_path):
    """In processes of their own, with one thread and with two."""
    for name, threads in (("a", "1"), ("b", "2")):
        subprocess.run([sys.executable, "-m", "stemnet_ref.verify", "export", "--channels", "5", "--features", "4",
                        "--out", tmp_path / name], check=True, capture_output=True, cwd=ROOT,
                       env={**os.environ, "OPENBLAS_NUM_THREADS": threads})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    run("export", "--channels", "5", "--features", "4", "--seed", "1", "--out", tmp_path / "c")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_reading_gives_back_what_was_written(layout, tmp_path):
    made = small_golden()
    golden.write(made, tmp_path / "golden.npz", layout)
    read = golden.read(tmp_path / "golden.npz")
    assert read.arrays.keys() == made.arrays.keys()
    for key, array in made.arrays.items():
        np.testing.assert_array_equal(read.arrays[key], array, err_msg=key)
        assert read.arrays[key].dtype == array.dtype
    assert {**read.about, "layout": "NHWC"} == made.about


def test_layouts_are_those_of_the_documentation(tmp_path):
    golden.write(small_golden((16, 32)), tmp_path / "golden.npz", "NCHW")
    with np.load(tmp_path / "golden.npz", allow_pickle=False) as archive:
        shapes = {key: archive[key].shape for key in archive.files}
    assert shapes["input"] == shapes["frames"] == (2, 3, 16, 32)
    assert shapes["labels"] == (2, 16, 32)
    assert shapes["0/parameter/down1.conv.weight"] == (4, 2, 5, 5)
    assert shapes["0/parameter/up0.deconv.weight"] == (4, 2, 2, 2)
    assert shapes["1/mask/down1.conv"] == shapes["1/forward/down1.conv"] == (2, 4, 8, 16)
    assert shapes["5/gradient/up1.conv.weight"] == (4, 8, 5, 5)


def test_documentation_names_every_kind_of_array():
    text = (ROOT / "docs" / "golden.md").read_text()
    made = small_golden()
    names = {re.sub(r"(down|up)\d", r"\1L", key.partition("/")[2] if key[0].isdigit() else key) for key in made.arrays}
    for name in names:
        kind, _, tensor = name.rpartition("/")
        assert f"`{tensor}`" in text, name
        assert not kind or f"/{kind}/" in text, name
    for settings in (made.about, made.network, made.training, made.about["scaling"]):
        for name in settings:
            assert f"`{name}`" in text, name


@pytest.mark.torch
def test_example_of_the_documentation_agrees(tmp_path):
    """The script that writes a file from PyTorch is run as it stands."""
    text = (ROOT / "docs" / "golden.md").read_text()
    script, = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    command, = re.findall(r"python -m stemnet_ref.verify (export .*)", text)
    assert run(*command.split()[:-1], tmp_path / "golden.npz") == 0
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert run("compare", tmp_path / "golden.npz", tmp_path / "actual.npz") == 0


def test_compare_tells_by_its_exit_status(files, capsys):
    capsys.readouterr()
    assert run("compare", *files) == 0
    assert "agrees: " in capsys.readouterr().out
    with np.load(files[1]) as archive:
        arrays = dict(archive)
    arrays["1/cost"] = arrays["1/cost"] * np.float32(1.001)
    np.savez(files[1], **arrays)
    assert run("compare", *files) == 1
    text = capsys.readouterr().out
    assert "DEPARTS FIRST" in text
    assert "differs: 1 of " in text
    assert run("compare", *files, "--all") == 1
    assert len(capsys.readouterr().out.splitlines()) > 3 * len(text.splitlines())


def test_arrays_may_be_in_the_other_layout(files, tmp_path, capsys):
    made = golden.read(files[0])
    own = {key: made.arrays[key] for key in keys(made) if key in made.arrays}
    turned = {key: layouts.to_layout(key, array, "NCHW") for key, array in own.items()}
    filters_only = {key: turned[key] if layouts.is_filter(key) else array for key, array in own.items()}
    for name, arrays in (("turned", turned), ("filters", filters_only),
                         ("said", {**turned, "about": np.array(json.dumps({"layout": "NCHW"}))})):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert run("compare", files[0], tmp_path / f"{name}.npz") == 0, name
    assert run("compare", files[0], tmp_path / "turned.npz", "--layout", "NCHW") == 0
    assert run("compare", files[0], tmp_path / "turned.npz", "--layout", "NHWC") == 2
    assert "read as NHWC, as was said, it must have" in capsys.readouterr().err
    mixed = {**turned, "1/forward/logits": turned["1/forward/logits"].transpose(0, 2, 3, 1)}
    np.savez(tmp_path / "mixed.npz", **mixed)
    assert run("compare", files[0], tmp_path / "mixed.npz") == 2
    assert "read as NCHW, as others in the file, it must have" in capsys.readouterr().err
    np.savez(tmp_path / "cut.npz", **{"1/forward/logits": turned["1/forward/logits"][..., :4]})
    assert run("compare", files[0], tmp_path / "cut.npz") == 2
    assert " in NHWC or (" in capsys.readouterr().err


def test_an_array_of_another_shape_is_named_in_either_layout():
    made = small_golden()
    for layout in layouts.LAYOUTS:
        given = {key: layouts.to_layout(key, made.arrays[key], layout) for key in keys(made)}
        given["1/forward/up0.conv"] = given["1/forward/up0.conv"][:, :, 1:]
        with pytest.raises(InputError, match=r"1/forward/up0\.conv has shape"):
            actual.select(given, made)


def test_a_full_disk_leaves_an_older_file(files, monkeypatch, capsys):
    before = files[0].read_bytes()
    monkeypatch.setattr(np, "savez", lambda file, **arrays: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert run("export", *COMMANDS, "--seed", "5", "--out", files[0]) == 2
    assert "free space" in capsys.readouterr().err
    assert files[0].read_bytes() == before


def test_of_a_trained_model_and_real_frames(trained, pair, tmp_path):
    assert run("export", "--model", trained, "--frames", pair[0], "--masks", pair[1], "--size", "16x32", "--batch-size",
               "2", "--steps", "2", "--out", tmp_path / "golden.npz") == 0
    made, model = golden.read(tmp_path / "golden.npz"), checkpoint.load(trained)
    assert made.input.shape == (2, 16, 32, model.network.channels)
    for name, array in model.network.parameters.items():
        np.testing.assert_array_equal(made.parameters[name], array)
    np.testing.assert_allclose((made.frames - made.scaling[0]) / made.scaling[1], made.input, atol=1e-5)
    assert set(np.unique(made.labels)) <= {0, 1}
    z, _ = model.network.forward(made.input)
    assert made.training["keep_prob"] == model.settings["keep_prob"]
    assert z.shape == made.arrays["1/forward/logits"].shape
    assert run("export", "--model", trained, "--size", "1024", "--out", tmp_path / "x.npz") == 2
    assert run("export", "--model", trained, "--levels", "2", "--out", tmp_path / "x.npz") == 2


def test_arrays_of_any_library():
    class Array:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    class OnlyDlpack:
        def __dlpack__(self, **more):
            return np.arange(3.0).__dlpack__(**more)

        def __dlpack_device__(self):
            return np.arange(3.0).__dlpack_device__()

    for value in (Array(), OnlyDlpack(), [0.0, 1.0, 2.0], np.arange(3.0)):
        np.testing.assert_array_equal(as_array(value), np.arange(3.0))
    with pytest.raises(TypeError, match="object is no array"):
        as_array(object())


def test_a_channel_of_frames_is_chosen(tmp_path, pair, trained, capsys):
    planes = np.stack([np.asarray(Image.open(path)) for path in sorted(pair[0].iterdir())])
    two = tmp_path / "two.tif"
    tifffile.imwrite(two, np.stack([255 - planes, planes], 1), imagej=True, metadata={"axes": "TCYX"})
    start = "export", "--model", trained, "--size", "16x16", "--steps", "1", "--masks", pair[1]
    assert run(*start, "--frames", two, "--out", tmp_path / "c.npz") == 2
    assert "choose a channel by --channel-index 0 or 1" in capsys.readouterr().err
    for name, frames in (("a", [pair[0]]), ("b", [two, "--channel-index", "1"]), ("c", [two, "--channel-index", "0"])):
        assert run(*start, "--frames", *frames, "--out", tmp_path / f"{name}.npz") == 0
    a, b, c = (golden.read(tmp_path / f"{name}.npz").arrays["frames"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert run("export", "--z", "1", "--out", tmp_path / "d.npz") == 2
    assert "--z: has no effect without --model" in capsys.readouterr().err
