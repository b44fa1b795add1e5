"""Names are the field's words, and docstrings say what a value is.

All names and docstrings of the package are read, and the names of kernels and tests for words that have no other sense.
"""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stemnet_ref"
# What a name must not be, with the word in its place
WORDS = {
    "into": "out", "tell": "log", "show": "log", "told": "what was logged", "shown": "text, or what it is",
    "most": "max_..., or limit", "won": "argmax", "places": "coordinates", "Piece": "Crop", "Part": "Sample",
    "Variety": "the augmentation's configuration", "Product": "the GEMM's configuration", "finish": "epilogue",
    "multiple": "size_divisor", "Way": "precision and convention", "chances": "sampling_weights",
    "kept": "kept_indices, or what it is", "theirs": "actual", "counted": "pluralize", "each_element": "elementwise",
    "exchange": "swap_channels", "pays": "use_winograd", "deviation": "std", "OddFrames": "Anomalies",
    **dict.fromkeys(("FEW", "LEAST", "SOME"), "MIN_..."), **dict.fromkeys(("MOST", "LARGEST", "LONGEST"), "MAX_..."),
}
# Those that are no good name in a test or a kernel either; the others have a plain sense there
ANYWHERE = {"won", "Part", "Variety", "Way", "chances", "theirs", "counted", "each_element", "exchange", "pays",
            "deviation", "OddFrames"}
SECTIONS = "Parameters", "Other Parameters", "Attributes", "Returns", "Yields", "Raises"
FRAGMENT = re.compile(r"(Of|As|By|With|To|In|From|Likewise)\b")


def names(tree):
    """Yield each name that a module gives, to a function, class, argument, variable or attribute, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


def descriptions(docstring):
    """Yield the first line of a docstring, and that of each description in its numpydoc sections."""
    lines = docstring.splitlines()
    yield lines[0]
    section = ""
    for before, line in pairwise(lines):
        if line and not line.strip("-"):
            section = before
        elif section in SECTIONS and before[:1].strip() and line.startswith("    "):
            yield line.strip()


def names_in_kernels(source):
    """Yield each word of CUDA code outside comments, with its line."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), source, flags=re.DOTALL)
    for number, line in enumerate(code.splitlines(), 1):
        for word in re.findall(r"[A-Za-z_]\w*", line):
            yield word, number


def misnamed(found, words=WORDS):
    """Return a line of text for each of the names found, with their lines, that is among the words."""
    return [f"line {line}: the name {name} should be {WORDS[name.strip('_')]}" for name, line in found
            if name.strip("_") in words]


def faults(source):
    """Return what is wrong with the words of a module's text, a line of text for each fault."""
    tree = ast.parse(source)
    found = misnamed(names(tree))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and (text := ast.get_docstring(node)):
            found += [f"line {getattr(node, 'lineno', 1)}: begins as a fragment: {line}" for line in descriptions(text)
                      if FRAGMENT.match(line)]
    return found


def test_names_and_docstrings_of_the_package():
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 100
    found = [f"{path.relative_to(PACKAGE)}, {fault}" for path in modules for fault in faults(path.read_text())]
    assert not found, "\n".join(found)


def test_names_of_the_tests_and_the_kernels():
    tests = {path: names(ast.parse(path.read_text())) for path in Path(__file__).parent.rglob("*.py")}
    kernels = {path: names_in_kernels(path.read_text()) for path in PACKAGE.rglob("*.cu*")}
    assert min(len(tests), len(kernels)) > 15
    found = [f"{path.name}, {fault}" for path, each in {**tests, **kernels}.items()
             for fault in misnamed(each, ANYWHERE)]
    assert not found, "\n".join(found)


def test_a_planted_name_of_a_kernel_is_found_outside_comments_only():
    source = "/* won\n */ float won; // theirs\nint part, deviation_;\n"
    assert misnamed(names_in_kernels(source), ANYWHERE) == ["line 2: the name won should be argmax",
                                                            "line 3: the name deviation_ should be std"]


def test_a_gradient_of_a_layer_is_with_respect_to_something():
    texts = {path.name: path.read_text() for path in (PACKAGE / "layers").glob("*.py")}
    assert not [name for name, text in texts.items() if re.search(r"gradients?( of the cost)? by\b", text)]


@pytest.mark.parametrize(("source", "fault"), [
    ("def f(x, into=None): pass", "line 1: the name into should be out"),
    ("def tell(text): pass", "line 1: the name tell should be log"),
    ("class OddFrames: pass", "line 1: the name OddFrames should be Anomalies"),
    ("x = 1\nLEAST = 2", "line 2: the name LEAST should be MIN_..."),
    ("self._won = 1", "line 1: the name _won should be argmax"),
    ("for each, theirs in pairs: pass", "line 1: the name theirs should be actual"),
    ('"""Of the sum."""', "line 1: begins as a fragment: Of the sum."),
    ('def f(x):\n    """Return y.\n\n    Parameters\n    ----------\n    x : int\n        Of the sum.\n    """',
     "line 1: begins as a fragment: Of the sum."),
    ('def f(x):\n    """Return y.\n\n    Returns\n    -------\n    int\n        As for `g`.\n    """',
     "line 1: begins as a fragment: As for `g`."),
])
def test_a_planted_fault_is_found(source, fault):
    assert faults(source) == [fault]


def test_words_that_only_resemble_the_listed_ones_pass():
    assert not faults('"""Ofen."""\nalmost = into_list = shows = 1\ndef f(out):\n    """Return y, of the sum.\n\n'
                      '    Parameters\n    ----------\n    out : int\n        Sum of x,\n        As is x.\n    """')
