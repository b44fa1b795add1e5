"""Optimizers, and the decay of their learning rate.

    SGD        w' = w - eta g                                                   (eq. 9-11, 15-16)
    Momentum   v' = mu v - eta g;  w' = w + v'                                  (eq. 28-29)
               TensorFlow's form: v' = mu v + g;  w' = w - eta v'
    Adam       t' = t + 1;  m' = b1 m + (1-b1) g;  v' = b2 v + (1-b2) g^2       (eq. 17-21, 23-24)
               mhat = m' / (1-b1^t');  vhat = v' / (1-b2^t')                    (eq. 25-26)
               w' = w - eta mhat / (sqrt(vhat) + epsilon)                       (eq. 27, with the root it lacks)
               TensorFlow's form: w' = w - lr_t m' / (sqrt(v') + epsilon),
               lr_t = eta sqrt(1-b2^t') / (1-b1^t')                             (eq. 22, "epsilon hat")

g is the gradient averaged over the mini-batch, as the costs give it (eq. 12-14). The two forms of momentum agree while
eta is constant. Eq. 27 as printed divides by vhat without its root, an erratum: its step then grows when the cost is
multiplied by a small number, and Kingma and Ba's does not change.
"""

import math
import sys
from typing import NamedTuple

import numpy as np

from .dispatch import operation
from .slots import Slots

# How momentum, and Adam, may be written
FORMS = {"momentum": ("thesis", "tensorflow"), "adam": ("kingma", "tensorflow")}
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8        # Adam's, of Kingma and Ba


class Rates(NamedTuple):
    """The numbers of an optimizer that change from step to step.

    Attributes
    ----------
    rate : float
        What the gradient, or its average, is multiplied by: the learning rate; for Adam that divided by 1-b1^t (eq.
        25), or lr_t of eq. 22 in TensorFlow's form.
    correction : float
        1-b2^t of eq. 26; 1 where there is none.
    """

    rate: float
    correction: float = 1.0


@operation
def sgd(w, g, rates):
    """Change `w` by its gradient, in place (eq. 15-16)."""
    w -= w.dtype.type(rates.rate) * g


@operation
def momentum(w, g, v, rates, mu, form):
    """Change `w` and its velocity `v` by the gradient, in place."""
    eta = w.dtype.type(rates.rate)
    v *= w.dtype.type(mu)
    if form == "thesis":
        v -= eta * g                                                # eq. 28
        w += v                                                      # eq. 29
    else:                                                           # TensorFlow's form
        v += g
        w -= eta * v


@operation
def adam(w, g, m, v, rates, beta1, beta2, epsilon):
    """Change `w` and the averages `m` and `v` by the gradient, in place."""
    real = w.dtype.type
    # b1 m + (1-b1) g, so written that the two weights add up to 1: in eq. 24 the rounding of 0.999 to float32 would
    # make v 1.3e-5 too large
    m += real(1 - beta1) * (g - m)                                                         # eq. 23
    v += real(1 - beta2) * (g * g - v)                                                     # eq. 24
    w -= real(rates.rate) * m / (np.sqrt(v / real(rates.correction)) + real(epsilon))      # eq. 25-27, or 22


class SGD:
    """Stochastic gradient descent (eq. 15-16).

    Parameters
    ----------
    learning_rate : float
        eta, above 0. The attribute may be changed between updates, for a decay.
    rules : module, optional
        Where the equations `sgd`, `momentum` and `adam` are taken from: this module, or a backend's of that name.

    Attributes
    ----------
    slots : Slots
        What it remembers beside the parameters; SGD remembers nothing.
    """

    def __init__(self, learning_rate, rules=None):
        _check("learning_rate", learning_rate, learning_rate > 0, "above 0")
        self.learning_rate, self.rules, self.slots = learning_rate, rules or sys.modules[__name__], Slots()

    def update(self, parameters, gradients, rates=None):
        """Change `parameters` in place by one step against `gradients`, dicts of arrays with the same names.

        Parameters
        ----------
        parameters, gradients : dict of str to ndarray
            Two `Flat` are changed as a whole.
        rates : Rates, optional
            What `begin_step` returned for this step; without it `update` begins the step.

        Raises
        ------
        ValueError
            If the names or shapes differ.
        """
        rows = self.slots.beside(parameters, gradients)
        rates = self.begin_step() if rates is None else rates
        for w, g, *slots in rows:
            self._apply(rates, w, g, *slots)

    def state(self):
        """Return all that the next update depends on besides the arguments: a dict of arrays by name."""
        return self.slots.state()

    def load_state(self, state):
        """Take over what `state` returned. The arrays are copied.

        Raises
        ------
        ValueError
            If it is the state of another kind of optimizer.
        """
        self.slots.load(state, type(self).__name__)

    def begin_step(self):
        """Count a step that is about to be taken; return its Rates."""
        return Rates(self.learning_rate)

    def _apply(self, rates, w, g):
        """Change `w` by its gradient, and the arrays of the slots, which follow in their order."""
        self.rules.sgd(w, g, rates)


class Momentum(SGD):
    """Gradient descent with a velocity (eq. 28-29).

    Parameters
    ----------
    learning_rate : float
    momentum : float
        mu, in [0, 1).
    form : {"thesis", "tensorflow"}
        Whether the velocity holds eta (eq. 28) or not.
    rules : module, optional
        The module with the equations, see `SGD`.
    """

    def __init__(self, learning_rate, momentum=0.2, form="thesis", rules=None):
        super().__init__(learning_rate, rules)
        _check("momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1")
        _check("form", form, form in FORMS["momentum"], " or ".join(FORMS["momentum"]))
        self.momentum, self.form = momentum, form
        self.slots = Slots("velocity")

    def _apply(self, rates, w, g, v):
        self.rules.momentum(w, g, v, rates, self.momentum, self.form)


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
    rules : module, optional
        The module with the equations, see `SGD`.
    """

    def __init__(self, learning_rate, beta1=BETA1, beta2=BETA2, epsilon=EPSILON, form="kingma", rules=None):
        super().__init__(learning_rate, rules)
        _check("beta1", beta1, 0 <= beta1 < 1, "at least 0 and below 1")
        _check("beta2", beta2, 0 <= beta2 < 1, "at least 0 and below 1")
        _check("epsilon", epsilon, epsilon > 0, "above 0")
        _check("form", form, form in FORMS["adam"], " or ".join(FORMS["adam"]))
        self.beta1, self.beta2, self.epsilon, self.form = beta1, beta2, epsilon, form
        self.slots = Slots("m", "v")
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
        self.t += 1                                                 # eq. 20
        correction1, correction2 = 1 - self.beta1 ** self.t, 1 - self.beta2 ** self.t
        if self.form == "tensorflow":
            return Rates(self.learning_rate / correction1 * math.sqrt(correction2))                # eq. 22
        return Rates(self.learning_rate / correction1, correction2)                                # eq. 25-27

    def _apply(self, rates, w, g, m, v):
        self.rules.adam(w, g, m, v, rates, self.beta1, self.beta2, self.epsilon)


def staircase(learning_rate, decay_rate, epoch):
    """Return the learning rate of an epoch: learning_rate * decay_rate^epoch, constant within it.

    Epochs count from 0. `decay_rate` is 0.95 in Tables 1 and 2; TensorFlow calls this an exponential decay with
    staircase and decay_steps = steps of an epoch.
    """
    _check("decay_rate", decay_rate, 0 < decay_rate <= 1, "above 0 and at most 1")
    return learning_rate * decay_rate ** epoch


def _check(name, value, good, required):
    if not good:
        raise ValueError(f"{name}={value!r} must be {required}")
