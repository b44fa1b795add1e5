"""The thesis's curves (Fig. 15-21), feature maps (Fig. 22), prediction beside truth (Fig. 23) and more, as PNG."""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..network.maps import liveliest
from ..pictures import overlay, stretch_contrast
from ..program.terminal import one_line
from ..storage.files import make_folder, write_atomically
from ..storage.outputs import FIGURE

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"        # told apart by the colour-blind too
VALIDATION = {"marker": "o", "markersize": 4}
TRAINING = {"linestyle": "--", "linewidth": 1.2}


def both(training, validation):
    """Return the two columns of metrics.csv that a curve compares, with legend, colour and style."""
    return {training: ("training", BLUE, TRAINING), validation: ("validation", ORANGE, VALIDATION)}


# file: title, what it shows, label of the y axis, and by column its legend, colour and style
CURVES = {
    "loss": ("Cost", "The training curve is with dropout. These seven are Fig. 15-21 of the thesis.", "cost",
             both("train_loss", "val_loss")),
    "accuracy": ("Accuracy", "Share of the pixels that are right, mean over images.", "fraction of pixels",
                 both("train_accuracy", "val_accuracy")),
    "precision_recall": ("Precision and recall", "Share of the predicted cell pixels that are cell, and share of the "
                         "true cell pixels that were found.", "mean over images; training: all pixels pooled", {
        "train_precision": ("precision, training", BLUE, TRAINING), "precision": ("precision", BLUE, VALIDATION),
        "train_recall": ("recall, training", ORANGE, TRAINING), "recall": ("recall", ORANGE, VALIDATION)}),
    "f1": ("F1 score", "Harmonic mean of precision and recall.", "F1", {
        "train_f1": ("training, all pixels pooled", BLUE, TRAINING),
        "f1": ("validation, mean over images", GREY, {"marker": "s", "markersize": 6}),
        "f1_pooled": ("validation, all pixels pooled", ORANGE, VALIDATION)}),
    "error_rate": ("Error rate", "Percent of the pixels that are wrong.", "percent of pixels",
                   both("train_error_rate_percent", "error_rate_percent")),
    "false_white": ("False white", "Background that was taken for cell.", "fraction of all pixels",
                    both("train_false_white_fraction", "false_white_fraction")),
    "white_pixel_accuracy": ("White-pixel accuracy", "Share of the true cell pixels that were found.",
                             "fraction of cell pixels", both("train_white_pixel_accuracy", "white_pixel_accuracy")),
}


def literal(name):
    """Return a name as a figure shows it as it is: Matplotlib reads what stands between two $ as a formula."""
    return one_line(name).replace("$", r"\$")


def prepare(axes, title, y, x="epoch"):
    """Return axes with what all curves have in common: title, labels, grid, and whole numbers for epochs."""
    axes.set(title=title, xlabel=x, ylabel=y)
    if x == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def plot_lines(axes, rows, columns, **style):
    """Plot columns of metrics.csv by epoch, as CURVES has them, and return the lines by their legends.

    `style` holds arguments of `axes.plot` that all lines share.
    """
    epochs, alone = [row["epoch"] for row in rows], {"marker": "."} if len(rows) == 1 else {}
    return {legend: axes.plot(epochs, [row[column] for row in rows], label=legend, color=colour,
                              **{**alone, **own, **style})[0] for column, (legend, colour, own) in columns.items()}


