"""StemNet: the U-net of the thesis (section 9, Fig. 14), forward and backward, written out.

    down, level l = 0 .. L-1:   conv 5x5 -> dropout -> + bias -> ReLU -> (l < L-1) max-pool 2x2
    up,   level l = L-2 .. 0:   transposed conv 2x2, stride 2 -> + bias -> ReLU
                                -> concatenate [output of down l, this]
                                -> conv 5x5 -> dropout -> + bias -> ReLU
    output:                     conv 1x1 -> + bias (-> ReLU with logits="relu")

Two alternatives of the thesis: the sigmoid in place of ReLU, and batch normalisation after the 5x5 convolutions, whose
shift is the bias, so that it stands before the dropout (`layers.varied_block`).
Level l works at 1/2^l of the frame's side with features * 2^l channels. The softmax belongs to the cost.
`python -m stemnet_ref.network` prints the table of layers.
"""

import numpy as np

from ..layers import batch_norm, bias, conv2d, conv_block, conv_transpose_block, max_pool2d, relu, varied_block
from . import initial_weights
from .flat import Flat

# What the presets say of the network: rows 1, 3 and 10 of the README's table. "thesis-table2" differs in training only.
PRESETS = {
    "thesis": {"levels": 6, "logits": "linear", "init": "fan_in"},
    "thesis-table2": {"levels": 6, "logits": "linear", "init": "fan_in"},
    "listing": {"levels": 7, "logits": "relu", "init": "listing"},
}


