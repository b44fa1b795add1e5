"""What both implementations of docs/golden.md share: file, loop over steps, optimizers, and places to plant in.

Every method is a place. A change is a dict {place: function}; the function takes the implementation, what has stood at
this place so far, and the arguments of the method. Several changes one after the other make a pair.
"""

import json
from functools import partial

import numpy as np


class Implementation:
    """A network and its training from a golden file.

    Parameters
    ----------
    path : path
        Golden file in the layout of the implementation.
    *changes : dict of str to callable
        Deviations, by the method that they replace.
    """

    layout = "NHWC"
    xp = np                 # the library, for what has the same name in NumPy and PyTorch

    def __init__(self, path, *changes):
        with np.load(path) as file:
            self.file = {key: file[key] for key in file.files}
        self.about = json.loads(str(self.file.pop("about")))
        assert self.about["layout"] == self.layout
        self.network, self.training = self.about["network"], self.about["training"]
        self.dtype, self.levels = self.file["input"].dtype, self.about["network"]["levels"]
        self.step, self.tensors, self.state = 0, {}, {}
        for change in changes:
            for place, function in change.items():
                setattr(self, place, partial(function, self, getattr(self, place)))

    def train(self):
        """Return the tensors of all steps, NumPy arrays by the names of docs/golden.md."""
        x = self.placed(self.scaled(self.channels_last(self.file["frames"]), *self.about["scaling"].values(),
                                    self.channels_last(self.file["input"])).astype(self.dtype))
        labels = self.labels(self.file["labels"]).astype(np.int64)
        parameters = {key.removeprefix("0/parameter/"): self.tensor(self.loaded(key, array))
                      for key, array in self.file.items() if key.startswith("0/parameter/")}
        self.tensors["input"] = x
        while self.step < self.about["steps"]:
            self.step += 1
            cost, gradients = self.passes(parameters, self.tensor(x), labels)
            self.record("cost", cost)
            gradients = self.gradients(gradients, parameters)
            for name, gradient in gradients.items():
                self.record(f"gradient/{name}", gradient)
            parameters = self.updated(parameters, self.used(gradients, parameters))
            for name, parameter in parameters.items():
                self.record(f"parameter/{name}", parameter)
        return self.saved(self.tensors)

    def record(self, name, tensor):
        """Keep a tensor of this step; forward and backward ones of the first step alone."""
        if self.step == 1 or not name.startswith(("forward", "backward")):
            self.tensors[f"{self.step}/{name}"] = self.array(tensor)

    def saved(self, tensors):
        """Return what is written to the file that is compared."""
        return tensors

    # what goes in

    def scaled(self, frames, mean, std, x):
        """Return the input (N, H, W, C) from the frames and the golden file's input."""
        return x

    def labels(self, labels):
        """Return the labels (N, H, W)."""
        return labels

    def loaded(self, key, array):
        """Return an initial parameter."""
        return array

    def mask(self, layer):
        """Return the dropout mask of a layer in this step, in the layout of the implementation."""
        return self.file[f"{self.step}/mask/{layer}.conv"].astype(self.dtype)

    def placed(self, array):
        """Return an array (N, H, W, C) in the layout of the implementation."""
        return array if self.layout == "NHWC" else np.ascontiguousarray(array.transpose(0, 3, 1, 2))

    def channels_last(self, array):
        """Return an array of the implementation's layout as (N, H, W, C)."""
        return array if self.layout == "NHWC" else array.transpose(0, 2, 3, 1)

    # what comes out

    def pixel_weights(self, labels):
        """Return the factor that each pixel's -log p has in the cost (N, H, W), 1/n in it."""
        return self.file["class_weights"][labels] / labels.size

    def gradients(self, gradients, parameters):
        """Return the gradients of a step as they are saved, by name."""
        return gradients

    def used(self, gradients, parameters):
        """Return the gradients that the optimizer takes, by name."""
        return gradients

    # optimizers

    def rate(self, step):
        """Return the learning rate of a step."""
        exponent = (step - 1) // self.training["steps_per_epoch"]
        return self.training["learning_rate"] * self.training["decay_rate"] ** exponent

    def updated(self, parameters, gradients):
        """Return the parameters after the step, by name."""
        return {name: self.update(name, w, gradients[name], self.state.setdefault(name, {}), self.rate(self.step))
                for name, w in parameters.items()}

    def update(self, name, w, g, state, rate):
        """Return a parameter after the step; `state` holds what the optimizer remembers of it."""
        return getattr(self, self.training["optimizer"])(w, self.decayed(name, w, g), state, rate)

    def decayed(self, name, w, g):
        """Return a gradient with the weight decay in it."""
        return g + self.training["weight_decay"] * w if name.endswith("weight") else g

    def sgd(self, w, g, state, rate):
        return w - rate * g

    def momentum(self, w, g, state, rate):
        mu, v = self.training["momentum"], state.get("v", self.xp.zeros_like(g))
        if self.training["momentum_form"] == "thesis":
            state["v"] = mu * v - rate * g
            return w + state["v"]
        state["v"] = mu * v + g
        return w - rate * state["v"]

    def adam(self, w, g, state, rate):
        t, one, two = self.training, self.training["beta1"], self.training["beta2"]
        state["t"] = state.get("t", 0) + 1
        state["m"] = one * state.get("m", self.xp.zeros_like(g)) + (1 - one) * g
        state["s"] = two * state.get("s", self.xp.zeros_like(g)) + (1 - two) * g * g
        m, root = state["m"] / (1 - one ** state["t"]), (1 - two ** state["t"]) ** 0.5
        epsilon = t["epsilon"] / root if t["adam_form"] == "tensorflow" else t["epsilon"]
        return w - rate * m / (state["s"] ** 0.5 / root + epsilon)
