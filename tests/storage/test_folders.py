"""Folders to write into that are none, or that a link only seems to be."""

import os
import socket
import sys

import pytest
from refusals import check, contents, script

import run_train
from stemnet_ref.data import preprocess
from stemnet_ref.errors import InputError
from stemnet_ref.storage import files

COMMANDS = {
    "train": lambda frames, masks, out: script(run_train.main, "--frames", frames, "--masks", masks, "--out", out),
    "preprocess": lambda frames, masks, out: script(preprocess.main, frames, out)}


@pytest.mark.parametrize("inside", ["", "new"])
@pytest.mark.parametrize("command", ["train", "preprocess"])
def test_a_link_to_a_folder_that_is_missing_is_named_before_the_work(command, inside, pair, tmp_path, capsys):
    (tmp_path / "link").symlink_to("nowhere/x")
    before = contents(tmp_path)
    status = COMMANDS[command](*pair, tmp_path / "link" / inside)
    output = capsys.readouterr()
    assert status == 2
    assert output.out == ""
    assert "link is a link to nowhere/x, which does not exist; make that folder" in output.err
    assert output.err.count("\n") == 1
    assert contents(tmp_path) == before


def test_a_link_in_a_circle_is_refused(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="circle is a link to circle"):
        files.check_folder(tmp_path / "circle")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs here")
@pytest.mark.parametrize("command", ["train", "preprocess"])
def test_what_is_no_folder_is_called_what_it_is(command, pair, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)                                 # names of sockets must be short
    os.mkfifo("fifo")
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for name, what in (("fifo", "a FIFO"), ("socket", "a socket"), ("file", "a file")):
            check(capsys, COMMANDS[command](*pair, name), f"{name}: this is {what}; name a folder")


def test_a_link_to_a_folder_is_a_folder(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    files.check_folder(tmp_path / "link" / "new")
