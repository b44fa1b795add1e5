"""Every row of the table in docs/exit-status.md, run."""

import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import sequence
from refusals import SMALL, script
from verifying import write_files

import run_predict
import run_train
from stemnet_ref.program import cli

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "exit-status.md"
TEXT = DOCUMENT.read_text()
ROWS = re.findall(r"^\| (\d+) \| (.*) \| `(.*)` \|$", TEXT, re.MULTILINE)
SHORT = {"TINY": " ".join(SMALL), "NET": "--levels 2 --features 2 --size 8 --steps 1"}
PROGRAMS = ("run_train.py", "run_predict.py", "-m stemnet_ref.data.check", "-m stemnet_ref.data.preprocess",
            "-m stemnet_ref.verify export", "-m stemnet_ref.verify compare", "-m stemnet_ref.verify against",
            "-m stemnet_ref.verify layer", "-m stemnet_ref.verify weights", "-m stemnet_ref.explain",
            "-m stemnet_ref.experiments", "-m stemnet_ref.benchmark", "-m stemnet_ref.network")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder that the document describes."""
    folder = tmp_path_factory.mktemp("status")
    frames, masks = sequence(folder, 6)
    assert script(run_train.main, "--frames", frames, "--masks", masks, *SMALL, "--epochs", "2", "--out",
                  folder / "run") == 0
    shutil.copytree(folder / "run", folder / "table3" / "network1-seed0")
    shutil.copytree(folder / "run", folder / "damaged.csv-run")
    table = folder / "damaged.csv-run" / "metrics.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:1] + lines[2:]))
    shutil.copytree(frames, folder / "bad")
    (folder / "bad" / "t_03.png").write_bytes((frames / "t_03.png").read_bytes()[:200])
    write_files(folder)
    with np.load(folder / "actual.npz") as archive:
        arrays = dict(archive)
    np.savez(folder / "differs.npz", **{**arrays, "1/cost": arrays["1/cost"] + 1})
    np.savez(folder / "costs.npz", **{"1/cost": arrays["1/cost"]})
    (folder / "damaged.npz").write_bytes((folder / "run" / "model.npz").read_bytes()[:-500])
    return folder


def main_of(arguments):
    """Return the function of a program, and what is left of its arguments."""
    if arguments[0] != "-m":
        return {"run_train.py": run_train.main, "run_predict.py": run_predict.main}[arguments[0]], arguments[1:]
    module = importlib.import_module(arguments[1])
    module = module if hasattr(module, "main") else importlib.import_module(f"{arguments[1]}.__main__")
    return module.main, arguments[2:]


def run_process(arguments, event, folder):
    """Return the status of a program as a shell has it, with what happens to it: a redirection, a pipe or a signal."""
    if arguments[0] != "-m":
        undrawn = [str(ROOT / "tests" / "support" / "undrawn_script.py")] if "--epochs" in arguments else []
        arguments = [*undrawn, str(ROOT / arguments[0]), *arguments[1:]]
    options = {"cwd": folder, "text": True, "stderr": subprocess.PIPE, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    if event[0] == ">":
        with open(event[1], "w") as full:
            done = subprocess.run([sys.executable, *arguments], stdout=full, timeout=100, **options)
        assert done.stderr.count("\n") == 1
        return done.returncode
    if event[0] == "\\|":
        there, here = os.pipe()
        os.close(there)
        done = subprocess.run([sys.executable, *arguments], stdout=here, timeout=100, **options)
        os.close(here)
        assert done.stderr == ""
        return done.returncode
    if event[1] == "INT":                   # as soon as a library is imported
        (folder / "slow").mkdir()
        (folder / "slow" / "numpy.py").write_text("print(flush=True)\nimport time\ntime.sleep(90)\n")
        options["env"]["PYTHONPATH"] += f"{os.pathsep}{folder / 'slow'}"
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, **options) as process:
        for line in process.stdout if event[1] in ("epoch", "INT") else ():
            if event[1] == "INT" or re.match(r" +1 ", line):
                break
        process.send_signal(getattr(signal, f"SIG{event[-1]}"))
        _, error = process.communicate(timeout=100)
    assert "Traceback" not in error
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


@pytest.mark.parametrize(("status", "what", "command"), [
    pytest.param(*row, marks=pytest.mark.torch if "torch" in row[2] else ()) for row in ROWS])
def test_row(status, what, command, prepared, tmp_path, monkeypatch, no_figures, capfd):
    for name in ("frames", "masks", "bad", "run", "table3", "damaged.csv-run"):
        (tmp_path / name).symlink_to(prepared / name)
    for path in prepared.glob("*.npz"):
        (tmp_path / path.name).symlink_to(path)
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    for short, long in SHORT.items():
        command = command.replace(short, long)
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    words = re.split(r" (?=> |\\\| |& )", command)
    arguments = shlex.split(words[0])
    if len(words) > 1:
        assert run_process(arguments, words[1].split(), tmp_path) == int(status)
    else:
        monkeypatch.chdir(tmp_path)
        main, argv = main_of(arguments)
        assert cli.run("script", main, argv) == int(status)
        error = capfd.readouterr().err
        assert error.count("\n") == (status == "2"), error
    if "the others are" in what:
        assert any((tmp_path / "new").rglob("t_01*.png"))
    if "trained all the same" in what or "is saved" in what:
        assert (tmp_path / "new" / "model.npz").exists()
    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == before


def test_the_table_has_every_program_and_every_status():
    for program in PROGRAMS:
        assert any(command.startswith(program) for _, _, command in ROWS), program
    assert {status for status, _, _ in ROWS} == set(re.findall(r"\d+", " ".join(
        re.findall(r"^\| ([\d, .]+) \| [A-Z`]", TEXT, re.MULTILINE))))
