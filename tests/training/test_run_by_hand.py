"""A training run once more, put together by hand from files to metrics.csv: what each option does, and each column."""

import csv
import hashlib

import numpy as np
import pytest
from pictures import sequence
from PIL import Image

from stemnet_ref import StemNet
from stemnet_ref.backends import choose
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.crops.pasting import choose_pastes, paste
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.masks.borders import border_weights
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.layers import dice, quadratic, softmax, weighted_cross_entropy
from stemnet_ref.optimizers import SGD, Adam, Momentum
from stemnet_ref.training import checkpoint
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings

EPOCHS = 2
AUGMENTATION = "augment", "rotation", "elastic", "brightness", "contrast", "on_cells", "paste"
BASE = {"levels": 2, "features": 2, "crop": 16, "crops_per_frame": 2, "epochs": EPOCHS, "channels": 3, "gap": 1,
        "seed": 3}


@pytest.fixture
def found(tmp_path_factory, worker_id):
    """A folder that all processes of these tests share, with a file for each model that was found."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "models_by_hand"
    folder.mkdir(exist_ok=True)
    return folder


def silent(line):
    pass


def run(tmp_path, **options):
    """Train on twelve frames; return the saved model and the rows of metrics.csv."""
    frames, masks = sequence(tmp_path / "movie", 12, radius=4, discs=3)
    out = tmp_path / "out"
    assert Run(Settings.from_options({**BASE, **options}), frames, masks, out, log=silent).train()
    with open(out / "metrics.csv") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return checkpoint.load(out / "model.npz"), rows


def cost_of(options, z, labels, weights, own):
    """Return the cost, its gradient by the logits and the probabilities, with the options spelled out."""
    kind = options.get("cost", "weighted_cross_entropy")
    if kind.endswith("cross_entropy"):
        weights = weights if kind.startswith("weighted") else (1, 1)
        cost, p = weighted_cross_entropy.forward(z, labels, weights, own)
        return cost, weighted_cross_entropy.backward(p, labels, weights, own), p
    layer, p = {"dice": dice, "quadratic": quadratic}[kind], softmax.forward(z)
    return layer.forward(p, labels), softmax.backward(layer.backward(p, labels), p), p


def by_hand(tmp_path, **options):
    """Return parameters and rows of the same run."""
    folder = tmp_path / "movie"
    frames, masks = (np.stack([np.asarray(Image.open(path)) for path in sorted((folder / part).iterdir())])
                     for part in ("frames", "masks"))
    labels_of, training, validation = masks // 255, range(9), (10, 11)          # frame 9 is the gap
    known = frames[training.start:training.stop].astype(float)
    image = {"mean-image": known.mean(axis=0), "median-image": np.median(known, axis=0)}.get(options.get("scaling"))
    scaling = Scaling(known.mean(), known.std())
    if options.get("scaling") == "minus127":
        scaling = Scaling(127.0, 1.0)
    elif image is not None:
        scaling = Scaling(0.0, (known - image).std(), image.astype(np.float32))
    share = labels_of.mean(axis=(1, 2))
    fewest = sorted(training, key=lambda index: share[index])[:round(9 * options.get("drop_background", 0))]
    training = [index for index in training if index not in fewest]
    cell = share[training].mean()
    weight = options.get("class_weight", 2.0)
    weights = {"ratio": (1, (1 - cell) / cell), "0.5,4": (0.5, 4), "median-frequency": (0.5 / (1 - cell), 0.5 / cell),
               }.get(weight) or (1, weight + (options.get("class_weight_form") == "listing"))
    data = Dataset(inspect(*find_pairs(folder / "frames", folder / "masks"), 3))
    own_of = [None] * 12
    if options.get("border_weight"):
        how = options["border_weight"], options.get("border_sigma", 5.0)
        own_of = [border_weights(data.instances(index), *how) for index in range(12)]
    augmentation = {name: options[name] for name in AUGMENTATION if name in options}
    sampling_weights = share[training] / share[training].sum() if "sampling" in options else None

    copies = (0, 0, 0) if options.get("neighbours") == "copies" else None

    def window(index, crop=None, coordinates=None):
        around = [frames[min(max(index + d, 0), 11)] for d in copies or (-1, 0, 1)]
        return np.stack([scaling.apply(pixels, crop, coordinates) for pixels in around], axis=-1)

    def example(crop):
        if crop.on_cell:
            crop = crop.moved_onto_cell(labels_of[crop.frame])
        coordinates = crop.sampling_coordinates()
        x = window(crop.frame, crop, coordinates)
        labels = crop.cut(labels_of[crop.frame], coordinates, nearest=True).copy()
        numbers = crop.cut(data.instances(crop.frame), coordinates, nearest=True).copy()
        for number, each in enumerate(choose_pastes(crop, labels, data.instances, data.boxes), 100):
            h, w = each.cell.shape
            paste(x[each.top:each.top + h, each.left:each.left + w], window(each.source.frame, each.source), each.alpha)
            numbers[each.top:each.top + h, each.left:each.left + w][each.cell > 0] = number
        if own_of[0] is None:
            return x, labels, None
        own = crop.cut(own_of[crop.frame], coordinates)
        own = np.maximum(own, border_weights(numbers, *how)) if numbers.max() >= 100 else own
        return x, labels, np.where(labels > 0, np.float32(0), own)

    network = StemNet(3, 2, 2, seed=3, logits=options.get("logits", "linear"), init=options.get("init", "fan_in"),
                      activation=options.get("activation", "relu"), normalisation=options.get("normalisation", "none"))
    network.to(choose("cpu"))                                   # as the run: other sums would lead elsewhere in time
    rate = options.get("learning_rate", 0.001 if options.get("optimizer") == "adam" else 0.15)
    mu, form = options.get("momentum", 0.2), options.get("momentum_form", "thesis")
    optimizer = {"momentum": lambda: Momentum(rate, mu, form),
                 "sgd": lambda: SGD(rate), "adam": lambda: Adam(rate, form=options.get("adam_form", "kingma")),
                 }[options.get("optimizer", "momentum")]()
    l1, l2, size = options.get("l1", 0), options.get("l2", 0), options.get("batch_size", 1)
    rows, step = [], 0
    for epoch in range(EPOCHS):
        optimizer.learning_rate = rate * options.get("decay_rate", 0.95) ** epoch
        crop = options.get("crop", 16)
        per_frame = options.get("crops_per_frame", 2) or round(40 * 48 / crop ** 2) if crop else 1
        settings = Settings(levels=2, crop=crop, crops_per_frame=per_frame, seed=3, **augmentation)
        plan = plan_epoch(data, training, settings, epoch, sampling_weights)
        assert len(plan) == len(training) * per_frame
        costs, trained = [], np.zeros((2, 2))                   # pixels by truth and prediction
        for start in range(0, len(plan), size):
            examples = [example(crop) for crop in plan[start:start + size]]
            x, labels = (np.stack([each[part] for each in examples]) for part in (0, 1))
            own = None if own_of[0] is None else np.stack([each[2] for each in examples])
            z, cache = network.forward(x, options.get("keep_prob", 0.75), seed=3, step=step)
            cost, dz, p = cost_of(options, z, labels, weights, own)
            gradients = network.backward(dz, cache)
            for name, w in network.parameters.items():
                if name.endswith("weight"):
                    n = len(training)
                    cost += l1 / n * np.sum(abs(w)) + l2 / (2 * n) * np.sum(w ** 2)
                    gradients[name] = gradients[name] + np.float32(l1 / n) * np.sign(w) + np.float32(l2 / n) * w
            optimizer.update(network.parameters, gradients)
            costs.append(cost)
            np.add.at(trained, (labels.ravel(), p.argmax(axis=-1).ravel()), 1)
            step += 1
        val_costs, each, ranked = [], [], []
        for index in validation:
            z, _ = network.forward(window(index)[None], with_cache=False)
            ranked += zip((z[..., 1] - z[..., 0]).ravel().tolist(), labels_of[index].ravel().tolist(), strict=True)
            own = None if own_of[0] is None else own_of[index][None]
            cost, _, p = cost_of(options, z, labels_of[index][None], weights, own)
            predicted, truth = p[0].argmax(axis=-1) == 1, labels_of[index] == 1
            tp, fp, fn = (np.sum(a & b) for a, b in ((predicted, truth), (predicted, ~truth), (~predicted, truth)))
            val_costs.append(cost)
            each.append((np.mean(predicted == truth), tp / max(tp + fp, 1), tp / (tp + fn),
                         2 * tp / (2 * tp + fp + fn), fp, tp, fn, tp / (tp + fp + fn), kappa(predicted, truth)))
        accuracy, precision, recall, f1, fp, tp, fn, iou, agreement = np.mean(each, axis=0)
        (right_black, false_white), (missed, found) = trained / trained.sum()
        pixels = len(validation) * 40 * 48
        rows.append({"epoch": epoch + 1, "learning_rate": optimizer.learning_rate, "train_loss": np.mean(costs),
                     "val_loss": np.mean(val_costs), "train_accuracy": right_black + found, "val_accuracy": accuracy,
                     "precision": precision, "recall": recall, "f1": f1, "f1_pooled": 2 * tp / (2 * tp + fp + fn),
                     "error_rate_percent": 100 * (1 - accuracy), "false_white_pixels": fp,
                     "false_white_fraction": fp / (40 * 48), "white_pixel_accuracy": recall,
                     "iou": iou, "dice": f1, "kappa": agreement, "roc_auc": area_under_roc(ranked),
                     "tp": tp * len(each), "fp": fp * len(each), "fn": fn * len(each),
                     "tn": pixels - (tp + fp + fn) * len(each),
                     "train_precision": found / max(found + false_white, 1e-9),
                     "train_recall": found / max(found + missed, 1e-9),
                     "train_f1": 2 * found / (2 * found + false_white + missed),
                     "train_error_rate_percent": 100 * (false_white + missed),
                     "train_false_white_fraction": false_white,
                     "train_white_pixel_accuracy": found / max(found + missed, 1e-9)})
    return network.parameters, rows


def kappa(predicted, truth):
    """Return Cohen's kappa: what they agree in beyond chance, which has both classes of each at random."""
    chance = predicted.mean() * truth.mean() + (1 - predicted.mean()) * (1 - truth.mean())
    return (np.mean(predicted == truth) - chance) / (1 - chance)


