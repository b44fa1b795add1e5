"""The usual mistakes of backward passes, planted one at a time in the layers of `numpy_layers`."""

import numpy as np
from numpy_layers import (
    KEEP_PROB,
    PIXELS,
    RIGHT,
    batch_norm_dx,
    conv2d_dw,
    conv2d_dx,
    correlate,
    dice_dp,
    entropy_dx,
    from_windows,
    normalised,
    passed,
    pool_dx,
    quadratic_dp,
    sigmoid,
    softmax,
    std,
    through_softmax,
    tied,
    transpose_dw,
    transpose_dx,
    truth,
    weights,
)


def right_with(layer, key, change):
    """Return a wrong gradient: a change of the right one, which may see dy and the inputs."""
    right = RIGHT[layer][1][key]
    return lambda *inputs: change(right(*inputs), *inputs)


def first_image(layer, key):
    right = RIGHT[layer][1][key]
    return lambda dy, *inputs: right(np.concatenate([dy[:1], 0 * dy[1:]]), *inputs)


def pool_by_columns(w):
    turned = w.reshape(*w.shape[:-1], 2, 2).swapaxes(-1, -2).reshape(w.shape).argmax(-1)
    return turned % 2 * 2 + turned // 2


def of_sum(layer, key):
    """Return the mistakes of a sum over pixels, by what is said of them."""
    return {
        f"{key} is the mean over ": right_with(layer, key, lambda g, dy, *_: g / dy[..., 0].size),
        f"{key} comes from the first image alone": first_image(layer, key)}


