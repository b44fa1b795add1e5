"""The regularization terms of the cost, L1 and L2, and their gradients.

    L1    C = C0 + lambda/N sum |w|           dC/dw = dC0/dw + lambda/N sign w      (eq. 50, 51)
    L2    C = C0 + lambda/(2N) sum w^2        dC/dw = dC0/dw + lambda/N w           (eq. 50, 52-53, 55)

Sums run over the weights; biases (eq. 54) and the scales of a batch normalisation are not penalised. N is the size of
the training set. With L2 every step of SGD also multiplies the weights by 1 - eta lambda/N (eq. 55).
"""

import numpy as np

from .dispatch import operation


@operation
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
    absolute = sum(float(np.sum(abs(w), dtype=np.float64)) for w in weights)
    squares = sum(float(np.sum(np.square(w), dtype=np.float64)) for w in weights)
    return cost + l1 / examples * absolute + l2 / (2 * examples) * squares


@operation
def add_penalty_gradients(gradients, parameters, l1, l2, examples):
    """Add the gradient of the regularization term to `gradients`, in place (L2: eq. 53; biases stay, eq. 54)."""
    for name, w in parameters.items():
        if name.endswith("weight"):
            if l1:
                gradients[name] += w.dtype.type(l1 / examples) * np.sign(w)
            if l2:
                gradients[name] += w.dtype.type(l2 / examples) * w
