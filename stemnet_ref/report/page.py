"""One page that tells all of a run: report.html, with its pictures inside, for any browser, without a network."""

import base64
import html
import shlex
from pathlib import Path

from .. import metrics
from ..errors import InputError
from ..metrics import ROC_COLUMNS
from ..program.terminal import one_line
from ..storage.files import write_atomically
from ..storage.outputs import REPORT
from ..storage.readers import read_csv
from ..training.settings import Settings, option
from . import figures

# What Table 3 of the thesis gives, of other frames, and for which networks
THESIS = ("Network1, Table 1", "Network5, Table 1", "Network5, Table 2")
TABLE_3 = {
    "error_rate_percent": ("Error rate, percent of pixels", (0.033, 0.054, 0.041)),
    "f1": ("F1 score, mean over images", (0.83, 0.70, 0.82)),
    "false_white_fraction": ("False white, fraction of all pixels", (0.000157, 0.000134, 0.000227)),
    "white_pixel_accuracy": ("White-pixel accuracy", (0.83, 0.68, 0.84)),
}
OTHERS = {"f1_pooled": "F1, all pixels pooled", "roc_auc": "Area under the ROC, all pixels pooled",
          "precision": "Precision, mean over images", "recall": "Recall, mean over images",
          "val_accuracy": "Accuracy, mean over images", "iou": "Intersection over union, mean over images",
          "kappa": "Cohen's kappa, mean over images", "val_loss": "Cost"}
# Pictures in their order: file in figures/, heading, what it shows
PICTURES = (
    ("predictions", "Prediction beside truth", "Frame, true mask, probability of cell, and what is wrong, of the first "
                                               "and the last validation frame, after epoch {epoch} (Fig. 23)."),
    ("loss", "Loss", "Training's is with dropout. These seven are Fig. 15-21 of the thesis."),
    ("accuracy", "Accuracy", "All pixels, mean over images."),
    ("precision_recall", "Precision and recall", "Of what is called cell, how much is; and of the cells, how much."),
    ("f1", "F1 score", "Harmonic mean of precision and recall."),
    ("error_rate", "Error rate", "Wrong pixels."),
    ("false_white", "False white", "Background taken for cell."),
    ("white_pixel_accuracy", "White-pixel accuracy", "Cell pixels that were found."),
    ("roc", "Receiver operating characteristic", "What other thresholds than 1/2 would give, after epoch {epoch}."),
    ("maps", "Feature maps", "One map of every layer, the one that varies most, of the middle of a validation frame "
                             "after epoch {epoch} (Fig. 22): down on the left, up on the right."),
    ("pieces", "What is trained on", "The first pieces, as the network sees them."),
)
OF_BEST = "predictions", "roc", "maps"        # of the model in best.npz
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1rem;
       max-width: 72rem; }
