"""The computation of one tensor of a few steps of training, from those that it depends on."""

from functools import partial, reduce

import numpy as np

from ...cost import OF_PROBABILITIES
from ...network import topology
from . import costs, gradients, inputs, updates, wiring
from .key import Key, owner
from .layer import LAYERS
from .operations import add
from .rounding import exact

CHAIN = "chain"         # among what is consulted: a tensor on the way was not given
KINDS = {"conv": "conv2d", "deconv": "conv_transpose2d", "pool": "max_pool2d", "dropout": "dropout", "bias": "bias",
         "activation": "relu", "concat": "concat", "softmax": "softmax"}       # topology's kind of layer -> LAYERS


class Missing(Exception):
    """A tensor has to be computed first."""

    def __init__(self, key):
        super().__init__(key)
        self.key = key


class Computation:
    """The computation of one tensor of a `trace.Trace`; what could change it is added to `consulted`."""

    def __init__(self, trace, key, consulted):
        self.trace, self.golden, self.training, self.consulted = trace, trace.golden, trace.golden.training, consulted
        self.step, self.kind, self.name = Key.of(key)

    def run(self):
        """Return the Value; of an update the parameter and its averages."""
        asked = partial(self.trace.assume, consulted=self.consulted)
        layers = [self.trace.layers.get(self.name) or self.trace.owners.get(self.name)]
        if self.kind in ("forward", "backward", "raw") and layers[0]:
            layers += [self.trace.layers[name] for name in layers[0].inputs if name != topology.INPUT]
            layers += self.trace.consumers.get(self.name, ()) if self.kind == "backward" else ()
            across = self.name.partition(".")[0].replace("down", "up") + ".concat"
            for layer in {*layers, self.trace.layers.get(across) if layers[0].kind in ("bias", "activation") else None}:
                if layer:
                    wiring.joined(layer, asked)
            for block in {layer.block for layer in layers} - {None}:        # their order is known; it can change this
                wiring.order(block, asked)
        return getattr(self, f"_{self.kind}")()

    def assume(self, name):
        """Return the Assumptions of the layer to which the layer or parameter `name` belongs."""
        return self.trace.assume(owner(name), self.consulted, self.step)

    def tensor(self, key):
        """Return a tensor that this one depends on."""
        if key in self.trace.given:
            return self.trace.value(key)
        value, (step, kind, name) = self.computed(key), Key.of(key)
        if step:
            self.consulted.add(CHAIN)
        if self.trace.bounds and step and kind == "parameter" and any(
                f"{each}/gradient/{name}" not in self.trace.given for each in range(1, step + 1)):
            return value._replace(shared=value.error)
        return value

    def computed(self, key):
        """Return what this tensor depends on, computed also where it is given."""
        value, consulted = self.trace.known(key)
        self.consulted |= consulted
        return value

    def outputs(self, layer):
        """Return the functions for the outputs of a layer in this step, by name."""
        v, assumed = partial(self.of_layer, layer), self.assume(layer.name)
        if layer.kind == "activation" and not self.is_relu(layer, assumed):
            return {"y": lambda: v("x"), "dx": lambda: v("dy")}
        return LAYERS[KINDS[layer.kind]](v, self.trace.options, assumed)

    def of_layer(self, layer, name):
        """Return an input of a layer by the name that it has in `layer.INPUTS`, the output y, or dy."""
        if name in ("y", "dy"):
            return self.tensor(f"{self.step}/{'forward' if name == 'y' else 'backward'}/{layer.name}")
        if name == "mask":
            step = 1 if self.step > 1 and self.assume(layer.name).holds("dropout_mask_of_first_step") else self.step
            return exact(self.golden.masks.get(f"{step}/{layer.block.name}", 1.0))
        if layer.parameter and name != "x":
            return self.tensor(f"{self.step - 1}/parameter/{layer.parameter}")
        source = layer.inputs[1 if name == "b" else 0]
        return self.tensor(source if source == topology.INPUT else f"{self.step}/forward/{source}")

    def is_relu(self, layer, assumed):
        """Return whether the activation of a layer is a ReLU on the other side."""
        if layer.block.activation != "relu":
            return assumed.holds("relu_on_logits")
        missing = "logits_linear" if layer.name == "logits" else {"deconv": "deconv_relu_missing"}.get(layer.block.kind)
        return not (missing and assumed.holds(missing))

    def _input(self):
        return inputs.network_input(self.golden, self.trace.inexact, self.assume("input"))

    def _forward(self):
        return self.outputs(self.trace.layers[self.name])["y"]()

    def _cost(self):
        penalty = gradients.penalty({name: partial(self._before, name) for name in self.golden.parameters},
                                    self.training, self.assume)
        return add(self._of_logits("cost"), penalty, self.assume("cost")) if penalty else self._of_logits("cost")

    def _of_logits(self, output):
        """Return the cost without penalties, or its gradient with respect to the logits, "dx"."""
        found, assumed = self._of_mean(output), self.assume("cost")
        factor = assumed.value("cost_times")
        return assumed.rounded(factor * found.array, factor * found.error) if factor else found

    def _of_mean(self, output):
        """Return what `_of_logits` does, without another factor."""
        logits, assumed = self.tensor(f"{self.step}/forward/logits"), self.assume("cost")
        labels = inputs.moved_labels(self.golden.labels, logits.array.shape[3], assumed)
        name = assumed.value("another_cost") or self.training["cost"]
        if name in OF_PROBABILITIES:
            given = {"x": logits, "labels": exact(labels)}
            return LAYERS[name](given.__getitem__, self.trace.options, assumed)[output]()
        function = costs.cross_entropy if output == "cost" else costs.cross_entropy_gradient
        return function(logits, labels, self.golden.class_weights, self.training["class_weight_form"], assumed)

    def _backward(self):
        if self.name == "logits":
            dz, (_, error, shared) = self._of_logits("dx"), self.tensor(f"{self.step}/forward/logits")
            if shared is None:
                return dz
            share = shared.max(-1, keepdims=True) / np.maximum(error.max(-1, keepdims=True), 1e-300)
            return dz._replace(shared=share * dz.error)
        parts = [self.outputs(each)[("da", "db")[each.inputs.index(self.name)] if each.kind == "concat" else "dx"]()
                 for each in self.trace.consumers[self.name]]
        return reduce(lambda a, b: add(a, b, self.assume(self.name)), parts)

    def _raw(self):
        """Return the gradient with respect to a parameter, and those of earlier steps where they are not zeroed."""
        layer, assumed, earlier = self.trace.owners[self.name], self.assume(self.name), None
        if self.step > 1 and assumed.holds("gradients_accumulated"):
            earlier = self.tensor(f"{self.step - 1}/gradient/{self.name}")
        gradient = self.outputs(layer)["db" if layer.kind == "bias" else "dweight"]()
        if updates.concerns(assumed.value("without_gradient"), self.name):
            return gradient.map(np.zeros_like)
        return add(gradient, earlier, assumed) if earlier else gradient

    def _gradient(self):
        """Return the gradient with respect to a parameter, with what is done to it before the optimizer takes it."""
        return self._clip(self._whole, "raw", lambda: [self.trace.given[key] for key in (
            f"{self.step}/gradient/{name}" for name in self.golden.parameters) if key in self.trace.given])

    def _clip(self, of, kind, saved=list):
        """Return the gradient with respect to a parameter, clipped.

        `of` takes a name and returns the gradient as it was; `kind` is the name of their norm, as for `_norm`.
        """
        return gradients.clip(of(self.name), lambda: self.computed(f"{self.step}/norm/{kind}"), saved,
                              self.trace.assume("", self.consulted, self.step))

    def _norm(self):
        """Return the norm of all gradients of a step: "raw", before they are clipped, or "saved", as they are saved."""
        of = self._whole if self.name == "raw" else self._saved
        return gradients.norm(map(of, self.golden.parameters), self.trace.assume("", self.consulted, self.step))

    def _saved(self, name):
        """Return the gradient with respect to a parameter, as the other side has it if it is given."""
        return self.tensor(f"{self.step}/gradient/{name}")

    def _whole(self, name):
        """Return the gradient with respect to a parameter before it is clipped."""
        return gradients.whole(self.computed(f"{self.step}/raw/{name}"), partial(self._before, name), name,
                               self.training, self.assume(name))

    def _before(self, name):
        """Return a parameter before the step."""
        return self.tensor(f"{self.step - 1}/parameter/{name}")

    def _parameter(self):
        if self.step:
            return self.computed(f"{self.step}/update/{self.name}")[0] or self._update()[0]      # it may be forgotten
        array = exact(self.golden.parameters[self.name])
        return array.uncertain(self.trace.inexact * abs(array.array)) if self.trace.inexact else array

    def _update(self):
        """Return a parameter after the step, and the optimizer's averages."""
        slots = self.computed(f"{self.step - 1}/update/{self.name}")[1] if self.step > 1 else ()
        if updates.concerns(self.assume(self.name).value("not_updated"), self.name):
            return self._before(self.name), slots           # then a gradient that is not given says nothing
        g = self._clip(self._saved, "saved")
        return updates.update(self.training, self.step, self.name, self._before(self.name), g, slots,
                              self.assume(self.name))
