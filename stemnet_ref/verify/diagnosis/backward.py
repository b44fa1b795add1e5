"""The usual mistakes of backward passes, by layer and gradient.

Most are the right gradient of something else, of a flipped weight or another mask: these are computed by the layer's
own functions from changed inputs, in float64 and with their bounds. The others are written out.
"""

from typing import NamedTuple

import numpy as np

from ...layers import softmax as plain_softmax
from ..expected.rounding import Value


class Mistakes(NamedTuple):
    """Ways in which a gradient goes wrong, and the one in which it is right."""

    right: str          # what is right, with the equation
    write: str          # the line to write
    # By what the gradient does, a text to follow its name: a function of a Given. It returns the gradient, a Value or
    # an array; None where the mistake would not show
    wrong: dict


class Given:
    """What a layer is given, arrays in float64 by their names: g.x, g.weight, g.dy.

    Parameters
    ----------
    trace : expected.layer.LayerTrace
    key : str
        Name of the gradient.
    """

    def __init__(self, trace, key):
        self.trace, self.key, self.options = trace, key, trace.options

    def __getattr__(self, name):
        return self.trace.array(name)

    def right(self, **inputs):
        """Return the right gradient of inputs that are changed, a Value."""
        return self.trace.changed(**inputs).value(self.key)

    def scaled(self, factor):
        """Return the right gradient times a number, a Value."""
        array, error = self.right()
        return Value(array * factor, error * abs(factor))

    def pixels(self):
        """Return the number of pixels of all images."""
        return self.labels.size if "labels" in self.trace.inputs else self.dy[..., 0].size

    def p(self):
        """Return the probabilities of logits x."""
        return plain_softmax.forward(self.x)

    def truth(self):
        """Return the labels' classes as vectors of 0 and 1, the shape of x."""
        return np.eye(self.x.shape[-1])[self.labels.astype(int)]

    def spread(self, array):
        """Return every number of an array on its whole pooling window."""
        return array.repeat(self.options.size, 1).repeat(self.options.size, 2)

    def value(self, function):
        """Return what a function of this makes, a Value or None; an array is as uncertain as the right gradient."""
        try:
            made = function(self)
        except ValueError:              # shapes that do not fit: then nobody can have made this mistake
            return None
        if made is None or isinstance(made, Value):
            return made
        right, largest = self.right(), abs(made).max(initial=0)
        relative = right.error.max(initial=0) / max(abs(right.array).max(initial=0), 1e-300)
        return Value(made, 2 * relative * largest + 8 * self.trace.roundoff() * abs(made))


def _turned(array):
    return array[::-1, ::-1]


def sum_over_pixels(equation):
    """Return the mistakes of a gradient that sums over all pixels."""
    return Mistakes(
        f"the sum over all images and pixels ({equation})", "sum over all axes but the last, without a mean", {
            "is the mean over the pixels, not their sum": lambda g: g.scaled(1 / g.pixels()),
            "is divided by the number of images": lambda g: _of_images(g, g.scaled(1 / len(g.dy))),
            "is the mean over each image's pixels, not their sum":
                lambda g: _of_images(g, g.scaled(len(g.dy) / g.pixels())),
            "is that of the first image alone": lambda g: g.right(dy=np.where(_number(g.dy) == 0, g.dy, 0)),
            "is that of the last image alone": lambda g: g.right(dy=np.where(_number(g.dy) == len(g.dy) - 1, g.dy, 0)),
        })


def _of_images(g, value):
    """Return a gradient that counts images, or None: a dense layer sees rows."""
    return value if g.dy.ndim == 4 else None


def _number(dy):
    """Return the number of each image, to be broadcast to dy."""
    return np.arange(len(dy)).reshape(-1, *[1] * (dy.ndim - 1))


