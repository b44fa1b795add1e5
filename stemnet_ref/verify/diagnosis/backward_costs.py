"""The usual mistakes of the backward passes of costs, softmax and batch normalisation; see `backward`."""

import numpy as np

from ...layers import dice
from ...layers import softmax as plain_softmax
from .backward import Mistakes, sum_over_pixels

PIXELS = (0, 1, 2)      # axes


def _of_softmax(dp, **others):
    """Return the mistakes of a backward pass through a softmax; `dp` is a function of a Given."""
    def over(axis):
        return lambda g: g.p() * (dp(g) - (dp(g) * g.p()).sum(axis, keepdims=True))

    return Mistakes(
        "dz = p (dp - sum of p dp over the classes) (eq. 38)", "write p * (dp - (p * dp).sum(-1, keepdims=True))", {
            "lacks the cross term: it is p (1 - p) dp": lambda g: dp(g) * g.p() * (1 - g.p()),
            "lacks the cross term: it is p dp": lambda g: dp(g) * g.p(),
            "is dp, not passed through the softmax": dp,
            "lacks the factor p before the brackets": lambda g: dp(g) - (dp(g) * g.p()).sum(-1, keepdims=True),
            "lacks the factor p in the cross term": lambda g: g.p() * (dp(g) - dp(g).sum(-1, keepdims=True)),
            "has the cross term with the wrong sign":
                lambda g: g.p() * (dp(g) + (dp(g) * g.p()).sum(-1, keepdims=True)),
            "has the mean over the classes in the cross term, not the sum":
                lambda g: g.p() * (dp(g) - (dp(g) * g.p()).mean(-1, keepdims=True)),
            "sums the cross term over the images, not the classes": over(0),
            "sums the cross term over rows, not the classes": over(1),
            "sums the cross term over columns, not the classes": over(2),
            "sums the cross term over all axes, not the classes": over(None), **others})


def _of_mean(equation):
    """Return the mistakes of a mean over the pixels, or of its gradient."""
    return Mistakes(
        f"the mean over all n pixels ({equation})", "divide by labels.size, once", {
            "is not divided by the number of pixels": lambda g: g.scaled(g.pixels()),
            "is divided by the number of pixels twice": lambda g: g.scaled(1 / g.pixels()),
            "is divided by the number of images alone": lambda g: g.scaled(g.pixels() / len(g.labels)),
            "is divided by the number of an image's pixels alone": lambda g: g.scaled(len(g.labels)),
            "is divided by the number of classes too": lambda g: g.scaled(1 / g.x.shape[-1]),
            "is in bits, with a logarithm to base 2": lambda g: g.scaled(1 / np.log(2))})


def _entropy(slope):
    """Return the function for w slope / n; `slope` takes p, the target, and a Given."""
    def value(g):
        weights = np.array(g.options.weights(g.x.shape[-1]))[g.labels.astype(int)][..., None]
        return weights * slope(g.p(), g.truth(), g) / g.pixels()
    return value


def _through_softmax(dp):
    """Return the function for dx of a wrong dp, which takes p, the target and the number of pixels."""
    return lambda g: plain_softmax.backward(dp(g.p(), g.truth(), g.pixels()), g.p())


def _dice(p, truth, of_denominator, of_numerator):
    """Return dp of the dice cost with the two terms of its quotient times a number."""
    total = (p + truth)[..., 1:].sum()
    dp = (of_denominator * 2 * (p * truth)[..., 1:].sum() / total - of_numerator * 2 * truth) / total
    return dp * (np.arange(p.shape[-1]) > 0)


def _normalised(function):
    """Return the function for dx of a batch normalisation.

    `function` takes dy, xhat = (x - mean) / std, 1 / std, and a function for the mean over all pixels; its result is
    multiplied by the scale.
    """
    def value(g):
        inverse = (g.x.var(PIXELS) + g.options.epsilon) ** -0.5
        return g.scale * function(g.dy, _xhat(g), inverse, lambda a: a.mean(PIXELS))
    return value


def _xhat(g):
    """Return the normalised x of a batch normalisation."""
    return (g.x - g.x.mean(PIXELS)) * (g.x.var(PIXELS) + g.options.epsilon) ** -0.5


def _means(axes=(0, 1, 2), factor=1.0):
    """Return the function for dx of a batch normalisation with other means than those over all pixels."""
    def dx(dy, xhat, inverse, mean):
        return inverse * (dy - factor * dy.mean(axes, keepdims=True)
                          - factor * xhat * (dy * xhat).mean(axes, keepdims=True))
    return _normalised(dx)


