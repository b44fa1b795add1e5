"""What the test command says of the tests that it leaves out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("options", "counts"), [([], True), (["-k", "log"], False)])
def test_only_tests_that_were_asked_for_are_counted(options, counts):
    """By the file's long tests, which only `-m fuzz` runs, and of whose names none holds log."""
    done = subprocess.run([sys.executable, "-m", "pytest", "data/formats/test_fuzz_pictures.py", "--collect-only", "-q",
                           "-n", "0", *options], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60)
    assert bool(re.search(r"not run \([1-9]\d* of them", done.stdout)) == counts, done.stdout + done.stderr
