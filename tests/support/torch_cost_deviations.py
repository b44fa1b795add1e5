"""Deviations of PyTorch's twin in its cost: weights, means, softmax and logarithm.

They are as `torch_deviations` describes them.
"""

import torch
from torch.nn import functional

from stemnet_ref.verify.expected.costs import EPSILONS
from stemnet_ref.verify.twins import torch_twin as twin

LISTING = {"preset": "listing"}


def with_cost(cost):
    def plant(patch, golden):
        patch.setattr(twin, "cost", cost)
        return golden
    return plant


def entropy(z, y, w):
    return functional.cross_entropy(z, y, w, reduction="none")


def clipped(least, most=1.0):
    def cost(z, y, w):
        p = functional.softmax(z, dim=1).gather(1, y[:, None])[:, 0]
        return -(w[y] * torch.log(torch.clamp(p, least, most))).mean()
    return with_cost(cost)


def with_more(epsilon):
    return with_cost(lambda z, y, w: -(w[y] * torch.log(
        functional.softmax(z, dim=1).gather(1, y[:, None])[:, 0] + epsilon)).mean())


def with_weights(change):
    return with_cost(lambda z, y, w: entropy(z, y, change(w)).mean())


def of_label(p, y):
    return p.gather(1, y[:, None])[:, 0]


def with_pixel_cost(pixel_cost):
    """Return a deviation in the cost; `pixel_cost` takes logits and labels, and has no class weights in it."""
    return with_cost(lambda z, y, w: (w[y] * pixel_cost(z, y)).mean())


def softmax_over(axis):
    return with_pixel_cost(lambda z, y: -of_label(torch.log_softmax(z, axis), y))


def focal(gamma):
    def cost(z, y):
        each = functional.cross_entropy(z, y, reduction="none")
        return (1 - torch.exp(-each)) ** gamma * each
    return cost


def of_sigmoids(z, y):
    return functional.binary_cross_entropy_with_logits(
        z, functional.one_hot(y, z.shape[1]).movedim(-1, 1).to(z.dtype), reduction="none").mean(1)


def dice(z, y, w):
    cells = torch.softmax(z, 1)[:, 1]
    return 1 - 2 * (cells * y).sum() / (cells.sum() + y.sum())


def smoothed(share):
    return lambda z, y: functional.cross_entropy(z, y, reduction="none", label_smoothing=share)


def of_each_image(z, y, w):
    return sum(functional.cross_entropy(each[None], of[None], w) for each, of in zip(z, y, strict=True)) / len(y)


def by_frequency(z, y, w):
    return entropy(z, y, y.numel() / (2 * torch.bincount(y.ravel(), minlength=2).to(z.dtype))).mean()


# By convention: the settings of the golden file, and the deviation
DEVIATIONS = {
    "another_cost": ({}, with_cost(dice)),
    "softmax_twice": ({}, with_cost(lambda z, y, w: entropy(functional.softmax(z, dim=1), y, w).mean())),
    "logits_as_probabilities": ({}, with_pixel_cost(lambda z, y: functional.cross_entropy(
        torch.log(z.clamp(1e-7, 1 - 1e-7)), y, reduction="none"))),
    "logits_as_shares": ({}, with_pixel_cost(lambda z, y: -torch.log(of_label(
        z / z.sum(1, keepdim=True), y).clamp(1e-7, 1 - 1e-7)))),
    "focal_keras": ({}, with_pixel_cost(lambda z, y: 0.25 * (1 - (p := of_label(torch.softmax(z, 1), y).clamp(
        1e-7, 1 - 1e-7))) ** 2 * -torch.log(p))),
    "softmax_over_batch": ({}, softmax_over(0)),
    "softmax_over_rows": ({}, softmax_over(2)),
    "softmax_over_columns": ({}, softmax_over(3)),
    "softmax_missing": ({"learning_rate": 1e-5}, with_pixel_cost(lambda z, y: -of_label(z, y))),
    "logarithm_missing": ({}, with_pixel_cost(lambda z, y: -of_label(torch.softmax(z, 1), y))),
    "sigmoid_of_each_class": ({}, with_pixel_cost(of_sigmoids)),
    "label_smoothing": ({}, with_pixel_cost(smoothed(0.1))),
    "label_smoothing_by_class": ({}, with_cost(lambda z, y, w: functional.cross_entropy(
        z, y, w, reduction="none", label_smoothing=0.1).mean())),
    "focal": ({}, with_pixel_cost(focal(2))),
    "focal_alpha": ({}, with_pixel_cost(lambda z, y: (0.75 - 0.5 * y) * focal(2)(z, y))),
    "cost_mean_over_images": ({}, with_cost(of_each_image)),
    "cost_mean_over_classes": ({}, with_cost(lambda z, y, w: entropy(z, y, w).mean() / 2)),
    "cost_times": ({}, with_cost(lambda z, y, w: 3.5 * entropy(z, y, w).mean())),
    "cost_over_weights": ({}, with_cost(lambda z, y, w: functional.cross_entropy(z, y, w))),
    "cost_summed": ({}, with_cost(lambda z, y, w: functional.cross_entropy(z, y, w, reduction="sum"))),
    "cost_summed_over_image": ({}, with_cost(lambda z, y, w: entropy(z, y, w).sum((1, 2)).mean())),
    "weight_plus_one": ({}, with_weights(lambda w: w + torch.tensor([0.0, 1.0]))),
    "weight_without_one": (LISTING, with_weights(lambda w: w - torch.tensor([0.0, 1.0]))),
    "weight_plus_two": (LISTING, with_weights(lambda w: w + torch.tensor([0.0, 1.0]))),
    "weights_that_sum_to_one": ({}, with_weights(lambda w: w / w.sum())),
    "weights_by_frequency": ({}, with_cost(by_frequency)),
    "weights_other": ({}, with_weights(lambda w: torch.tensor([1.0, 5.0]))),
    "weights_ignored": ({}, with_weights(torch.ones_like)),
    "weights_exchanged": ({}, with_weights(lambda w: w.flip(0))),
    **{f"log_clipped_{epsilon}": ({}, clipped(epsilon)) for epsilon in EPSILONS},
    **{f"log_plus_{epsilon}": ({}, with_more(epsilon)) for epsilon in EPSILONS},
    "log_clipped_twice": ({"float64": True}, clipped(1e-7, 1 - 1e-7)),
}
