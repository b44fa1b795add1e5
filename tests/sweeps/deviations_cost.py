"""Deviations in the cost: by the weights of pixels, which both implementations share, and by -log p, in PyTorch."""

import numpy as np
import torch
from deviation import Catalogue
from torch.nn import functional

COST = Catalogue("cost")
LISTING = {"preset": "listing"}
CELL = np.array([0.0, 1.0])


def add_weights(name, right, weights, **more):
    """Add a deviation in the pixels' weights; `weights` takes labels and class weights and returns w / n."""
    COST.add(name, right, both={"pixel_weights": lambda net, plain, labels: weights(
        labels, net.file["class_weights"])}, **more)


def interior(y):
    inside = np.zeros(y.shape)
    inside[:, 2:-2, 2:-2] = 1
    return inside


def of_classes(*weights):
    return lambda y, _: np.array(weights)[y] / y.size


def of_each_image(w, y):
    return w[y] / w[y].sum((1, 2), keepdims=True) / len(y)


add_weights("divided by the weights", "cost_over_weights", lambda y, w: w[y] / w[y].sum())
add_weights("divided by each image's weights", "cost_mean_over_images", lambda y, w: of_each_image(w, y))
add_weights("summed", "cost_summed", lambda y, w: w[y])
add_weights("summed over each image", "cost_summed_over_image", lambda y, w: w[y] / len(y))
add_weights("mean over classes too", "cost_mean_over_classes", lambda y, w: w[y] / (2 * y.size))
add_weights("1 + w", "weight_plus_one", lambda y, w: (w + CELL)[y] / y.size)
add_weights("1 + w, class weight 5", "weight_plus_one", lambda y, w: (w + CELL)[y] / y.size, class_weight=5.0)
add_weights("1 + w twice", "weight_plus_two", lambda y, w: (w + CELL)[y] / y.size, **LISTING)
add_weights("w in place of 1 + w", "weight_without_one", lambda y, w: (w - CELL)[y] / y.size, **LISTING)
add_weights("no weights", "weights_ignored", lambda y, w: np.ones(y.shape) / y.size)
add_weights("weights exchanged", "weights_exchanged", lambda y, w: w[1 - y] / y.size)
add_weights("weights squared", "weights_other=1 and 4", lambda y, w: w[y] ** 2 / y.size)
add_weights("weights that sum to 1", "weights_that_sum_to_one", lambda y, w: (w / w.sum())[y] / y.size)
add_weights("weights by frequency beside w", "weights_other=1.561 and 1.4713", lambda y, w: (
    w * y.size / np.bincount(y.ravel()) / 2)[y] / y.size)
add_weights("weights by frequency", "weights_by_frequency", lambda y, w: (y.size / np.bincount(y.ravel()) / 2)[
    y] / y.size)
add_weights("weights 1 and 5", "weights_other=1 and 5", of_classes(1, 5))
add_weights("weights 1 and 0.3", "weights_other=1 and 0.3", of_classes(1, 0.3))
add_weights("weights 3 and 5", "weights_other=3 and 5", of_classes(3, 5))
add_weights("weights 1 and 3 in place of 2", "weight_plus_one", of_classes(1, 3))
add_weights("weights 1 and 20 where there are none", "weights_other=1 and 20", of_classes(1, 20),
            cost="cross_entropy")
add_weights("weights 0.7 and 6.25, Adam in float64", "weights_other=0.7 and 6.25", of_classes(0.7, 6.25),
            optimizer="adam", float64=True)
add_weights("weights 1 and 5 in place of 1 + w", "weights_other=1 and 5", of_classes(1, 5), **LISTING)
add_weights("divided by the weights 1 and 5", "cost_over_weights+weights_other=1 and 5", lambda y, _: (
    (weights := np.array([1, 5])[y]) / weights.sum()))
add_weights("summed with weights 1 and 5", "cost_summed+weights_other=1 and 5", lambda y, _: np.array([1.0, 5.0])[y])
add_weights("summed without weights", "cost_summed+weights_ignored", lambda y, _: np.ones(y.shape))
add_weights("border left out", "", lambda y, w: interior(y) * w[y] / y.size)
add_weights("border left out of the mean", "", lambda y, w: interior(y) * w[y] / interior(y).sum())
add_weights("cells alone", "weights_other=0 and 2", lambda y, w: y * w[y] / y.size)
add_weights("divided by one side", "cost_times=16", lambda y, w: w[y] / (y.size / y.shape[1]))
add_weights("logarithm to base 2", "cost_times=1.4427", lambda y, w: w[y] / y.size / np.log(2))
add_weights("divided by the images once more", "cost_times=0.5", lambda y, w: w[y] / y.size / len(y))
add_weights("first image alone", "", lambda y, w: w[y] / y.size * (np.arange(len(y)) == 0)[:, None, None])


def add(name, right, pixel_cost, **more):
    """Add a cost of a pixel; `pixel_cost` takes logits and labels."""
    COST.add(name, right, torch={"pixel_cost": lambda net, plain, z, y: pixel_cost(z, y)}, **more)


def of_label(p, y):
    return p.gather(1, y[:, None])[:, 0]


def entropy(z, y):
    return functional.cross_entropy(z, y, reduction="none")


def smoothed(epsilon):
    return lambda z, y: functional.cross_entropy(z, y, reduction="none", label_smoothing=epsilon)


def over(axis):
    return lambda z, y: -of_label(torch.log_softmax(z, axis), y)


def focal(gamma, alpha=None):
    def cost(z, y):
        weight = 1 if alpha is None else torch.where(y == 1, alpha, 1 - alpha)
        return weight * (1 - torch.exp(-entropy(z, y))) ** gamma * entropy(z, y)
    return cost


