"""StemNet: its parameters, forward, and backward in mirrored order, over the blocks that topology.py states.

Two alternatives of the thesis: the sigmoid in place of ReLU, and batch normalisation after the 5x5 convolutions, whose
shift is the bias, so that it stands before the dropout (`layers.block`). The softmax belongs to the cost.
`python -m stemnet_ref.network` prints the table of layers.
"""

from inspect import signature
from numbers import Integral

import numpy as np

from .. import layers
from ..flat import Flat
from ..layers.block import RATE
from . import initial_weights, topology
from .topology import INPUT


class StemNet:
    """The network: its parameters, and functions of them.

    Parameters
    ----------
    *architecture, **named
        The fields of `topology.Architecture`, in its order or by name: channels, levels, features, classes, kernel,
        logits, init, activation, normalisation.
    dtype : numpy dtype
    seed : int
        Seed of the initial weights.

    Attributes
    ----------
    architecture : topology.Architecture
        Its fields are attributes of the network too: `network.channels`, `network.levels`, ...
    parameters : Flat
        A dict of arrays by name, in the order of the data: ``down0.conv.weight``, ``down0.conv.bias``, ...,
        ``up4.deconv.weight``, ``up4.conv.weight``, ..., ``output.weight``, ``output.bias``; with batch normalisation
        ``down0.conv.scale`` and so on too. All are views of one buffer; assigning to a name copies into it.
    statistics : Flat
        The running means and variances of the batch normalisation, ``down0.conv.mean``, ``down0.conv.variance``, ...;
        empty without it.
    blocks : tuple of topology.Block
        Blocks in the order of the data.
    layers : module
        The layers that compute: `stemnet_ref.layers`, or those of a backend (`to`).
    size_divisor : int
        Number of pixels that divides both sides of the input: 2^(L-1).

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """

    def __init__(self, *architecture, dtype=np.float32, seed=0, **named):
        self.architecture = topology.Architecture(*architecture, **named)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2 ** 64:
            raise ValueError(f"StemNet: seed={seed!r} must be a whole number, at least 0 and below 2^64")
        if not np.issubdtype(dtype, np.floating):
            raise ValueError(f"StemNet: dtype={dtype!r} must be a floating-point type")
        vars(self).update(vars(self.architecture))
        self.layers = layers
        self.blocks = topology.stemnet_blocks(self.architecture)
        self.size_divisor = topology.size_divisor(self.blocks)
        shapes = topology.parameter_shapes(self.blocks)
        self.parameters = Flat(shapes, dtype)
        self.statistics = Flat({f"{block.name}.{kind}": (block.channels,) for block in self.blocks if block.normalised
                                for kind in ("mean", "variance")}, dtype)
        for block in self.blocks:
            if block.normalised:
                self.parameters[f"{block.name}.scale"] = self.statistics[f"{block.name}.variance"] = 1
        for number, block in enumerate(block for block in self.blocks if block.weight):
            rng = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
            weight, offset = initial_weights.initialise(rng, self.init, self.kernel, block)
            self.parameters[f"{block.name}.weight"] = weight.astype(dtype)
            self.parameters[f"{block.name}.bias"] = offset.astype(dtype)

    def to(self, backend):
        """Compute with a backend of `backends.choose`, and move the parameters to it; return the network."""
        self.layers = backend.layers
        self.parameters, self.statistics = self.parameters.on(backend.device), self.statistics.on(backend.device)
        return self

    def forward(self, x, keep_prob=1.0, seed=0, step=0, with_cache=True, training=None, on_map=lambda *of_map: None):
        """Return the logits, and what `backward` needs.

        Parameters
        ----------
        x : float ndarray of shape (N, H, W, channels)
            H and W multiples of 2^(L-1); dtype of the parameters.
        keep_prob : float
            Probability that the dropout keeps a value: 0.75 in the thesis's training, 1 at prediction.
        seed, step : int
            Key of the dropout masks (`layers.dropout.draw_mask`; the layer's number is `dropout_layer`).
        with_cache : bool
            Whether to return a cache; without it every map is freed when it has been read for the last time.
        training : bool, optional
            True: normalise by the batch's own statistics and update the running ones; False: normalise by the running
            ones. Without it the value of `with_cache`.
        on_map : callable, optional
            Function that is called as on_map(name, map) with the input and the map of every block.

        Returns
        -------
        logits : ndarray of shape (N, H, W, classes)
        cache : list, or None
            What every block saved for its backward pass, in the order of the data: a `layers.block.Saved`, or the
            argmax of a pooling.

        Raises
        ------
        ValueError
            If the shape or the dtype of `x` does not fit.
        """
        self._check_input(x)
        training = with_cache if training is None else training
        cache, maps = [], {INPUT: x}
        on_map(INPUT, x)
        for block, read in zip(self.blocks, self._last_read(), strict=True):
            inputs = tuple(maps[name] for name in block.inputs)
            if block.kind == "pool":
                y, saved = self.layers.max_pool2d.forward(*inputs)
            else:
                y, saved = self._forward(block, inputs, keep_prob, (seed, step), training)
            maps[block.name] = y
            on_map(block.name, y)
            if with_cache:
                cache.append(saved)
            for name in read:                       # its memory is free, unless the cache holds it
                del maps[name]
            del inputs, saved
        return y, cache if with_cache else None

    def backward(self, dlogits, cache):
        """Return the gradients of the cost with respect to all parameters, by the parameters' names: a Flat.

        Parameters
        ----------
        dlogits : float ndarray of shape (N, H, W, classes)
            Gradient of the cost with respect to the logits.
        cache : list
            The cache that `forward` returned; it is emptied on the way, so that memory is freed early.

        Raises
        ------
        ValueError
            If the cache has been used.
        """
        if not cache:
            raise ValueError("StemNet.backward: this cache has been used; a forward pass serves one backward pass")
        gradients, dmaps = self.parameters.like(), {self.blocks[-1].name: dlogits}
        for block in reversed(self.blocks):
            saved, dy = cache.pop(), dmaps.pop(block.name)
            if block.kind == "pool":                # its input went two ways, down and across to the way up
                name, = block.inputs
                dmaps[name] = self.layers.max_pool2d.backward(dy, saved, add_to=dmaps.get(name))
            else:
                dinputs = self._backward(block, saved, dy, gradients)
                for name, part in zip(block.inputs, dinputs, strict=True):      # of all who read a map the sum
                    dmaps[name] = dmaps[name] + part if name in dmaps else part
                del dinputs
            del saved, dy
        return gradients

    def _forward(self, block, inputs, keep_prob, seed_and_step, training):
        """Return the map of a block with weights, and what the block saved."""
        keep_prob = keep_prob if block.dropout else 1.0
        key = (*seed_and_step, self.dropout_layer(block.name)) if block.dropout else (0, 0, 0)
        weight, b, scale = _of_block(self.parameters, block, "weight", "bias", "scale")
        mean, variance = _of_block(self.statistics, block, "mean", "variance")
        y, saved = self.layers.block.forward(inputs, weight, b, block.kind, block.activation, scale,
                                             None if training else (mean, variance), keep_prob, key)
        if training and block.normalised:
            self.layers.batch_norm.average(mean, saved.mean, RATE)
            self.layers.batch_norm.average(variance, saved.variance, RATE)
        return y, saved

    def _backward(self, block, saved, dy, gradients):
        """Return the gradients with respect to the inputs of a block with weights; write those of its parameters."""
        weight, scale = _of_block(self.parameters, block, "weight", "scale")
        out = _of_block(gradients, block, "weight", "bias", "scale")
        return self.layers.block.backward(dy, saved, weight, scale, needs_dx=block.inputs != (INPUT,), out=out)[0]

    def _last_read(self):
        """Return for every block which of its inputs it is the last to read, by name."""
        last = {name: block.name for block in self.blocks for name in block.inputs}
        return [tuple(name for name in block.inputs if last[name] == block.name) for block in self.blocks]

    def dropout_layer(self, name):
        """Return the number under which `draw_mask` knows the convolution `name`: its place in the data's order."""
        return [block.name for block in self.blocks if block.dropout].index(name)

    def _check_input(self, x):
        dtype = self.parameters["output.weight"].dtype
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise ValueError(f"StemNet: x has shape {x.shape}; it needs (N, H, W, {self.channels})")
        if x.shape[1] % self.size_divisor or x.shape[2] % self.size_divisor or not x.size:
            raise ValueError(f"StemNet: x has {x.shape[1]} x {x.shape[2]} pixels; with {self.levels} levels both sides "
                             f"must be multiples of {self.size_divisor} (stemnet_ref.predict pads frames of any size)")
        if x.dtype != dtype:
            raise ValueError(f"StemNet: x is {x.dtype}; the parameters are {dtype}")

    def halo(self):
        """Return `topology.halo` of the network: how far its outputs can see, in pixels, before and after."""
        return topology.halo(self.blocks)


# What help() and editors show: the fields of the architecture by name
StemNet.__signature__ = signature(StemNet).replace(parameters=[
    *signature(topology.Architecture).parameters.values(),
    *(each for each in signature(StemNet).parameters.values() if each.kind is each.KEYWORD_ONLY)])


def _of_block(arrays, block, *kinds):
    """Return the arrays that belong to a block, such as its "weight" and "bias"; None for one that it does not have."""
    return tuple(arrays.get(f"{block.name}.{kind}") for kind in kinds)
