"""Which arrays `verify compare` reads of two files, when, and what memory it takes."""

import gc
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from verifying import run, write_files

from stemnet_ref.errors import InputError
from stemnet_ref.storage import archives
from stemnet_ref.verify import actual, golden
from stemnet_ref.verify.compare import compare


@pytest.fixture
def files(tmp_path):
    """The paths of a golden file, and of one that agrees with it."""
    return write_files(tmp_path)


@pytest.fixture
def read(monkeypatch):
    """The names of the arrays that are read of any .npz, in order."""
    names, getitem = [], archives.Npz.__getitem__
    monkeypatch.setattr(archives.Npz, "__getitem__", lambda npz, name: names.append(name) or getitem(npz, name))
    return names


def test_arrays_that_are_not_compared_are_not_read(files, read):
    for path in files:
        with np.load(path) as archive:
            arrays = dict(archive)
        np.savez(path, **arrays, **{"huge": np.zeros(9), "1/mask/huge": np.zeros(9), "0/parameter/huge": np.zeros(9)})
    assert run("compare", *files, "--allow-extra") == 0
    assert "1/forward/logits" in read
    assert not any("huge" in name for name in read)


@pytest.mark.parametrize("array", [np.zeros((9, 9), np.float32), np.zeros((1, 8, 12, 2), np.complex64)])
def test_an_array_that_cannot_be_compared_is_not_read(array, files, read):
    with np.load(files[1]) as archive:
        arrays = {**archive, "1/forward/logits": array}
    np.savez(files[1], **arrays)
    reference = golden.read(files[0])
    read.clear()
    with pytest.raises(InputError, match="1/forward/logits"):
        actual.read(files[1], reference)
    assert not read


def test_tensors_are_read_when_they_are_asked_for(files, read, monkeypatch):
    reference = golden.read(files[0])
    assert not any(name[0] in "12345" and "/mask/" not in name for name in read)
    given = actual.read(files[1], reference)
    assert "2/cost" not in read
    for _ in range(2):
        assert given["2/cost"].shape == ()
    assert read.count("2/cost") == 1                        # the last ones are kept
    monkeypatch.setattr(given, "_limit", 1)
    assert given["3/cost"].shape == given["2/cost"].shape == ()
    assert read.count("2/cost") == 2


def test_damage_is_named_when_it_is_met(tmp_path, capsys):
    path, damaged = tmp_path / "golden.npz", tmp_path / "damaged.npz"
    assert run("export", "--channels", "1", "--levels", "2", "--features", "16", "--size", "2", "--steps", "1", "--out",
               path) == 0
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("1/parameter/down1.conv.weight.npy")       # longer than what is read with its header
    data[member.header_offset + 40000] ^= 1
    damaged.write_bytes(data)
    actual.read(damaged, golden.read(path))
    capsys.readouterr()
    assert run("compare", path, damaged) == 2
    assert "damaged.npz: cannot be read (Bad CRC-32" in capsys.readouterr().err
    assert run("compare", damaged, path) == 2
    assert "damaged.npz: no golden file, or a damaged one (Bad CRC-32" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the files that are open are not listed here")
def test_files_are_closed_when_nobody_has_their_arrays(files):
    def opened():
        return sum(os.path.realpath(f"/proc/self/fd/{each}") in map(str, files) for each in os.listdir("/proc/self/fd"))

    reference = golden.read(files[0])
    given = actual.read(files[1], reference)
    assert opened() == 2
    del reference, given
    gc.collect()
    assert opened() == 0


def test_memory_is_less_than_both_files(tmp_path, monkeypatch):
    """Beside the arrays some 6 MB say what could change each tensor, however small the file is: hence 24 features."""
    monkeypatch.setattr(actual, "RECENT", 1 << 20)
    assert run("export", "--channels", "1", "--levels", "3", "--features", "24", "--size", "4", "--steps", "5",
               "--out", tmp_path / "golden.npz") == 0
    tracemalloc.start()
    try:
        reference = golden.read(tmp_path / "golden.npz")
        given = actual.read(tmp_path / "golden.npz", reference)
        assert all(row.verdict == "agrees" for row in compare(reference, given).rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * os.path.getsize(tmp_path / "golden.npz")
