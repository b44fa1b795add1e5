"""Convolution, stride 1, on the GPU: `layers.conv2d` by the kernels of conv2d.cu, each a product of windows.cuh.

A convolution 1 x 1 to few channels has kernels of its own, those of pixelwise.cu.
"""

from ...dispatch import device_of
from ...layers import conv2d as plain
from ...layers._shapes import check_shapes
from .gemm import GemmConfig
from .launch import blocks, launch, sum_over


def forward(x, weight, padding="same"):
    check_shapes("conv2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw C O"))
    y_shape, c, o = plain.output_shape(x.shape, weight.shape, padding), *weight.shape[2:]
    if _is_pixelwise(weight.shape):
        y = device_of(x, weight).empty(y_shape, x.dtype)
        launch("pixelwise.pixelwise_forward", blocks(y.size // o), x, weight, y, y.size // o, c, o, options=_vector(c))
        return y
    config = GemmConfig.convolve(device_of(x, weight), y_shape[:3], weight.shape[:2], c, o, x.dtype, (c, o))
    return config.run("conv2d.conv2d_forward", (x, config.operand(weight)), [y_shape],
                      _sizes(x.shape, weight.shape, padding, y_shape))[0]


def backward(dy, x, weight, padding="same"):
    return backward_input(dy, weight, padding), backward_weight(dy, x, weight.shape, padding)


def backward_input(dy, weight, padding="same"):
    check_shapes("conv2d.backward", dy=(dy, "N H W O"), weight=(weight, "kh kw C O"))
    (n, ho, wo, _), (kh, kw, c, o) = dy.shape, weight.shape
    shape = (n, ho, wo, c) if padding == "same" else (n, ho + kh - 1, wo + kw - 1, c)
    if _is_pixelwise(weight.shape):
        dx, pixels = device_of(dy, weight).empty(shape, dy.dtype), n * ho * wo
        launch("pixelwise.pixelwise_backward_input", blocks(pixels * blocks(c, 4)), dy, weight, dx, pixels, c, o,
               options=_vector(c))
        return dx
    sizes = _sizes(shape, weight.shape, padding, dy.shape)
    config = GemmConfig.convolve(device_of(dy, weight), shape[:3], (kh, kw), o, c, dy.dtype, (c, o))
    return config.run("conv2d.conv2d_backward_input", (dy, config.operand(weight, swapped=True)), [shape], sizes)[0]


def backward_weight(dy, x, shape, padding="same"):
    plain.check_gradient(dy, x, shape, padding)
    kh, kw, c, o = shape
    if _is_pixelwise(shape):
        pixels = x.size // c
        return sum_over("pixelwise.pixelwise_backward_weight", pixels, shape, dy, x, dtype=x.dtype, columns=c * o,
                        rest=(pixels, c, o))
    config = GemmConfig.weight_gradient(device_of(dy, x), dy.shape[:3], (kh, kw), c, o, x.dtype, (c, o))
    return config.run("conv2d.conv2d_backward_weight", (config.operand(dy), x), [shape],
                      _sizes(x.shape, shape, padding, dy.shape))[0]


def _sizes(x_shape, weight_shape, padding, y_shape):
    """Return the sizes that the kernels take: N H W C O KH KW HO WO top left."""
    (n, h, w, c), (kh, kw, _, o), (_, ho, wo, _) = x_shape, weight_shape, y_shape
    (top, _), (left, _) = plain.pads(x_shape, weight_shape, padding)
    return n, h, w, c, o, kh, kw, ho, wo, top, left


def _is_pixelwise(weight_shape):
    """Return whether a convolution goes the way of pixelwise.cu."""
    kh, kw, _, o = weight_shape
    return kh == kw == 1 and 0 < o <= 4


def _vector(c):
    """Return the macros by which pixelwise.cu is compiled for C channels."""
    return (("VECTOR", int(c % 4 == 0)),)
