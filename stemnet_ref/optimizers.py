"""Optimizers, the decay of their learning rate, and the regularization terms.

    SGD        w' = w - eta g                                                   (eq. 9-11, 15-16)
    Momentum   v' = mu v - eta g;  w' = w + v'                                  (eq. 28-29)
               TensorFlow's form: v' = mu v + g;  w' = w - eta v'
    Adam       t' = t + 1;  m' = b1 m + (1-b1) g;  v' = b2 v + (1-b2) g^2       (eq. 17-21, 23-24)
               mhat = m' / (1-b1^t');  vhat = v' / (1-b2^t')                    (eq. 25-26)
               w' = w - eta mhat / (sqrt(vhat) + epsilon)                       (eq. 27, with the root it lacks)
               TensorFlow's form: w' = w - lr_t m' / (sqrt(v') + epsilon),
               lr_t = eta sqrt(1-b2^t') / (1-b1^t')                             (eq. 22, "epsilon hat")
    L1, L2     C = C0 + lambda/N sum |w|,  C = C0 + lambda/(2N) sum w^2         (eq. 50-52)
               dC/dw = dC0/dw + lambda/N w for L2                               (eq. 53-55), never for biases
               dC/dw = dC0/dw + lambda/N sign w for L1

g is the gradient averaged over the mini-batch, as the costs give it (eq. 12-14). The two forms of momentum agree while
eta is constant. Eq. 27 as printed divides by vhat without its root, an erratum: its step then grows when the cost is
multiplied by a small number, and Kingma and Ba's does not change.
"""

import math

import numpy as np

from .backends.cpu.threads import share
from .backends.cuda.device import blocks, device_of, launch, to_host
from .backends.cuda.shared import parts_of, write_schedule
from .network.flat import Flat

PIECE = 1 << 18      # parameters that a thread updates at once


class SGD:
    """Stochastic gradient descent (eq. 15-16).

    Parameters
    ----------
    learning_rate : float
        eta, above 0. The attribute may be changed between updates, for a decay.
    """

    def __init__(self, learning_rate):
        _check("learning_rate", learning_rate, learning_rate > 0, "above 0")
        self.learning_rate = learning_rate
        self.slots = {}             # name of the slot -> dict of arrays by parameter

    def update(self, parameters, gradients, schedule=None):
        """Change `parameters` in place by one step against `gradients`, dicts of arrays with the same names.

        Parameters
        ----------
        parameters, gradients : dict of str to ndarray
            Two `Flat` are changed as a whole.
        schedule : array, optional
            On a GPU, for a caller who has called `begin_step`: `shared.write_schedule` of what it returned.

        Raises
        ------
        ValueError
            If the names or shapes differ.
        """
        if parameters.keys() != gradients.keys():
            odd = sorted(parameters.keys() ^ gradients.keys())
            raise ValueError(f"update: parameters and gradients must have the same names; {odd[0]} is in one only")
        for name, w in parameters.items():
            if w.shape != gradients[name].shape:
                raise ValueError(f"update: {name} has shape {w.shape}; its gradient {gradients[name].shape}")
        device = device_of(*parameters.values())
        if schedule is None:
            rates = self.begin_step()
            schedule = write_schedule(device, 0, *rates) if device else rates
        if isinstance(parameters, Flat) and isinstance(gradients, Flat):
            arrays = parameters.buffer, gradients.buffer, *(self._flat_slot(slot, parameters) for slot in self.slots)
            if device:
                self._step(schedule, *arrays)
            else:                                                   # in pieces that stay in the cache
                share(lambda start: self._step(schedule, *(array[start:start + PIECE] for array in arrays)),
                      range(0, len(parameters.buffer), PIECE))
            return
        for name, w in parameters.items():
            self._step(schedule, w, gradients[name], *(self._slot(slot, name, w) for slot in self.slots))

    def state(self):
        """Return all that the next update depends on besides the arguments: a dict of arrays by name."""
        return {f"{slot}/{name}": array for slot, arrays in self.slots.items() for name, array in arrays.items()}

    def load_state(self, state):
        """Take over what `state` returned. The arrays are copied.

        Raises
        ------
        ValueError
            If it is the state of another kind of optimizer.
        """
        slots = {slot: {} for slot in self.slots}
        for key, array in state.items():
            slot, _, name = key.partition("/")
            if slot not in slots:
                raise ValueError(f"load_state: {type(self).__name__} has no slot {slot!r}; "
                                 "the state belongs to another optimizer")
            slots[slot][name] = np.array(array)
        self.slots = slots

    def begin_step(self):
        """Count a step that is about to be taken; return its rate, and the correction of Adam's average (eq. 26)."""
        return self.learning_rate, 1.0

    def _step(self, schedule, w, g):
        """Change `w` by its gradient, and the arrays of the slots, which follow in their order.

        `schedule` is what `begin_step` returned, or on a GPU the array with it.
        """
        if device_of(w, g):
            launch("optimizers.sgd", blocks(w.size), w, g, schedule, w.size)
            return
        w -= w.dtype.type(schedule[0]) * g

    def _slot(self, slot, name, w):
        """Return the slot's array for a parameter, zeros at first (eq. 17-18), on the parameter's device."""
        arrays = self.slots[slot]
        if type(arrays.get(name)) is not type(w):
            array, device = arrays.get(name, np.zeros(w.shape, w.dtype)), device_of(w)
            arrays[name] = device.to_device(array) if device else array
        return arrays[name]

    def _flat_slot(self, slot, parameters):
        """Return the buffer of the slot's arrays for all parameters, which lie as these do."""
        arrays = self.slots[slot]
        if not isinstance(arrays, Flat):
            device = device_of(parameters.buffer)
            self.slots[slot] = Flat(parameters.shapes, parameters.buffer.dtype)
            for name, array in arrays.items():
                self.slots[slot][name] = to_host(array)
            if device:
                self.slots[slot] = self.slots[slot].to(device)
        return self.slots[slot].buffer


