"""The network's blocks with what the thesis names besides: batch normalisation (section 8.4), sigmoid (section 2.2).

Forward    z = conv(x, w)                                           or a transposed convolution
           z' = m / keep_prob * z + b                               dropout and bias, or
           z' = m / keep_prob * (scale * xhat + b)                  batch normalisation of z (eq. 56) and dropout
           y = relu(z') or sigmoid(z')
Backward   dz' = dy where y > 0, else 0;  or dy * y * (1 - y)       and back through the layers, the last one first

Each is a layer of its own here, and a map is written by each: plainer than `conv_block`, and slower. Batch
normalisation stands before the dropout, which otherwise would make its variance another one than that of prediction.
"""

from ..backends.cuda.device import device_of
from . import batch_norm, bias, concat, conv2d, conv_transpose2d, dropout, relu, sigmoid

EPSILON = 1e-5          # of batch normalisation
RATE = 0.1              # at which its running statistics follow those of a batch
ACTIVATIONS = {"relu": relu, "sigmoid": sigmoid}
CONVOLUTIONS = {"conv": conv2d, "deconv": conv_transpose2d}


def forward(x, kind, activation, weight, b, scale=None, statistics=None, keep_prob=1.0, key=(0, 0, 0)):
    """Return the block's output, and what `backward` needs.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C), or a pair of them, which are concatenated
    kind : {"conv", "deconv"}
        A convolution, or the transposed one of stride 2.
    activation : {"relu", "sigmoid"}
    weight, b : float ndarray
        As for `conv_block.forward` and `conv_transpose_block.forward`.
    scale : float ndarray of shape (O,), optional
        w of eq. 56; without it there is no batch normalisation.
    statistics : pair of float ndarray of shape (O,), optional
        As for `batch_norm.forward`.
    keep_prob, key
        As for `conv_block.forward`.

    Returns
    -------
    y : ndarray, dtype of `x`
    cache : dict
        With the `mean` and `variance` that were normalised by.
    """
    device = device_of(b)
    whole = concat.forward(*x) if isinstance(x, tuple) else x
    z = CONVOLUTIONS[kind].forward(whole, weight)
    cache = {"x": whole, "channels": x[0].shape[3] if isinstance(x, tuple) else None}
    mask = dropout.draw_mask(z.shape, keep_prob, *key, device=device) if keep_prob < 1 else None
    if scale is not None:
        cache["z"] = z
        z, cache["mean"], cache["variance"] = batch_norm.forward(z, scale, b, EPSILON, statistics)
    if mask is not None:
        z = dropout.forward(z, mask, keep_prob)
    if scale is None:
        z = bias.forward(z, b)
    cache["y"] = y = ACTIVATIONS[activation].forward(z)
    return y, cache


def backward(dy, cache, kind, activation, weight, scale=None, keep_prob=1.0, key=(0, 0, 0),
             into=(None, None, None), needs_dx=True):
    """Return dx, dweight, db and dscale from dy and what `forward` took and returned.

    dx is a pair where x was, and None where it is not needed, by a convolution that is the first layer. dscale is None
    without batch normalisation, whose gradients need its own statistics. dweight, db and dscale are in the arrays
    `into`, if given.
    """
    device = device_of(dy)
    dz, dscale = ACTIVATIONS[activation].backward(dy, cache["y"]), None
    if scale is None:
        dz, db = bias.backward(dz, into[1])
    if keep_prob < 1:
        dz = dropout.backward(dz, dropout.draw_mask(dz.shape, keep_prob, *key, device=device), keep_prob)
    if scale is not None:
        dz, dscale, db = batch_norm.backward(dz, cache["z"], scale, cache["mean"], cache["variance"], EPSILON,
                                             into=(into[2], into[1]))
    if not needs_dx:
        return None, conv2d.backward_weight(dz, cache["x"], weight.shape, into=into[0]), db, dscale
    dx, dweight = CONVOLUTIONS[kind].backward(dz, cache["x"], weight, into=into[0])
    return dx if cache["channels"] is None else concat.backward(dx, cache["channels"]), dweight, db, dscale
