"""The numbers of one step of training on a tiny network, and how some of them come about.

What is worked out here by hand is compared with what the reference computed; where they differ, there is no page.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from ..cost import Cost
from ..network import topology
from ..network.stemnet import StemNet
from ..optimizers import SGD, Adam, Momentum
from ..training.settings import Settings
from ..verify import golden

KERNEL = 3              # side of the convolutions' kernels: the thesis has 5, whose sums are too long to read
NUDGE = 1e-5            # h of the finite differences


@dataclass(frozen=True)
class Worked:
    """One number worked out: where it is, its terms as text, and its value."""

    place: tuple        # row, column, channel
    terms: str
    value: float


class Step:
    """One step of training on a small bright disc.

    Parameters
    ----------
    size, levels, features : int
    seed : int
        Seed of the weights and the dropout masks.

    Attributes
    ----------
    network : StemNet
        The network before the step; its weights are rounded to two decimals, so that the page shows them as they are.
    x, labels : ndarray
        Input (1, H, W, 1) and classes (1, H, W).
    arrays : dict of str to ndarray
        All numbers by the names of docs/golden.md.
    layers : dict of str to topology.Layer
        The layers in the order of the data, by the names of the tensors that they make.
    consumers : dict of str to list of topology.Layer
        The layers that read a tensor, by its name.
    """

    def __init__(self, size=8, levels=2, features=2, seed=0):
        self.settings = Settings.from_options({"levels": levels, "features": features, "crop": None, "seed": seed})
        self.x, self.labels = disc(size)
        self.network = StemNet(1, levels, features, kernel=KERNEL, dtype=np.float64, seed=seed)
        for name, array in self.network.parameters.items():
            self.network.parameters[name] = 0.1 if name.endswith("bias") else array.round(2)
        self.arrays = golden.compute(self.settings, dict(self.network.parameters), self.x, self.x, self.labels,
                                     (0.0, 1.0), 1, 1, {"made_from": "a disc", "seed": seed}).arrays
        self.layers = {layer.name: layer for layer in topology.list_layers(self.network.blocks)}
        self.consumers = {name: [layer for layer in self.layers.values() if name in layer.inputs]
                          for name in (topology.INPUT, *self.layers)}
        _, gradients = self.cost_and_gradients(self.network, 0)
        for name, array in gradients.items():
            np.testing.assert_allclose(array, self.arrays[f"1/gradient/{name}"], rtol=1e-9, atol=1e-15)

    @property
    def pixels(self):
        """n of eq. 60."""
        return self.labels.size

    def forward(self, name):
        """Return a tensor, (H, W, C)."""
        return self.x[0] if name == topology.INPUT else self.arrays[f"1/forward/{name}"][0]

    def delta(self, name):
        """Return the gradient of the cost by a tensor, (H, W, C)."""
        return self.arrays[f"1/backward/{name}"][0]

    def mask(self, name):
        """Return the mask of a dropout, (H, W, C); `name` is "down0.dropout" and the like."""
        return self.arrays[f"1/mask/{self.layers[name].block.name}"][0]

    def parameter(self, name):
        """Return the weight or bias of the layer `name`."""
        return self.network.parameters[self.layers[name].parameter]

    def gradient(self, name):
        """Return the gradient by the weight or bias of the layer `name`."""
        return self.arrays[f"1/gradient/{self.layers[name].parameter}"]

    def place(self, name):
        """Return a place of a tensor where much happens: row, column, channel; within its border, if it has one."""
        if name == "probabilities":
            return self.place("logits")
        delta = abs(self.delta(name))
        score = (delta if delta.any() else abs(self.forward(name))) * (self.forward(name) != 0)
        if min(score.shape[:2]) > 2:
            inner = np.zeros_like(score)
            inner[1:-1, 1:-1] = score[1:-1, 1:-1]
            score = inner if inner.any() else score
        return tuple(int(each) for each in np.unravel_index(score.argmax(), score.shape))

    def worked_forward(self, name):
        """Return how one number of a tensor comes from those before it."""
        place = self.place(name)
        return self._worked(name, place, self._terms(self.layers[name], *place))

    def _terms(self, layer, i, j, c):
        """Return the terms of the number at [i,j,c] that a layer makes."""
        inputs = [self.forward(each) for each in layer.inputs]
        x = inputs[0]
        if layer.kind == "conv":
            w = self.parameter(layer.name)
            return products(under(x, i, j, len(w)), w[..., c])
        if layer.kind == "deconv":
            return products(x[i // 2, j // 2], self.parameter(layer.name)[i % 2, j % 2, c])
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
            b = self.parameter(layer.name)[c]
            return [(f"{term(z)} + {term(b)}", z + b)]
        if layer.kind == "dropout":
            m, keep = self.mask(layer.name)[i, j, c], self.settings.keep_prob
            return [(f"{m} / {keep} · {term(z)}", m / keep * z)]
        if layer.block.activation == "relu":
            return [(f"max(0, {number(z)})", max(0.0, z))]
        return [(number(z), z)]                                         # the logits

    def worked_backward(self, name):
        """Return how one number of a tensor's delta comes from the deltas after it."""
        i, j, c = place = self.place(name)
        terms = [each for consumer in self.consumers[name] for each in self._terms_back(name, consumer, i, j, c)]
        return self._worked(name, place, terms, self.delta(name))

    def _terms_back(self, name, layer, i, j, c):
        """Return the terms of delta[i,j,c] of a tensor that come back through one of the layers that read it."""
        if layer.kind == "softmax":
            y, weights = int(self.labels[0, i, j]), self.settings.class_weights
            p = self.forward("probabilities")[i, j, c]
            hit = int(c == y)
            return [(f"{weights[y]:g} / {self.pixels} · ({term(p)} − {hit})", weights[y] / self.pixels * (p - hit))]
        dy = self.delta(layer.name)
        if layer.kind == "conv":
            w = self.parameter(layer.name)
            taps = [(a, b, i - a + (len(w) - 1) // 2, j - b + (len(w) - 1) // 2) for a, b in np.ndindex(w.shape[:2])]
            return [each for a, b, row, column in taps if 0 <= row < dy.shape[0] and 0 <= column < dy.shape[1]
                    for each in products(dy[row, column], w[a, b, c])]
        if layer.kind == "deconv":
            w = self.parameter(layer.name)
            return [each for a in range(2) for b in range(2)
                    for each in products(dy[2 * i + a, 2 * j + b], w[a, b, :, c])]
        if layer.kind == "dropout":
            m, keep = self.mask(layer.name)[i, j, c], self.settings.keep_prob
            return [(f"{m} / {keep} · {term(dy[i, j, c])}", m / keep * dy[i, j, c])]
        if layer.kind == "activation" and layer.block.activation == "relu":
            alive = int(self.forward(layer.name)[i, j, c] > 0)
            return [(f"{alive} · {term(dy[i, j, c])}", alive * dy[i, j, c])]
        if layer.kind == "pool":
            window = self.forward(name)[i // 2 * 2:i // 2 * 2 + 2, j // 2 * 2:j // 2 * 2 + 2, c]
            largest = int(window.argmax() == i % 2 * 2 + j % 2)
            return [(f"{largest} · {term(dy[i // 2, j // 2, c])}", largest * dy[i // 2, j // 2, c])]
        if layer.kind == "concat":
            first = self.forward(layer.inputs[0]).shape[2]
            value = dy[i, j, c if name == layer.inputs[0] else c + first]
            return [(number(value), value)]
        return [(number(dy[i, j, c]), dy[i, j, c])]                     # a bias, or the logits

    def _worked(self, name, place, terms, against=None):
        """Return the Worked of a sum of terms, after comparing it with the reference."""
        value = sum(value for _, value in terms)
        expected = float((self.forward(name) if against is None else against)[place])
        if not math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12):
            raise AssertionError(f"{name}[{place}] is {expected}, worked out {value}")
        texts = [text for text, part in terms if part != 0 or len(terms) == 1]
        left_out = len(terms) - len(texts)
        text = " + ".join(texts) if texts else "0"
        return Worked(place, text + (f"  ({left_out} terms that are 0 left out)" if left_out else ""), expected)

    def cost_and_gradients(self, network, step):
        """Return the cost and the gradients of a step, by the layers of the reference."""
        z, cache = network.forward(self.x, self.settings.keep_prob, self.settings.seed, step)
        cost = Cost.of(self.settings)
        value, p = cost.forward(z, self.labels)
        return value, network.backward(cost.backward(p, self.labels), cache)

    def nudged(self, name, index, amount):
        """Return the cost with one weight changed."""
        parameters = self.network.parameters
        before = parameters[name].copy()
        parameters[name][index] += amount
        cost, _ = self.cost_and_gradients(self.network, 0)
        parameters[name] = before
        return cost

    def weight_of(self, name):
        """Return the index of the largest gradient in a weight's middle tap: (a, b, c, o)."""
        gradient = self.arrays[f"1/gradient/{name}"]
        middle = gradient.shape[0] // 2
        c, o = np.unravel_index(abs(gradient[middle, middle]).argmax(), gradient.shape[2:])
        return middle, middle, int(c), int(o)

    def updates(self, name, index):
        """Return, by optimizer, what one weight goes through in three steps: a list of dicts of numbers, one a step."""
        eta, mu = self.settings.learning_rate, self.settings.momentum
        optimizers = {"SGD": SGD(eta), "momentum": Momentum(eta, mu), "Adam": Adam(0.001)}
        return {kind: self._train(optimizer, name, index) for kind, optimizer in optimizers.items()}

    def _train(self, optimizer, name, index):
        network = StemNet(**asdict(self.network.architecture), dtype=np.float64)
        for each, array in self.network.parameters.items():
            network.parameters[each] = array
        rows = []
        for step in range(3):
            w = network.parameters[name][index]
            cost, gradients = self.cost_and_gradients(network, step)
            optimizer.update(network.parameters, gradients)
            rows.append({"cost": cost, "w": w, "g": gradients[name][index], "new": network.parameters[name][index]})
        return rows


def disc(size):
    """Return a frame (1, S, S, 1) with a bright disc, scaled and rounded to one decimal, and its mask (1, S, S)."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    distance = np.hypot(rows - 0.5, columns + 0.5)
    labels = (distance < size / 3.2).astype(np.uint8)
    frame = np.where(labels, 1.5, -0.5) + 0.2 * np.cos(2.1 * rows + 1.3 * columns)
    return frame.round(1)[None, ..., None], labels[None]


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
