"""The functions that other implementations have in place of the ReLU, each with its derivative."""

from typing import NamedTuple

import numpy as np
from scipy.special import erf, expit

from .rounding import WHOLE_SUM

SELU = 1.6732632423543772, 1.0507009873554805       # alpha and scale that keep the variance (Klambauer et al., 2017)
TANH = np.sqrt(2 / np.pi), 0.044715                 # of the approximation of GELU (Hendrycks and Gimpel, 2016)


class Activation(NamedTuple):
    """A function of one number."""

    forward: object         # x -> y
    slope: object           # x -> dy/dx
    kinks: tuple = ()       # values of x at which the slope jumps
    bend: float = 0.0       # largest |d2y/dx2| elsewhere

    def outputs(self, v, assumed):
        """Return the functions for y and dx, as `products` describes them."""
        def y():
            (x, error, _), unit = v("x"), assumed.roundoff()
            y, slope = self.forward(x), abs(self.slope(x))
            own = 8 * unit * (abs(y) + abs(x)) + 2 * unit * (x < 0) * (self.bend > 0) + assumed.smallest()
            own += error * (slope + self.bend * error + self._jumps(x, error))
            return v("x").map(lambda a: a * slope)._replace(array=y, error=own)

        def dx():
            dy, (x, error, _) = v("dy").array, v("x")
            slope = self.slope(x)
            own = 16 * assumed.roundoff() * (abs(slope) + (1 + abs(x)) * (self.bend > 0)) + self.bend * error
            found = v("dy").map(lambda a: a * abs(slope))._replace(array=dy * slope)
            return found.uncertain(abs(dy) * own + assumed.smallest(), WHOLE_SUM * abs(dy) * self._jumps(x, error))

        return {"y": y, "dx": dx}

    def _jumps(self, x, error):
        """Return where a kink is as near as what is uncertain."""
        return sum((abs(x - kink) <= error) * (error > 0) for kink in self.kinks) if self.kinks else 0.0


def _leaky(slope):
    return Activation(lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope), (0.0,))


def _elu(alpha=1.0, scale=1.0):
    return Activation(lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
                      lambda x: scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))), (0.0,), alpha * scale)


def _normal(x):
    """Return the distribution function of the standard normal distribution."""
    return (1 + erf(x / np.sqrt(2))) / 2


def _inner(x):
    return np.tanh(TANH[0] * (x + TANH[1] * x ** 3))


def _sigmoid_slope(x):
    return expit(x) * expit(-x)


ACTIVATIONS = {             # by convention
    **{f"leaky_relu_{slope}": _leaky(slope) for slope in (0.01, 0.05, 0.1, 0.2, 0.3)},
    "elu": _elu(), "selu": _elu(*SELU),
    "gelu": Activation(lambda x: x * _normal(x),
                       lambda x: _normal(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi), bend=0.8),
    "gelu_tanh": Activation(
        lambda x: x * (1 + _inner(x)) / 2,
        lambda x: (1 + _inner(x)) / 2 + x * (1 - _inner(x) ** 2) / 2 * TANH[0] * (1 + 3 * TANH[1] * x * x), bend=0.8),
    "silu": Activation(lambda x: x * expit(x), lambda x: expit(x) + x * _sigmoid_slope(x), bend=0.5),
    "softplus": Activation(lambda x: np.logaddexp(x, 0), expit, bend=0.25),
    "tanh": Activation(np.tanh, lambda x: 1 / np.cosh(np.minimum(abs(x), 300)) ** 2, bend=0.77),
    "activation_sigmoid": Activation(expit, _sigmoid_slope, bend=0.1),
    "relu6": Activation(lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)).astype(float), (0.0, 6.0)),
    "activation_missing": Activation(lambda x: x, np.ones_like),
}
