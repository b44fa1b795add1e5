"""Every tensor of a few steps of training, computed one from the other, under any convention.

A tensor has a key, STEP/KIND/NAME, where KIND is forward, backward (the cost's gradient by that tensor), gradient (by
a parameter) or parameter (after the step; step 0 is before the first); and there are "input" and STEP/cost.
docs/golden.md lists them, and `network.topology` says which layers there are.

What is asked for is computed from the tensors that it depends on. Where the other side's are given they are taken: so
each layer is judged by what it made of its own input, and an error in one layer is not seen again in all that follow.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

from ...network import topology
from . import costs, updates
from . import operations as op
from .rounding import DOUBLE, MAX_NUMBER, SINGLE, Assumptions, Value

# Among what is consulted: a number on the way was beyond the largest; a tensor on the way was not given
OVERFLOW, CHAIN = "overflow", "chain"


class Computed(NamedTuple):
    """A tensor, and the names of the conventions that could change it, as `Assumptions.consulted` holds them."""

    value: Value
    consulted: frozenset


class Trace:
    """The tensors of a golden file, computed when they are asked for.

    Parameters
    ----------
    golden : golden.Golden
        Input, labels, masks, initial parameters and settings.
    given : mapping of str to ndarray, optional
        The other side's tensors, by key.
    unit : float
        Unit roundoff of the other side's arithmetic.
    conventions : frozenset
        Conventions under which to compute, as for `Assumptions`; the reference's without any.
    inexact : float
        Unit roundoff with which the other side has read the golden file's numbers; 0 if it has them as they are.
    """

    def __init__(self, golden, given=None, unit=DOUBLE, conventions=frozenset(), inexact=0.0):
        self.golden, self.given, self.inexact = golden, {} if given is None else given, inexact
        self.unit, self.conventions = unit, conventions
        layers = topology.list_layers(golden.blocks, lambda prefix: self.assume(prefix).holds("bias_before_dropout"))
        self.layers = {layer.name: layer for layer in layers}
        self.owners = {layer.parameter: layer for layer in layers}
        self.consumers = {}
        for layer in layers:
            for source in layer.inputs:
                self.consumers.setdefault(source, []).append(layer)
        self._known = {}

    def assume(self, layer="", consulted=None):
        """Return what is assumed of a layer, named as conventions name it; arguments as for `Assumptions`."""
        return Assumptions(self.unit, self.conventions, layer, consulted)

    def value(self, key):
        """Return a tensor, a Value, as the other side has it, if it is given; else as it is computed."""
        if key in self.given:
            return Value(np.asarray(self.given[key], np.float64))
        return self.computed(key).value

    def computed(self, key):
        """Return a tensor computed from those that it depends on, and what was consulted for it: a Computed.

        Those that it depends on are computed first, one after the other, so that no network is too deep for Python.
        """
        pending = [] if key in self._known else [key]
        while pending:
            consulted = set()
            try:
                value = _Computation(self, pending[-1], consulted).run()
            except _Missing as missing:
                pending.append(missing.key)
                continue
            if isinstance(value, Value) and not (abs(value.array) < MAX_NUMBER[SINGLE]).all():
                consulted.add(OVERFLOW)
            self._known[pending.pop()] = Computed(value, frozenset(consulted))
        return self._known[key]

    def known(self, key):
        """Return a tensor that has been computed, a Computed; raise _Missing if it has not."""
        if key not in self._known:
            raise _Missing(key)
        return self._known[key]

    def forget(self, step):
        """Drop what is known of a step but for the optimizer's averages after it."""
        self._known = {key: value for key, value in self._known.items()
                       if not key.startswith(f"{step}/") or key.startswith(f"{step}/update/")}


class _Missing(Exception):
    """A tensor has to be computed first."""

    def __init__(self, key):
        super().__init__(key)
        self.key = key