MISTAKES = {                # by layer and gradient
    "softmax": {"dx": [_of_softmax(lambda g: g.dy, **{
        "is p - dy, as if dy were the labels of a cross-entropy": lambda g: g.p() - g.dy,
        "is dy - p, as if dy were the labels of a cross-entropy, with the wrong sign": lambda g: g.dy - g.p()})]},
    "batch_norm": {
        "dx": [Mistakes(
            "scale / std (dy - mean(dy) - xhat mean(dy xhat)), both means over all pixels (eq. 56-58)",
            "write scale / std * (dy - dy.mean((0, 1, 2)) - xhat * (dy * xhat).mean((0, 1, 2)))", {
                "lacks the terms through the mean and the variance":
                    _normalised(lambda dy, z, inverse, m: inverse * dy),
                "lacks the term through the mean":
                    _normalised(lambda dy, z, inverse, m: inverse * (dy - z * m(dy * z))),
                "lacks the term through the variance": _normalised(lambda dy, z, inverse, m: inverse * (dy - m(dy))),
                "has the term through the mean with the wrong sign":
                    _normalised(lambda dy, z, inverse, m: inverse * (dy + m(dy) - z * m(dy * z))),
                "has the term through the variance with the wrong sign":
                    _normalised(lambda dy, z, inverse, m: inverse * (dy - m(dy) + z * m(dy * z))),
                "lacks the factor scale": lambda g: g.right(scale=np.ones_like(g.scale)),
                "lacks the factor 1 / std":
                    _normalised(lambda dy, z, inverse, m: dy - m(dy) - z * m(dy * z)),
                "is divided by the variance, not by its root":
                    _normalised(lambda dy, z, inverse, m: inverse ** 2 * (dy - m(dy) - z * m(dy * z))),
                "has sums in place of the means": lambda g: _means(factor=g.pixels())(g),
                "divides its means by n - 1": lambda g: _means(factor=g.pixels() / (g.pixels() - 1))(g),
                "divides the term through the variance by n - 1": _normalised(lambda dy, z, inverse, m: inverse * (
                    dy - m(dy) - z * m(dy * z) * z[..., 0].size / (z[..., 0].size - 1))),
                "takes its means over the images alone": _means((0,)),
                "takes its means over each image alone": _means((1, 2)),
                "takes its means over the channels": _means((3,))})],
        "dscale": [sum_over_pixels("eq. 56", summand=lambda g: g.dy * _xhat(g)), Mistakes(
            "the sum of dy xhat, xhat = (x - mean) / std (eq. 56)", "write (dy * xhat).sum((0, 1, 2))", {
                "is the sum of dy x": lambda g: (g.dy * g.x).sum(PIXELS),
                "is the sum of dy (x - mean), not divided by std":
                    lambda g: (g.dy * (g.x - g.x.mean(PIXELS))).sum(PIXELS),
                "is the sum of dy y": lambda g: (g.dy * g.y).sum(PIXELS),
                "is multiplied by the scale": lambda g: g.scale * g.right().array})],
        "dshift": [sum_over_pixels("eq. 56", summand=lambda g: g.dy)]},
    "weighted_cross_entropy": {"cost": [_of_mean("eq. 60")], "dx": [_of_mean("eq. 60"), Mistakes(
        "weight (p - target) / n (eq. 38, 48)", "write weight * (p - target) / n", {
            "is that of the probabilities alone: the target is not subtracted": _entropy(lambda p, t, g: p),
            "is that of the target alone, without the probabilities": _entropy(lambda p, t, g: -t),
            "is the gradient with respect to the probabilities, not the logits":
                _entropy(lambda p, t, g: -t / np.maximum(p, 1e-300)),
            "is multiplied by p (1 - p) once more": _entropy(lambda p, t, g: (p - t) * p * (1 - p)),
            "is passed through the softmax once more": _entropy(lambda p, t, g: plain_softmax.backward(p - t, p)),
            "has the weight of each class, not that of the pixel's label": lambda g: np.array(
                g.options.weights(g.x.shape[-1])) * (g.p() - g.truth()) / g.pixels()})]},
    "dice": {"dx": [_of_softmax(lambda g: dice.backward(g.p(), g.labels.astype(int))), Mistakes(
        "both terms of the quotient, dp = (DC - 2 y) / (|p| + |y|) (eq. 6-7)", "write (DC - 2 * y) / total", {
            "lacks the term of the denominator, DC": _through_softmax(lambda p, t, n: _dice(p, t, 0, 1)),
            "lacks the term of the numerator, 2 y": _through_softmax(lambda p, t, n: _dice(p, t, 1, 0))})]},
    "quadratic": {"cost": [_of_mean("eq. 3-4")], "dx": [
        _of_mean("eq. 3-4"), _of_softmax(lambda g: (g.p() - g.truth()) / g.pixels()), Mistakes(
            "dp = (p - y) / n (eq. 3-4)", "write dp = (p - y) / n", {
                "comes from the probabilities alone: the target is not subtracted":
                    _through_softmax(lambda p, t, n: p / n)})]},
}
