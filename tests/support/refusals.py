"""Scripts run in this process, and what their refusals must look like."""

import re

from stemnet_ref.program import cli

# The folder of a test, whose name has words of the test's
FOLDER = re.compile(r"[^\s:'\"]*pytest-of-[^/]+/pytest-\d+/(popen-gw\d+/)?[^/\s]+")
SMALL = ["--levels", "2", "--features", "2", "--crop", "16", "--crops-per-frame", "2", "--epochs", "1", "--gap", "1"]


def script(main, *argv):
    """Run a script in this process; return its exit status."""
    try:
        return cli.run("script", main, [str(each) for each in argv])
    except SystemExit as exit_:                 # of argparse
        return exit_.code


def contents(folder):
    """Return every file below a folder with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(capsys, status, *culprits):
    """Assert status 2 and one line on standard error that holds each of `culprits`."""
    error = capsys.readouterr().err
    assert status == 2, error
    assert error.count("\n") == 1, error
    assert error.startswith(("script: error: ", "run_train.py: error: ", "run_predict.py: error: ",
                             "python -m stemnet_ref."))
    for culprit in map(str, culprits):
        assert culprit in (error if FOLDER.search(culprit) else FOLDER.sub("", error)), error
    assert ";" in error or "must be" in error or "name the" in error, f"no remedy: {error}"
