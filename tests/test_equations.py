"""Every equation of the thesis has a test that names it, and a line of the code that names it."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from equations import EQUATIONS, chosen, named_in_code, stated

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "stemnet_ref"

ON_THE_HOST = {"metrics"}           # its kernel counts pixels, of which the measures are taken in Python


def named_in_tests(sources):
    """Return {equation: names of the tests marked with it}."""
    named = {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.equation":
                        for argument in mark.args:
                            named.setdefault(argument.value, []).append(node.name)
    return named


def test_kernels_name_the_equations_that_their_module_states():
    compared = 0
    for kernels in PACKAGE.rglob("*.cu"):
        module = kernels.with_suffix(".py")
        if module.exists() and kernels.stem not in ON_THE_HOST:
            numbers = stated(ast.get_docstring(ast.parse(module.read_text())))
            assert numbers <= named_in_code([kernels.read_text()]), kernels.name
            compared += bool(numbers)
    assert compared > 10


def test_every_equation_has_a_test_that_names_it():
    named = named_in_tests(path.read_text() for path in TESTS.rglob("test_*.py"))
    assert named.keys() == EQUATIONS


def test_every_equation_is_named_where_it_is_computed():
    numbers = named_in_code(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert set(range(1, 64)) <= numbers


@pytest.mark.parametrize("missing", ["3-cost", "28", "63"])
def test_a_missing_equation_is_noticed(missing):
    sources = [path.read_text().replace(f'"{missing}"', '"1"') for path in TESTS.rglob("test_*.py")]
    assert EQUATIONS - named_in_tests(sources).keys() == {missing}


def test_ranges_and_lists_of_equations_are_understood():
    assert named_in_code(["(eq. 9-11, 15-16)", "Eq. 27 with", "(eq. 5 and 60)", "sequence 7"]) == {
        9, 10, 11, 15, 16, 27, 5, 60}


@pytest.mark.parametrize(("number", "equations"), [
    ("60", {"60"}), ("3", {"3-background", "3-cost"}), ("3-cost", {"3-cost"})])
def test_a_number_chooses_its_equations(number, equations):
    assert chosen(number) == equations


def collected(number):
    return subprocess.run([sys.executable, "-m", "pytest", "--equation", number, "--collect-only", "-q", "-n", "0",
                           "tests/layers", "tests/backends/test_operations.py"],
                          cwd=TESTS.parent, capture_output=True, text=True, timeout=60)


def test_the_option_keeps_the_tests_of_an_equation():
    done = collected("60")
    named = named_in_tests(path.read_text() for path in (TESTS / "layers").glob("test_*.py"))["60"]
    assert sorted(re.findall(r"::(test_\w+)$", done.stdout, re.MULTILINE)) == sorted(named), done.stdout + done.stderr
    assert {*re.findall(r"\[(\w+)\.\w+-\d+-float32-cpu\]", done.stdout)} == {"weighted_cross_entropy"}
    assert done.returncode == 0


@pytest.mark.parametrize("number", ["64", "3-x", ""])
def test_an_unknown_equation_is_refused(number):
    with pytest.raises(ValueError, match=re.escape(repr(number))):
        chosen(number)


def test_an_unknown_equation_gives_one_line_that_says_which_there_are():
    done = collected("64")
    assert done.stderr.strip() == ("ERROR: --equation '64': the thesis has no such equation; give a number from 1 to "
                                   "63, 3-background or 3-cost")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


def test_files_without_an_equation_are_not_read_where_one_is_asked_for(request):
    ignored = request.config.pluginmanager.getplugin(str(TESTS / "conftest.py")).pytest_ignore_collect
    for file, ignores in (("test_words.py", True), ("test_metrics.py", None), ("layers", None)):
        assert ignored(TESTS / file, SimpleNamespace(equations={"60"})) is ignores
        assert ignored(TESTS / file, SimpleNamespace()) is None