def blank_grid(rows, columns, width, height):
    """Return a figure of this size in inches, and its axes for pictures alone, an array of shape (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def plot_curves(rows, folder):
    """Plot every curve from the rows of metrics.csv into a folder."""
    folder = Path(folder)
    make_folder(folder)
    for name, (title, _, label, columns) in CURVES.items():
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = prepare(figure.add_subplot(), title, label)
        plot_lines(axes, rows, columns)
        axes.ticklabel_format(axis="y", useOffset=False)
        if name in ("f1", "precision_recall"):
            axes.set_ylim(-0.02, 1.02)
        axes.legend(frameon=False)
        save(figure, folder / f"{name}.png")


def plot_roc(rows, area, path):
    """Plot the rows of roc.csv, and the area under the curve, with a linear and with a logarithmic axis."""
    false, true, margin = np.array([list(row.values()) for row in rows]).T
    half = int(np.searchsorted(-margin, 0))             # the last point whose probability is above 1/2
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    chance = np.geomspace(1e-5, 1, 100)
    for axes, (title, scale, left) in zip(figure.subplots(1, 2), (
            (f"ROC, area under the curve {area:.4f}", "linear", -0.02),
            ("the same, few false positives enlarged", "log", 1e-5)), strict=True):
        prepare(axes, title, "true positive rate (of cell pixels)", "false positive rate (of background pixels)")
        axes.plot(false, true, color=ORANGE)
        axes.plot(false[half - 1], true[half - 1], "o", color=ORANGE, label="probability of cell above 1/2")
        axes.plot(chance, chance, color=GREY, linewidth=1, linestyle=":", label="chance")
        axes.set(xscale=scale, xlim=(left, 1.02), ylim=(-0.02, 1.02))
    figure.axes[0].legend(frameon=False, loc="lower right")
    save(figure, path)


def plot_maps(maps, path):
    """Plot the map that varies most of each layer's `maps.feature_maps`, in the shape of the U, as in Fig. 22.

    A row has the maps of one size: those of the way down from the left, those of the way up to the right.
    """
    heights = sorted({array.shape[1] for array in maps.values()}, reverse=True)
    rows = [([], []) for _ in heights]                  # the names of the maps on the way down, and on the way up
    for name, array in maps.items():
        if name not in ("output", "probabilities") and not name.endswith("concat"):
            rows[heights.index(array.shape[1])][name.startswith("up")].append(name)
    down, up = (max(map(len, side)) for side in zip(*rows, strict=True))
    columns = down + max(up, 2)
    figure, grid = blank_grid(len(heights), columns, 2.5 * columns, 2.9 * len(heights))
    cells = {"probabilities": (len(heights) - 1, columns - 1)}
    for row, (left, right) in enumerate(rows):
        cells |= {name: (row, column) for column, name in enumerate(left)}
        cells |= {name: (row, down + column) for column, name in enumerate(right)}
    for name, cell in cells.items():
        array = maps[name]
        if name in ("input", "probabilities"):
            channel = array.shape[3] // 2
            one, what = array[0, ..., channel], {"input": "frame", "probabilities": "probability of cell"}[name]
        else:
            one, channel = liveliest(array)
            what = f"{name}: map {channel + 1} of {array.shape[3]}"
        axes = grid[cell]
        axes.imshow(one, cmap="viridis" if name == "probabilities" else "gray", interpolation="nearest")
        axes.set_title(f"{what}\n{one.shape[0]} x {one.shape[1]} pixels, {one.min():.2g} to {one.max():.2g}",
                       fontsize=8)
    save(figure, path)


def plot_predictions(examples, path):
    """Plot frame, truth, probability and errors, as in Fig. 23.

    Each example is a row: the name of a frame, its pixels, its true classes and its probability of cell, of shape
    (H, W).
    """
    shapes = [truth.shape for _, _, truth, _ in examples]
    heights = [min(max(2.75 * h / w, 0.9), 5.5) for h, w in shapes]                 # of the rows, in inches
    figure = Figure(figsize=(12, 0.7 + sum(heights)), layout="constrained")
    grid = figure.subplots(len(examples), 4, squeeze=False)
    for axes, (name, pixels, truth, cell) in zip(grid, examples, strict=True):
        axes[0].imshow(stretch_contrast(pixels), cmap="gray", vmin=0, vmax=1)
        axes[1].imshow(truth, cmap="gray", vmin=0, vmax=1)
        heat = axes[2].imshow(cell, cmap="viridis", vmin=0, vmax=1)
        axes[3].imshow(overlay(pixels, cell > 0.5, truth, border=min(-(-max(truth.shape) // 400), 3)))
        axes[0].set_ylabel(literal(name))
        figure.colorbar(heat, ax=axes[2], fraction=0.046 * min(max(truth.shape[0] / truth.shape[1], 0.5), 3), pad=0.02)
    for axes, title in zip(grid[0], ("frame", "truth", "probability of cell",
                                     "blue: predicted border\norange: false, yellow: missed"), strict=True):
        axes.set_title(title, fontsize=11)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    save(figure, path)


def plot_crops(crops, path):
    """Plot crops as they are trained on: pixels, classes and weights (or None), as `TrainingData.crops` yields them."""
    crops = list(crops)
    columns = min(len(crops), 6)
    rows = -(-len(crops) // columns)
    height, width = np.max([classes.shape for _, classes, _ in crops], axis=0)
    figure, grid = blank_grid(rows, columns, 2 * columns, 2 * height / width * rows + 0.4)
    low, high = np.percentile(np.concatenate([pixels.ravel() for pixels, _, _ in crops]), (0.5, 99.5))
    max_weight = max((weights.max() for _, _, weights in crops if weights is not None), default=0)
    for axes, (pixels, classes, weights) in zip(grid.flat, crops, strict=False):
        grey = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
        axes.imshow(overlay(grey, classes, stretch=False))
        if max_weight > 0:
            weights = np.ma.masked_less(weights, 0.05 * max_weight)
            axes.imshow(weights, cmap="autumn", alpha=0.6, vmin=0, vmax=max_weight)
    weighted = f"; red to yellow: weights of borders, up to {max_weight:.1f}" if max_weight > 0 else ""
    figure.suptitle(f"crops to train on, borders of cells in blue{weighted}", fontsize=9)
    save(figure, path)


PART_COLOURS = {"training": "#0072b2", "validation": "#d55e00", "gap": "#999999", "no mask": "#999999"}


def plot_sheet(dataset, parts, path, limit=20, kind=FIGURE):
    """Plot at most `limit` frames of a Dataset, evenly spread over all, with the borders of their masks.

    `parts` says what each frame is for, by a key of PART_COLOURS, and `kind` is the outputs.Kind of picture.
    """
    count = len(dataset.frames)
    some = sorted({round(at) for at in np.linspace(0, count - 1, min(limit, count))})
    columns = min(len(some), 4)
    rows = -(-len(some) // columns)
    height, width = np.median(dataset.sizes, axis=0)
    figure, grid = blank_grid(rows, columns, 3.2 * columns, (3.2 * height / width + 0.45) * rows + 0.3)
    for axes, index in zip(grid.flat, some, strict=False):
        pixels, classes = dataset.pixels(index), dataset.classes(index)
        mask = np.zeros(pixels.shape, np.uint8) if classes is None else classes
        axes.imshow(overlay(pixels, mask, border=max(1, -(-max(mask.shape) // 300))))
        part = parts[index]
        cells = "" if classes is None else f", {classes.mean():.1%} cell"
        axes.set_title(f"{literal(dataset.frames[index].name)}\n{part}{cells}", fontsize=8, color=PART_COLOURS[part])
    save(figure, path, kind)


def save(figure, path, kind=FIGURE):
    """Write a figure as PNG, in one move; `kind` is the outputs.Kind of picture."""
    FigureCanvasAgg(figure)
    data = BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": kind.mark})
    write_atomically(path, data.getvalue(), kind)