def clipped(low, high=1.0):
    return lambda z, y: -torch.log(of_label(torch.softmax(z, 1), y).clamp(low, high))


def added(epsilon):
    return lambda z, y: -torch.log(of_label(torch.softmax(z, 1), y) + epsilon)


def onehot(z, y):
    return functional.one_hot(y, z.shape[1]).movedim(-1, 1).to(z.dtype)


add("softmax twice", "softmax_twice", lambda z, y: entropy(torch.softmax(z, 1), y))
for _epsilon in (1e-6, 1e-7, 1e-8, 1e-10):
    add(f"p clipped at {_epsilon}", f"log_clipped_{_epsilon}", clipped(_epsilon))
    add(f"p + {_epsilon}", f"log_plus_{_epsilon}", added(_epsilon))
add("p clipped at both ends", "log_clipped_twice", clipped(1e-7, 1 - 1e-7), float64=True)
add("p clipped at 1e-4", "", clipped(1e-4))
add("p + 1e-3", "", added(1e-3))
for _smoothing in (0.05, 0.1, 0.2):
    add(f"label smoothing of {_smoothing}", f"label_smoothing={_smoothing}", smoothed(_smoothing))
add("softmax over rows", "softmax_over_rows", over(2))
add("softmax over columns", "softmax_over_columns", over(3))
add("softmax over the batch", "softmax_over_batch", over(0))
for _gamma in (1, 2, 5):
    add(f"focal, gamma {_gamma}", f"focal={_gamma}", focal(_gamma))
add("focal, gamma 2, alpha 0.25", "focal_alpha=2", focal(2, 0.25))
for _alpha in (0.25, 0.6):
    add(f"focal, of p clipped as Keras does, times {_alpha}", "focal_keras=0.25" * (_alpha == 0.25),
        lambda z, y, a=_alpha: a * (1 - (p := of_label(torch.softmax(z, 1), y).clamp(
            1e-7, 1 - 1e-7))) ** 2 * -torch.log(p))
add("of the logits' shares of their sum", "logits_as_shares", lambda z, y: -torch.log(of_label(
    z / z.sum(1, keepdim=True), y).clamp(1e-7, 1 - 1e-7)))
add("by logsumexp", "agrees", lambda z, y: torch.logsumexp(z, 1) - of_label(z, y))
add("of the difference, with a sigmoid", "agrees", lambda z, y: functional.binary_cross_entropy_with_logits(
    z[:, 1] - z[:, 0], y.to(z.dtype), reduction="none"))
add("no softmax", "softmax_missing", lambda z, y: -of_label(z, y))
add("no logarithm", "logarithm_missing", lambda z, y: -of_label(torch.softmax(z, 1), y))
add("channels of the classes exchanged", "labels_swapped+weights_exchanged", lambda z, y: entropy(z.flip(1), y))
add("of the other class too", "", lambda z, y: entropy(z, y) + 0.5 * entropy(z, 1 - y))
add("squared logits", "", lambda z, y: entropy(z * z, y))
add("temperature 2", "", lambda z, y: entropy(z / 2, y))
add("sigmoid of each class", "sigmoid_of_each_class", lambda z, y: functional.binary_cross_entropy_with_logits(
    z, onehot(z, y), reduction="none").mean(1))
add("squared error of p", "", lambda z, y: ((torch.softmax(z, 1) - onehot(z, y)) ** 2).sum(1))
add("absolute error of p", "", lambda z, y: abs(torch.softmax(z, 1) - onehot(z, y)).sum(1))
add("hinge", "", lambda z, y: torch.relu(1 - (2 * y - 1) * (z[:, 1] - z[:, 0])))
add("cross-entropy the other way round", "", lambda z, y: -(torch.softmax(z, 1) * torch.log(
    onehot(z, y).clamp(1e-4))).sum(1))
add("the second power of -log p", "", lambda z, y: entropy(z, y) ** 2)
add("logits clipped at 5", "", lambda z, y: entropy(z.clamp(-5, 5), y))
add("entropy added", "", lambda z, y: entropy(z, y) + 0.1 * (torch.softmax(z, 1) * torch.log_softmax(z, 1)).sum(1))


def add_cost(name, right, cost, **more):
    """Add a cost of all pixels; `cost` takes logits and labels."""
    COST.add(name, right, torch={"cost": lambda net, plain, z, y: cost(plain, z, y)}, **more)


def dice(z, y, more=1):
    p = torch.softmax(z, 1)[:, 1]
    return 1 - (2 * (p * y).sum() + more) / (p.sum() + y.sum() + more)


add_cost("Dice without 1", "another_cost=dice", lambda plain, z, y: dice(z, y, 0))
add_cost("squared error", "another_cost=quadratic",
         lambda plain, z, y: ((torch.softmax(z, 1) - onehot(z, y)) ** 2).mean())
add_cost("Dice", "", lambda plain, z, y: dice(z, y))
add_cost("Dice beside cross-entropy", "", lambda plain, z, y: plain(z, y) + dice(z, y))
add_cost("plus 0.01", "", lambda plain, z, y: plain(z, y) + 0.01)
add_cost("total variation added", "", lambda plain, z, y: plain(z, y) + 0.01 * abs(z.diff(dim=2)).mean())
for _name, _change in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("halved", lambda z: z / 2)):
    COST.add(f"logits: {_name}", "", torch={"logits": lambda net, plain, z, change=_change: change(plain(z))},
             family="activation", hint="factor" if _name == "halved" else "")
COST.add("ReLU on the logits", "relu_on_logits", both={"train": lambda net, plain: (
    net.network.update(logits="relu"), plain())[1]}, family="activation")
COST.add("linear logits", "logits_linear", both={"train": lambda net, plain: (
    net.network.update(logits="linear"), plain())[1]}, family="activation", **LISTING)