class Momentum(SGD):
    """Gradient descent with a velocity (eq. 28-29).

    Parameters
    ----------
    learning_rate : float
    momentum : float
        mu, in [0, 1).
    form : {"thesis", "tensorflow"}
        Whether the velocity holds eta (eq. 28) or not.
    """

    def __init__(self, learning_rate, momentum=0.2, form="thesis"):
        super().__init__(learning_rate)
        _check("momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1")
        _check("form", form, form in ("thesis", "tensorflow"), "thesis or tensorflow")
        self.momentum, self.form = momentum, form
        self.slots = {"velocity": {}}

    def _step(self, schedule, w, g, v):
        if device_of(w, v, g):
            launch(f"optimizers.momentum_{self.form}", blocks(w.size), w, v, g, schedule, self.momentum, w.size)
            return
        eta = w.dtype.type(schedule[0])
        v *= w.dtype.type(self.momentum)
        if self.form == "thesis":
            v -= eta * g                                            # eq. 28
            w += v                                                  # eq. 29
        else:
            v += g
            w -= eta * v


class Adam(SGD):
    """Adaptive moment estimation (eq. 17-27, with the root that eq. 27 lacks).

    Parameters
    ----------
    learning_rate : float
        alpha of eq. 27.
    beta1, beta2 : float
        Decay of the two averages, in [0, 1).
    epsilon : float
        Above 0.
    form : {"kingma", "tensorflow"}
        Where epsilon stands: beside the root of the corrected average, or of the uncorrected one ("epsilon hat").
    """

    def __init__(self, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8, form="kingma"):
        super().__init__(learning_rate)
        _check("beta1", beta1, 0 <= beta1 < 1, "at least 0 and below 1")
        _check("beta2", beta2, 0 <= beta2 < 1, "at least 0 and below 1")
        _check("epsilon", epsilon, epsilon > 0, "above 0")
        _check("form", form, form in ("kingma", "tensorflow"), "kingma or tensorflow")
        self.beta1, self.beta2, self.epsilon, self.form = beta1, beta2, epsilon, form
        self.slots = {"m": {}, "v": {}}
        self.t = 0                                                  # eq. 19

    def state(self):
        """Return both averages of every parameter, and the count of steps as ``t``."""
        return {"t": np.array(self.t), **super().state()}

    def load_state(self, state):
        """Take over what `state` returned, as in `SGD.load_state`."""
        averages = {key: array for key, array in state.items() if key != "t"}
        super().load_state(averages)
        self.t = int(state.get("t", 0))

    def begin_step(self):
        """Count a step; return the rate with which eq. 25 is done, and the correction of eq. 26."""
        self.t += 1                                                 # eq. 20
        correction1, correction2 = 1 - self.beta1 ** self.t, 1 - self.beta2 ** self.t
        if self.form == "tensorflow":
            return self.learning_rate / correction1 * math.sqrt(correction2), 1.0                  # eq. 22
        return self.learning_rate / correction1, correction2                                       # eq. 25-27

    def _step(self, schedule, w, g, m, v):
        real = w.dtype.type
        if device_of(w, m, v, g):
            launch("optimizers.adam", blocks(w.size), w, m, v, g, schedule, 1 - self.beta1, 1 - self.beta2,
                   self.epsilon, w.size)
            return
        rate, correction = schedule
        m += real(1 - self.beta1) * (g - m)                         # eq. 23
        v += real(1 - self.beta2) * (g * g - v)                     # eq. 24
        w -= real(rate) * m / (np.sqrt(v / real(correction)) + real(self.epsilon))