h1 { font-size: 1.6rem; margin: .5rem 0 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption { max-width: 46rem; } figcaption { color: #444; font-size: .9rem; }
figure { margin: 0; } img { max-width: 100%; height: auto; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem 2rem; }
.wide { grid-column: 1 / -1; }
.table { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top;
       border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } th[scope=row] { min-width: 12rem; }
tr.changed th, tr.changed td { font-weight: 600; }
pre { background: #f3f3f3; padding: .7rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { max-width: none; font-size: 11pt; } figure { break-inside: avoid; } }
"""


def refresh(run):
    """Draw the figures of a run anew, those of its best model where that has changed, and write its report.

    Parameters
    ----------
    run : train.Run
        After an epoch.
    """
    folder, best = run.out / "figures", metrics.best(run.rows)
    figures.draw_curves(run.rows, folder)
    if run.pictured != best["epoch"]:
        try:
            network, roc = run.best_network(), read_csv(run.out / "roc.csv", ROC_COLUMNS)
        except InputError as error:
            run.show(f"warning: report.html is without pictures of the best model: {error}")
            for name in OF_BEST:
                (folder / f"{name}.png").unlink(missing_ok=True)
        else:
            figures.draw_predictions(run.examples(network), folder / "predictions.png")
            figures.draw_maps(run.maps(network), folder / "maps.png")
            figures.draw_roc(roc, best["roc_auc"], folder / "roc.png")
        run.pictured = best["epoch"]
    write(run.out, run.rows, run.config())


def write(out, rows, config):
    """Write report.html into a run's folder from what lies there.

    Parameters
    ----------
    out : path
        With `figures`, of which those that are there are put in.
    rows : list of dict
        Of metrics.csv, at least one.
    config : dict
        Of config.json.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    out = Path(out)
    best = metrics.best(rows)
    title = f"Network{config['channels']}: {out.absolute().name}"
    parts = [
        "<main>", f"<h1>{escape(title)}</h1>", f"<p>{len(rows)} of {config['epochs']} epochs on {data(config)}.</p>",
        "<h2>Table 3</h2>", f"<p>Validation in epoch {best['epoch']}, that of the best pooled F1, which "
        "<code>best.npz</code> holds; predictions, ROC and maps are of it too. The thesis's numbers are of its own "
        "frames, and stand here for scale.</p>",
        table_3(best), "<h2>Other measures of that epoch</h2>", other_measures(best),
        '<div class="curves">', *(figure(out, *each, rows) for each in PICTURES), "</div>",
        "<h2>Settings</h2>", "<p>Bold and marked *: other than the preset's, which leaves the gap to be chosen.</p>",
        settings_table(config),
        "<h2>To repeat this run</h2>", "<p>Where run_train.py lies, with an --out of your choice:</p>",
        f"<pre>{escape(command(config))}</pre>",
        f"<p>with stemnet_ref {escape(config['version'])}; the same seed gives the same model on one machine and one "
        "NumPy.</p>", "</main>",
    ]
    write_page(out / "report.html", title, parts)


def is_fresh(out):
    """Return whether a run's report is of all epochs that are in its metrics.csv."""
    page, rows = Path(out) / "report.html", Path(out) / "metrics.csv"
    return page.exists() and page.stat().st_mtime_ns >= rows.stat().st_mtime_ns


def write_page(path, title, parts, kind=REPORT):
    """Write a page of HTML, in one move; `kind` is the outputs.Kind of page.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    text = "\n".join(["<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
                      '<meta name="viewport" content="width=device-width, initial-scale=1">',
                      f'<meta name="generator" content="{kind.mark}">', f"<title>{escape(title)}</title>",
                      f"<style>{STYLE}</style>", "</head>", "<body>", *parts, "</body>", "</html>", ""])
    write_atomically(path, text.encode(errors="replace"), kind)     # names need not be Unicode


def data(config):
    """Return in words what a run was trained on, and by what."""
    frames = "the sample that comes with the package" if config["frames"] is None else str(config["frames"])
    training = len(config["training_frames"]) - len(config["dropped_frames"])
    return (f"{escape(frames)}, {training} frames for training and {len(config['validation_frames'])} for validation, "
            f"{config['steps_per_epoch']:,} steps an epoch on {escape(config['device'])} "
            f"({escape(config['precision'])}); stemnet_ref {escape(config['version'])}")


def escape(value):
    """Return a value as text that HTML shows as it is, with control characters as `one_line` has them."""
    return html.escape(one_line(value))


def table_3(row):
    """Return the thesis's Table 3 with this run's column."""
    heads = ("this run", *(f"thesis: {network}" for network in THESIS))
    lines = [[name, f"{row[column]:.3g}", *(f"{value:g}" for value in theirs)]
             for column, (name, theirs) in TABLE_3.items()]
    return table(["measure", *heads], lines)


def other_measures(row):
    """Return the other measures, and the confusion matrix."""
    pixels = row["tp"] + row["fp"] + row["tn"] + row["fn"]

    def cell(name):
        return f"{row[name]:,} ({row[name] / pixels:.2%})"

    return (table(["measure", "validation"], [[name, f"{row[column]:.4g}"] for column, name in OTHERS.items()])
            + "<p>Confusion matrix, pixels of all validation frames:</p>"
            + table(["", "predicted cell", "predicted background"],
                    [["cell", cell("tp"), cell("fn")], ["background", cell("fp"), cell("tn")]]))


def table(heads, lines):
    """Return a table whose first column names the lines, and whose others are numbers."""
    first, *rest = heads
    corner = f'<th scope="col">{escape(first)}</th>' if first else "<td></td>"
    rows = [f"<tr>{corner}" + "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in rest) + "</tr>"]
    for name, *values in lines:
        cells = [escape(value).replace(" ± ", "&nbsp;±&nbsp;") for value in values]
        rows.append(f'<tr><th scope="row">{escape(name)}</th>'
                    + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>")
    return scrollable("\n".join(rows))


def scrollable(rows):
    """Return a table that scrolls by itself where it is wider than the window, by the keyboard too."""
    return f'<div class="table" tabindex="0"><table>{rows}</table></div>'


def figure(out, name, heading, caption, rows):
    """Return a picture of the run with its heading, or nothing where there is none."""
    path = out / "figures" / f"{name}.png"
    if not path.exists():
        return ""
    last, told = rows[-1], caption.format(epoch=metrics.best(rows)["epoch"])
    values = ", ".join(f"{legend} {last[column]:.3g}" for column, (legend, *_) in
                       (figures.CURVES[name][2] if name in figures.CURVES else {}).items())
    return picture(path, heading, f"{heading}. {f'After epoch {len(rows)}: {values}.' if values else told}",
                   told, wide=name in (*OF_BEST, "pieces"))


def picture(path, heading, alternative, caption="", wide=True):
    """Return a PNG with its heading, what it says for those who do not see it, and a caption, as HTML."""
    inside = base64.b64encode(path.read_bytes()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (f'<figure{" class=wide" if wide else ""}><h2>{escape(heading)}</h2><img alt="{escape(alternative)}" '
            f'src="data:image/png;base64,{inside}">{below}</figure>')


def settings_table(config):
    """Return a table of all settings; those that differ from the preset's are bold."""
    usual = Settings.from_options({"preset": config["preset"]}).as_dict()
    rows = []
    for name in usual:
        changed, mark = (' class="changed"', " *") if config[name] != usual[name] else ("", "")
        shown = next((word for value, word in ((None, "-"), (True, "yes"), (False, "no")) if config[name] is value),
                     config[name])
        rows.append(f'<tr{changed}><th scope="row">{escape(name)}{mark}</th><td>{escape(shown)}</td></tr>')
    return scrollable("\n".join(rows))


def command(config):
    """Return the command that begins the same run again, without its --out."""
    words = ["python", "run_train.py"]
    if config["frames"] is not None:
        words += ["--frames", config["frames"]]
    if config["masks"] is not None:
        words += ["--masks", config["masks"]]
    first = ("preset", "channels", "optimizer")         # on which other defaults depend
    usual = {**Settings.from_options({name: config[name] for name in first}).as_dict(),
             **{name: getattr(Settings, name) for name in first}}
    for name, default in usual.items():
        if config[name] != default:
            words.append(option(name))
            if config[name] is not True:
                words.append("0" if config[name] is None else str(config[name]))
    words += ["--device", "cpu" if config["device"] == "cpu" else "cuda"]
    if config["precision"] != "fp32":
        words += ["--precision", config["precision"]]
    return shlex.join(words)
