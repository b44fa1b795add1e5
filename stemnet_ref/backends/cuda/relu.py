"""Rectified linear unit on the GPU: `layers.relu` by the kernels of relu.cu."""

from .launch import elementwise


def forward(x):
    return elementwise("relu.relu_forward", x, like=x)


def backward(dy, y):
    if dy.shape != y.shape:
        raise ValueError(f"relu.backward: dy has shape {dy.shape}; y has {y.shape}")
    return elementwise("relu.relu_backward", dy, y, like=y)
