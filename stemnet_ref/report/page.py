"""The report of a run: report.html, one page that holds its pictures."""

import shlex
import time
from pathlib import Path

from .. import metrics
from ..data.crops.batch import Sample, assemble
from ..data.crops.crop import Crop
from ..errors import InputError
from ..network.maps import feature_maps
from ..network.topology import multiples
from ..program.options import flag_of
from ..storage.columns import ROC_COLUMNS
from ..storage.readers import read_csv
from ..training import checkpoint
from ..training.settings import Settings
from ..training.validation import predict_examples
from . import figures
from .markup import escape, picture, scrollable, table, write_page

# Table 3 of the thesis, which it measured on other frames, and the networks of its columns
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
# Pictures in their order: file in figures/, heading, caption
PICTURES = (
    ("predictions", "Prediction beside truth", "Frame, true mask, probability of cell, and what is wrong, of the first "
                                               "and the last validation frame, after epoch {epoch} (Fig. 23)."),
    *((name, title, caption) for name, (title, caption, *_) in figures.CURVES.items()),
    ("roc", "Receiver operating characteristic", "Rates of true and false cell pixels at all thresholds of the "
                                                 "probability, after epoch {epoch}."),
    ("maps", "Feature maps", "The map of every layer that varies most, of the middle of a validation frame after epoch "
                             "{epoch} (Fig. 22): the way down on the left, the way up on the right."),
    ("pieces", "Training crops", "The first crops, as the network sees them."),
)
BEST_PICTURES = "predictions", "roc", "maps"        # pictures of the model in best.npz


class Report:
    """The report of a run; the pictures of its best model are plotted anew only when another model is the best."""

    def __init__(self):
        self._pictured = None               # epoch whose model is in the pictures
        self._epochs = self._due = 0        # epochs that the report shows; when `keep_up` may write it again

    def keep_up(self, run):
        """Do the same as `refresh` after the last epoch, and after others where it takes a fifth of the time at most.

        It does so after the first epoch that ends four times a report's duration after the last report.
        """
        if time.monotonic() >= self._due or run.progress.epoch == run.settings.epochs:
            self.refresh(run)

    def catch_up(self, run):
        """Do the same as `refresh` where epochs are finished that the report does not show."""
        if len(run.rows) > self._epochs:
            self.refresh(run)

    def refresh(self, run):
        """Plot the figures of a `training.run.Run` that has finished an epoch, and write its report."""
        started = time.monotonic()
        self._write(run)
        self._epochs, ended = len(run.rows), time.monotonic()
        self._due = ended + 4 * (ended - started)

    def _write(self, run):
        folder, best = run.out / "figures", metrics.best(run.rows)
        figures.plot_curves(run.rows, folder)
        if self._pictured != best["epoch"]:
            try:
                network, roc = best_network(run), read_csv(run.out / "roc.csv", ROC_COLUMNS)
                examples = (run.validation.examples if run.validation and network is run.network
                            else predict_examples(network, run.data))
            except (InputError, FloatingPointError) as error:
                run.log(f"warning: report.html is without pictures of the best model: {error}")
                for name in BEST_PICTURES:
                    (folder / f"{name}.png").unlink(missing_ok=True)
            else:
                figures.plot_predictions(examples, folder / "predictions.png")
                figures.plot_maps(example_maps(network, run.data), folder / "maps.png")
                figures.plot_roc(roc, best["roc_auc"], folder / "roc.png")
            self._pictured = best["epoch"]
        write(run.out, run.rows, run.config())


def best_network(run):
    """Return the network of the best epoch of a run, from its best.npz unless it is that of the last epoch.

    Raises
    ------
    InputError
        If best.npz cannot be read, or holds another epoch.
    """
    if run.is_at_best():
        return run.network
    path, best = run.out / "best.npz", metrics.best(run.rows)["epoch"]
    model = checkpoint.load(path)
    found = model.progress.get("epoch")
    if found != best:
        raise InputError(f"{path}: is of epoch {str(found)[:40]}, where the best one is {best}; go on with the run "
                         "until a better one comes")
    return model.network.to(run.backend)


