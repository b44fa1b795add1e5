"""Every tensor of a few steps of training, computed one from the other, under any convention.

A tensor has a key, STEP/KIND/NAME, where KIND is forward, backward (the cost's gradient by that tensor), gradient (by
a parameter) or parameter (after the step; step 0 is before the first); and there are "input" and STEP/cost.
docs/golden.md lists them.

What is asked for is computed from the tensors that it depends on. Where the other side's are given they are taken: so
each layer is judged by what it made of its own input, and an error in one layer is not seen again in all that follow.
"""

import numpy as np

from . import costs, updates
from . import operations as op
from .rounding import DOUBLE, LARGEST, SINGLE, Value, Way

# Among what is consulted: a number on the way was beyond the largest; a tensor on the way was not given
OVERFLOW, CHAIN = "overflow", "chain"


class Trace:
    """The tensors of a golden file, computed lazily.

    Parameters
    ----------
    golden : golden.Golden
        Input, labels, masks, initial parameters and settings.
    given : mapping of str to ndarray, optional
        The other side's tensors, by key.
    way : rounding.Way, optional
        In which way to compute; the reference's without it.
    inexact : float
        Unit roundoff with which the other side has read the golden file's numbers; 0 if it has them as they are.
    """

    def __init__(self, golden, given=None, way=None, inexact=0.0):
        self.golden, self.given = golden, given if given is not None else {}
        self.way = way or Way(DOUBLE)
        self.inexact = inexact
        self.training = golden.training
        self.inputs = wiring(golden.network, lambda block: self.way.at(block).on("bias_before_dropout"))
        self.consumers = {}
        for name, sources in self.inputs.items():
            for source in sources:
                self.consumers.setdefault(source, []).append(name)
        self.owners = {parameter_of(layer): layer for layer in self.inputs}
        self._known, self._names = {}, {}

    def value(self, key):
        """Return a tensor as the other side has it, if it is given, else computed."""
        if key in self.given:
            return Value(np.asarray(self.given[key], np.float64))
        value = self.computed(key)
        if key != "input" and not key.startswith("0/"):
            self.way.consulted[CHAIN] = True
        return value

    def computed(self, key):
        """Return a tensor computed from those that it depends on."""
        asked = self.way.consulted
        if key not in self._known:
            before = dict(asked)
            asked.clear()
            self._known[key] = self._compute(key)
            if isinstance(self._known[key], Value) and not (
                    abs(self._known[key].array) < LARGEST[SINGLE]).all():
                asked[OVERFLOW] = True
            self._names[key] = frozenset(asked)
            asked.clear()
            asked.update(before)
        asked.update(dict.fromkeys(self._names[key], True))
        return self._known[key]

    def consulted(self, key):
        """Return the names of the conventions that could change a tensor that has been computed."""
        return self._names[key]

    def forget(self, step):
        """Drop what is known of a step but for the optimizer's averages after it."""
        self._known = {key: value for key, value in self._known.items()
                       if not key.startswith(f"{step}/") or key.startswith(f"{step}/update/")}

    def _compute(self, key):
        if key == "input":
            return self._input()
        step, kind, *name = key.split("/")
        step, name = int(step), name[0] if name else ""
        if kind == "parameter":
            return self._leaf(self.golden.parameters[name]) if step == 0 else self._update(step, name)[0]
        if kind == "update":
            return self._updated(step, name)
        return {"cost": self._cost, "forward": self._forward, "backward": self._backward,
                "gradient": self._gradient}[kind](step, name)

    def _leaf(self, array):
        array = np.asarray(array, np.float64)
        return Value(array, self.inexact * abs(array) if self.inexact else None)

    def _input(self):
        x, frames, (mean, std) = self.golden.input, self.golden.frames, self.golden.scaling
        way = self.way.at("input")
        others = {"input_divided_by_255": (0, 255), "input_raw": (0, 1), "input_not_centred": (0, std),
                  "input_not_divided": (mean, 1), "input_minus_127": (127, 1)}
        seen = {(mean, std)}
        for name, (less, over) in others.items():
            if frames is not None and (less, over) not in seen and way.on(name):
                x = (np.asarray(frames, np.float64) - less) / over
            seen.add((less, over))
        for name, factor in (("input_times_255", 255.0), ("input_over_255", 1 / 255)):
            if way.on(name):
                x = x * factor
        if x.shape[3] > 1 and way.on("frames_reversed"):
            x = x[..., ::-1]
        if x.shape[3] > 1 and way.on("nhwc_read_as_nchw"):
            n, h, w, c = x.shape
            x = x.reshape(n, c, h, w).transpose(0, 2, 3, 1)
        array = np.asarray(x, np.float64)
        return Value(array, None if x is self.golden.input and not self.inexact else self.way.unit * 4 * abs(array))

    def _in(self, step, name, place=0):
        """Return an input of the layer `name`, as a forward tensor."""
        source = self.inputs[name][place]
        return self.value("input" if source == "input" else f"{step}/forward/{source}")

    def _parameter(self, step, name):
        return self.value(f"{step - 1}/parameter/{name}")

    def _mask(self, step, name):
        mask = self.golden.masks.get(f"{step}/{name.partition('.')[0]}.conv")
        return 1.0 if mask is None else mask

    def _forward(self, step, name):
        block, _, kind = name.partition(".")
        way = self.way.at(block)
        if kind in ("dropout", "bias", "relu") and block != "output":
            way.on("bias_before_dropout")                   # the order is known already; it can change this tensor
        x = self._in(step, name)
        if kind == "conv":
            return op.conv2d(x, self._parameter(step, parameter_of(name)), way)
        if kind == "deconv":
            return op.conv_transpose2d(x, self._parameter(step, parameter_of(name)), way)
        if kind == "dropout":
            return op.dropout(x, self._mask(step, name), self.training["keep_prob"], way)
        if kind in ("bias", "deconv_bias"):
            return op.bias(x, self._parameter(step, parameter_of(name)), way)
        if kind == "deconv_relu" and way.on("deconv_relu_missing"):
            return x
        if kind in ("relu", "deconv_relu"):
            return op.relu(x)
        if kind == "pool":
            return op.max_pool2d(x, way)
        if kind == "concat":
            return op.concat(x, self._in(step, name, 1), way)
        if name == "logits":
            return op.relu(x) if self._relu_on_logits() else x
        return costs.softmax(x, way)

    def _relu_on_logits(self):
        way = self.way.at("output")
        if self.golden.network["logits"] == "relu":
            return not way.on("logits_linear")
        return way.on("relu_on_logits")

    def _cost(self, step, _):
        return costs.cross_entropy(*self._of_cost(step))

    def _of_cost(self, step):
        return (self.value(f"{step}/forward/logits"), self.golden.labels, self.golden.class_weights,
                self.training["class_weight_form"], self.way.at("cost"))

    def _backward(self, step, name):
        if name == "logits":
            return costs.cross_entropy_gradient(*self._of_cost(step))
        if name.endswith((".conv", ".dropout", ".bias")) and not name.startswith("output"):
            self.way.on("bias_before_dropout")
        parts = [self._through(step, consumer, name) for consumer in self.consumers[name]]
        return parts[0] if len(parts) == 1 else op.add(*parts, self.way.at(name.partition(".")[0]))

    def _through(self, step, name, source):
        """Return what the layer `name` hands back to its input `source`."""
        block, _, kind = name.partition(".")
        way, dy = self.way.at(block), self.value(f"{step}/backward/{name}")
        if kind == "conv":
            return op.conv2d_input(dy, self._parameter(step, parameter_of(name)), way)
        if kind == "deconv":
            return op.conv_transpose2d_gradients(dy, self._in(step, name), self._parameter(step, parameter_of(name)),
                                                 way)[0]()
        if kind == "dropout":
            return op.dropout(dy, self._mask(step, name), self.training["keep_prob"], way)
        if kind in ("bias", "deconv_bias") or (name == "logits" and not self._relu_on_logits()):
            return dy
        if kind == "deconv_relu" and way.on("deconv_relu_missing"):
            return dy
        if kind in ("relu", "deconv_relu") or name == "logits":
            return op.relu_gradient(dy, self.value(f"{step}/forward/{name}"), self._in(step, name))
        if kind == "pool":
            return op.max_pool2d_gradient(dy, self._in(step, name), way)
        down = self.inputs[name][0]
        channels = self._in(step, name).array.shape[-1]
        return op.concat_gradients(dy, channels, way)[0 if source == down else 1]

    def _gradient(self, step, name):
        """Return the gradient by a parameter; `name` is its own."""
        gradient = self._own_gradient(step, name)
        if step > 1 and self.way.at(name.partition(".")[0]).on("gradients_accumulated"):
            return op.add(gradient, self.value(f"{step - 1}/gradient/{name}"), self.way)
        return gradient

    def _own_gradient(self, step, name):
        layer = self.owners[name]
        way = self.way.at(layer.partition(".")[0])
        if name.endswith("bias"):
            return op.bias_gradient(self.value(f"{step}/backward/{layer}"), way)
        dy, x = self.value(f"{step}/backward/{layer}"), self._in(step, layer)
        weight = self._parameter(step, name)
        if layer.endswith("deconv"):
            return op.conv_transpose2d_gradients(dy, x, weight, way)[1]()
        return op.conv2d_weight(dy, x, weight.array.shape, way)

    def _update(self, step, name):
        """Return a parameter after a step, and its averages."""
        return self.computed(f"{step}/update/{name}")

    def _updated(self, step, name):
        slots = self._update(step - 1, name)[1] if step > 1 else ()
        return updates.update(self.training, step, name, self._parameter(step, name),
                              self.value(f"{step}/gradient/{name}"), slots, self.way.at(name.partition(".")[0]))


