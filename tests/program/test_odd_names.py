"""Names that hold formulas, control characters, placeholders, and bytes that are no text: used, and shown plainly."""

import csv
import json
import os

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pictures import sequence
from refusals import SMALL, script

import run_predict
import run_train
from stemnet_ref.data import check as checking
from stemnet_ref.experiments.__main__ import main as experiments
from stemnet_ref.program.terminal import one_line
from stemnet_ref.report.figures import literal
from stemnet_ref.storage import files

NAMES = [b"=1+1|x_", b"$\\frac_", b"a$b_{$^", b"new\nline\x1b[2J\r_", b"caf\xe9_", b"{0}%s%(x)s\\_",
         "\u202eab日本_".encode(), b"-x_"]
FOLDER = b"$_^$ \n\x1b[31m{0}%s \xff "


@pytest.mark.drawn
@pytest.mark.skipif(os.name == "nt", reason="names may hold any byte on POSIX")
def test_a_run_on_frames_with_such_names(tmp_path, capsys):
    """A sequence of each name."""
    folders = [os.fsdecode(os.path.join(os.fsencode(tmp_path), FOLDER + kind)) for kind in (b"frames", b"masks")]
    for source, folder in zip(sequence(tmp_path / "movie", 2 * len(NAMES), "{}.png"), folders, strict=True):
        os.mkdir(folder)
        for at, name in enumerate(NAMES):
            for number in (1, 2):
                os.rename(source / f"{2 * at + number}.png",
                          os.fsdecode(os.path.join(os.fsencode(folder), name + b"%d.png" % number)))
    out = os.fsdecode(os.path.join(os.fsencode(tmp_path), FOLDER))
    assert script(run_train.main, "--frames", folders[0], "--masks", folders[1], *SMALL, "--out", out) == 0
    assert script(run_train.main, "--resume", "--out", out) == 0
    assert script(run_predict.main, out, folders[0], "--masks", folders[1], "--out", tmp_path / "done") == 0
    assert script(checking.main, *folders, "--out", tmp_path / "sheet.png") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert all(sign.isprintable() or sign == "\n" for sign in output.out)
    assert all(line.count(str(tmp_path)) <= 2 for line in output.out.splitlines())
    assert "training" in (tmp_path / out / "report.html").read_text()
    table, = (path for path in (tmp_path / "done").glob("*.csv") if not path.name.endswith("_edges.csv")
              and path.name != "roc.csv")
    rows = list(csv.reader(table.read_text().splitlines()))
    assert len(rows) == 2 * len(NAMES) + 3
    assert all(row[0][0] not in "=+-@\t" for row in rows)
    assert json.loads((tmp_path / out / "config.json").read_text())["frames"] == folders[0]


def test_numbers_in_tables_stay_numbers(tmp_path):
    rows = [["-1", -1, -0.5], ["@x", float("nan"), 1e-9], ["+", 0, 1], ["a=b", 2, 3]]
    files.write_csv(tmp_path / "x.csv", ["name", "a", "b"], rows)
    assert (tmp_path / "x.csv").read_text() == "name,a,b\n'-1,-1,-0.5\n'@x,nan,1e-09\n'+,0,1\na=b,2,3\n"


@pytest.mark.parametrize("name", ["$", "$$", r"\$a$", "$_$", "a$b", r"$\frac$ $", "\udcff$^$"])
def test_formulas_in_figures_are_names(name):
    """They look as they do where Matplotlib reads no formulas."""
    def pixels(text, **options):
        figure = Figure()
        figure.suptitle(text, **options)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    np.testing.assert_array_equal(pixels(literal(name)), pixels(one_line(name), parse_math=False))


def test_an_experiment_whose_values_are_such_names(tmp_path, capsys):
    frames, masks = sequence(tmp_path / "movie", 6)
    assert script(experiments, "table3", "--frames", frames, "--masks", masks, "--vary", "pattern=$_${t}.png,x",
                  "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err.count("\n") == 1
