"""The usual mistakes of backward passes, by layer and gradient.

Most are the right gradient of something else, of a flipped weight or another mask: these are computed by the layer's
own functions from changed inputs, in float64 and with their bounds. The others are written out.
"""

from typing import NamedTuple

import numpy as np

from ...layers import relu, sigmoid
from ...layers import softmax as plain_softmax
from ..expected.rounding import Held, Value


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
        array, error, _ = self.right()
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
        except (ValueError, IndexError):    # shapes that do not fit: then nobody can have made this mistake
            return None
        if made is None or isinstance(made, Value):
            return made
        right, largest = self.right(), abs(made).max(initial=0)
        relative = right.error.max(initial=0) / max(abs(right.array).max(initial=0), 1e-300)
        return Value(made, 2 * relative * largest + 8 * self.trace.roundoff() * abs(made))


def from_output(trace, y):
    """Return dx as a layer's backward pass makes it of an output y, a Value; None of a layer that takes none.

    Parameters
    ----------
    trace : expected.layer.LayerTrace
    y : float64 ndarray
        The other side's output.
    """
    layer = {"relu": relu, "sigmoid": sigmoid, "softmax": plain_softmax}.get(trace.layer)
    if layer is None:
        return None
    dy = trace.array("dy")
    size = abs(y) * (abs(dy) * (1 + abs(y)) + (abs(dy * y)).sum(-1, keepdims=True))
    return Value(layer.backward(dy, y), (8 + y.shape[-1]) * trace.roundoff() * size)


def _turned(array):
    return array[::-1, ::-1]


def sum_over_pixels(equation, of="dy", summand=None):
    """Return the mistakes of a gradient that sums over all images and pixels.

    Parameters
    ----------
    equation : str
    of : {"dy", "x"}
        The array over whose pixels the sum runs.
    summand : callable, optional
        Takes a Given and returns the array (N, H, W, C) whose sum it is, where it is one for each channel.
    """
    def scaled(axes):
        return lambda g: g.scaled(1 / np.prod([getattr(g, of).shape[axis] for axis in axes]))

    wrong = {f"is the mean over {words}, not the sum": scaled(axes) for words, axes in {
        "all images and pixels": (0, 1, 2), "the images": (0,), "the pixels of each image": (1, 2),
        "the rows": (1,), "the columns": (2,), "images and rows": (0, 1), "images and columns": (0, 2)}.items()}
    if summand:
        wrong |= {f"is the sum over the axes {', '.join(map(str, axes))}": lambda g, axes=axes: summand(g).sum(axes)
                  for axes in ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1), (1, 2), (0, 2))}
    return Mistakes(f"the sum over all images and pixels, the axes 0, 1 and 2 ({equation})",
                    "sum over these axes, without a mean", {**wrong, **_ALONE})


def _sum_over_rows(equation, **others):
    """Return the mistakes of a gradient of a dense layer that sums over the rows of x."""
    return Mistakes(f"the sum over the rows of x, axis 0 ({equation})", "sum over this axis, without a mean", {
        "is the mean over the rows of x, not the sum": lambda g: g.scaled(1 / len(g.dy)), **_ALONE, **others})


def _alone(at):
    """Return the function for the gradient of one image or row alone."""
    def value(g):
        dy = np.zeros_like(g.dy)
        dy[at] = g.dy[at]
        return g.right(dy=dy)
    return value


_ALONE = {"comes from the first image alone": _alone(0), "comes from the last image alone": _alone(-1)}


