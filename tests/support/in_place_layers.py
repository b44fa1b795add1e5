"""Layers as people write them in NumPy, in place on x."""

import numpy as np
from numpy_layers import EPSILON, PIXELS


def relu_in_place(x):
    return np.maximum(x, 0, out=x)


def dropout_in_place(x, mask):
    x *= mask
    x /= np.float32(0.75)
    return x


def sigmoid_in_place(x):
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


def bias_in_place(x, b):
    x += b
    return x


def batch_norm_in_place(x, scale, shift):
    inverse = (x.var(PIXELS) + EPSILON) ** -0.5
    x -= x.mean(PIXELS)
    x *= scale * inverse
    x += shift
    return x


def softmax_in_place(x):
    x -= x.max(-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(-1, keepdims=True)
    return x