class _Computation:
    """The computation of one tensor of a Trace; what could change it is added to `consulted`."""

    def __init__(self, trace, key, consulted):
        self.trace, self.golden, self.training, self.consulted = trace, trace.golden, trace.golden.training, consulted
        step, _, rest = key.partition("/")
        self.step, (self.kind, _, self.name) = int(step) if rest else None, (rest or key).partition("/")

    def run(self):
        """Return the Value; of an update the parameter and its averages."""
        return getattr(self, f"_{self.kind}")(self.name)

    def assume(self, name):
        """Return the Assumptions of the layer to which the layer or parameter `name` belongs."""
        return self.trace.assume(name.partition(".")[0], self.consulted)

    def tensor(self, key):
        """Return a tensor that this one depends on."""
        if key in self.trace.given:
            return self.trace.value(key)
        if key != "input" and not key.startswith("0/"):
            self.consulted.add(CHAIN)
        return self.computed(key)

    def computed(self, key):
        """Return what this tensor depends on, computed also where it is given."""
        value, consulted = self.trace.known(key)
        self.consulted |= consulted
        return value

    def forward(self, name):
        """Return the output of a layer in this step."""
        return self.tensor(f"{self.step}/forward/{name}")

    def source(self, layer, number=0):
        """Return an input of a layer."""
        name = layer.inputs[number]
        return self.tensor(name) if name == topology.INPUT else self.forward(name)

    def delta(self, name):
        """Return the gradient of this step's cost by a layer's output."""
        return self.tensor(f"{self.step}/backward/{name}")

    def parameter(self, name):
        """Return a parameter with which this step began."""
        return self.tensor(f"{self.step - 1}/parameter/{name}")

    def dropped(self, x, layer):
        """Return x after the dropout of a layer."""
        mask = self.golden.masks.get(f"{self.step}/{layer.block.name}")
        return op.dropout(x, 1.0 if mask is None else mask, self.training["keep_prob"], self.assume(layer.name))

    def is_relu(self, layer):
        """Return whether the activation of a layer is a ReLU on the other side."""
        if layer.block.activation == "relu":
            missing = {"deconv": "deconv_relu_missing"}.get(layer.block.kind)
            missing = "logits_linear" if layer.name == "logits" else missing
            return not (missing and self.assume(layer.block.name).holds(missing))
        return self.assume(layer.block.name).holds("relu_on_logits")

    def _input(self, _):
        x, frames, (mean, std) = self.golden.input, self.golden.frames, self.golden.scaling
        assumed = self.assume("input")
        others = {"input_divided_by_255": (0, 255), "input_raw": (0, 1), "input_not_centred": (0, std),
                  "input_not_divided": (mean, 1), "input_minus_127": (127, 1)}
        seen = {(mean, std)}
        for name, (offset, divisor) in others.items():
            if frames is not None and (offset, divisor) not in seen and assumed.holds(name):
                x = (np.asarray(frames, np.float64) - offset) / divisor
            seen.add((offset, divisor))
        for name, factor in (("input_times_255", 255.0), ("input_over_255", 1 / 255)):
            if assumed.holds(name):
                x = x * factor
        if x.shape[3] > 1 and assumed.holds("frames_reversed"):
            x = x[..., ::-1]
        if x.shape[3] > 1 and assumed.holds("nhwc_read_as_nchw"):
            n, h, w, c = x.shape
            x = x.reshape(n, c, h, w).transpose(0, 2, 3, 1)
        exact = x is self.golden.input and not self.trace.inexact
        array = np.asarray(x, np.float64)
        return Value(array, None if exact else self.trace.unit * 4 * abs(array))

    def _forward(self, name):
        layer, assumed = self.trace.layers[name], self.assume(name)
        if layer.block and layer.block.dropout and layer.kind in ("dropout", "bias", "activation"):
            assumed.holds("bias_before_dropout")            # the order is known already; it can change this tensor
        x = self.source(layer)
        return {"conv": lambda: op.conv2d(x, self.parameter(layer.parameter), assumed),
                "deconv": lambda: op.conv_transpose2d(x, self.parameter(layer.parameter), assumed),
                "dropout": lambda: self.dropped(x, layer),
                "bias": lambda: op.add(x, self.parameter(layer.parameter), assumed),
                "activation": lambda: op.relu(x) if self.is_relu(layer) else x,
                "pool": lambda: op.max_pool2d(x, assumed),
                "concat": lambda: op.concat(x, self.source(layer, 1), assumed),
                "softmax": lambda: costs.softmax(x, assumed)}[layer.kind]()

    def _cost(self, _):
        return costs.cross_entropy(*self._cost_arguments())

    def _cost_arguments(self):
        return (self.forward("logits"), self.golden.labels, self.golden.class_weights,
                self.training["class_weight_form"], self.assume("cost"))

    def _backward(self, name):
        if name == "logits":
            return costs.cross_entropy_gradient(*self._cost_arguments())
        layer, assumed = self.trace.layers.get(name), self.assume(name)
        if layer and layer.block.dropout and layer.kind in ("conv", "dropout", "bias"):
            assumed.holds("bias_before_dropout")
        parts = [self._through(consumer, name) for consumer in self.trace.consumers[name]]
        return reduce(lambda a, b: op.add(a, b, assumed), parts)

    def _through(self, layer, source):
        """Return what a layer hands back to its input `source`."""
        assumed, dy = self.assume(layer.name), self.delta(layer.name)
        if layer.kind == "concat":
            channels = self.source(layer).array.shape[-1]
            return op.concat_gradients(dy, channels, assumed)[layer.inputs.index(source)]
        if layer.kind == "activation" and self.is_relu(layer):
            return op.relu_gradient(dy, self.forward(layer.name), self.source(layer))
        if layer.kind in ("activation", "bias"):
            return dy
        return {"conv": lambda: op.conv2d_input(dy, self.parameter(layer.parameter), assumed),
                "deconv": lambda: op.conv_transpose2d_gradients(dy, self.source(layer),
                                                                self.parameter(layer.parameter), assumed)[0](),
                "dropout": lambda: self.dropped(dy, layer),
                "pool": lambda: op.max_pool2d_gradient(dy, self.source(layer), assumed)}[layer.kind]()

    def _gradient(self, name):
        """Return the gradient by the parameter `name`, with those of earlier steps where they are not zeroed."""
        layer, assumed = self.trace.owners[name], self.assume(name)
        earlier = self.step > 1 and assumed.holds("gradients_accumulated") and self.tensor(
            f"{self.step - 1}/gradient/{name}")
        gradient = self._layer_gradient(name, layer, assumed)
        return op.add(gradient, earlier, assumed) if earlier else gradient

    def _layer_gradient(self, name, layer, assumed):
        dy = self.delta(layer.name)
        if layer.kind == "bias":
            return op.bias_gradient(dy, assumed)
        x, weight = self.source(layer), self.parameter(name)
        if layer.kind == "deconv":
            return op.conv_transpose2d_gradients(dy, x, weight, assumed)[1]()
        return op.conv2d_weight(dy, x, weight.array.shape, assumed)

    def _parameter(self, name):
        if self.step:
            return self.computed(f"{self.step}/update/{name}")[0]
        array = np.asarray(self.golden.parameters[name], np.float64)
        return Value(array, self.trace.inexact * abs(array) if self.trace.inexact else None)

    def _update(self, name):
        """Return a parameter after the step, and the optimizer's averages."""
        slots = self.computed(f"{self.step - 1}/update/{name}")[1] if self.step > 1 else ()
        return updates.update(self.training, self.step, name, self.parameter(name),
                              self.tensor(f"{self.step}/gradient/{name}"), slots, self.assume(name))


def layer_of(key):
    """Return the layer, as conventions name it, that a tensor belongs to."""
    if "/" not in key:
        return "input"
    _, kind, *name = key.split("/")
    if kind == "cost" or (name == ["logits"] and kind == "backward"):
        return "cost"
    return "output" if name[0] in ("logits", "probabilities") else name[0].partition(".")[0]
