"""How some numbers of a `step.Step` come about, worked out by hand and as text.

They are compared with what the reference computed; where they differ, there is no page.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Worked:
    """One number worked out: where it is, its terms as text, and its value."""

    place: tuple        # row, column, channel
    terms: str
    value: float


def worked_forward(step, name):
    """Return how one number of a tensor comes from those before it."""
    place = step.place(name)
    return _worked(step, name, place, _terms(step, step.layers[name], *place))


def _terms(step, layer, i, j, c):
    """Return the terms of the number at [i,j,c] that a layer makes."""
    inputs = [step.forward(each) for each in layer.inputs]
    x = inputs[0]
    if layer.kind == "conv":
        w = step.parameter(layer.name)
        return products(under(x, i, j, len(w)), w[..., c])
    if layer.kind == "deconv":
        return products(x[i // 2, j // 2], step.parameter(layer.name)[i % 2, j % 2, c])
    if layer.kind == "pool":
        window = x[2 * i:2 * i + 2, 2 * j:2 * j + 2, c].ravel()
        return [(f"max({', '.join(map(number, window))})", window.max())]
    if layer.kind == "concat":
        first = x.shape[2]
        source, channel = (0, c) if c < first else (1, c - first)
        return [(f"{layer.inputs[source]}[{i},{j},{channel}]", inputs[source][i, j, channel])]
    if layer.kind == "softmax":
        z = x[i, j]
        below = " + ".join(f"e^{term(each)}" for each in z)
        return [(f"e^{term(z[c])} / ({below})", math.exp(z[c]) / sum(map(math.exp, z)))]
    z = x[i, j, c]
    if layer.kind == "bias":
        b = step.parameter(layer.name)[c]
        return [(f"{term(z)} + {term(b)}", z + b)]
    if layer.kind == "dropout":
        m, keep = step.mask(layer.name)[i, j, c], step.settings.keep_prob
        return [(f"{m} / {keep} · {term(z)}", m / keep * z)]
    if layer.block.activation == "relu":
        return [(f"max(0, {number(z)})", max(0.0, z))]
    return [(number(z), z)]                                         # the logits


def worked_backward(step, name):
    """Return how one number of a tensor's delta comes from the deltas after it."""
    i, j, c = place = step.place(name)
    terms = [each for consumer in step.consumers[name] for each in _terms_back(step, name, consumer, i, j, c)]
    return _worked(step, name, place, terms, step.delta(name))


def _terms_back(step, name, layer, i, j, c):
    """Return the terms of delta[i,j,c] of a tensor that come back through one of the layers that read it."""
    if layer.kind == "softmax":
        y, weights = int(step.labels[0, i, j]), step.settings.class_weights
        p = step.forward("probabilities")[i, j, c]
        hit = int(c == y)
        return [(f"{weights[y]:g} / {step.pixels} · ({term(p)} − {hit})", weights[y] / step.pixels * (p - hit))]
    dy = step.delta(layer.name)
    if layer.kind == "conv":
        w = step.parameter(layer.name)
        taps = [(a, b, i - a + (len(w) - 1) // 2, j - b + (len(w) - 1) // 2) for a, b in np.ndindex(w.shape[:2])]
        return [each for a, b, row, column in taps if 0 <= row < dy.shape[0] and 0 <= column < dy.shape[1]
                for each in products(dy[row, column], w[a, b, c])]
    if layer.kind == "deconv":
        w = step.parameter(layer.name)
        return [each for a in range(2) for b in range(2)
                for each in products(dy[2 * i + a, 2 * j + b], w[a, b, :, c])]
    if layer.kind == "dropout":
        m, keep = step.mask(layer.name)[i, j, c], step.settings.keep_prob
        return [(f"{m} / {keep} · {term(dy[i, j, c])}", m / keep * dy[i, j, c])]
    if layer.kind == "activation" and layer.block.activation == "relu":
        alive = int(step.forward(layer.name)[i, j, c] > 0)
        return [(f"{alive} · {term(dy[i, j, c])}", alive * dy[i, j, c])]
    if layer.kind == "pool":
        window = step.forward(name)[i // 2 * 2:i // 2 * 2 + 2, j // 2 * 2:j // 2 * 2 + 2, c]
        largest = int(window.argmax() == i % 2 * 2 + j % 2)
        return [(f"{largest} · {term(dy[i // 2, j // 2, c])}", largest * dy[i // 2, j // 2, c])]
    if layer.kind == "concat":
        first = step.forward(layer.inputs[0]).shape[2]
        value = dy[i, j, c if name == layer.inputs[0] else c + first]
        return [(number(value), value)]
    return [(number(dy[i, j, c]), dy[i, j, c])]                     # a bias, or the logits


def _worked(step, name, place, terms, against=None):
    """Return the Worked of a sum of terms, after comparing it with the reference."""
    value = sum(value for _, value in terms)
    expected = float((step.forward(name) if against is None else against)[place])
    if not math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12):
        raise AssertionError(f"{name}[{place}] is {expected}, worked out {value}")
    texts = [text for text, part in terms if part != 0 or len(terms) == 1]
    left_out = len(terms) - len(texts)
    text = " + ".join(texts) if texts else "0"
    return Worked(place, text + (f"  ({left_out} terms that are 0 left out)" if left_out else ""), expected)


def under(x, i, j, side):
    """Return the part of x (H, W, C) that a kernel at a pixel lies on, with zeros outside: (side, side, C)."""
    half = (side - 1) // 2
    return np.pad(x, ((half, half), (half, half), (0, 0)))[i:i + side, j:j + side]


def products(first, second):
    """Return the terms "a · b" of a sum of products, in order."""
    pairs = zip(np.ravel(first).tolist(), np.ravel(second).tolist(), strict=True)
    return [(f"{term(a)} · {term(b)}", a * b) for a, b in pairs]


def number(value):
    """Return a number as it is read: four digits, a real minus sign."""
    return "0" if value == 0 else f"{value:.4g}".replace("e-0", "e-").replace("-", "−")


def term(value):
    """Return a number as it stands among others: in brackets where it is negative."""
    return f"({number(value)})" if value < 0 else number(value)
