"""Transposed convolution, bias and ReLU as one: how the network enlarges its maps (thesis section 9).

Forward    y = relu(conv_transpose(x, w) + b)
Backward   dz = dy where y > 0, else 0;  db = sum of dz over the pixels;  dx, dw = those of the transposed convolution

What follows the transposed convolution is done to each piece of it while it is in the cache, or in its kernel.
"""

import numpy as np

from ..backends.cuda.device import device_of
from . import bias, conv_block, conv_transpose2d, relu
from ._shapes import check_shapes


def forward(x, weight, b, stride=2):
    """Return the block's output.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    weight : float ndarray of shape (kh, kw, O, C)
    b : float ndarray of shape (O,)
    stride : int
        Output pixels per input pixel.

    Returns
    -------
    y : ndarray of shape (N, s*H, s*W, O), dtype of `x`

    Raises
    ------
    ValueError
        If shapes, dtypes or devices do not fit.
    """
    check_shapes("conv_transpose_block.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"), b=(b, "O"))
    device = device_of(x, weight, b)
    if device:
        return conv_transpose2d.launch_forward(device, "conv_transpose_block.conv_transpose_block_forward", x, weight,
                                               stride, "same", b)
    if not weight.shape[0] == weight.shape[1] == stride:
        return relu.forward(bias.forward(conv_transpose2d.forward(x, weight, stride), b))
    n, h, w, _ = x.shape
    y = np.empty((n, stride * h, stride * w, len(b)), x.dtype)

    def finish(z):
        z += b
        relu.forward(z, into=z)

    conv_transpose2d.enlarge(x, weight, y, finish)
    return y


def backward(dy, x, y, weight, stride=2, into=(None, None)):
    """Return dx, dweight and db from dy and what `forward` took and returned; dweight and db in the arrays `into`."""
    device = device_of(dy, x, y, weight)
    if device:
        check_shapes("conv_transpose_block.backward", dy=(dy, "N H W O"), y=(y, "N H W O"))
        dz, db = conv_block.activation_gradient(device, dy, y, into=into[1])
    else:
        dz, db = conv_block.activation_gradient_on_cpu(dy, y, into=into[1])
    dx, dweight = conv_transpose2d.backward(dz, x, weight, stride, into=into[0])
    return dx, dweight, db
