"""Validation: whole frames, on which nothing is trained, are segmented and measured after every epoch."""

from typing import NamedTuple

import numpy as np

from .. import metrics
from ..data.balance import WORDS
from ..dispatch import to_host
from ..predict.tiles import cell_probability, logits
from ..program.options import worded


class Validation(NamedTuple):
    """The measures of a network on all validation frames."""

    cost: float                     # mean over the frames
    scores: metrics.Scores
    examples: list                  # the first and the last frame, rows of `report.figures.plot_predictions`


def validate(network, data, on_frame=lambda done: None):
    """Return the Validation of a network.

    Parameters
    ----------
    network : StemNet
    data : data.training.TrainingData
    on_frame : callable
        Function that is called with the number of frames that are done, after each.

    Raises
    ------
    FloatingPointError
        If a prediction is not finite.
    InputError
        If a frame cannot be read.
    """
    costs, scores, examples, pictured = [], metrics.Scores(), [], example_indices(data)
    for index, whole, z in _segmented(network, data, data.validation.tolist()):
        weights = None if whole.weights is None else whole.weights[None]
        cost, p = data.cost.forward(z[None], whole.classes[None], weights)
        costs.append(cost)
        scores.add(p[0].argmax(axis=-1), z, whole.classes)
        if index in pictured:
            examples.append(_example(data, index, whole, z))
        on_frame(len(costs))
    return Validation(float(np.mean(costs)), scores, examples)


def predict_examples(network, data):
    """Return the examples that are in the Validation of a network; raise what `validate` raises."""
    return [_example(data, *found) for found in _segmented(network, data, example_indices(data))]


def example_indices(data):
    """Return the indices of the first and the last validation frame, or of the only one."""
    return sorted({int(data.validation[0]), int(data.validation[-1])})


def _segmented(network, data, indices):
    """Yield the index of each of these frames, the frame as a `data.dataset.Whole`, and its logits (H, W, classes)."""
    for index, whole in zip(indices, data.dataset.whole(indices), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            z = logits(network, data.scaling, whole.window)
        if not np.isfinite(z).all():
            raise FloatingPointError(f"the prediction of {data.dataset.frames[index]} is not finite")
        yield index, whole, z


def _example(data, index, whole, z):
    """Return the name of a frame, its pixels, the classes of its mask, and its probability of cell."""
    return (data.dataset.frames[index].name, to_host(whole.window[len(whole.window) // 2]), whole.classes,
            cell_probability(z))


def warn_of_one_class(total, settings, cost, log=print):
    """Warn where all pixels, whose Counts are `total`, are predicted as one class although the masks hold both.

    The values that the warning names are those of the options, not what became of them, such as the decayed rate.
    """
    predicted = {0: "background", total.pixels: "cell"}.get(total.tp + total.fp)
    if predicted is None or total.tp + total.fn in (0, total.pixels):
        return
    advice = []
    if settings.logits == "relu":
        advice.append("--logits linear (a ReLU on the logits can leave them without gradient)")
    if settings.scaling == "minus127":
        advice.append("--scaling standard")
    if settings.cost == "weighted_cross_entropy":
        weight = worded(settings.class_weight)
        if weight in WORDS:
            weight += ", which gives {:.4g},{:.4g}".format(*cost.class_weights)
        advice.append(f"a {'higher' if predicted == 'background' else 'lower'} --class-weight (now {weight})")
    advice.append(f"a lower --learning-rate (now {worded(settings.learning_rate)})")
    log(f"warning: every validation pixel is predicted as {predicted}; if that stays so, try {', or '.join(advice)}")
