"""Fully connected layer on the GPU: `layers.dense` by the kernels of dense.cu, convolutions of N pixels by 1 x 1."""

from ...dispatch import device_of
from ...layers._shapes import check_shapes
from . import bias as bias_layer
from .gemm import GemmConfig
from .launch import swap_channels


def forward(x, weight, bias):
    check_shapes("dense.forward", x=(x, "N D"), weight=(weight, "D M"), bias=(bias, "M"))
    (n, d), m, device = x.shape, len(bias), device_of(x, weight, bias)
    y = device.empty((n, m), x.dtype)
    config = GemmConfig.convolve(device, (1, 1, n), (1, 1), d, m, x.dtype, (d, m))
    config.launch("dense.dense_forward", 1, x, weight, bias, y, n, d, m)
    return y


def backward(dy, x, weight):
    check_shapes("dense.backward", dy=(dy, "N M"), x=(x, "N D"), weight=(weight, "D M"))
    (n, d), m, device, pixels = x.shape, dy.shape[1], device_of(dy, x, weight), (1, 1, len(x))
    dx, = GemmConfig.convolve(device, pixels, (1, 1), m, d, x.dtype, (d, m)).run(
        "dense.dense_backward_input", (dy, swap_channels(weight)), [(n, d)], (n, d, m))
    dweight, = GemmConfig.weight_gradient(device, pixels, (1, 1), d, m, x.dtype, (d, m)).run(
        "dense.dense_backward_weight", (dy, x), [(d, m)], (n, d, m))
    return dx, dweight, bias_layer.backward(dy.reshape(1, 1, n, m))[1]