def example_maps(network, data):
    """Return the `feature_maps` of the middle of the first validation frame, at most 512 pixels high and wide."""
    window, _, _ = next(data.dataset.whole([int(data.validation[0])]))
    divisor = network.size_divisor
    sides, _ = multiples([max(min(side, 512), divisor) for side in window[0].shape], divisor)
    top, left = ((have - side) // 2 for have, side in zip(window[0].shape, sides, strict=True))
    x, _, _ = assemble(data.scaling, [Sample(Crop(0, top, left, *sides), window)])
    return feature_maps(network, x)


def write(out, rows, config):
    """Write report.html to a run's folder, with the pictures that are in its `figures`.

    `rows` are those of metrics.csv, at least one, and `config` is the content of config.json, dicts.
    """
    out = Path(out)
    best = metrics.best(rows)
    title = f"Network{config['channels']}: {out.absolute().name}"
    parts = [
        "<main>", f"<h1>{escape(title)}</h1>",
        f"<p>{len(rows)} of {config['epochs']} epochs on {describe_data(config)}.</p>",
        "<h2>Table 3</h2>", f"<p>Validation after epoch {best['epoch']}, which has the best pooled F1. "
        "<code>best.npz</code> holds the model of this epoch, from which predictions, ROC and maps come too. The "
        "thesis measured its numbers on its own frames; they stand here for scale.</p>",
        table_3(best), "<h2>Other measures of that epoch</h2>", other_measures(best),
        '<div class="curves">', *(figure(out, *each, rows) for each in PICTURES), "</div>",
        "<h2>Settings</h2>", "<p>A setting in bold and marked * differs from the preset, which leaves the gap to be "
        "chosen.</p>",
        settings_table(config),
        "<h2>To repeat this run</h2>", "<p>In the folder of run_train.py, with an --out of your choice:</p>",
        f"<pre>{escape(command(config))}</pre>",
        f"<p>with stemnet_ref {escape(config['version'])}; the same seed gives the same model on one machine and one "
        "NumPy.</p>", "</main>",
    ]
    write_page(out / "report.html", title, parts)


def is_fresh(out):
    """Return whether a run's report covers all epochs of its metrics.csv."""
    page, rows = Path(out) / "report.html", Path(out) / "metrics.csv"
    return page.exists() and page.stat().st_mtime_ns >= rows.stat().st_mtime_ns


def describe_data(config):
    """Return as text which frames a run was trained on, by which device and version."""
    frames = "the sample that comes with the package" if config["frames"] is None else str(config["frames"])
    training = len(config["training_frames"]) - len(config["dropped_frames"])
    return (f"{escape(frames)}, {training} frames for training and {len(config['validation_frames'])} for validation, "
            f"{config['steps_per_epoch']:,} steps an epoch on {escape(config['device'])} "
            f"({escape(config['precision'])}); stemnet_ref {escape(config['version'])}")


def table_3(row):
    """Return the thesis's Table 3 with a column for this run, as HTML."""
    heads = ("this run", *(f"thesis: {network}" for network in THESIS))
    lines = [[name, f"{row[column]:.3g}", *(f"{value:g}" for value in values)]
             for column, (name, values) in TABLE_3.items()]
    return table(["measure", *heads], lines)


def other_measures(row):
    """Return the other measures and the confusion matrix, as HTML."""
    pixels = row["tp"] + row["fp"] + row["tn"] + row["fn"]

    def cell(name):
        return f"{row[name]:,} ({row[name] / pixels:.2%})"

    return (table(["measure", "validation"], [[name, f"{row[column]:.4g}"] for column, name in OTHERS.items()])
            + "<p>Confusion matrix, pixels of all validation frames:</p>"
            + table(["", "predicted cell", "predicted background"],
                    [["cell", cell("tp"), cell("fn")], ["background", cell("fp"), cell("tn")]]))


def figure(out, name, heading, caption, rows):
    """Return a picture of the run with its heading and caption, as HTML, or "" where there is no picture."""
    path = out / "figures" / f"{name}.png"
    if not path.exists():
        return ""
    last, caption = rows[-1], caption.format(epoch=metrics.best(rows)["epoch"])
    values = ", ".join(f"{legend} {last[column]:.3g}" for column, (legend, *_) in
                       (figures.CURVES[name][-1] if name in figures.CURVES else {}).items())
    return picture(path, heading, f"{heading}. {f'After epoch {len(rows)}: {values}.' if values else caption}",
                   caption, wide=name in (*BEST_PICTURES, "pieces"))


def settings_table(config):
    """Return a table of all settings as HTML; those that differ from the preset are bold."""
    usual = Settings.from_options({"preset": config["preset"]}).as_dict()
    rows = []
    for name in usual:
        changed, mark = (' class="changed"', " *") if config[name] != usual[name] else ("", "")
        text = next((word for value, word in ((None, "-"), (True, "yes"), (False, "no")) if config[name] is value),
                    config[name])
        rows.append(f'<tr{changed}><th scope="row">{escape(name)}{mark}</th><td>{escape(text)}</td></tr>')
    return scrollable("\n".join(rows))


def command(config):
    """Return the command that repeats the run, without its --out."""
    words = ["python", "run_train.py"]
    for name in ("frames", "masks"):
        if config[name] is not None:
            words += [f"--{name}", config[name]]
    first = ("preset", "channels", "optimizer")         # the defaults of other settings depend on these
    usual = {**Settings.from_options({name: config[name] for name in first}).as_dict(),
             **{name: getattr(Settings, name) for name in first}}
    for name, default in usual.items():
        if config[name] != default:
            words.append(flag_of(name))
            if config[name] is not True:
                words.append("0" if config[name] is None else str(config[name]))
    words += ["--backend", config["device"] if config["device"] in ("cpu", "plain") else "cuda"]
    if config["precision"] != "fp32":
        words += ["--precision", config["precision"]]
    return shlex.join(words)