class StemNet:
    """The network: its parameters, and functions of them.

    Parameters
    ----------
    channels : int
        Frames in the input: 1 for Network1, 5 for Network5; odd, so that the frame to segment is in the middle.
    levels : int
        L, at least 1: 6 gives the 12 convolutional layers of the text, 7 is the listing.
    features : int
        Feature maps at the first level.
    classes : int
    kernel : int
        Side of the convolutions' kernels, in pixels.
    logits : {"linear", "relu"}
        Section 9, or the listing's ReLU on the logits.
    init : {"fan_in", "listing"}
        "fan_in": normal with sigma = sqrt(2/N), N = kernel area * channels in, as section 2.1 puts it also for the
        transposed convolutions, biases 0.
        "listing": truncated normal, sigma = sqrt(2/(25*features)) with the level's larger count of features going up,
        its own going down, also for the transposed convolutions; 0.1 for the output layer and for every bias.
    activation : {"relu", "sigmoid"}
    normalisation : {"none", "batch"}
        "batch": batch normalisation (eq. 56-58), with the means and variances of the batch in training, and their
        running means at prediction.
    dtype : numpy dtype
    seed : int
        Of the initial weights.

    Attributes
    ----------
    parameters : Flat
        A dict of arrays by name, in the order of the data: ``down0.conv.weight``, ``down0.conv.bias``, ...,
        ``up4.deconv.weight``, ``up4.conv.weight``, ..., ``output.weight``, ``output.bias``; with batch normalisation
        ``down0.conv.scale`` and so on too. All are views of one buffer; assigning to a name copies into it.
    statistics : Flat
        Of batch normalisation, the running ``down0.conv.mean``, ``down0.conv.variance``, ...; empty without it.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """

    def __init__(self, channels=1, levels=6, features=16, classes=2, kernel=5, logits="linear", init="fan_in",
                 activation="relu", normalisation="none", dtype=np.float32, seed=0):
        for name, value, least in (("channels", channels, 1), ("levels", levels, 1), ("features", features, 1),
                                   ("classes", classes, 2), ("kernel", kernel, 1), ("seed", seed, 0)):
            if not isinstance(value, (int, np.integer)) or not least <= value < 2 ** 64:
                raise ValueError(f"StemNet: {name}={value!r} must be a whole number, at least {least}")
        if not np.issubdtype(dtype, np.floating):
            raise ValueError(f"StemNet: dtype={dtype!r} must be a floating-point type")
        if channels % 2 == 0:
            raise ValueError(f"StemNet: channels={channels} must be odd, so that one frame stands in the middle")
        for name, value, known in (("logits", logits, ("linear", "relu")), ("init", init, ("fan_in", "listing")),
                                   ("activation", activation, tuple(varied_block.ACTIVATIONS)),
                                   ("normalisation", normalisation, ("none", "batch"))):
            if value not in known:
                raise ValueError(f"StemNet: {name}={value!r} must be one of {', '.join(known)}")
        self.channels, self.levels, self.features, self.classes = channels, levels, features, classes
        self.kernel, self.logits, self.init = kernel, logits, init
        self.activation, self.normalisation = activation, normalisation
        self.multiple = 2 ** (levels - 1)       # sides of the input are multiples of this, in pixels
        normalised = [name for name, _, _ in self.layer_shapes() if name.endswith(".conv") and normalisation == "batch"]
        shapes = {f"{name}.{kind}": shape if kind == "weight" else (shape[2 if name.endswith("deconv") else 3],)
                  for name, shape, _ in self.layer_shapes() for kind in ("weight", "scale", "bias")
                  if kind != "scale" or name in normalised}
        self.parameters = Flat(shapes, dtype)
        self.statistics = Flat({f"{name}.{kind}": shapes[f"{name}.bias"] for name in normalised
                                for kind in ("mean", "variance")}, dtype)
        for name in normalised:
            self.parameters[f"{name}.scale"] = self.statistics[f"{name}.variance"] = 1
        for number, layer in enumerate(self.layer_shapes()):
            rng = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
            weight, offset = initial_weights.draw(rng, init, kernel, *layer)
            self.parameters[f"{layer[0]}.weight"] = weight.astype(dtype)
            self.parameters[f"{layer[0]}.bias"] = offset.astype(dtype)

    def to(self, device):
        """Move the parameters, and so all that is computed, to a device of `device.choose`; return the network."""
        if device:
            self.parameters, self.statistics = self.parameters.to(device), self.statistics.to(device)
        return self

    def layer_shapes(self):
        """Return (name, shape of the weights, level) of every layer with parameters, in the order of the data."""
        return layer_shapes(self.channels, self.levels, self.features, self.classes, self.kernel)

    def forward(self, x, keep_prob=1.0, seed=0, step=0, with_cache=True, training=None):
        """Return the logits, and what `backward` needs.

        Parameters
        ----------
        x : float ndarray of shape (N, H, W, channels)
            H and W multiples of 2^(L-1); dtype of the parameters.
        keep_prob : float
            Of the dropout: 0.75 in the thesis's training, 1 at prediction.
        seed, step : int
            Key of the dropout masks (`layers.dropout.draw_mask`; the layer's number is `dropout_layer`). On a GPU the
            step may be a schedule (`shared.write_schedule`).
        with_cache : bool
            False at prediction, so that every map is freed when it has been read for the last time.
        training : bool, optional
            Whether batch normalisation is by this batch, which is added to the running statistics, or by these;
            as `with_cache` unless given.

        Returns
        -------
        logits : ndarray of shape (N, H, W, classes)
        cache : dict, or None

        Raises
        ------
        ValueError
            If the shape or the dtype of `x` does not fit.
        """
        self._check_input(x)
        cache = {} if with_cache else None
        training = with_cache if training is None else training
        skips = []
        for level in range(self.levels):
            x = self._conv_forward(f"down{level}.conv", x, keep_prob, seed, step, cache, training)
            if level < self.levels - 1:
                skips.append(x)
                x, won = max_pool2d.forward(x)
                if with_cache:
                    cache[f"down{level}.pool"] = won
        for level in reversed(range(self.levels - 1)):
            x = self._deconv_forward(f"up{level}.deconv", x, cache)
            x = self._conv_forward(f"up{level}.conv", (skips.pop(), x), keep_prob, seed, step, cache, training)
        z = bias.forward(conv2d.forward(x, self.parameters["output.weight"]), self.parameters["output.bias"])
        if self.logits == "relu":
            z = relu.forward(z)
        if with_cache:
            cache["output"] = x, z
        return z, cache

    def backward(self, dlogits, cache):
        """Return the gradients of the cost by every parameter, under the parameters' names: a Flat.

        Parameters
        ----------
        dlogits : float ndarray of shape (N, H, W, classes)
            Gradient by the logits.
        cache : dict
            From `forward`; emptied on the way, so that memory is freed as early as it can be.

        Raises
        ------
        ValueError
            If the cache has been used.
        """
        if "output" not in cache:
            raise ValueError("StemNet.backward: this cache has been used; a forward pass serves one backward pass")
        gradients, skipped = self.parameters.like(), {}
        x, z = cache.pop("output")
        if self.logits == "relu":
            dlogits = relu.backward(dlogits, z)
        dz, _ = bias.backward(dlogits, gradients["output.bias"])
        dx, _ = conv2d.backward(dz, x, self.parameters["output.weight"], into=gradients["output.weight"])
        for level in range(self.levels - 1):
            skipped[level], dx = self._conv_backward(f"up{level}.conv", dx, cache, gradients)
            dx = self._deconv_backward(f"up{level}.deconv", dx, cache, gradients)
        for level in reversed(range(self.levels)):
            if level < self.levels - 1:
                # the map went two ways: down, and across to the way up
                dx = max_pool2d.backward(dx, cache.pop(f"down{level}.pool"), add_to=skipped.pop(level))
            dx = self._conv_backward(f"down{level}.conv", dx, cache, gradients, needs_dx=level > 0)
        return gradients

    def dropout_layer(self, name):
        """Return the number under which `draw_mask` knows the convolution `name`: its place in the data's order."""
        return [layer for layer, _, _ in self.layer_shapes() if layer.endswith(".conv")].index(name)

    def _conv_forward(self, name, x, keep_prob, seed, step, cache, training):
        """Convolution, dropout, bias, ReLU (section 9); `x` may be two arrays side by side."""
        weight, b, scale = (self.parameters.get(f"{name}.{kind}") for kind in ("weight", "bias", "scale"))
        key = seed, step, self.dropout_layer(name)
        if self._is_plain:
            y = conv_block.forward(x, weight, b, keep_prob, key)
        else:
            running = None if scale is None else (self.statistics[f"{name}.mean"], self.statistics[f"{name}.variance"])
            y, kept = varied_block.forward(x, "conv", self.activation, weight, b, scale, None if training else running,
                                           keep_prob, key)
            if training and running:
                for array, kind in zip(running, ("mean", "variance"), strict=True):
                    batch_norm.average(array, kept[kind], varied_block.RATE)
            x = kept
        if cache is not None:
            cache[name] = x, y, keep_prob, key
        return y

    def _conv_backward(self, name, dy, cache, gradients, needs_dx=True):
        x, y, keep_prob, key = cache.pop(name)
        weight, scale = self.parameters[f"{name}.weight"], self.parameters.get(f"{name}.scale")
        into = [gradients.get(f"{name}.{kind}") for kind in ("weight", "bias", "scale")]
        if self._is_plain:
            dx, *_ = conv_block.backward(dy, x, y, weight, keep_prob, key, needs_dx, into[:2])
        else:
            dx, *_ = varied_block.backward(dy, x, "conv", self.activation, weight, scale, keep_prob, key, into,
                                            needs_dx)
        return dx                                                           # None: nobody asks for dC/dframe

    def _deconv_forward(self, name, x, cache):
        """Transposed convolution, bias, ReLU (section 9)."""
        weight, b = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        if self._is_plain:
            y = conv_transpose_block.forward(x, weight, b)
        else:
            y, x = varied_block.forward(x, "deconv", self.activation, weight, b)
        if cache is not None:
            cache[name] = x, y
        return y

    def _deconv_backward(self, name, dy, cache, gradients):
        x, y = cache.pop(name)
        weight, into = self.parameters[f"{name}.weight"], (gradients[f"{name}.weight"], gradients[f"{name}.bias"])
        if self._is_plain:
            dx, *_ = conv_transpose_block.backward(dy, x, y, weight, into=into)
        else:
            dx, *_ = varied_block.backward(dy, x, "deconv", self.activation, weight, into=(*into, None))
        return dx

    @property
    def _is_plain(self):
        """Whether the fused blocks do what the network needs."""
        return self.activation == "relu" and self.normalisation == "none"

    def _check_input(self, x):
        dtype = self.parameters["output.weight"].dtype
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise ValueError(f"StemNet: x has shape {x.shape}; it needs (N, H, W, {self.channels})")
        if x.shape[1] % self.multiple or x.shape[2] % self.multiple or not x.size:
            raise ValueError(f"StemNet: x has {x.shape[1]} x {x.shape[2]} pixels; with {self.levels} levels both sides "
                             f"must be multiples of {self.multiple} (stemnet_ref.predict pads frames of any size)")
        if x.dtype != dtype:
            raise ValueError(f"StemNet: x is {x.dtype}; the parameters are {dtype}")

    def halo(self):
        """Return how far beyond a cell of 2^(L-1) x 2^(L-1) pixels its outputs can see, in pixels: before and after it.

        The pixels that output 0 and output 2^(L-1)-1 read are followed back through the network. A tile that starts and
        ends between two such cells needs this much of the frame around it (`stemnet_ref.predict`).
        """
        before, after = (self.kernel - 1) // 2, self.kernel // 2
        lo, hi = 0, self.multiple - 1
        skips = []
        for _ in range(self.levels - 1):
            lo, hi = lo - before, hi + after                        # conv of the way up
            skips.append((lo, hi))
            lo, hi = lo // 2, hi // 2                               # transposed conv 2x2, stride 2
        for level in reversed(range(self.levels)):
            if level < self.levels - 1:
                lo, hi = min(2 * lo, skips[level][0]), max(2 * hi + 1, skips[level][1])     # pool and skip
            lo, hi = lo - before, hi + after                        # conv of the way down
        return -lo, hi - (self.multiple - 1)


def layer_shapes(channels, levels=6, features=16, classes=2, kernel=5):
    """Return (name, shape of the weights, level) of every layer with parameters, in the order of the data."""
    shapes, inputs = [], channels
    for level in range(levels):
        outputs = features * 2 ** level
        shapes.append((f"down{level}.conv", (kernel, kernel, inputs, outputs), level))
        inputs = outputs
    for level in reversed(range(levels - 1)):
        outputs = features * 2 ** level
        shapes.append((f"up{level}.deconv", (2, 2, outputs, 2 * outputs), level))
        shapes.append((f"up{level}.conv", (kernel, kernel, 2 * outputs, outputs), level))
    return [*shapes, ("output", (1, 1, features, classes), 0)]