def parameter_of(layer):
    """Return the name of the parameter that a layer has, or None: down0.bias adds down0.conv.bias."""
    block, _, kind = layer.partition(".")
    if block == "output":
        return f"output.{'weight' if kind == 'conv' else 'bias'}"
    if kind in ("conv", "deconv"):
        return f"{layer}.weight"
    if kind in ("bias", "deconv_bias"):
        return f"{block}.{'deconv' if kind == 'deconv_bias' else 'conv'}.bias"
    return None


def wiring(network, bias_first=lambda block: False):
    """Return {name of a layer: names of its inputs}, in the order of the data.

    Parameters
    ----------
    network : dict
        Arguments of `StemNet`.
    bias_first : callable
        Of the name of a block: whether its bias stands before its dropout.
    """
    inputs, levels = {}, network["levels"]

    def block(name, source):
        between = ("bias", "dropout") if bias_first(name) else ("dropout", "bias")
        for kind in ("conv", *between, "relu"):
            inputs[f"{name}.{kind}"] = (source,)
            source = f"{name}.{kind}"
        return source

    x = "input"
    for level in range(levels):
        x = block(f"down{level}", x)
        if level < levels - 1:
            inputs[f"down{level}.pool"] = (x,)
            x = f"down{level}.pool"
    for level in reversed(range(levels - 1)):
        for kind in ("deconv", "deconv_bias", "deconv_relu"):
            inputs[f"up{level}.{kind}"] = (x,)
            x = f"up{level}.{kind}"
        inputs[f"up{level}.concat"] = (f"down{level}.relu", x)
        x = block(f"up{level}", f"up{level}.concat")
    inputs.update({"output.conv": (x,), "output.bias": ("output.conv",), "logits": ("output.bias",),
                   "probabilities": ("logits",)})
    return inputs


def keys(golden, activations=1):
    """Return the keys of all tensors in the order of the data: forward, backward, then the update, step by step.

    `activations` is the number of steps whose forward and backward tensors are listed.
    """
    names, listed = wiring(golden.network), ["input", *(f"0/parameter/{name}" for name in golden.parameters)]
    backward = [name for name in reversed(names) if name != "probabilities"] + ["input"]
    for step in range(1, golden.steps + 1):
        shown = step <= activations
        if shown:
            listed += [f"{step}/forward/{name}" for name in names]
        listed.append(f"{step}/cost")
        for name in backward:
            if shown:
                listed.append(f"{step}/backward/{name}")
            if parameter_of(name):
                listed.append(f"{step}/gradient/{parameter_of(name)}")
        listed += [f"{step}/parameter/{name}" for name in golden.parameters]
    return listed