ONE_BELOW = (0, 0), (0, 1), (0, 0), (0, 0)
ONE_LEFT = (0, 0), (0, 0), (1, 0), (0, 0)
# By layer and gradient: what is said, a pattern, and a function of dy and the inputs
MISTAKES = {
    ("conv2d", "dx"): {
        "uses the kernel unflipped; right is the kernel flipped": lambda dy, x, w: correlate(dy, w.swapaxes(2, 3)),
        "kernel with its channels in and out exchanged": lambda dy, x, w: correlate(dy, w[::-1, ::-1]),
        "kernel unflipped and with its channels exchanged": lambda dy, x, w: correlate(dy, w),
        "kernel with rows and columns exchanged":
            lambda dy, x, w: conv2d_dx(dy, x, w.swapaxes(0, 1)),
        "kernel unflipped in its rows": lambda dy, x, w: conv2d_dx(dy, x, w[::-1]),
        "dx is rolled by a pixel, down": lambda dy, x, w: np.roll(conv2d_dx(dy, x, w), 1, 1),
        "dx is rolled by a pixel, to the left": lambda dy, x, w: np.roll(conv2d_dx(dy, x, w), -1, 2),
        "dx is shifted by a pixel, up": lambda dy, x, w: conv2d_dx(np.pad(dy, ONE_BELOW), x, w)[:, 1:],
        "dx is shifted by a pixel, to the right": lambda dy, x, w: conv2d_dx(np.pad(dy, ONE_LEFT), x, w)[:, :, :-1],
        "has the wrong sign": lambda dy, x, w: -conv2d_dx(dy, x, w),
        "is 0 everywhere": lambda dy, x, w: 0 * x,
        "does not depend on dy": lambda dy, x, w: conv2d_dx(np.ones_like(dy), x, w),
        r"is 1\.5 times the reference's": lambda dy, x, w: np.float32(1.5) * conv2d_dx(dy, x, w)},
    ("conv2d", "dweight"): {
        "dweight is flipped": lambda dy, x, w: conv2d_dw(dy, x, w)[::-1, ::-1],
        "dweight has rows and columns exchanged": lambda dy, x, w: conv2d_dw(dy, x, w).swapaxes(0, 1),
        "dweight has the channels in and out exchanged": lambda dy, x, w: conv2d_dw(dy, x, w).swapaxes(2, 3),
        "is the mean over the images": lambda dy, x, w: conv2d_dw(dy, x, w) / len(x),
        **of_sum("conv2d", "dweight")},
    ("conv_transpose2d", "dx"): {
        "dx forgets the stride; right": lambda dy, x, w: sum(
            np.pad(dy, ((0, 0), (1, 9), (1, 9), (0, 0)))[:, a:a + x.shape[1], b:b + x.shape[2]] @ w[a, b]
            for a, b in np.ndindex(w.shape[:2])),
        "dx forgets the stride and what is cropped": lambda dy, x, w: sum(
            np.pad(dy, ((0, 0), (0, 9), (0, 9), (0, 0)))[:, a:a + x.shape[1], b:b + x.shape[2]] @ w[a, b]
            for a, b in np.ndindex(w.shape[:2])),
        "uses the kernel flipped": lambda dy, x, w: transpose_dx(dy, x, w[::-1, ::-1]),
        "kernel with rows and columns exchanged": lambda dy, x, w: transpose_dx(dy, x, w.swapaxes(0, 1)),
        "kernel with its channels in and out exchanged": lambda dy, x, w: transpose_dx(dy, x, w.swapaxes(2, 3))},
    ("conv_transpose2d", "dweight"): {
        "dweight is flipped": lambda dy, x, w: transpose_dw(dy, x, w)[::-1, ::-1],
        "dweight has rows and columns exchanged": lambda dy, x, w: transpose_dw(dy, x, w).swapaxes(0, 1),
        "dweight has the channels in and out exchanged": lambda dy, x, w: transpose_dw(dy, x, w).swapaxes(2, 3)},
    ("bias", "dx"): {"is half of what it should be": lambda dy, x, b: dy / 2},
    ("bias", "db"): {"is the mean over the images": lambda dy, x, b: dy.sum(PIXELS) / len(x),
                     "is the mean over the pixels of each image": lambda dy, x, b: dy.mean((1, 2)).sum(0),
                     "is the mean over images and rows": lambda dy, x, b: dy.mean((0, 1)).sum(0),
                     "is the mean over the columns": lambda dy, x, b: dy.sum((0, 1)).mean(0),
                     **of_sum("bias", "db")},
    ("relu", "dx"): {
        "dx lets all of dy pass": lambda dy, x: dy,
        "where dy is above 0, whatever y is": lambda dy, x: dy * (dy > 0),
        "where both y and dy are above 0": lambda dy, x: dy * (dy > 0) * (x > 0),
        "where x is below 0": lambda dy, x: dy * (x < 0),
        "where x is not above 0": lambda dy, x: dy * (x <= 0),
        "where x is 0, too": lambda dy, x: dy * (x >= 0),
        "half of dy pass where x is 0": lambda dy, x: dy * np.heaviside(x, np.float32(0.5)),
        "is multiplied by y": lambda dy, x: dy * np.maximum(x, 0)},
    ("sigmoid", "dx"): {
        r"slope z \(1 - z\), of the input": lambda dy, x: dy * x * (1 - x),
        "the sigmoid taken twice": lambda dy, x: dy * sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x))),
        "lacks the factor 1 - y": lambda dy, x: dy * sigmoid(x),
        "lacks the factor y": lambda dy, x: dy * (1 - sigmoid(x)),
        "slope of tanh": lambda dy, x: dy * (1 - sigmoid(x) ** 2)},
    ("dense", "dx"): {"is dy w, with the weight untransposed": lambda dy, x, w, b: dy @ w},
    ("dense", "dweight"): {"is dy^T x, the transposed".replace("^", r"\^"): lambda dy, x, w, b: dy.T @ x,
                           **of_sum("dense", "dweight")},
    ("dense", "db"): of_sum("dense", "db"),
    ("max_pool2d", "dx"): {
        "they share the gradient": lambda dy, x: from_windows(
            tied(x) / tied(x).sum(-1, keepdims=True) * dy[..., None]).astype(x.dtype),
        "goes to the last of them": lambda dy, x: pool_dx(dy, x, lambda w: 3 - w[..., ::-1].argmax(-1)),
        "all of dy to every pixel that is largest": lambda dy, x: from_windows(tied(x) * dy[..., None]),
        "dy to every pixel of its window": lambda dy, x: dy.repeat(2, 1).repeat(2, 2),
        "a forward pass in which windows are averaged": lambda dy, x: dy.repeat(2, 1).repeat(2, 2) / 4,
        "to the smallest pixel": lambda dy, x: pool_dx(dy, x, lambda w: w.argmin(-1)),
        "to the first pixel of its window": lambda dy, x: pool_dx(dy, x, lambda w: 0 * w.argmin(-1)),
        "by columns, then rows": lambda dy, x: pool_dx(dy, x, pool_by_columns)},
    ("dropout", "dx"): {
        "dx is not masked": lambda dy, x, m: dy / np.float32(KEEP_PROB),
        "is neither masked nor scaled": lambda dy, x, m: dy,
        "is masked, but not divided by keep_prob": lambda dy, x, m: dy * m,
        "is divided by keep_prob twice": lambda dy, x, m: dy * m / np.float32(KEEP_PROB ** 2),
        "is multiplied by keep_prob": lambda dy, x, m: dy * m * np.float32(KEEP_PROB),
        "the mask is taken the other way round": lambda dy, x, m: dy * (1 - m) / np.float32(KEEP_PROB)},
    ("concat", "da"): {"da is the last channels of dy": lambda dy, a, b: dy[..., b.shape[-1]:]},
    ("concat", "db"): {"db is the first channels of dy": lambda dy, a, b: dy[..., :b.shape[-1]]},
    ("softmax", "dx"): {
        r"lacks the cross term: it is p \(1 - p\) dp": lambda dy, x: dy * softmax(x) * (1 - softmax(x)),
        "lacks the cross term: it is p dp": lambda dy, x: dy * softmax(x),
        "not passed through the softmax": lambda dy, x: dy,
        "dx is p - dy, as if dy were the labels": lambda dy, x: softmax(x) - dy,
        "dx is dy - p, as if dy were the labels": lambda dy, x: dy - softmax(x),
        "lacks the factor p before": lambda dy, x: dy - (dy * softmax(x)).sum(-1, keepdims=True),
        "lacks the factor p in the cross term": lambda dy, x: softmax(x) * (dy - dy.sum(-1, keepdims=True)),
        "the cross term with the wrong sign": lambda dy, x: softmax(x) * (
            dy + (dy * softmax(x)).sum(-1, keepdims=True)),
        "the mean over the classes in the cross term": lambda dy, x: softmax(x) * (
            dy - (dy * softmax(x)).mean(-1, keepdims=True)),
        "over columns, not the classes": lambda dy, x: softmax(x) * (dy - (dy * softmax(x)).sum(2, keepdims=True)),
        "over all axes, not the classes": lambda dy, x: softmax(x) * (dy - (dy * softmax(x)).sum())},
    ("batch_norm", "dx"): {
        "lacks the terms through the mean and the variance": lambda dy, x, g, b: dy * g / std(x),
        "lacks the term through the mean": lambda dy, x, g, b: batch_norm_dx(dy, x, g, of_mean=0),
        "lacks the term through the variance": lambda dy, x, g, b: batch_norm_dx(dy, x, g, of_variance=0),
        "through the mean with the wrong sign": lambda dy, x, g, b: batch_norm_dx(dy, x, g, of_mean=-1),
        "through the variance with the wrong sign": lambda dy, x, g, b: batch_norm_dx(dy, x, g, of_variance=-1),
        "lacks the factor scale": lambda dy, x, g, b: batch_norm_dx(dy, x, 1),
        "lacks the factor 1 / std": lambda dy, x, g, b: batch_norm_dx(dy, x, g * std(x)),
        "divides its means by n - 1": lambda dy, x, g, b: batch_norm_dx(dy, x, g, less=1),
        "divides the term through the variance by n - 1": lambda dy, x, g, b: batch_norm_dx(
            dy, x, g, of_variance=dy[..., 0].size / (dy[..., 0].size - 1)),
        "over the images alone": lambda dy, x, g, b: batch_norm_dx(dy, x, g, axes=(0,)),
        "over each image alone": lambda dy, x, g, b: batch_norm_dx(dy, x, g, axes=(1, 2)),
        "over the channels": lambda dy, x, g, b: batch_norm_dx(dy, x, g, axes=(3,)),
        "forward pass in which the epsilon of the batch normalisation is 1e-05":
            lambda dy, x, g, b: batch_norm_dx(dy, x, g, 1e-5),
        "forward pass in which the epsilon of the batch normalisation is 0.01":
            lambda dy, x, g, b: batch_norm_dx(dy, x, g, 1e-2)},
    ("batch_norm", "dscale"): {
        "dscale is the sum of dy x": lambda dy, x, g, b: (dy * x).sum(PIXELS),
        "not divided by std": lambda dy, x, g, b: (dy * (x - x.mean(PIXELS))).sum(PIXELS),
        "is multiplied by the scale": lambda dy, x, g, b: g * (dy * normalised(x)).sum(PIXELS),
        **of_sum("batch_norm", "dscale")},
    ("batch_norm", "dshift"): of_sum("batch_norm", "dshift"),
    ("weighted_cross_entropy", "dx"): {
        "is not divided by the number of pixels": lambda x, y: entropy_dx(x, y) * y.size,
        "is divided by the number of pixels twice": lambda x, y: entropy_dx(x, y) / y.size,
        "by the number of images alone": lambda x, y: entropy_dx(x, y) * y[0].size,
        "by the number of classes too": lambda x, y: entropy_dx(x, y) / x.shape[-1],
        "the cost has no class weights": lambda x, y: (softmax(x) - truth(x, y)) / y.size,
        "divided by the sum of the pixels' weights": lambda x, y: entropy_dx(x, y) * y.size / weights(x, y).sum(),
        "the target is not subtracted": lambda x, y: weights(x, y)[..., None] * softmax(x) / y.size,
        "with respect to the probabilities": lambda x, y: -weights(x, y)[..., None] * truth(x, y) / softmax(x) / y.size,
        "passed through the softmax once more": lambda x, y: through_softmax(entropy_dx(x, y), softmax(x)),
        "the weight of each class": lambda x, y: np.arange(1, 4, dtype=x.dtype) * (softmax(x) - truth(x, y)) / y.size,
        "has the wrong sign": lambda x, y: -entropy_dx(x, y)},
    ("dice", "dx"): {
        "not passed through the softmax": dice_dp,
        "lacks the cross term": lambda x, y: dice_dp(x, y) * softmax(x) * (1 - softmax(x)),
        "lacks the term of the denominator": passed(lambda x, y: dice_dp(x, y, of_total=0.0)),
        "has the wrong sign": lambda x, y: -passed(dice_dp)(x, y)},
    ("quadratic", "dx"): {
        "is twice what it should be": lambda x, y: 2 * passed(quadratic_dp)(x, y),
        "is not divided by the number of pixels": lambda x, y: y.size * passed(quadratic_dp)(x, y),
        "not passed through the softmax": quadratic_dp,
        "the target is not subtracted": passed(lambda x, y: softmax(x) / y.size)},
}
