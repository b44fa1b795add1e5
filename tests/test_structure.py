"""The structure of the package: imports run one way, without circles, and the layers know nothing but arrays."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up: a room imports rooms that stand before it, and itself.
ROOMS = ("errors", "dispatch", "sample", "program", "layers", "storage", "flat", "slots", "optimizers",
         "regularization", "network", "cost", "backends", "metrics", "data", "pictures", "predict", "training",
         "network.__main__", "report", "data.check", "data.preprocess", "verify.expected", "verify", "verify.diagnosis",
         "verify.checking", "verify.__init__", "verify.__main__", "explain", "experiments", "benchmark")
# The one import that runs up: an array of CuPy's that a user passes to a layer registers the GPU, if nothing has.
LATE = "stemnet_ref.dispatch", "stemnet_ref.backends.cuda.device"
ALLOWED_IN_LAYERS = {"numpy", "functools", "sys", "typing", "stemnet_ref.dispatch", "stemnet_ref.layers"}


@cache
def modules():
    """Return the path of every module by its name; a package's is that of its __init__.py."""
    found = {}
    for path in (ROOT / "stemnet_ref").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name, path, text, known):
    """Return the names of the modules that a text imports, within functions and by `import_module` too."""
    package, found = name if path.name == "__init__.py" else name.rpartition(".")[0], set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {each.value for each in node.args[:1] if isinstance(each, ast.Constant)}
    return found - {name}


@cache
def graph():
    known = modules()
    found = {name: imports(name, path, path.read_text(), known) for name, path in known.items()}
    found[LATE[0]].remove(LATE[1])
    return found


def circle(edges):
    """Return a circle of names, each of which leads to the next; None where there is none."""
    done, way = set(), []

    def visit(name):
        if name in way:
            return [*way[way.index(name):], name]
        if name not in done:
            way.append(name)
            for each in sorted(edges.get(name, ())):
                if found := visit(each):
                    return found
            done.add(way.pop())
        return None

    return next((found for name in sorted(edges) if (found := visit(name))), None)


def upward(edges):
    """Return the imports of a room that stands above."""
    def floor(name):
        parts = [*name.split(".")[1:], "__init__"]      # the last one is no room of a module, but of a package's face
        return next(ROOMS.index(room) for count in range(len(parts), 0, -1)
                    if (room := ".".join(parts[:count])) in ROOMS)

    return [f"{name} imports {each}" for name, found in edges.items() for each in found
            if each.startswith("stemnet_ref.") and floor(each) > floor(name)]


def foreign(edges):
    """Return what the layers import besides arrays, each other, and the one line of dispatch."""
    return [f"{name} imports {each}" for name, found in edges.items() if name.startswith("stemnet_ref.layers")
            for each in found if ".".join(each.split(".")[:2]) not in ALLOWED_IN_LAYERS]


def without_the_face(edges):
    """Leave out stemnet_ref/__init__.py, which hands names on when they are asked for, after a program has begun."""
    return {name: found - {"stemnet_ref"} for name, found in edges.items() if name != "stemnet_ref"}


def test_imports_run_one_way():
    edges = without_the_face(graph())
    assert circle(edges) is None
    assert upward(edges) == []
    assert foreign(edges) == []


@pytest.mark.parametrize(("name", "planted", "check"), [
    ("stemnet_ref.layers.relu", "from ..backends.cpu.threads import share", foreign),
    ("stemnet_ref.layers.relu", "import threading", foreign),
    ("stemnet_ref.layers.relu", "import importlib\nimportlib.import_module('stemnet_ref.metrics')", foreign),
    ("stemnet_ref.layers.relu", "def f():\n    from ..network import StemNet", upward),
    ("stemnet_ref.data.images", "from ..training.run import Run", upward),
    ("stemnet_ref.verify.expected.trace", "from ..golden import Golden", upward),
    ("stemnet_ref.verify.golden", "from .diagnosis.conventions import CONVENTIONS", upward),
    ("stemnet_ref.verify.diagnosis.search", "from .. import check", upward),
    ("stemnet_ref.storage.outputs", "from . import files", circle)])
def test_a_planted_import_is_seen(name, planted, check):
    edges, path = without_the_face(graph()), modules()[name]
    edges[name] = imports(name, path, f"{path.read_text()}\n{planted}\n", modules())
    assert check(edges)


def test_the_layers_stay_short():
    """Below 700 lines without docstrings, comments on lines of their own, and blank lines."""
    lines = 0
    for path in (ROOT / "stemnet_ref" / "layers").glob("*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        strings = {line for node in ast.walk(tree) if isinstance(node, ast.Expr)
                   and isinstance(node.value, ast.Constant) for line in range(node.lineno, node.end_lineno + 1)}
        lines += sum(bool(line.strip()) for number, line in enumerate(text.splitlines(), 1) if number not in strings)
    assert 0 < lines < 700


def without_print(text):
    """Return the names of a module's public functions with a parameter `log` whose default is not print."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            names = [each.arg for each in node.args.args]
            defaults = dict(zip(reversed(names), map(ast.unparse, reversed(node.args.defaults)), strict=False))
            if "log" in names and defaults.get("log") != "print":
                found.append(node.name)
    return found


@pytest.mark.parametrize("room", ["data", "training"])
def test_what_is_said_is_printed_unless_another_log_is_given(room):
    found = {name: without_print(path.read_text()) for name, path in modules().items()
             if name.startswith(f"stemnet_ref.{room}")}
    assert found
    assert not {name: functions for name, functions in found.items() if functions}
    for wrong in ("def f(a, log): pass", "def f(log=silent, b=1): pass"):
        assert without_print(wrong) == ["f"]
    assert without_print("def f(a, log=print, b=None): pass\ndef _g(log): pass\ndef h(): pass") == []


def test_the_tests_lie_in_the_folders_of_the_package(tmp_path):
    """Those of the modules of a folder are in the tests' folder of that name; sample/ alone has none."""
    def folders(root, pattern):
        return {path.parent.relative_to(root).as_posix() for path in root.rglob(pattern)}

    def unlike(tests):
        return folders(tests, "test_*.py") ^ (folders(ROOT / "stemnet_ref", "__init__.py") - {"sample"})

    assert unlike(ROOT / "tests") == set()
    planted = tmp_path / "tests"
    for each in (ROOT / "tests").rglob("test_*.py"):
        path = planted / each.relative_to(ROOT / "tests")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (planted / "backends" / "cpu").rename(planted / "backends" / "gpu")
    assert unlike(planted) == {"backends/cpu", "backends/gpu"}


def test_every_test_module_runs_alone():
    """What several of them need is in tests/support and in the conftest.py of their folder."""
    def of_others(text):
        return [name for name in imports("test_x", Path("test_x.py"), text, ()) if name.startswith("test_")]

    found = {path.name: of_others(path.read_text()) for path in (ROOT / "tests").rglob("*.py")}
    assert len(found) > 100
    assert not {name: others for name, others in found.items() if others}
    assert of_others("from test_kills import JOBS") == ["test_kills"]
