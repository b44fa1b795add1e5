"""The numbers of one step of training on a tiny network, as the reference computes them."""

from dataclasses import asdict

import numpy as np

from ..cost import Cost
from ..network import topology
from ..network.stemnet import StemNet
from ..optimizers import SGD, Adam, Momentum
from ..training.settings import ADAM_LEARNING_RATE, Settings
from ..verify import golden

KERNEL = 3              # side of the convolutions' kernels: the thesis has 5, whose sums are too long to read
NUDGE = 1e-5            # h of the finite differences


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
        """Return the gradient of the cost with respect to a tensor, (H, W, C)."""
        return self.arrays[f"1/backward/{name}"][0]

    def mask(self, name):
        """Return the mask of a dropout, (H, W, C); `name` is "down0.dropout" and the like."""
        return self.arrays[f"1/mask/{self.layers[name].block.name}"][0]

    def parameter(self, name):
        """Return the weight or bias of the layer `name`."""
        return self.network.parameters[self.layers[name].parameter]

    def gradient(self, name):
        """Return the gradient with respect to the weight or bias of the layer `name`."""
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
        optimizers = {"SGD": SGD(eta), "momentum": Momentum(eta, mu), "Adam": Adam(ADAM_LEARNING_RATE)}
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