def _kernel(right, write, flipped, **others):
    """Return the mistakes of a gradient with respect to an input; `flipped` says what the flip of the kernel is."""
    return Mistakes(right, write, {
        f"uses the kernel {flipped}": lambda g: g.right(weight=_turned(g.weight)),
        "uses the kernel with rows and columns exchanged": lambda g: g.right(weight=g.weight.swapaxes(0, 1)),
        "uses the kernel with its channels in and out exchanged": lambda g: g.right(weight=g.weight.swapaxes(2, 3)),
        f"uses the kernel {flipped} in its rows": lambda g: g.right(weight=g.weight[::-1]),
        f"uses the kernel {flipped} in its columns": lambda g: g.right(weight=g.weight[:, ::-1]),
        f"uses the kernel {flipped} and with its channels exchanged":
            lambda g: g.right(weight=_turned(g.weight).swapaxes(2, 3)),
        f"uses the kernel {flipped} and with rows and columns exchanged":
            lambda g: g.right(weight=_turned(g.weight).swapaxes(0, 1)),
        **others})


def _filters(right, write, **others):
    """Return the mistakes of a gradient with respect to filters, in the order of its elements."""
    return Mistakes(right, write, {
        "is flipped": lambda g: g.right().map(_turned),
        "has rows and columns exchanged": lambda g: g.right().map(lambda a: a.swapaxes(0, 1)),
        "has the channels in and out exchanged": lambda g: g.right().map(lambda a: a.swapaxes(2, 3)),
        "is flipped and has rows and columns exchanged": lambda g: g.right().map(lambda a: _turned(a).swapaxes(0, 1)),
        "is flipped and has the channels exchanged": lambda g: g.right().map(lambda a: _turned(a).swapaxes(2, 3)),
        **others})


def _unstrided(g):
    """Yield the elements (a, b) of a kernel with the part of dy that it sees where the stride is forgotten."""
    if g.options.stride == 1:
        raise ValueError("there is no stride to forget")
    (_, h, w, _), (kh, kw) = g.x.shape, g.weight.shape[:2]
    dy = np.pad(g.dy, ((0, 0), (0, h + kh), (0, w + kw), (0, 0)))
    for a, b in np.ndindex(kh, kw):
        yield (a, b), dy[:, a:a + h, b:b + w]


def _unflipped_and_padded(g):
    """Return dx as the forward pass of an even kernel gives it for dy, with the padding of a forward pass."""
    if g.options.padding == "valid" or all(side % 2 for side in g.weight.shape[:2]):
        return None
    other = g.trace.under(g.trace.conventions ^ {("padding_other_side", None)})
    return other.changed(weight=_turned(g.weight)).value("dx")


