"""All deviations, alone and two at once, by name."""

from importlib import import_module
from importlib.util import find_spec

from deviation import Catalogue, pair

# By the library that they need: modules deviations_NAME.py
MODULES = {"numpy": ("data", "gradients", "training", "by_hand"), "torch": ("blocks", "network", "cost", "files"),
           "keras": ("keras_layers", "keras_training")}
TOGETHER = """
input: frames / 255 & convolution: kernel flipped
input: x / 255 & cost: divided by the weights
input: frames in reverse order & padding: reflect
input: (x / 255 - 0.5) / 0.5 & dropout: ignored
input: H and W exchanged & skip: swapped
labels: shifted to the right & cost: summed
labels: cell and background exchanged & rate: decays after every step
labels: upside down & optimizer: no momentum
convolution: kernel flipped & upsampling: kernel flipped
convolution: kernel flipped & dropout: bias before dropout
convolution: rows and columns exchanged & skip: swapped
convolution: filters reshaped & rate: half
padding: replicate & cost: summed over each image
padding: circular & activation: LeakyReLU 0.01
dropout: dropout after ReLU & rate: does not decay
dropout: not rescaled & cost: 1 + w
dropout: ignored & gradients: clipped by norm, 0.1, saved after
dropout: bias before dropout & pooling: average
activation: ReLU before bias & optimizer: Nesterov
activation: LeakyReLU 0.2 & skip: detached
activation: elu & cost: divided by the weights
activation: gelu & rate: half
activation: missing after the transposed convolutions & skip: swapped
bias: missing & dropout: not rescaled
pooling: average & upsampling: rows and columns exchanged
pooling: every other pixel & rate: decays a step early
pooling: ties share & cost: no weights
upsampling: nearest and 2 x 2 convolution & cost: summed
skip: swapped & rate: decays gradually
skip: before the activation & optimizer: updated twice
skip: detached & cost: focal, gamma 2
cost: divided by the weights & rate: decays a step late
cost: no weights & optimizer: made anew each epoch
cost: label smoothing of 0.1 & rate: half
cost: softmax twice & optimizer: no momentum
cost: p + 1e-10 & gradients: accumulated
cost: focal, gamma 2 & dropout: ignored
rate: warm-up of 3 steps & optimizer: momentum, rate outside
rate: does not decay & optimizer: Nesterov
rate: half & cost: summed
rate: decays after every step & precision: autocast to torch.float16
gradients: clipped by value, 0.01, saved before & rate: decays an epoch late
gradients: accumulated & skip: swapped
optimizer: Adam, epsilon 1e-6 & cost: divided by the weights
optimizer: Adam, no correction & rate: does not decay
weight decay: on biases too & cost: 1 + w
weight decay: in the cost & convolution: kernel flipped
frozen: frozen: the output layer & cost: no weights
precision: autocast to torch.bfloat16 & input: raw frames
convolution: batch norm inserted & rate: does not decay
convolution: kernel turned by a quarter & cost: summed
cost: Dice & rate: half
activation: |x| & skip: swapped
padding: ones & convolution: kernel flipped
"""


def singles():
    """Return {"family: name": Deviation} of all deviations that are planted alone."""
    found = {}
    modules = [import_module(f"deviations_{name}") for library, names in MODULES.items() if find_spec(library)
               for name in names]
    for catalogue in (each for module in modules for each in vars(module).values() if isinstance(each, Catalogue)):
        for name, each in catalogue.items():
            key = f"{each.family}: {name}"
            assert key not in found, key
            found[key] = each._replace(name=key)
    return found


def pairs():
    """Return {name: Deviation} of the deviations that are planted two at once."""
    known = singles()
    found = [pair(*map(known.__getitem__, line.split(" & "))) for line in TOGETHER.strip().splitlines()]
    return {each.name: each for each in found}
