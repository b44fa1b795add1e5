"""Transposed convolution on the GPU: `layers.conv_transpose2d` by the kernels of conv_transpose2d.cu.

The output is written in stride * stride phases, each of which is a convolution of stride 1 (phases.cuh).
"""

from ...dispatch import device_of
from ...layers import conv_transpose2d as plain
from ...layers._shapes import check_shapes
from .gemm import GemmConfig
from .launch import blocks, swap_channels


def forward(x, weight, stride=2, padding="same"):
    check_shapes("conv_transpose2d.forward", x=(x, "N H W C"), weight=(weight, "kh kw O C"))
    sizes, device = _sizes(x, weight, stride, padding), device_of(x, weight)
    n, _, _, c, o, _, _, _, ho, wo, *_ = sizes
    y = device.empty((n, ho, wo, o), x.dtype)
    largest = n, blocks(ho, stride), blocks(wo, stride)             # of the phases
    config = GemmConfig.convolve(device, largest, (1, 1), c, o, x.dtype, (c, o))
    config.launch("conv_transpose2d.conv_transpose2d_forward", stride ** 2, x, swap_channels(weight), y, *sizes)
    return y


def backward(dy, x, weight, stride=2, padding="same"):
    return gradients(dy, x, weight, stride, padding)


def gradients(dy, x, weight, stride=2, padding="same", out=None):
    """Return dx and dweight, this in the array `out` if given."""
    plain.check_gradient(dy, x, weight, stride, padding)
    (kh, kw, o, c), device, sizes = weight.shape, device_of(dy, x, weight), _sizes(x, weight, stride, padding)
    dx, = GemmConfig.convolve(device, x.shape[:3], (kh, kw), o, c, x.dtype, (c, o), stride=2).run(
        "conv_transpose2d.conv_transpose2d_backward_input", (dy, weight), [x.shape], sizes)
    dweight, = GemmConfig.weight_gradient(device, x.shape[:3], (1, 1), o * kh * kw, c, x.dtype, (c, o)).run(
        "conv_transpose2d.conv_transpose2d_backward_weight", (dy, x), [weight.shape], sizes, out)
    return dx, dweight


def _sizes(x, weight, stride, padding):
    """Return the sizes that the kernels take: N H W C O KH KW stride HO WO top left."""
    (n, h, w, c), (kh, kw, o, _) = x.shape, weight.shape
    _, rows, columns, _ = plain.output_crop(x.shape, weight.shape, stride, padding)
    return (n, h, w, c, o, kh, kw, stride, rows.stop - rows.start, columns.stop - columns.start, rows.start,
            columns.start)
