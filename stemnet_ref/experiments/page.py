"""Figures of several runs side by side, and the page with the table."""

from itertools import cycle

from matplotlib.figure import Figure

from ..report import markup
from ..report import page as report
from ..report.figures import BLUE, CURVES, GREY, ORANGE, literal, plot_lines, prepare, save
from ..storage.files import make_folder, write_atomically, write_csv
from ..storage.outputs import Kind
from ..training.settings import OPTIONS, Settings
from . import table

COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
STYLES = ("-", "--", ":")
PER_ROW = 4             # panels in a row of a figure
MARKDOWN = Kind("table of an experiment", table.NOTES[-1], lambda path: path.read_bytes().decode().splitlines()[-1])


def write(out, results, configs, title, command):
    """Write table3.csv, table3.md, figures and report.html to the folder of the experiment.

    `results` and `configs` are rows and settings of the runs, as `table.lines` takes them; `title` is that of the page,
    and `command` repeats the experiment.
    """
    lines, figures = table.lines(results, configs), out / "figures"
    write_csv(out / "table3.csv", *table.flat(results))
    write_atomically(out / "table3.md", table.markdown(lines).encode(errors="replace"), MARKDOWN)
    make_folder(figures)
    plot_compared(results, figures / "compared.png")
    pictures = [markup.picture(figures / "compared.png", "Pooled F1 of all",
                               "Pooled F1 of every variant, epoch by epoch; the table's rows of F1 give its ends.")]
    for name, (heading, *_) in CURVES.items():
        path = figures / f"{name}.png"
        plot(name, results, path)
        pictures.append(markup.picture(path, heading, f"{heading} of every run, epoch by epoch, a panel for each "
                                                      "variant; the numbers are in each run's metrics.csv."))
    markup.write_page(out / "report.html", title, [
        "<main>", f"<h1>{markup.escape(title)}</h1>", *about(configs),
        *(f"<p>{markup.escape(note)}</p>" for note in table.NOTES),
        markup.table(lines[0], lines[1:]), "<h2>The thesis's Table 3, of its own frames</h2>",
        markup.table(["", *report.THESIS], [[name, *values] for name, values in report.TABLE_3.values()]),
        '<div class="curves">', *pictures, "</div>",
        "<h2>Settings</h2>", "<p>Settings in which the columns differ, or that are not the default.</p>",
        settings(configs), "<h2>To repeat it</h2>", f"<pre>{markup.escape(command)}</pre>", "</main>"])


def about(configs):
    """Return paragraphs of HTML that say what the runs were trained on."""
    titles_of = {}
    for title, config in configs.items():
        titles_of.setdefault(report.describe_data(config), []).append(title)
    return [f"<p>{markup.escape('; '.join(titles)) if len(titles_of) > 1 else 'All'}: {text}.</p>"
            for text, titles in titles_of.items()]


def settings(configs):
    """Return a table of the settings that differ between the columns, or from the default."""
    usual, rows = Settings.from_options({}).as_dict(), []
    for name in OPTIONS:
        values = [config[name] for config in configs.values()]
        if name != "seed" and any(value != usual[name] for value in values):
            rows.append([name, *("-" if value is None else value for value in values)])
    return markup.table(["", *configs], rows)


def plot(name, results, path):
    """Plot one of the thesis's curves, with a panel for every variant and a line for every seed."""
    title, _, label, columns = CURVES[name]
    wide, high = min(len(results), PER_ROW), -(-len(results) // PER_ROW)
    figure = Figure(figsize=(3.6 * wide + 0.4, 3.1 * high + 0.6), layout="constrained")
    grid = figure.subplots(high, wide, sharey=True, squeeze=False)
    handles = {}
    for axes, (variant, runs) in zip(grid.flat, results.items(), strict=False):
        prepare(axes, literal(variant), label if axes in grid[:, 0] else "")
        for rows in filter(None, runs.values()):
            handles |= plot_lines(axes, rows, columns, alpha=0.75, markersize=3)
        axes.title.set_fontsize(10)
    for axes in grid.flat[len(results):]:
        axes.set_axis_off()
    if handles:
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{title}, a line for each seed", fontsize=11)
    save(figure, path)


def plot_compared(results, path):
    """Plot the pooled F1 of every variant in one plot, mean and range over the seeds."""
    figure = Figure(figsize=(7.5, 4.2 + 0.2 * max(len(results) - 4, 0)), layout="constrained")
    axes = prepare(figure.add_subplot(), "F1 of the validation pixels, mean and range over the seeds", "F1")
    looks = ((colour, marker, style) for style in cycle(STYLES)
             for colour, marker in zip(COLOURS, "osD^vPX", strict=True))
    for (variant, runs), (colour, marker, style) in zip(results.items(), looks, strict=False):
        good = [[row[table.COMPARED] for row in rows] for rows in runs.values() if rows]
        if not good:
            continue
        epochs = range(1, min(map(len, good)) + 1)
        by_epoch = [[each[epoch - 1] for each in good] for epoch in epochs]
        axes.plot(epochs, [sum(each) / len(each) for each in by_epoch], style, color=colour, marker=marker,
                  markersize=5, label=literal(variant))
        axes.fill_between(epochs, [min(each) for each in by_epoch], [max(each) for each in by_epoch], color=colour,
                          alpha=0.12, linewidth=0)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save(figure, path)
