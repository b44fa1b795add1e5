"""Files of others' arrays as people really write them: what `verify compare` says of each, in one line.

Each function changes the arrays of a file that agrees, or writes another file in place of it.
"""

import json
import pickle
import zipfile

import numpy as np
import pytest
from verifying import run, write_files

from stemnet_ref.storage import archives
from stemnet_ref.verify.layouts import is_filter, to_layout

LOGITS, BIAS, WEIGHT = "1/forward/logits", "1/gradient/up0.conv.bias", "1/gradient/up0.conv.weight"
REMEDY = "; compute and save in float32 or float64"
AS_NHWC = "read as NHWC, as others in the file, it must have (1, 8, 12, 2)"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The paths of a golden file, and of one that agrees with it."""
    return write_files(tmp_path_factory.mktemp("odd"))


def one(key, change):
    """Return the function that changes one array."""
    return lambda arrays: {**arrays, key: change(arrays[key])}


def every(change):
    """Return the function that changes all arrays."""
    return lambda arrays: {key: change(array) for key, array in arrays.items()}


def cast(dtype):
    return lambda array: array.astype(dtype)


def bfloat16(array):
    return array.astype(pytest.importorskip("ml_dtypes").bfloat16)


@pytest.mark.parametrize("change", [
    one("1/cost", lambda array: array.reshape(1)), one("1/cost", lambda array: array.reshape(1, 1)),
    one("1/cost", lambda array: np.array([float(array)])),                  # a list of one Python number
    one("1/cost", lambda array: float(array)), every(cast(">f4")), every(cast(np.float64)), every(cast(">f8")),
    every(np.asfortranarray), one(LOGITS, cast(np.float64)), every(lambda array: array[()]),
    lambda arrays: dict(reversed(arrays.items())), lambda arrays: {**arrays, "labels": np.array("none")},
    lambda arrays: {**arrays, "about": np.array(json.dumps({"layout": "NHWC", "made_by": "me"}))},
    lambda arrays: {**arrays, "frames": np.zeros((3, 3), np.int16), "class_weights": np.ones(1, np.float16)},
    lambda arrays: {**arrays, "about": np.array("{}")},
    lambda arrays: {key: to_layout(key, array, "NCHW") for key, array in arrays.items()},
    lambda arrays: {key: array if is_filter(key) else to_layout(key, array, "NCHW") for key, array in arrays.items()},
])
def test_a_file_that_agrees(change, files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = change(dict(archive))
    np.savez(tmp_path / "odd.npz", **arrays)
    capsys.readouterr()
    assert run("compare", files[0], tmp_path / "odd.npz") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("agrees: 233 of 233 tensors, none differs")
    assert not err


@pytest.mark.parametrize(("change", "words"), [
    (every(cast(np.int16)), f"input and 249 more are int16{REMEDY}"), (one(LOGITS, cast("<u2")), "logits is uint16"),
    (one(LOGITS, cast(np.int8)), "logits is int8"), (one(LOGITS, cast(">i2")), "logits is >i2"),
    (one("1/cost", cast(np.int64)), f"1/cost is int64{REMEDY}"), (one(LOGITS, cast(bool)), "logits is bool"),
    (one(LOGITS, cast(np.complex64)), "logits is complex64"), (one("input", cast(np.uint8)), "input is uint8"),
    (one(LOGITS, cast(np.longdouble)), f"logits is {np.dtype(np.longdouble)}"),
    (one("1/cost", lambda array: np.array("1.5")), "1/cost is <U3"),
    (one(LOGITS, lambda array: array.astype(str)), "1/forward/logits is <U32"),
    (one(LOGITS, lambda array: array.astype(object)), "logits is an array of object, not of numbers"),
    (one("1/cost", lambda array: np.array({"cost": 1})), "1/cost is an array of object, not of numbers"),
    (one(LOGITS, lambda array: array.astype("S8")), "logits is an array of |S8, not of numbers"),
    (one(LOGITS, lambda array: np.zeros(3, "M8[s]")), "logits is an array of datetime64[s], not of numbers"),
    (one(LOGITS, lambda array: np.zeros(3, [("a", "f4")])), "logits is an array of [('a', '<f4')], not of numbers"),
    (one(LOGITS, lambda array: np.zeros((0, 2), np.float32)), f"logits has shape (0, 2); {AS_NHWC}"),
    (one(LOGITS, lambda array: array[0]), f"logits has shape (8, 12, 2); {AS_NHWC}"),
    (one(LOGITS, np.ravel), f"logits has shape (192,); {AS_NHWC}"),
    (one(LOGITS, lambda array: array[:, :4]), "logits has shape (1, 4, 12, 2)"),
    (one(LOGITS, lambda array: array.swapaxes(1, 2)), "logits has shape (1, 12, 8, 2)"),
    (one(LOGITS, lambda array: array[..., None]), "logits has shape (1, 8, 12, 2, 1)"),
    (one("1/cost", lambda array: np.ones(4)), "1/cost has shape (4,); it must have ()"),
    (one("1/cost", lambda array: np.ones((0,))), "1/cost has shape (0,)"),
    (one(BIAS, lambda array: array[None]), f"{BIAS} has shape (1, 2); it must have (2,)"),
    (one(BIAS, lambda array: array[0]), f"{BIAS} has shape (); it must have (2,)"),
    (one(BIAS, lambda array: np.append(array, 1)), f"{BIAS} has shape (3,); it must have (2,)"),
    (one(WEIGHT, lambda array: array[0]), f"{WEIGHT} has shape (5, 4, 2)"),
    (one(WEIGHT, lambda array: array.transpose(3, 2, 0, 1)), f"{WEIGHT} has shape (2, 4, 5, 5)"),    # one layout a file
    (one(LOGITS, lambda array: array.transpose(0, 3, 1, 2)), f"{LOGITS} has shape (1, 2, 8, 12)"),
    (lambda arrays: {"a": arrays["1/cost"]}, "1 array under no name of the golden file: 'a'"),
    (lambda arrays: {}, "holds no array under a name of the golden file; names are such as 1/forward/logits"),
    (lambda arrays: {"arr_0": arrays["input"]}, "'arr_0'"),                 # numpy.savez(FILE, array)
    (lambda arrays: {"arr_0": np.array(arrays, object)}, "'arr_0'"),        # numpy.savez(FILE, dict)
    (lambda arrays: {**arrays, "labels": arrays["1/cost"], "about": np.array("?")}, "about is no JSON text"),
    (lambda arrays: {**arrays, "about": np.ones(2)}, "about is no JSON text"),
    (lambda arrays: {**arrays, "about": np.array('{"layout": "CHWN"}')}, "about says layout 'CHWN'; it must be NHWC"),
])
def test_arrays_that_cannot_be_compared(change, words, files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = change(dict(archive))
    np.savez(tmp_path / "odd.npz", **arrays)
    assert_refused(files, tmp_path / "odd.npz", words, capsys)


def assert_refused(files, path, words, capsys, *options):
    """Assert that a file is refused in one line that names it."""
    capsys.readouterr()
    assert run("compare", files[0], path, *options) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert path.name in err
    assert err.count("\n") == 1
    assert not out


def test_a_vector_has_no_layout(files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = {key: to_layout(key, archive[key], "NCHW") for key in (LOGITS, BIAS, "1/cost")}
    np.savez(tmp_path / "odd.npz", **{**arrays, BIAS: np.ones(7)})
    assert_refused(files, tmp_path / "odd.npz", f"{BIAS} has shape (7,); it must have (2,)\n", capsys,
                   "--layout", "NCHW")
    np.savez(tmp_path / "odd.npz", **{**arrays, LOGITS: np.ones((1, 8, 12, 2))})
    assert_refused(files, tmp_path / "odd.npz", "logits has shape (1, 8, 12, 2); read as NCHW, as was said, it must "
                   "have (1, 2, 8, 12)", capsys, "--layout", "NCHW")


def zipped(*names):
    """Return the function that writes a zip archive with members of these names."""
    def write(path, arrays):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"no array")
    return write


def pytorch(path, arrays, **options):
    import torch

    torch.save({key: torch.tensor(array) for key, array in arrays.items()}, path, **options)


def safetensors(change):
    """Return the function that writes a .safetensors file of changed arrays."""
    def write(path, arrays):
        pytest.importorskip("safetensors.numpy").save_file(change(arrays), path)
    return write


def twice(path, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1/cost.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("1/cost.npy", b"")


@pytest.mark.parametrize(("name", "write", "words"), [
    pytest.param(
        "a.pt", pytorch, "a.pt: cannot be read (it is a file of torch.save, a pickle; reading it could run any "
                         "program); write arrays by numpy.savez(FILE, **arrays), PyTorch's as tensor.detach().numpy()",
        marks=pytest.mark.torch),
    pytest.param("old.pth", lambda path, arrays: pytorch(path, arrays, _use_new_zipfile_serialization=False),
                 "is a pickle, as", marks=pytest.mark.torch),
    ("a.pkl", lambda path, arrays: path.write_bytes(pickle.dumps(arrays)), "is a pickle"),
    ("a.npy", lambda path, arrays: np.save(path, arrays["input"]), "is a .npy file, one array without a name"),
    ("b.npy", lambda path, arrays: np.save(path, np.array(arrays, object)), "is a .npy file"),  # numpy.save(FILE, dict)
    ("a.csv", lambda path, arrays: np.savetxt(path, arrays[BIAS]), "is text"),
    ("a.json", lambda path, arrays: path.write_text(json.dumps({"1/cost": 1.0})), "is text"),
    ("a.h5", lambda path, arrays: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "is an HDF5 file"),
    ("a.npz.gz", lambda path, arrays: path.write_bytes(b"\x1f\x8b" + bytes(99)), "is compressed by gzip"),
    ("empty.npz", lambda path, arrays: path.write_bytes(b""), "is no .npz archive, or cut off"),
    ("zeros.npz", lambda path, arrays: path.write_bytes(bytes(99)), "is no .npz archive, or cut off"),
    ("a.keras", zipped("metadata.json", "config.json", "model.weights.h5"), "'metadata.json', 'config.json'"),
    ("b.npz", zipped("1/cost"), "magic string is not correct"), ("c.npz", zipped("1/cost.npy"), "magic string"),
    ("twice.npz", twice, "1/cost is in it twice"), ("none.npz", lambda path, arrays: None, "no such file"),
    ("folder.npz", lambda path, arrays: path.mkdir(), "is a folder"),
    ("a.safetensors", lambda path, arrays: path.write_bytes(b"PK" * 50), "cannot be read as safetensors"),
    ("d.safetensors", safetensors(one(LOGITS, cast(np.int16))), f"{LOGITS} is int16"),
    ("e.safetensors", safetensors(lambda arrays: {"cost": arrays["1/cost"]}), "'cost' (did you mean '1/cost' or "),
    ("safetensors.npz", lambda path, arrays: safetensors(dict)(path, arrays), "names end in .safetensors"),
])
def test_files_that_are_no_arrays(name, write, words, files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        write(tmp_path / name, dict(archive))
    assert_refused(files, tmp_path / name, words, capsys)


@pytest.mark.parametrize(("key", "words"), [
    (LOGITS, "1. 1/forward/logits: no convention known here explains it: 1 number is NaN or infinite"),
    (BIAS, "NaN or infinite"), ("1/cost", "NaN or infinite")])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none(key, words, number, files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = dict(archive)
    arrays[key].flat[0] = number
    np.savez(tmp_path / "odd.npz", **arrays)
    capsys.readouterr()
    assert run("compare", files[0], tmp_path / "odd.npz") == 1
    assert words in capsys.readouterr().out


def test_bfloat16_needs_a_package(files, tmp_path, monkeypatch, capsys):
    with np.load(files[1]) as archive:
        safetensors(one(LOGITS, bfloat16))(tmp_path / "a.safetensors", dict(archive))
    monkeypatch.setattr(archives, "find_spec", lambda name: None)
    assert_refused(files, tmp_path / "a.safetensors", f"{LOGITS} is BF16, which NumPy has with the package ml_dtypes",
                   capsys)


@pytest.mark.parametrize("change", [every(cast(np.float16)), every(bfloat16), one(LOGITS, cast(np.float16)),
                                    one(LOGITS, bfloat16)])
@pytest.mark.parametrize(("name", "write"), [("short.npz", lambda path, arrays: np.savez(path, **arrays)),
                                             ("short.safetensors", safetensors(dict))])
def test_short_formats_differ(change, name, write, files, tmp_path, capsys):
    path = tmp_path / name
    with np.load(files[1]) as archive:
        write(path, change(dict(archive)))
    capsys.readouterr()
    assert run("compare", files[0], path) == 1
    out, err = capsys.readouterr()
    assert "differs: " in out
    assert "16: too few digits" in out
    assert not err