MISTAKES = {                # by layer and gradient
    "conv2d": {
        "dx": [_kernel("the kernel flipped, dx[i,j] = sum of dy[i-a+top, j-b+left] w[a,b] (eq. 34)",
                       "correlate dy with w[::-1, ::-1].swapaxes(2, 3)", "unflipped", **{
                           "uses the kernel unflipped, and pads dy as x is padded": _unflipped_and_padded})],
        "dweight": [_filters("x correlated with dy, dw[a,b] = sum of x[i+a-top, j+b-left] dy[i,j] (eq. 36)",
                             "write dw[a, b] = tensordot(padded[:, a:a+h, b:b+w], dy, ((0, 1, 2), (0, 1, 2)))"),
                    sum_over_pixels("eq. 36")]},
    "conv_transpose2d": {
        "dx": [_kernel("the kernel as it is, dx[i,j] = sum of dy[s*i+a, s*j+b] w[a,b] (section 5.1)",
                       "correlate dy with the kernel, at the stride", "flipped", **{
                           "forgets the stride": lambda g: sum(
                               np.einsum("nijo,oc->nijc", seen, g.weight[at]) for at, seen in _unstrided(g))})],
        "dweight": [_filters("dw[a,b] = sum of dy[s*i+a, s*j+b] x[i,j] (section 5.1)",
                             "write dw[a, b] = tensordot(dy[:, a::s, b::s], x, ((0, 1, 2), (0, 1, 2)))", **{
                                 "forgets the stride": lambda g: np.reshape([
                                     np.einsum("nijo,nijc->oc", seen, g.x) for _, seen in _unstrided(g)
                                 ], g.weight.shape)}),
                    sum_over_pixels("section 5.1")]},
    "bias": {"db": [sum_over_pixels("eq. 35"), Mistakes(
        "the sum over images, rows and columns (eq. 35)", "write dy.sum((0, 1, 2))", {
            f"is the sum over the axes {', '.join(map(str, axes))}": lambda g, axes=axes: g.dy.sum(axes)
            for axes in ((1, 2, 3), (0, 2, 3), (0, 1, 3))})]},
    "relu": {"dx": [Mistakes("dy where y is above 0, and 0 elsewhere (eq. 37)", "write dy * (y > 0)", {
        "lets all of dy pass": lambda g: g.dy,
        "lets dy pass where dy is above 0, whatever y is": lambda g: np.where(g.dy > 0, g.dy, 0),
        "lets dy pass where both y and dy are above 0": lambda g: np.where((g.dy > 0) & (g.x > 0), g.dy, 0),
        "lets dy pass where x is below 0": lambda g: np.where(g.x < 0, g.dy, 0),
        "lets dy pass where x is not above 0": lambda g: np.where(g.x > 0, 0, g.dy),
        "lets dy pass where x is 0, too": lambda g: np.where(g.x < 0, 0, g.dy),
        "lets half of dy pass where x is 0": lambda g: np.where(g.x == 0, g.dy / 2, np.where(g.x < 0, 0, g.dy)),
        "is multiplied by y, not by 1 where y is above 0": lambda g: g.dy * np.maximum(g.x, 0)})]},
    "sigmoid": {"dx": [Mistakes("dy y (1 - y), y the output", "write dy * y * (1 - y)", {
        "has the slope z (1 - z), of the input and not of the output": lambda g: g.dy * g.x * (1 - g.x),
        "has the slope at y, with the sigmoid taken twice": lambda g: g.right(x=g.y),
        "lacks the factor 1 - y": lambda g: g.dy * g.y, "lacks the factor y": lambda g: g.dy * (1 - g.y),
        "has the slope of tanh, 1 - y^2": lambda g: g.dy * (1 - g.y ** 2)})]},
    "dense": {
        "dx": [Mistakes("dy w^T (eq. 34)", "write dy @ weight.T", {
            "is dy w, with the weight untransposed": lambda g: g.dy @ g.weight})],
        "dweight": [Mistakes("x^T dy, shape (in, out) (eq. 36)", "write x.T @ dy", {
            "is dy^T x, the transposed": lambda g: g.right().map(np.transpose)}), sum_over_pixels("eq. 36")],
        "db": [sum_over_pixels("eq. 35")]},
    "max_pool2d": {"dx": [Mistakes(
        "dy at the first largest pixel of its window, and 0 elsewhere (section 4.3)",
        "keep the argmax of the forward pass, and put dy there", {
            "gives all of dy to every pixel that is largest": lambda g: g.spread(g.dy) * (g.x == g.spread(g.y)),
            "gives dy to every pixel of its window": lambda g: g.spread(g.dy),
            "gives dy to the smallest pixel of its window": lambda g: g.right(x=-g.x),
            "gives dy to the first pixel of its window": lambda g: g.right(x=0 * g.x),
            "gives dy to the first largest pixel by columns, then rows": lambda g: g.right(
                x=g.x.swapaxes(1, 2), dy=g.dy.swapaxes(1, 2)).map(lambda a: a.swapaxes(1, 2))})]},
    "dropout": {"dx": [Mistakes("dy mask / keep_prob (section 8.1)", "write dy * mask / keep_prob", {
        "is not masked": lambda g: g.dy / g.options.keep_prob,
        "is neither masked nor scaled": lambda g: g.dy,
        "is masked, but not divided by keep_prob": lambda g: g.dy * g.mask,
        "is divided by keep_prob twice": lambda g: g.dy * g.mask / g.options.keep_prob ** 2,
        "is multiplied by keep_prob, not divided": lambda g: g.dy * g.mask * g.options.keep_prob})]},
    "concat": {"da": [Mistakes("the first channels of dy, as many as a has (section 9)", "write dy[..., :channels_a]", {
                   "is the last channels of dy": lambda g: g.dy[..., -g.a.shape[-1]:]})],
               "db": [Mistakes("the last channels of dy, after those of a (section 9)", "write dy[..., channels_a:]", {
                   "is the first channels of dy": lambda g: g.dy[..., :g.b.shape[-1]]})]},
}
