"""The network's block: convolution, normalisation or bias, dropout, activation (thesis section 9), one after the other.

Forward    z = conv(x, w)                                           or a transposed convolution
           z' = m / keep_prob * z + b                               dropout, then the bias, as in the listing; or
           z' = m / keep_prob * (scale * zhat + b)                  batch normalisation of z (eq. 56), then dropout
           y = relu(z'), sigmoid(z'), or z'
Backward   the same layers, the last one first

x is the input, or two inputs concatenated; m is the mask of the dropout. The order matters. A bias that stood before
the dropout would be dropped and scaled with the map. Batch normalisation after the dropout would see a larger variance
in training than at prediction. An element that is dropped is 0, so that with a bias of 0 it lies at ReLU's kink, where
the slope is taken as 0: finite differences must leave it out, or take other biases.
"""

import sys
from typing import NamedTuple

EPSILON = 1e-5          # added to the variance by the batch normalisation
RATE = 0.1              # at which its running statistics follow those of a batch
CHOICES = {"kind": ("conv", "deconv"), "activation": ("relu", "sigmoid", "linear")}
PLAIN = sys.modules[__package__]        # the layers that a block is made of; a backend gives its own in their place


class Saved(NamedTuple):
    """What `backward` needs of `forward`: its inputs, its output y, and the arguments that both take.

    With batch normalisation also its input z, and the mean and variance, of shape (O,), that it normalised by.
    """

    inputs: tuple
    y: object
    kind: str
    activation: str
    keep_prob: float
    key: tuple
    z: object = None
    mean: object = None
    variance: object = None


def forward(inputs, weight, b, kind="conv", activation="relu", scale=None, statistics=None, keep_prob=1.0,
            key=(0, 0, 0), layers=PLAIN):
    """Return the output of the block, and what `backward` needs.

    Parameters
    ----------
    inputs : tuple of one or two float ndarray of shape (N, H, W, channels)
        Two are concatenated; the channels of all add up to C.
    weight : float ndarray of shape (kh, kw, C, O), or (kh, kw, O, C) for a transposed convolution
    b : float ndarray of shape (O,)
        The bias; with `scale` the shift of the batch normalisation.
    kind : {"conv", "deconv"}
        A convolution, padding "same", or the transposed one of stride 2.
    activation : {"relu", "sigmoid", "linear"}
        The layer of that name; "linear" is none.
    scale : float ndarray of shape (O,), optional
        The factor of the batch normalisation (w of eq. 56); without it there is none.
    statistics : pair of float ndarray of shape (O,), optional
        Mean and variance to normalise by, at prediction; those of the batch without it.
    keep_prob : float
        Probability that the dropout keeps a value; 1 for no dropout.
    key : tuple of int
        Seed, step and layer of its mask, as for `dropout.draw_mask`.
    layers : module
        The layers to compute with.

    Returns
    -------
    y : ndarray of shape (N, H, W, O), or (N, 2H, 2W, O) for a transposed convolution
    saved : Saved

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, there are not one or two inputs, or `kind` or `activation` is none of these.
    """
    check(inputs, kind, activation)
    z = _convolution(kind, layers).forward(_joined(inputs, layers), weight)
    of_norm = ()
    if scale is not None:
        normalised, mean, variance = layers.batch_norm.forward(z, scale, b, EPSILON, statistics)
        of_norm, z = (z, mean, variance), normalised
    if keep_prob < 1:
        mask = layers.dropout.draw_mask(z.shape, keep_prob, *key, like=z)
        z = layers.dropout.forward(z, mask, keep_prob)
    if scale is None:
        z = layers.bias.forward(z, b)
    y = z if activation == "linear" else getattr(layers, activation).forward(z)
    return y, Saved(inputs, y, kind, activation, keep_prob, key, *of_norm)


def backward(dy, saved, weight, scale=None, needs_dx=True, out=None, layers=PLAIN):
    """Return the gradients with respect to the inputs, the weight, the bias and the scale.

    Parameters
    ----------
    dy : float ndarray, shape of the output
    saved : Saved
        The value that `forward` returned.
    weight, scale, layers
        The arguments of `forward`.
    needs_dx : bool
        Whether the gradients with respect to the inputs are needed; a convolution is spared their time otherwise, and
        each is None. A transposed convolution cannot leave them out.
    out : tuple of three arrays, optional
        Where to write dweight, db and dscale; the last is None without batch normalisation.

    Returns
    -------
    dinputs : tuple of ndarray, shapes of the inputs
    dweight : ndarray, shape of `weight`
    db : ndarray of shape (O,)
    dscale : ndarray of shape (O,), or None

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or needs_dx=False is asked of a transposed convolution.
    """
    inputs, y, kind, activation, keep_prob, key, z, mean, variance = saved
    check(inputs, kind, activation, needs_dx)
    dz = dy if activation == "linear" else getattr(layers, activation).backward(dy, y)
    dscale = None
    if scale is None:
        dz, db = layers.bias.backward(dz)
    if keep_prob < 1:
        mask = layers.dropout.draw_mask(dz.shape, keep_prob, *key, like=dz)         # the same one: it is not kept
        dz = layers.dropout.backward(dz, mask, keep_prob)
    if scale is not None:
        dz, dscale, db = layers.batch_norm.backward(dz, z, scale, mean, variance, EPSILON)
    x = _joined(inputs, layers)
    if needs_dx:
        dx, dweight = _convolution(kind, layers).backward(dz, x, weight)
        dinputs = layers.concat.backward(dx, inputs[0].shape[3]) if len(inputs) > 1 else (dx,)
    else:
        dinputs, dweight = (None,) * len(inputs), layers.conv2d.backward_weight(dz, x, weight.shape)
    gradients = dweight, db, dscale
    for array, gradient in zip(out or (), gradients, strict=False):
        if array is not None:
            array[...] = gradient
    return dinputs, *(out or gradients)


def check(inputs, kind, activation, needs_dx=True):
    """Raise ValueError unless the arguments of `forward` and `backward` are among their choices."""
    if not isinstance(inputs, tuple) or len(inputs) not in (1, 2):
        found = f"{len(inputs)} arrays" if isinstance(inputs, tuple) else f"of type {type(inputs).__name__}"
        raise ValueError(f"block: inputs, {found}, must be a tuple of one or two arrays")
    for name, value in (("kind", kind), ("activation", activation)):
        if value not in CHOICES[name]:
            raise ValueError(f"block: {name}={value!r} must be one of {', '.join(CHOICES[name])}")
    if kind == "deconv" and not needs_dx:
        raise ValueError('block.backward: needs_dx=False must be True with kind="deconv"; a transposed convolution '
                         "computes its two gradients together")


def _convolution(kind, layers):
    return {"conv": layers.conv2d, "deconv": layers.conv_transpose2d}[kind]


def _joined(inputs, layers):
    """Return the inputs as one array."""
    return layers.concat.forward(*inputs) if len(inputs) > 1 else inputs[0]
