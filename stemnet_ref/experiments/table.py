"""Table 3 of runs with several seeds: mean and spread, as CSV, Markdown and for the page."""

import math

import numpy as np

# Rows of the table: column of metrics.csv, title, digits; the first four are the thesis's
ROWS = (
    ("error_rate_percent", "Error rate, percent of pixels", 3),
    ("f1", "F1 score, mean over images", 3),
    ("false_white_fraction", "False white, fraction of all pixels", 5),
    ("white_pixel_accuracy", "White-pixel accuracy", 3),
    ("f1_pooled", "F1, all pixels pooled", 3),
    ("precision", "Precision", 3),
    ("iou", "Intersection over union", 3),
    ("kappa", "Cohen's kappa", 3),
    ("roc_auc", "Area under the ROC", 4),
)
DECIDES = "f1_pooled"       # by which the best epoch is chosen, and columns are compared


def best(rows):
    """Return the row of the best epoch, as best.npz is of."""
    return max(rows, key=lambda row: (row[DECIDES], -row["val_loss"]))


def summary(values):
    """Return mean and standard deviation (1/(n-1); NaN of one) of numbers."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan


def lines(results):
    """Return the table: a list of rows of text, the first the head.

    Parameters
    ----------
    results : dict of str to dict of int to list
        By the variant's title and seed, the rows of metrics.csv; None of a run that diverged.
    """
    good = {title: {seed: best(rows) for seed, rows in runs.items() if rows} for title, runs in results.items()}
    out = [["best epoch of each run", *results]]
    for column, title, digits in ROWS:
        out.append([title, *(_cell([row[column] for row in runs.values()], digits) for runs in good.values())])
    out.append(["runs (seeds)", *(_count(runs) for runs in results.values())])
    out.append(["epoch", *(", ".join(f"{row['epoch']}" for row in runs.values()) or "-" for runs in good.values())])
    first, *others = good.values()
    if others and first:
        out.append(["F1 pooled less the first column's, seed by seed", "",
                    *(_difference(first, runs) for runs in others)])
    last = {title: [rows[-1][DECIDES] for rows in runs.values() if rows] for title, runs in results.items()}
    out.append(["F1 pooled, last epoch", *(_cell(values, 3) for values in last.values())])
    return out


def _cell(values, digits):
    """Return mean and spread as text."""
    if not values:
        return "-"
    mean, spread = summary(values)
    return f"{mean:.{digits}f}" + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}")


def _count(runs):
    """Return how many runs there are, and how many diverged."""
    diverged = sum(rows is None for rows in runs.values())
    return f"{len(runs) - diverged}" + (f", {diverged} diverged" if diverged else "")


def _difference(first, runs):
    """Return by how much a column is ahead: mean, its standard error, and in how many of the seeds."""
    both = sorted(first.keys() & runs.keys())
    if not both:
        return "-"
    differences = [runs[seed][DECIDES] - first[seed][DECIDES] for seed in both]
    mean, spread = summary(differences)
    error = "" if math.isnan(spread) else f" ± {spread / math.sqrt(len(both)):.3f}"
    return f"{mean:+.3f}{error}, ahead in {sum(each > 0 for each in differences)} of {len(both)}"


def markdown(table):
    """Return the table as Markdown."""
    head, *body = table
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def flat(results):
    """Return a header and rows for CSV: every run, with its best epoch's measures."""
    columns = ["epoch", "train_loss", "val_loss", *(column for column, _, _ in ROWS)]
    rows = []
    for title, runs in results.items():
        for seed, each in runs.items():
            row = best(each) if each else dict.fromkeys(columns, "diverged")
            rows.append([title, seed, *(row[column] for column in columns)])
    return ["variant", "seed", *columns], rows
