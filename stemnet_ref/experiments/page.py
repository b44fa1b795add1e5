"""Figures of several runs side by side, and the page with the table."""

import base64
from itertools import cycle
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import report
from ..figures import BLUE, CURVES, GREY, ORANGE, prepare, save
from ..files import make_folder, write_atomically, write_csv
from . import table

COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)


def write(out, results, title, commands):
    """Write table3.csv, table3.md, figures and report.html.

    Parameters
    ----------
    out : path
    results : dict
        As for `table.lines`.
    title : str
    commands : list of str
        That repeat it.
    """
    out = Path(out)
    lines = table.lines(results)
    write_csv(out / "table3.csv", *table.flat(results))
    write_atomically(out / "table3.md", lambda file: file.write(table.markdown(lines).encode()))
    make_folder(out / "figures")
    figures = [draw(name, results, out / "figures" / f"{name}.png") for name in CURVES]
    compared = draw_compared(results, out / "figures" / "compared.png")
    parts = [f"<h1>{report.escape(title)}</h1>",
             "<p>Mean and standard deviation over the seeds, validation, of the epoch with the best pooled F1 of each "
             "run. The thesis's frames were others: error rate 0.033, 0.054, 0.041; F1 0.83, 0.70, 0.82; false white "
             "0.000157, 0.000134, 0.000227; white-pixel accuracy 0.83, 0.68, 0.84.</p>",
             report.table(*(lambda head, *body: (head, body))(*lines)),
             '<div class="curves">', picture(compared, "Pooled F1 of all"),
             *(picture(path, CURVES[path.stem][0]) for path in figures), "</div>",
             "<h2>To repeat it</h2>", f"<pre>{report.escape(chr(10).join(commands))}</pre>"]
    write_atomically(out / "report.html", lambda file: file.write(report.page(title, parts).encode()))


def picture(path, heading):
    """Return a picture with its heading."""
    data = base64.b64encode(path.read_bytes()).decode()
    return (f'<figure class="wide"><h2>{report.escape(heading)}</h2><img alt="{report.escape(heading)}" '
            f'src="data:image/png;base64,{data}"></figure>')


def draw(name, results, path):
    """Draw one of the thesis's curves, a panel for every variant, a line for every seed; return the path."""
    title, label, columns = CURVES[name]
    figure = Figure(figsize=(3.6 * len(results) + 0.4, 3.7), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for axes, (variant, runs) in zip(panels, results.items(), strict=True):
        prepare(axes, variant, "epoch", label if axes is panels[0] else "")
        for number, rows in enumerate(rows for rows in runs.values() if rows):
            for column, (legend, colour, style) in columns.items():
                alone = {"marker": "."} if len(rows) == 1 else {}
                axes.plot([row["epoch"] for row in rows], [row[column] for row in rows], color=colour, alpha=0.75,
                          label=legend if number == 0 else None, **{**alone, **style, "markersize": 3})
        axes.title.set_fontsize(10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if panels[0].get_legend_handles_labels()[0]:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{title}, a line for each seed", fontsize=11)
    save(figure, path)
    return path


def draw_compared(results, path):
    """Draw the pooled F1 of every variant in one plot, mean and range over the seeds; return the path."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = prepare(figure.add_subplot(), "F1 of the validation pixels, mean and range over the seeds", "epoch", "F1")
    for (variant, runs), colour, marker in zip(results.items(), cycle(COLOURS), cycle("osD^vPX")):
        good = [[row[table.DECIDES] for row in rows] for rows in runs.values() if rows]
        if not good:
            continue
        epochs = range(1, min(map(len, good)) + 1)
        by_epoch = [[each[epoch - 1] for each in good] for epoch in epochs]
        axes.plot(epochs, [sum(each) / len(each) for each in by_epoch], color=colour, marker=marker, markersize=5,
                  label=variant)
        axes.fill_between(epochs, [min(each) for each in by_epoch], [max(each) for each in by_epoch], color=colour,
                          alpha=0.12, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    save(figure, path)
    return path
