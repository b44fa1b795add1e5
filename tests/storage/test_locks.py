"""One process at a time writes into a folder; temporary files are nobody else's, and do not stay."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import RUNS, into
from refusals import check, contents
from runs import ROOT

from stemnet_ref.errors import InputError
from stemnet_ref.experiments import page
from stemnet_ref.storage import files, locks, outputs

HOLDER = """
import sys, time
from stemnet_ref.storage import locks
with locks.Claim(sys.argv[1]) as claim:
    claim.take()
    print("held", flush=True)
    time.sleep(100)
"""
OUR_TEMPORARY = files.TEMPORARY.format("0123456789abcdef")


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(page, "write", lambda *arguments: None)


@pytest.fixture
def holder(place):
    """A process that holds the folder "out"."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(place / "out")], stdout=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("command", RUNS)
def test_a_second_process_is_refused_and_changes_nothing(place, holder, capsys, no_figures, command):
    before = contents(place)
    check(capsys, into(command, "out"), "out: another process", f"(PID {holder.pid})", "wait for it")
    assert contents(place) == before


@pytest.mark.parametrize("command", RUNS)
def test_a_killed_process_leaves_no_lock(place, holder, no_figures, command):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (place / "out" / locks.NAME).exists()
    assert into(command, "out") == 0
    assert not (place / "out" / locks.NAME).exists()


def test_an_experiment_holds_its_runs_too(place, capsys, no_figures):
    assert into("experiments", "out") == 0
    with locks.Claim("out/l2-1-seed0"):
        capsys.readouterr()
        assert into("experiments", "out") == 2
        assert "l2-1-seed0: another process" in capsys.readouterr().err
    assert into("experiments", "out") == 0


def test_a_folder_that_another_process_has_filled_meanwhile_is_refused(tmp_path):
    out = tmp_path / "out"
    with locks.Claim(out, check=lambda: outputs.check_run(out)) as second:
        with locks.Claim(out, check=lambda: outputs.check_run(out)) as first:
            first.take()
            (out / "model.npz").touch()
        with pytest.raises(InputError, match="holds a run already"):
            second.take()
    assert [path.name for path in out.iterdir()] == ["model.npz"]


def test_a_folder_is_made_only_when_it_is_taken(tmp_path):
    with locks.Claim(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_refusal_removes_the_lock_of_a_killed_process_but_not_one_that_is_held(tmp_path):
    def refuse():
        raise InputError("no")

    (tmp_path / locks.NAME).write_text("1\n")
    with pytest.raises(InputError, match="no"), locks.Claim(tmp_path, check=refuse):
        pass
    assert not (tmp_path / locks.NAME).exists()
    with locks.Claim(tmp_path):
        with pytest.raises(InputError, match="no"), locks.Claim(tmp_path, check=refuse):
            pass
        assert (tmp_path / locks.NAME).exists()
    with pytest.raises(InputError, match="no"), locks.Claim(tmp_path, check=refuse):
        pass
    assert not (tmp_path / locks.NAME).exists()


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch):
    def no_locks(self, timeout):
        raise OSError(errno.ENOLCK, "No locks available")

    told = []
    monkeypatch.setattr(locks.FileLock, "acquire", no_locks)
    with locks.Claim(tmp_path, log=told.append):
        pass
    assert "this file system has no locks (No locks available)" in told[0]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / locks.NAME).symlink_to("../mine")
    with pytest.raises(InputError, match="cannot write there"), locks.Claim(tmp_path / "out"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    others = [".stemnet_ref.mine.tmp", "stemnet_ref.0123456789abcdef.tmp", ".t.csv.tmp"]
    for name in (OUR_TEMPORARY, *others):
        (tmp_path / name).touch()
    (tmp_path / "target").write_text("mine")
    link = tmp_path / files.TEMPORARY.format("f" * 16)
    link.symlink_to("target")
    files.write_csv(tmp_path / "t.csv", ["a"], [])
    assert not (tmp_path / OUR_TEMPORARY).exists()
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "mine"
    assert all((tmp_path / name).exists() for name in others)


def test_what_another_process_is_writing_stays(tmp_path, monkeypatch):
    def slow(file):
        monkeypatch.setattr(files, "_swept", set())
        files.write_csv(tmp_path / "second.csv", ["a"], [])         # sweeps
        assert Path(file.name).exists()
        file.write(b"first")

    files.write_atomically(tmp_path / "first", slow)
    assert (tmp_path / "first").read_bytes() == b"first"


def test_a_temporary_name_that_is_taken_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "0" * 16)
    taken = tmp_path / files.TEMPORARY.format("0" * 16)
    taken.symlink_to("mine")
    with pytest.raises(InputError, match="cannot be written"):
        files.write_atomically(tmp_path / "t", b"new")
    assert not (tmp_path / "mine").exists()
    assert taken.is_symlink()


def test_the_folder_is_synced_after_the_rename(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "replace", lambda *names, real=os.replace: (done.append("rename"), real(*names)))
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(
        "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"))
    files.write_atomically(tmp_path / "t", b"new")
    assert done == ["file", "rename", "folder"]
