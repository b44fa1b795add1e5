"""The page of one step of training: its sums come out as they stand there, and it works in a browser."""

import math
import re

import numpy as np
import pytest
import refusals
from browser import Page, chromium

from stemnet_ref.explain import __main__ as explain
from stemnet_ref.explain import numbers, page
from stemnet_ref.explain.step import Step

SIZES = [{}, {"size": 4, "levels": 1, "features": 1}, {"size": 8, "levels": 3, "features": 1, "seed": 4},
         {"size": 16, "levels": 2, "features": 3, "seed": 1},
         {"size": 4, "levels": 3, "features": 1, "seed": 3}]            # its first convolution's gradient is 0
TENSORS = list(Step().layers)


def write(path, **options):
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return refusals.script(explain.main, *words, "--out", path)


def worked(parsed):
    """Return the lines "name[i,j,c] = terms = value" of a page, as (terms, value)."""
    lines = re.findall(r"(?:δ|[\w.]+)\[\d+,\d+,\d+\] = [^\n]+", parsed.text)
    return [line.split(" = ")[1:] for line in lines if line.count(" = ") == 2]


def evaluated(terms):
    """Return what a sum comes to, as it is printed."""
    terms = re.sub(r"\(\d+ terms that are 0 left out\)", "", terms).replace("·", "*").replace("−", "-")
    terms = terms.replace("e^", "math.e**")
    return eval(terms, {"math": math, "max": max})


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_every_sum_comes_out_as_it_is_printed(tmp_path, options):
    assert write(tmp_path / "page.html", **options) == 0
    lines = [(terms, value) for terms, value in worked(Page(tmp_path / "page.html")) if "[" not in terms]
    assert len(lines) >= len(Step(**options).layers)
    for terms, value in lines:
        size = sum(abs(float(each)) for each in re.findall(r"[\d.]+(?:e-\d+)?", terms.replace("−", "-")))
        assert evaluated(terms) == pytest.approx(float(value.replace("−", "-")), rel=2e-3, abs=5e-4 * size), terms


@pytest.mark.parametrize("name", ["page.html", "../mine.html", f"{'x' * 300}.html"])
def test_a_refused_page_leaves_no_folder_behind(tmp_path, capsys, name):
    (tmp_path / "mine.html").write_text("mine")
    refusals.check(capsys, write(tmp_path / "new" / name), "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_the_page_is_whole_and_needs_nothing_else(tmp_path, options):
    path = tmp_path / "page.html"
    assert write(path, **options) == 0
    parsed = Page(path)
    parsed.check_alone()
    *first, last = Step(**options).layers
    assert {f"f-{name}" for name in (*first, last)} | {f"b-{name}" for name in first} <= set(parsed.anchors)
    for equation in ("eq. 8", "eq. 10, 15", "eq. 17-27", "eq. 28-29", "eq. 30", "eq. 36", "eq. 38", "eq. 60"):
        assert equation in parsed.text, equation


@pytest.mark.parametrize(("way", "name"), [("forward", name) for name in TENSORS]
                         + [("backward", name) for name in TENSORS if name != "probabilities"])
def test_a_number_that_does_not_follow_from_those_before_it_makes_no_page(way, name):
    step = Step()
    work_out = numbers.worked_forward if way == "forward" else numbers.worked_backward
    place = work_out(step, name).place
    step.arrays[f"1/{way}/{name}"][0][place] *= 1 + 1e-6
    with pytest.raises(AssertionError, match="worked out"):
        work_out(step, name)


def test_a_wrong_gradient_makes_no_page():
    step = Step()
    step.arrays["1/gradient/down0.conv.weight"] *= 1 + 1e-6
    with pytest.raises(AssertionError, match="worked out"):
        page.gradient_card(step)


def test_a_wrong_cost_makes_no_page():
    step = Step()
    step.arrays["1/cost"] = step.arrays["1/cost"] * (1 + 1e-6)
    with pytest.raises(AssertionError, match="worked out"):
        page.cost_card(step)


@pytest.mark.parametrize("kind", ["SGD", "momentum", "Adam"])
def test_a_wrong_update_makes_no_page(monkeypatch, kind):
    step, right = Step(), Step.updates
    def updates(self, name, index):
        rows = right(self, name, index)
        rows[kind][1]["new"] *= 1 + 1e-6
        return rows
    monkeypatch.setattr(Step, "updates", updates)
    with pytest.raises(AssertionError, match=f"{kind}, step 2"):
        page.update_cards(step)


def test_the_finite_difference_is_the_gradient(tmp_path):
    assert write(tmp_path / "page.html") == 0
    text = Page(tmp_path / "page.html").text
    quotient, by_hand = (float(re.search(rf"{name} ([\d.e-]+)", text)[1]) for name in ("quotient", "by hand"))
    assert quotient == pytest.approx(by_hand, rel=1e-8)


def test_equal_commands_write_equal_pages(tmp_path):
    assert write(tmp_path / "a.html") == write(tmp_path / "b.html") == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.parametrize(("options", "culprits"), [
    ({"size": 9}, ("--size 9", "multiple of 2")), ({"size": 32}, ("--size 32", "from 4 to 16")),
    ({"levels": 0}, ("--levels 0", "from 1 to 4")), ({"features": 5}, ("--features 5",)),
    ({"seed": -1}, ("--seed -1",))])
def test_refusals(tmp_path, capsys, options, culprits):
    refusals.check(capsys, write(tmp_path / "page.html", **options), *culprits)
    assert not (tmp_path / "page.html").exists()


def test_another_file_is_not_written_over(tmp_path, capsys):
    model, page = tmp_path / "best.npz", tmp_path / "page.html"
    model.write_bytes(b"\xff\x00 a model")
    refusals.check(capsys, write(model), model, "choose another name")
    assert model.read_bytes() == b"\xff\x00 a model"
    assert write(page, seed=1) == write(page, seed=2) == 0              # one of its own is


def test_a_folder_as_its_file_is_refused(tmp_path, capsys):
    refusals.check(capsys, write(tmp_path), tmp_path)


def test_a_browser_shows_it_whole_and_the_arrow_keys_go_from_card_to_card(tmp_path):
    path = tmp_path / "page.html"
    assert write(path, size=4, levels=2, features=1) == 0
    path.write_text(path.read_text().replace("</body>", """<script>
        var seen = [];
        ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"].forEach(function (key) {
          document.dispatchEvent(new KeyboardEvent("keydown", {key: key}));
          seen.push(document.activeElement.parentNode.id); });
        var table = document.querySelector(".table");
        document.title = "keys " + seen.join(" ") + ", cut off " + (table.scrollWidth - table.clientWidth);
        </script></body>"""))
    shown = chromium(tmp_path, "--window-size=400,800", "--dump-dom", path.as_uri())
    assert re.search("<title>(.*?)</title>", shown)[1] == (
        "keys f-input f-down0.conv f-down0.dropout f-down0.conv, cut off 0")


def test_no_number_of_the_page_is_empty_or_not_finite(tmp_path):
    assert write(tmp_path / "page.html") == 0
    cells = re.findall(r"<td[^>]*background[^>]*>([^<]*)</td>", (tmp_path / "page.html").read_text())
    assert len(cells) > 1000
    values = np.array([float(cell.replace("−", "-")) for cell in cells])
    assert np.isfinite(values).all()
