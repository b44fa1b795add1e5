"""StemNet's topology, stated once: its architecture, its blocks, and what follows from them.

    down, level l = 0 .. L-1:   conv 5x5 -> dropout -> + bias -> ReLU -> (l < L-1) max-pool 2x2
    up,   level l = L-2 .. 0:   transposed conv 2x2, stride 2 -> + bias -> ReLU
                                -> concatenate [output of down l, this]
                                -> conv 5x5 -> dropout -> + bias -> ReLU
    output:                     conv 1x1 -> + bias (-> ReLU with logits="relu")

Level l works at 1/2^l of the frame's side with features * 2^l channels (thesis section 9, Fig. 14). Shapes of maps and
weights, the receptive field, and the list of all layers derive from the blocks, in this module and elsewhere.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

from ..errors import InputError

INPUT = "input"         # name of the map that the first block reads
# Values that the fields of an Architecture take: smallest and largest number, or all words
LIMITS = {"channels": (1, 99), "levels": (1, 10), "features": (1, 1024), "classes": (2, 1000), "kernel": (1, 99)}
CHOICES = {"logits": ("linear", "relu"), "init": ("fan_in", "listing"), "activation": ("relu", "sigmoid"),
           "normalisation": ("none", "batch")}


@dataclass(frozen=True)
class Architecture:
    """Sizes and alternatives of a network; a value outside LIMITS or CHOICES raises ValueError."""

    channels: int = 1           # frames in the input, an odd number: 1 for Network1, 5 for Network5
    levels: int = 6             # L: 6 gives the 12 convolutional layers of the text, 7 is the listing
    features: int = 16          # feature maps at the first level
    classes: int = 2
    kernel: int = 5             # side of the convolutions' kernels, in pixels
    logits: str = "linear"      # section 9; or "relu", the listing's ReLU on the logits
    init: str = "fan_in"        # initial weights of section 2.1; or "listing"; `initial_weights` has the formulas
    activation: str = "relu"    # or "sigmoid"
    normalisation: str = "none"     # or "batch": batch normalisation after the 5x5 convolutions (eq. 56-58)

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
                raise ValueError(f"StemNet: {name}={value!r:.40} must be a whole number from {low} to {high}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"StemNet: {name}={getattr(self, name)!r:.40} must be one of {', '.join(choices)}")
        if self.channels % 2 == 0:
            raise ValueError(f"StemNet: channels={self.channels} must be odd, so that one frame stands in the middle")


class Block(NamedTuple):
    """A block of the network: what is computed with one weight, or a pooling.

    Attributes
    ----------
    name : str
        ``down0.conv``, ``down0.pool``, ``up0.deconv``, ``up0.conv``, ``output``.
    kind : {"conv", "deconv", "pool"}
        A convolution, stride 1, padding "same"; a transposed convolution, stride 2; max-pooling of 2 x 2 pixels.
    inputs : tuple of str
        The blocks whose maps it reads, or `INPUT`. Two are concatenated along the channels.
    weight : tuple of int, or None
        Shape of the weight, (kh, kw, in, out), or (kh, kw, out, in) of a transposed convolution.
    level : int
        The map that it writes has 1/2^level of the frame's side.
    dropout, normalised : bool
        Whether the block has dropout in training, and batch normalisation.
    activation : {"relu", "sigmoid", "linear"}
    """

    name: str
    kind: str
    inputs: tuple
    weight: tuple | None
    level: int
    dropout: bool = False
    normalised: bool = False
    activation: str = "linear"

    @property
    def channels(self):
        """Channels of the map that the block writes; None for a pooling, which keeps those of its input."""
        return self.weight and self.weight[2 if self.kind == "deconv" else 3]

    @property
    def layers(self):
        """Kinds of the layers that the block is made of, in the order in which `layers.block` computes them."""
        if self.kind == "pool":
            return ("pool",)
        norm, dropout, bias = self.normalised * ("batch_norm",), self.dropout * ("dropout",), ("bias",)
        return self.kind, *(norm + dropout if norm else dropout + bias), "activation"

    def layer_name(self, kind):
        """Return the name of a layer of the block: down0.bias of down0.conv, up0.deconv_bias of up0.deconv."""
        prefix, _, own = self.name.partition(".")
        if own and kind == self.kind:
            return self.name
        if kind == "activation":
            return "logits" if not own else self.layer_name("relu")
        return f"{prefix}.{kind}" if own in ("", "conv") else f"{prefix}.{own}_{kind}"


class Layer(NamedTuple):
    """One layer of a block: docs/golden.md has the list of all.

    Attributes
    ----------
    name : str
        ``down0.conv``, ``down0.dropout``, ``down0.bias``, ``down0.relu``, ``up0.deconv``, ``up0.deconv_bias``, ...
    kind : {"conv", "deconv", "pool", "dropout", "bias", "activation", "concat", "softmax"}
    inputs : tuple of str
        The layers whose outputs it reads, or `INPUT`.
    parameter : str, or None
        Name of its weight or bias.
    block : Block, or None
        None for the softmax.
    """

    name: str
    kind: str
    inputs: tuple
    parameter: str | None
    block: Block | None


def stemnet_blocks(architecture):
    """Return the blocks of the StemNet with an Architecture in the order of the data, a tuple."""
    levels, features, kernel = architecture.levels, architecture.features, architecture.kernel
    activation, blocks = architecture.activation, []

    def add(name, kind, inputs, weight, level, **more):
        blocks.append(Block(name, kind, inputs, weight, level, **more))
        return name

    convolution = {"dropout": True, "normalised": architecture.normalisation == "batch", "activation": activation}
    x, width = INPUT, architecture.channels
    for level in range(levels):
        maps = features * 2 ** level
        x = add(f"down{level}.conv", "conv", (x,), (kernel, kernel, width, maps), level, **convolution)
        width = maps
        if level < levels - 1:
            x = add(f"down{level}.pool", "pool", (x,), None, level + 1)
    for level in reversed(range(levels - 1)):
        maps = features * 2 ** level
        x = add(f"up{level}.deconv", "deconv", (x,), (2, 2, maps, 2 * maps), level, activation=activation)
        x = add(f"up{level}.conv", "conv", (f"down{level}.conv", x), (kernel, kernel, 2 * maps, maps), level,
                **convolution)
    add("output", "conv", (x,), (1, 1, features, architecture.classes), 0, activation=architecture.logits)
    return tuple(blocks)


def parameter_shapes(blocks):
    """Return the shape of every parameter by name, in the order of the data: weight, scale (where normalised), bias."""
    return {f"{block.name}.{kind}": block.weight if kind == "weight" else (block.channels,)
            for block in blocks if block.weight for kind in ("weight", "scale", "bias")
            if kind != "scale" or block.normalised}


def map_shapes(blocks, height, width, channels):
    """Return the shape (H, W, C) of the map that every block writes, by name, `INPUT` included.

    `height` and `width` are those of the frame in pixels, `channels` those of the input.
    """
    shapes = {INPUT: (height, width, channels)}
    for block in blocks:
        c = block.channels or shapes[block.inputs[0]][2]
        shapes[block.name] = height >> block.level, width >> block.level, c
    return shapes


def size_divisor(blocks):
    """Return what divides both sides of every frame, in pixels: 2^(L-1)."""
    return 2 ** max(block.level for block in blocks)


def multiples(sides, divisor):
    """Return the next multiples of a divisor below some sides, or equal to them, and those above: two tuples."""
    return tuple(side // divisor * divisor for side in sides), tuple(-(-side // divisor) * divisor for side in sides)


def check_size(sides, levels, flag="--size"):
    """Raise InputError unless a network with these levels can take frames of these sides, which an option gave."""
    divisor = size_divisor(stemnet_blocks(Architecture(levels=levels)))
    if any(side % divisor for side in sides):
        asked, *near = ("x".join(map(str, each)) for each in (sides, *multiples(sides, divisor)) if all(each))
        raise InputError(f"{flag} {asked}: with {levels} levels each side must be a multiple of {divisor}; try "
                         f"{' or '.join(near)}, or fewer --levels")


def halo(blocks):
    """Return how far beyond itself an output square sees, in pixels: (before, after).

    An output square of d x d pixels, d the `size_divisor`, depends on input up to `before` pixels above and left of it
    and `after` pixels below and right. The pixels that output 0 and output d-1 read are followed back through the
    blocks. A tile of such squares needs this much of the frame around it (`stemnet_ref.predict`).
    """
    last = size_divisor(blocks) - 1
    seen = {blocks[-1].name: (0, last)}             # first and last pixel of each map that is read
    for block in reversed(blocks):
        low, high = seen.pop(block.name)
        if block.kind == "conv":
            low, high = low - (block.weight[0] - 1) // 2, high + block.weight[0] // 2
        elif block.kind == "deconv":
            low, high = low // 2, high // 2
        else:
            low, high = 2 * low, 2 * high + 1
        for name in block.inputs:
            before = seen.get(name, (low, high))
            seen[name] = min(low, before[0]), max(high, before[1])
    low, high = seen[INPUT]
    return -low, high - last


def list_layers(blocks, order=lambda block: block.layers):
    """Return all `Layer` of the blocks in the order of the data, and the softmax at the end.

    Parameters
    ----------
    blocks : tuple of Block
    order : callable
        Takes a Block; returns the kinds of its layers in the order in which they are computed.

    Raises
    ------
    ValueError
        If a block has batch normalisation or the sigmoid: the names of the layers are those of networks without.
    """
    if any(block.normalised or block.activation == "sigmoid" for block in blocks):
        raise ValueError("topology.list_layers: lists networks with ReLU and without batch normalisation only")
    found, output = [], {INPUT: INPUT}              # output: the layer that writes a block's map, by block
    for block in blocks:
        source, kinds = tuple(output[name] for name in block.inputs), order(block)
        for kind in ["concat", *kinds] if len(source) > 1 else kinds:
            parameter = {block.kind: "weight", "bias": "bias"}.get(kind) if block.weight else None
            found.append(Layer(block.layer_name(kind), kind, source, parameter and f"{block.name}.{parameter}", block))
            source = (found[-1].name,)
        output[block.name] = found[-1].name
    return [*found, Layer("probabilities", "softmax", source, None, None)]