def area_under_roc(ranked):
    """Return how often a cell's pixel ranks above one of the background, equals as half (Mann and Whitney)."""
    cell, background = (np.sort([value for value, truth in ranked if truth == which]) for which in (1, 0))
    below, up_to = (np.searchsorted(background, cell, side) for side in ("left", "right"))
    return np.mean(below + up_to) / 2 / len(background)


OPTIONS = [
    {}, {"augment": True}, {"batch_size": 4}, {"crops_per_frame": None}, {"crop": None, "crops_per_frame": None},
    {"keep_prob": 1.0}, {"keep_prob": 0.5}, {"l1": 0.05}, {"l2": 0.5}, {"optimizer": "sgd"}, {"optimizer": "adam"},
    {"optimizer": "adam", "adam_form": "tensorflow", "learning_rate": 0.01}, {"momentum": 0.9, "learning_rate": 0.02},
    {"momentum": 0.9, "momentum_form": "tensorflow", "learning_rate": 0.02, "decay_rate": 0.5},
    {"learning_rate": 0.05}, {"decay_rate": 0.5}, {"cost": "cross_entropy"}, {"cost": "dice"}, {"cost": "quadratic"},
    {"class_weight": 5.0}, {"class_weight_form": "listing"}, {"logits": "relu"}, {"init": "listing"},
    {"neighbours": "copies"}, {"activation": "sigmoid"}, {"normalisation": "batch"},
    {"scaling": "minus127", "learning_rate": 0.001}, {"scaling": "mean-image"}, {"scaling": "median-image"},
    {"class_weight": "ratio"}, {"class_weight": "median-frequency"}, {"class_weight": "0.5,4"},
    {"border_weight": 10.0}, {"border_weight": 10.0, "border_sigma": 3.0}, {"rotation": 90.0}, {"elastic": 5.0},
    {"brightness": 0.5}, {"contrast": 0.5}, {"on_cells": 0.5}, {"paste": 2, "crop": 32}, {"sampling": "by-cells"},
    {"drop_background": 0.4, "l2": 0.5},
    {"rotation": 180.0, "elastic": 5.0, "paste": 1, "crop": 32, "border_weight": 5.0, "scaling": "median-image",
     "contrast": 0.3, "augment": True, "on_cells": 0.5, "batch_size": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "defaults")
def test_a_run_equals_its_parts_put_together_by_hand(tmp_path, found, options):
    """And no two of these runs give the same model, or else an option would do nothing."""
    model, rows = run(tmp_path, **options)
    digest = hashlib.sha256(model.network.parameters["down0.conv.weight"].tobytes()).hexdigest()
    with open(found / digest, "x") as file:
        file.write(str(options))
    parameters, rows_by_hand = by_hand(tmp_path, **options)
    for name, array in model.network.parameters.items():
        # float32: mean and deviation come from sums in another order
        np.testing.assert_allclose(array, parameters[name], rtol=1e-3, atol=1e-5, err_msg=name)
    for row, expected in zip(rows, rows_by_hand, strict=True):
        assert set(row) - set(expected) == {"seconds"}
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name


def test_every_setting_of_a_run_is_replayed_by_hand():
    replayed = {name for options in OPTIONS for name in options} | set(BASE)
    of_files = {"sparse_masks", "channel_index", "z", "pattern"}
    assert set(Settings.__dataclass_fields__) - replayed == {"preset", "validation", *of_files}
