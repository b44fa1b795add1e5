"""Archives of arrays whose headers lie, and models that claim what no memory holds: refused before it is taken."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from refusals import check, script

import run_predict
from stemnet_ref import StemNet
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.errors import InputError
from stemnet_ref.storage import archives
from stemnet_ref.storage.archives import open_arrays, open_npz
from stemnet_ref.training import checkpoint


def npy(array=None, header=None, version=1):
    """Return an array as NumPy writes it, or bytes with another header."""
    if header is None:
        file = io.BytesIO()
        np.lib.format.write_array(file, array)
        return file.getvalue()
    text = header.encode("latin1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def pack(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)


def read(path, name="a"):
    with open_npz(path, "no arrays", "take another file") as arrays:
        return arrays[name]


def shaped(shape, descr="<f4"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("header", [
    shaped("(1000000, 1000000)"), shaped("(-1, -4)"), shaped("(2, 3)"), shaped("(3,)", "|O"), shaped("(3,)", "|S4"),
    shaped("(1,)", "<M8[s]"), shaped("(1,)", "|V12"), shaped("(3,)", "<U1"), shaped("3"), "{'descr': ", "(" * 9000,
    "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,), }", "'\\N{", ""])
def test_headers_that_lie(header, tmp_path):
    for version in (1, 2):
        pack(tmp_path / "x.npz", [("a.npy", npy(header=header, version=version) + bytes(12))])
        with pytest.raises(InputError, match=r"x.npz: no arrays \(.*\); take another file"):
            read(tmp_path / "x.npz")


def test_a_header_that_is_said_to_be_long(tmp_path):
    pack(tmp_path / "x.npz", [("a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + bytes(1 << 20))],
         zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"x.npz"):
        read(tmp_path / "x.npz")


def test_any_order_of_bytes_and_axes_is_the_same_array(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    pack(tmp_path / "x.npz", [("a.npy", npy(np.asfortranarray(array.astype(">f4")))), ("0-d.npy", npy(np.array(2.0)))],
         zipfile.ZIP_DEFLATED)
    got = read(tmp_path / "x.npz")
    assert got.dtype == np.float32
    assert got.dtype.isnative
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, array)
    assert read(tmp_path / "x.npz", "0-d").shape == ()


def test_one_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        pack(tmp_path / "x.npz", [("a.npy", npy(np.zeros(2))), ("a.npy", npy(np.ones(2)))])
    with pytest.raises(InputError, match="a is in it twice"):
        read(tmp_path / "x.npz")
    pack(tmp_path / "x.npz", [("a.npy", npy(np.zeros(2))), ("a", npy(np.ones(2)))])
    with pytest.raises(InputError, match="a is in it twice"):
        read(tmp_path / "x.npz")


def test_zeros_packed_a_thousandfold_are_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.npy", npy(np.ones(2)))
        with archive.open("a.npy", "w") as file:
            file.write(npy(header=shaped(f"({1 << 28},)", "|u1")))
            for _ in range(16):
                file.write(bytes(1 << 24))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 19
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="a would take 268 MB unpacked"):
            read(tmp_path / "x.npz")
        assert read(tmp_path / "x.npz", "b").tolist() == [1, 1]
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"x.npz: is a pipe or a device"):
        read(tmp_path / "x.npz")


def test_kinds_of_numbers_that_numpy_has_not(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "find_spec", lambda name: None)          # as without ml_dtypes
    def write(header, data):
        text = json.dumps(header).encode()
        (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)

    write({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
           "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8))
    with open_arrays(tmp_path / "x.safetensors") as arrays:
        assert arrays["b"].tolist() == [0]                                  # the others are of no concern
    with pytest.raises(InputError, match=r"x.safetensors.*a is BF16"), \
            open_arrays(tmp_path / "x.safetensors") as arrays:
        arrays["a"]
    for header, data in (({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                           "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
                         ({"a": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 4]}}, bytes(4)),
                         ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 50]}}, bytes(4)),
                         ([], b"")):
        write(header, data)
        with pytest.raises(InputError, match=r"x.safetensors: cannot be read as safetensors"), \
                open_arrays(tmp_path / "x.safetensors") as arrays:
            arrays["a"]


@pytest.fixture
def model(tmp_path):
    """Return a function that writes a model with a changed description, and further arrays; it returns the path."""
    path = tmp_path / "model.npz"
    checkpoint.save(path, checkpoint.Model(StemNet(1, 2, 2), Scaling(0.0, 1.0), {}, {}, {}), "0")
    with np.load(path) as archive:
        arrays = dict(archive)

    def write(change=lambda about: None, **more):
        about = json.loads(str(arrays["about"]))
        changed = change(about)
        text = changed if isinstance(changed, str) else json.dumps(about)
        np.savez(path, **{**arrays, "about": np.array(text), **more})
        return path

    return write


@pytest.mark.parametrize("size", [{"levels": 10 ** 6}, {"levels": 10}, {"features": 10 ** 9}, {"channels": 99},
                                  {"classes": 10 ** 7}, {"kernel": 10 ** 5}, {"levels": True}, {"features": 2.0},
                                  {"levels": 10, "features": 1024}])
def test_a_model_that_claims_more_than_its_arrays_hold(size, model, tmp_path, capsys):
    path = model(lambda about: about["network"].update(size))
    tracemalloc.start()
    try:
        check(capsys, script(run_predict.main, path, "frames", "--out", tmp_path / "out"), path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("change", "words"), [
    (lambda about: about.update(network=7), ""),
    (lambda about: about["network"].pop("levels"), "levels is missing"),
    (lambda about: about["scaling"].update(mean=float("nan")), "NaN is no number"),
    (lambda about: about["scaling"].update(mean=10 ** 400), "too large"),
    (lambda about: about.update(progress=[1, 2]), "model.npz"), (lambda about: "[" * 100000, "nested too deeply"),
    (lambda about: '{"format": 1, "format": 2}', "format is in it twice"), (lambda about: "[1]", "no table of names"),
    (lambda about: about.update(format=["x" * 10 ** 5]), "the file says"),
    (lambda about: about["settings"].update(scaling="mean-image"), "scaling/image is missing")])
def test_descriptions_that_cannot_be_used(change, words, model, tmp_path, capsys):
    path = model(change)
    status = script(run_predict.main, path, "frames", "--out", tmp_path / "out")
    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (2, 1)
    assert words in error
    assert str(path) in error
    assert len(error) < 1000


def test_a_member_that_no_model_has(model, tmp_path, capsys):
    """As one whose name is damaged in the archive's directory, which has no checksum."""
    path = model(**{"scaling/imagg": np.zeros((4, 4), np.float32)})
    check(capsys, script(run_predict.main, path, "frames", "--out", tmp_path / "out"), path, "scaling/imagg")