def _kernel(right, write, flipped, **others):
    """Return the mistakes of a gradient with respect to an input; `flipped` says what the flip of the kernel is."""
    return Mistakes(right, write, {
        f"uses the kernel {flipped}": lambda g: g.right(weight=_turned(g.weight)),
        "uses the kernel with rows and columns exchanged": lambda g: g.right(weight=g.weight.swapaxes(0, 1)),
        "uses the kernel with its channels in and out exchanged": lambda g: g.right(weight=g.weight.swapaxes(2, 3)),
        f"uses the kernel {flipped} in its rows": lambda g: g.right(weight=g.weight[::-1]),
        f"uses the kernel {flipped} in its columns": lambda g: g.right(weight=g.weight[:, ::-1]),
        f"uses the kernel {flipped} and with its channels exchanged":
            lambda g: g.right(weight=_turned(g.weight).swapaxes(2, 3)) if g.weight[..., 0, 0].size > 1 else None,
        f"uses the kernel {flipped} and with rows and columns exchanged":
            lambda g: g.right(weight=_turned(g.weight).swapaxes(0, 1)) if g.weight[..., 0, 0].size > 1 else None,
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


def _unstrided(g, cropped):
    """Yield the elements (a, b) of a kernel with the part of dy that it sees where the stride is forgotten.

    `cropped` says whether the rows and columns that the forward pass crops are remembered.
    """
    if g.options.stride == 1:
        raise ValueError("there is no stride to forget")
    (_, h, w, _), (kh, kw) = g.x.shape, g.weight.shape[:2]
    top, left = (max(side - g.options.stride, 0) // 2 * (cropped and g.options.padding == "same") for side in (kh, kw))
    dy = np.pad(g.dy, ((0, 0), (top, h + kh), (left, w + kw), (0, 0)))
    for a, b in np.ndindex(kh, kw):
        yield (a, b), dy[:, a:a + h, b:b + w]


def _unstrided_dx(g, cropped=True):
    return sum(np.einsum("nijo,oc->nijc", seen, g.weight[at]) for at, seen in _unstrided(g, cropped))


def _unstrided_dweight(g, cropped=True):
    return np.reshape([np.einsum("nijo,nijc->oc", seen, g.x) for _, seen in _unstrided(g, cropped)], g.weight.shape)


def _unflipped_and_padded(g):
    """Return dx as the forward pass of an even kernel gives it for dy, with the padding of a forward pass."""
    if g.options.padding == "valid" or all(side % 2 for side in g.weight.shape[:2]):
        return None
    other = g.trace.under(g.trace.conventions ^ {Held("padding_other_side")})
    return other.changed(weight=_turned(g.weight)).value("dx")


def _shifted(axis, by, rolled):
    """Return the function for dx of a convolution that is a pixel too far along an axis: cropped there, or rolled."""
    def value(g):
        if rolled:
            return g.right().map(lambda a: np.roll(a, by, axis))
        border = (0, 0), (1, 1), (1, 1), (0, 0)             # what of dx is outside the image
        start, size = 1 - by, g.x.shape[axis]
        return g.right(x=np.pad(g.x, border), dy=np.pad(g.dy, border)).map(
            lambda a: a.take(range(start, start + size), axis)[(slice(None), *(
                slice(None) if each == axis else slice(1, -1) for each in (1, 2)))])
    return value


_SHIFTS = {f"is {verb} by a pixel, {to}": _shifted(axis, by, verb == "rolled")
           for axis, by, to in ((1, 1, "down"), (1, -1, "up"), (2, 1, "to the right"), (2, -1, "to the left"))
           for verb in ("shifted", "rolled")}

MISTAKES = {                # by layer and gradient
    "conv2d": {
        "dx": [_kernel("the kernel flipped, dx[i,j] = sum of dy[i-a+top, j-b+left] w[a,b] (eq. 34)",
                       "correlate dy with w[::-1, ::-1].swapaxes(2, 3)", "unflipped", **{
                           "uses the kernel unflipped, and pads dy as x is padded": _unflipped_and_padded, **_SHIFTS})],
        "dweight": [_filters("x correlated with dy, dw[a,b] = sum of x[i+a-top, j+b-left] dy[i,j] (eq. 36)",
                             "write dw[a, b] = tensordot(padded[:, a:a+h, b:b+w], dy, ((0, 1, 2), (0, 1, 2)))"),
                    sum_over_pixels("eq. 36")]},
    "conv_transpose2d": {
        "dx": [_kernel("the kernel as it is, dx[i,j] = sum of dy[s*i+a, s*j+b] w[a,b] (section 5.1)",
                       "correlate dy with the kernel, at the stride", "flipped", **{
                           "forgets the stride": _unstrided_dx,
                           "forgets the stride and what is cropped": lambda g: _unstrided_dx(g, False)})],
        "dweight": [_filters("dw[a,b] = sum of dy[s*i+a, s*j+b] x[i,j] (section 5.1)",
                             "write dw[a, b] = tensordot(dy[:, a::s, b::s], x, ((0, 1, 2), (0, 1, 2)))", **{
                                 "forgets the stride": _unstrided_dweight,
                                 "forgets the stride and what is cropped": lambda g: _unstrided_dweight(g, False)}),
                    sum_over_pixels("section 5.1", "x")]},
    "bias": {"db": [sum_over_pixels("eq. 35", summand=lambda g: g.dy)]},
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
            "is dy^T x, the transposed": lambda g: g.right().map(np.transpose)}), _sum_over_rows("eq. 36")],
        "db": [_sum_over_rows("eq. 35", **{
            "is the sum over the channels, axis 1, not the rows": lambda g: g.dy.sum(1)})]},
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
