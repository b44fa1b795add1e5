"""The README's links, options, tables and examples hold."""

import re
import subprocess
import sys
from pathlib import Path

import run_predict
import run_train
from stemnet_ref import layers
from stemnet_ref.benchmark import __main__ as benchmark
from stemnet_ref.data import check, preprocess
from stemnet_ref.experiments import __main__ as experiments
from stemnet_ref.explain import __main__ as explain
from stemnet_ref.verify import __main__ as verify
from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 20
    for link in links:
        assert link.startswith("https:") or (ROOT / link).exists(), link


def test_links_within_the_page_lead_to_a_heading():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", README)
    assert len(links) > 3
    assert {*links} <= anchors


def test_options_exist():
    scripts = run_train, run_predict, benchmark, preprocess, check, experiments, explain, verify
    parsers = [each.options() for each in scripts]
    for action in parsers[-1]._actions:
        if isinstance(action.choices, dict):
            parsers += action.choices.values()
    known = {flag for parser in parsers for action in parser._actions for flag in action.option_strings}
    known.add("--equation")                                 # of the tests: tests/conftest.py
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README))
    assert len(named) > 20
    assert named <= known


def test_counts_the_conventions():
    said, count = re.search(r"under each of more than (\d+) conventions", README), len(CONVENTIONS)
    assert 0.8 * count < int(said[1]) < count


def test_the_table_holds_every_layer_and_names_tests_that_exist():
    table = README[README.index("| layer | equations"):README.index("\n\nThe last two columns")]
    for name in layers.__all__:
        assert f"](stemnet_ref/layers/{name}.py)" in table, name
        assert name == "perceptron" or f"[.cu](stemnet_ref/layers/{name}.cu)" in table, name
    head, _, *rows = ([cell.strip() for cell in line.split("|")[-3:-1]] for line in table.splitlines())
    for cells in rows:
        for cell, column in zip(cells, head, strict=True):
            path, names = re.search(r"\]\((.*)\)", cell if "](" in cell else column)[1], re.findall(r"`(\w+)`", cell)
            assert names or "none" in cell, cell
            for name in names:
                assert f"def {name}(" in (ROOT / path).read_text(), name


def test_python_examples_print_what_their_comments_say():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == re.findall(r"print\(.*\)\s+# (.*)", block)


def test_every_row_of_the_decisions_is_there():
    rows = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 23)]
