"""What is seen in a terminal: one line stays one, and a closed, full or impatient terminal ends in good order."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import script

import run_predict
import run_train
from stemnet_ref.errors import InputError
from stemnet_ref.program import cli
from stemnet_ref.program.terminal import one_line

ROOT = Path(__file__).parents[2]
TABLE = ["-m", "stemnet_ref.network"]
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


def start(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, timeout=100, text=True,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


@pytest.mark.parametrize(("text", "shown"), [
    ("a b, σ×ä日本.png", "a b, σ×ä日本.png"),
    ("a\nb\r\tc", r"a\nb\r\tc"), ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    (os.fsdecode(b"caf\xe9"), r"caf\xe9"), ("a\u202egnp.exe", r"a\u202egnp.exe"), ("a\u2028b\x85", r"a\u2028b\x85"),
    ("\x00\x7f", r"\x00\x7f"), ("C:\\new", "C:\\new")])
def test_a_line_stays_a_line(text, shown):
    assert one_line(text) == shown


NAME = "a\nb\x1b[2J" + os.fsdecode(b"\xff")


def test_lines_with_odd_names(capsys):
    def main(argv):
        cli.log(f"done: {NAME}")
        print("table:\n" + NAME.replace("\n", ""))
        raise InputError(f"{NAME}: cannot be read")

    assert cli.run("script", main, []) == 2
    output = capsys.readouterr()
    assert output.out == "done: a\\nb\\x1b[2J\\xff\ntable:\nab\\x1b[2J\\xff\n"
    assert output.err == "script: error: a\\nb\\x1b[2J\\xff: cannot be read\n"


def test_an_option_without_a_name(capsys):
    assert script(run_train.main, "--=x") == 2
    assert capsys.readouterr().err == "run_train.py: error: --=x: no such option; see run_train.py --help\n"


def test_mistakes_in_odd_options(capsys):
    for argv in ([NAME], ["--" + NAME], ["--seed", NAME], ["--optimizer", NAME]):
        assert script(run_train.main, *argv) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "\x1b" not in error


@pytest.mark.parametrize(("argv", "words"), [
    (["--frames=--"], "--frames=--: -- is no value"), (["--out=--", "--seed=1"], "--out=--: -- is no value"),
    (["--out", ""], "--out: the value is empty"), (["--masks=", "--frames", "x"], "--masks: the value is empty"),
    (["--seed="], "--seed '': must be a whole number"), (["--seed", "1e3"], "--seed '1e3': must be a whole number"),
    (["--epochs", "nan"], "--epochs 'nan': must be a whole number"), (["--l1", "nan"], "--l1 nan: must be"),
    (["--learning-rate", "inf"], "--learning-rate inf: must be"), (["--e"], "ambiguous option: --e could match"),
    (["--", "x"], "--: no such option; see"), (["--out", "--", "x"], "--out: expected one argument")])
def test_options_that_argparse_takes_for_something_else(argv, words, capsys):
    assert script(run_train.main, *argv) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_an_empty_positional(capsys):
    assert script(run_predict.main, "") == 2
    assert "MODEL: the value is empty" in capsys.readouterr().err


class Gone(io.RawIOBase):
    """A pipe that nobody reads any more."""

    def writable(self):
        return True

    def write(self, data):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(("keep_going", "status", "done"), [(False, 141, 1), (True, 0, 3)])
def test_output_that_nobody_reads_any_more(keep_going, status, done, monkeypatch, capsys):
    """The first line says so already, though Python holds output to a pipe back."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Gone())))
    lines = []

    def main(argv):
        for number in range(3):
            lines.append(number)
            print(number)
        return 0

    assert cli.run("script", main, [], keep_going=keep_going) == status
    assert len(lines) == done
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="of POSIX")
def test_a_closed_pipe_ends_a_program_quietly():
    there, here = os.pipe()
    os.close(there)
    done = start(*TABLE, stdout=here)
    os.close(here)
    assert (done.returncode, done.stderr) == (141, "")


@needs_full
@pytest.mark.parametrize("arguments", [TABLE, ["run_predict.py", "--help"]])
def test_a_full_disk_below_standard_output_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = start(*arguments, stdout=full)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "standard output: cannot be written (No space left on device); free space" in done.stderr


@needs_full
def test_a_full_disk_below_standard_error_keeps_the_status():
    with open("/dev/full", "w") as full:
        assert start("run_predict.py", "--what", stderr=full).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="of POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_output(closed, tmp_path):
    """Standard error's number would go to the first file that is opened."""
    for name, arguments in (("plain", ""), ("closed", closed)):
        done = subprocess.run(["sh", "-c", f'exec "$0" -m stemnet_ref.explain --out "$1" {arguments}', sys.executable,
                               tmp_path / f"{name}.html"], cwd=ROOT, timeout=100, stdout=subprocess.DEVNULL)
        assert done.returncode == 0
    assert (tmp_path / "plain.html").read_bytes() == (tmp_path / "closed.html").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="of POSIX")
@pytest.mark.parametrize("program", [["run_train.py"], ["run_predict.py", "x"], ["-m", "stemnet_ref.verify"],
                                     ["-m", "stemnet_ref.data.check"], TABLE])
@pytest.mark.parametrize("library", ["numpy", "tqdm"])
def test_ctrl_c_while_libraries_are_imported(program, library, tmp_path):
    (tmp_path / f"{library}.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\n"
                                            "time.sleep(50)\n")
    done = start(*program, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])})
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")


def test_ctrl_c_in_a_program_is_one_line(capsys):
    before = signal.getsignal(signal.SIGINT)

    def main(argv):
        os.kill(os.getpid(), signal.SIGINT)

    assert cli.run("script", main, []) == 130
    assert capsys.readouterr().err == "script: interrupted\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="of POSIX")
def test_a_terminal_that_closes_asks_training_to_stop(capfd):
    """More than once, perhaps; under nohup it does not."""
    with cli.stop_request("stopping") as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with cli.stop_request("stopping") as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)
