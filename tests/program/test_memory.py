"""Memory that runs out, wherever it does: one line that names what to make smaller, and exit status 2."""

import os
import resource
import subprocess
import sys
import threading

import pytest
from pictures import sequence
from refusals import check, script
from runs import ROOT

from stemnet_ref.benchmark import __main__ as benchmark
from stemnet_ref.data import preprocess

needs_limit = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory cannot be limited here")


def limited(size, *arguments):
    """Run Python in a process of its own with so many bytes of memory."""
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=100,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)))


@pytest.mark.parametrize(("error", "words"), [
    (RuntimeError("can't start new thread"), "out of memory or of threads (can't start new thread); use smaller files"),
    (MemoryError("no 8 MiB"), "out of memory (no 8 MiB); use"), (MemoryError(), "out of memory; use")])
def test_it_is_one_line(error, words, capsys):
    def main(argv):
        raise error

    check(capsys, script(main), words)


def test_a_thread_that_cannot_start_is_told_of(capsys, monkeypatch):
    """With the message of Python's own, whatever it is in this version."""
    def full(*arguments, **options):
        raise RuntimeError("can't start new thread")

    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    monkeypatch.setattr(threading, name, full)
    check(capsys, script(lambda argv: threading.Thread(target=print).start()), "of threads")


def test_another_error_stays_a_fault():
    def main(argv):
        raise RuntimeError("never to happen")

    with pytest.raises(RuntimeError, match="never"):
        script(main)


@needs_limit
def test_a_process_of_the_benchmark_says_it_in_one_line():
    done = limited(1 << 30, "-m", "stemnet_ref.benchmark", "--size", "4096", "--rounds", "1", "--no-layers")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "--size 4096: ours is out of memory" in done.stderr
    assert "take a smaller --size" in done.stderr


def test_a_fault_in_a_process_of_the_benchmark_is_shown():
    with benchmark.Worker("ours", benchmark.options().parse_args(["--size", "32", "--channels", "1"])) as worker, \
            pytest.raises(KeyError, match="no such layer"):
        worker.measure(("forward", "no such layer"))


def test_a_process_of_the_benchmark_that_ends_is_named():
    with benchmark.Worker("ours", benchmark.options().parse_args(["--size", "32", "--channels", "1"])) as worker, \
            pytest.raises(benchmark.InputError, match="ours: its process ended"):
        worker._call(os._exit, 3)


def test_a_sequence_that_does_not_fit_is_named_by_its_largest_frame(tmp_path, capsys, monkeypatch):
    """What the median takes depends on the size of the frames alone, so that --memory is no remedy for one."""
    def full(self, progress):
        raise MemoryError("no 3 GiB")

    monkeypatch.setattr(preprocess.Stack, "median", full)
    frames, _ = sequence(tmp_path / "movie", 2)
    words = "t_01.png: does not fit into the memory (no 3 GiB); cut the frames into smaller ones"
    check(capsys, script(preprocess.main, frames, tmp_path / "out"), words, "or use a smaller --memory")
    (frames / "t_02.png").unlink()
    assert script(preprocess.main, frames, tmp_path / "other") == 2
    assert capsys.readouterr().err.endswith(f"{words}\n")