def staircase(learning_rate, decay_rate, epoch):
    """Return the learning rate of an epoch: learning_rate * decay_rate^epoch, constant within it.

    Epochs count from 0. `decay_rate` is 0.95 in Tables 1 and 2; TensorFlow calls this an exponential decay with
    staircase and decay_steps = steps of an epoch.
    """
    _check("decay_rate", decay_rate, 0 < decay_rate <= 1, "above 0 and at most 1")
    return learning_rate * decay_rate ** epoch


def add_penalty(cost, parameters, l1, l2, examples):
    """Return the cost with the regularization term (eq. 51-52).

    Parameters
    ----------
    cost : float, or float64 array of shape () on a GPU
        The array is changed in place.
    parameters : dict of str to ndarray
        Names that end in ``weight`` count; biases do not (eq. 54).
    l1, l2 : float
        lambda of eq. 51 and of eq. 52; 0 for none.
    examples : int
        N, the size of the training set.
    """
    if l1 == l2 == 0:
        return cost
    weights = [w for name, w in parameters.items() if name.endswith("weight")]
    device = device_of(*weights)
    if not device:
        absolute, squares = (sum(float(np.sum(of(w), dtype=np.float64)) for w in weights) for of in (abs, np.square))
        return cost + l1 / examples * absolute + l2 / (2 * examples) * squares
    counts = [parts_of(w.size) for w in weights]
    parts, start = device.empty((sum(counts), 2), np.float64), 0
    for w, count in zip(weights, counts, strict=True):
        launch("optimizers.penalty_sums", count, w, parts[start:start + count], w.size)
        start += count
    launch("optimizers.add_penalty", 1, cost, parts, l1 / examples, l2 / (2 * examples), len(parts))
    return cost


def add_penalty_gradients(gradients, parameters, l1, l2, examples):
    """Add the gradient of the regularization term to `gradients`, in place (L2: eq. 53; biases stay, eq. 54)."""
    for name, w in parameters.items():
        if name.endswith("weight") and (l1 or l2):
            if device_of(w, gradients[name]):
                launch("optimizers.add_penalty_gradients", blocks(w.size), gradients[name], w, l1 / examples,
                       l2 / examples, w.size)
                continue
            if l1:
                gradients[name] += w.dtype.type(l1 / examples) * np.sign(w)
            if l2:
                gradients[name] += w.dtype.type(l2 / examples) * w


def _check(name, value, good, required):
    if not good:
        raise ValueError(f"{name}={value!r} must be {required}")
