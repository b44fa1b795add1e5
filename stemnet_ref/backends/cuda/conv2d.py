"""Convolution, stride 1, on the GPU: `layers.conv2d` by the kernels of conv2d.cu, each a product of windows.cuh."""

from ...dispatch import device_of
from ...layers import conv2d as plain
from ...layers._shapes import check_shapes
from .gemm import GemmConfig


def forward(x, weight, padding="same"):
    check_shapes("conv2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw C O"))
    y_shape, c, o = plain.output_shape(x.shape, weight.shape, padding), *weight.shape[2:]
    config = GemmConfig.convolve(device_of(x, weight), y_shape[:3], weight.shape[:2], c, o, x.dtype, (c, o))
    return config.run("conv2d.conv2d_forward", (x, config.filters(weight)), [y_shape],
                      _sizes(x.shape, weight.shape, padding, y_shape))[0]


def backward(dy, x, weight, padding="same"):
    return backward_input(dy, weight, padding), backward_weight(dy, x, weight.shape, padding)


def backward_input(dy, weight, padding="same"):
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), weight=(weight, "kh kw C O"))
    (n, ho, wo, _), (kh, kw, c, o) = dy.shape, weight.shape
    shape = (n, ho, wo, c) if padding == "same" else (n, ho + kh - 1, wo + kw - 1, c)
    sizes = _sizes(shape, weight.shape, padding, dy.shape)
    config = GemmConfig.convolve(device_of(dy, weight), shape[:3], (kh, kw), o, c, dy.dtype, (c, o))
    return config.run("conv2d.conv2d_backward_input", (dy, config.filters(weight, swapped=True)), [shape], sizes)[0]


def backward_weight(dy, x, shape, padding="same"):
    plain.check_gradient(dy, x, shape, padding)
    kh, kw, c, o = shape
    config = GemmConfig.weight_gradient(device_of(dy, x), dy.shape[:3], (kh, kw), c, o, x.dtype, (c, o))
    return config.run("conv2d.conv2d_backward_weight", (dy, x), [shape], _sizes(x.shape, shape, padding, dy.shape))[0]


def _sizes(x_shape, weight_shape, padding, y_shape):
    """Return the sizes that the kernels take: N H W C O KH KW HO WO top left."""
    (n, h, w, c), (kh, kw, _, o), (_, ho, wo, _) = x_shape, weight_shape, y_shape
    (top, _), (left, _) = plain.pads(x_shape, weight_shape, padding)
    return n, h, w, c, o, kh, kw, ho, wo, top, left
