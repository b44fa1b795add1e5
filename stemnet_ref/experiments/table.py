"""Table 3 for runs with several seeds, mean and standard deviation, as CSV, as Markdown and for the page."""

import math

import numpy as np

from ..metrics import best
from .variants import FIVE_FRAMES

# Rows of the table: column of metrics.csv and title; the first four are those of the thesis
ROWS = (
    ("error_rate_percent", "Error rate, percent of pixels"),
    ("f1", "F1 score, mean over images"),
    ("false_white_fraction", "False white, fraction of all pixels"),
    ("white_pixel_accuracy", "White-pixel accuracy, mean over images"),
    ("f1_pooled", "F1, all pixels pooled"),
    ("precision", "Precision, mean over images"),
    ("iou", "Intersection over union, mean over images"),
    ("kappa", "Cohen's kappa, mean over images"),
    ("roc_auc", "Area under the ROC, all pixels pooled"),
)
COMPARED = "f1_pooled"      # measure by which the columns are compared
NOTES = (
    "Mean ± standard deviation over the seeds; differences, taken seed by seed, ± standard error of their mean. With "
    "few seeds both are rough. A seed counts as higher where its difference is above 0 after rounding to three digits.",
    "Each run stands here with its epoch of the best pooled F1, chosen on the validation frames that it is measured "
    "on, which are the same for all seeds: on other frames all would be a little lower, and the spread larger.",
)


def summary(values):
    """Return the mean and the standard deviation (with n - 1; NaN for a single value) of some values."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan


def lines(results, configs):
    """Return the table as a list of rows of text, of which the first is the header.

    Parameters
    ----------
    results : dict of str to dict of int to list
        Rows of metrics.csv by the variant's title and the seed; None for a run that diverged.
    configs : dict of str to dict
        Content of the config.json of one of its runs, by the variant's title.
    """
    good = {title: {seed: rows for seed, rows in runs.items() if rows} for title, runs in results.items()}
    of_best = {title: {seed: best(rows) for seed, rows in runs.items()} for title, runs in good.items()}
    of_last = {title: {seed: rows[-1] for seed, rows in runs.items()} for title, runs in good.items()}
    out = [["best epoch of each run", *results]]
    for column, title in ROWS:
        out.append([title, *_cells([[row[column] for row in runs.values()] for runs in of_best.values()])])
    first, *_ = results
    for column, reference in enumerate([*results][:-1], 1):
        if reference in (first, FIVE_FRAMES):
            out.append([f"F1 pooled minus that of {reference}", *[""] * column,
                        *(_difference(of_best[reference], of_best[title]) for title in [*results][column:])])
    out.append(["F1 pooled, last epoch",
                *_cells([[row[COMPARED] for row in runs.values()] for runs in of_last.values()])])
    out.append([f"F1 pooled, last epoch, minus that of {first}", "",
                *(_difference(of_last[first], of_last[title]) for title in [*results][1:])])
    out.append(["best epochs", *(", ".join(f"{row['epoch']}" for row in runs.values()) or "-"
                                 for runs in of_best.values())])
    out.append(["runs (seeds)", *(_count(runs) for runs in results.values())])
    if any(_of_one_class(row) for runs in of_best.values() for row in runs.values()):
        out.append(["of these calling all pixels the same class", *(
            f"{sum(map(_of_one_class, runs.values()))}" for runs in of_best.values())])
    out.append(["steps of training", *(_steps(good[title], configs.get(title)) for title in results)])
    return out


def _cells(row):
    """Return mean and standard deviation of each list of values in a row as text.

    A row has three decimals, or, where its largest mean is small, so many that three digits of that show.
    """
    summaries = [summary(values) if values else None for values in row]
    largest = max((abs(mean) for mean, _ in filter(None, summaries)), default=0)
    digits = min(max(3, 2 - math.floor(math.log10(largest))), 6) if largest else 3
    return ["-" if each is None else _with_spread(*each, digits) for each in summaries]


def _with_spread(mean, spread, digits, sign=""):
    """Return a mean with its standard deviation or error, which is NaN for a single value, as text."""
    mean = round(mean, digits) + 0.0                            # + 0: no -0.000
    return f"{mean:{sign}.{digits}f}" + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}")


def _of_one_class(row):
    """Return whether a run predicts one class for nearly every pixel, all but 1 in 10,000."""
    cell, background = row["tp"] + row["fp"], row["tn"] + row["fn"]
    return min(cell, background) < 1e-4 * (cell + background)


def _count(runs):
    """Return the number of runs, and of those that diverged, as text."""
    diverged = sum(rows is None for rows in runs.values())
    return f"{len(runs) - diverged}" + (f", {diverged} diverged" if diverged else "")


def _steps(runs, config):
    """Return the steps that the runs of a column have taken, as text."""
    epochs = sorted({len(rows) for rows in runs.values()})
    return ", ".join(f"{count * config['steps_per_epoch']:,}" for count in epochs) or "-"


def _difference(first, second):
    """Return the second column minus the first as text: mean, standard error, seeds where it is higher."""
    both = sorted(first.keys() & second.keys())
    if not both:
        return "-"
    differences = [second[seed][COMPARED] - first[seed][COMPARED] for seed in both]
    mean, std = summary(differences)
    text = _with_spread(mean, std / math.sqrt(len(both)), 3, "+")
    return f"{text}, higher in {sum(round(each, 3) > 0 for each in differences)} of {len(both)}"


def markdown(table):
    """Return the table as Markdown, with the notes on its numbers."""
    head, *body = table
    rows = [head, ["---"] * len(head), *body]
    return "\n".join([*("| " + " | ".join(row) + " |" for row in rows), "", *NOTES]) + "\n"


def flat(results):
    """Return a header and rows for CSV: the measures of every run in its best epoch.

    Options stand there without their dashes, which a spreadsheet would take for a formula.
    """
    columns = ["epoch", "train_loss", "val_loss", *(column for column, _ in ROWS)]
    rows = []
    for title, runs in results.items():
        for seed, each in runs.items():
            row = best(each) if each else dict.fromkeys(columns, "diverged")
            rows.append([title.lstrip("-"), seed, *(row[column] for column in columns)])
    return ["variant", "seed", *columns], rows
