"""What the launcher of the CUDA kernels must notice, and what it reads of their text."""

from pathlib import Path

import numpy as np
import pytest
from places import emulator

from stemnet_ref.backends.cuda import sources
from stemnet_ref.backends.cuda.launch import launch
from stemnet_ref.layers import conv2d


@pytest.mark.parametrize(("arguments", "culprit"), [
    (lambda a: (a, a), "2 arguments; it takes 3"),
    (lambda a: (a, np.zeros(4), 4), "move them to one device"),
    (lambda a: (a, emulator().to_device(np.zeros(4)), 4), "y is float64; it must be float32"),
    (lambda a: (emulator().to_device(np.zeros(4, int)), a, 4), "x is int64; it must be float32 or float64"),
    (lambda a: (a[::2], a, 4), "x is not contiguous"),
    (lambda a: (a, a, 4.0), "elements=4.0 must be a whole number of 64 bits"),
    (lambda a: (a, a, 2 ** 63), "must be a whole number of 64 bits"),
])
def test_the_launcher_checks_what_cuda_would_not(arguments, culprit):
    array = emulator().to_device(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match=culprit):
        launch("relu.relu_forward", 1, *arguments(array))


def test_the_launcher_refuses_arrays_that_vectors_cannot_be_read_from():
    where = emulator()
    x, weight = where.to_device(np.ones((1, 4, 4, 8), np.float32)), where.to_device(np.ones(8 * 8 + 1, np.float32))
    conv2d.forward(x, weight[:-1].reshape(1, 1, 8, 8))
    with pytest.raises(ValueError, match="weight does not begin at a multiple of 16 bytes"):
        conv2d.forward(x, weight[1:].reshape(1, 1, 8, 8))


def test_the_launcher_refuses_sizes_that_an_int_does_not_hold():
    array = emulator().to_device(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="D=2147483648 must be a whole number of 32 bits, give it fewer pixels"):
        launch("dense.dense_backward_input", 1, array, array, array, 1, 2 ** 31, 1)
    with pytest.raises(ValueError, match="more than CUDA allows"):
        launch("relu.relu_forward", (1, 65536), array, array, 4)


def test_parameters_of_a_kernel_are_read_from_its_text():
    found = sources.kernels(sources.source("dropout"))
    assert found["dropout_draw_mask"] == [
        ("bool", True, False, "mask"), ("int64", False, False, "elements"), ("int", False, False, "threshold"),
        ("uint64", False, False, "seed"), ("double", True, True, "step"), ("uint64", False, False, "layer")]
    text = "\n".join(path.read_text() for path in Path(sources.PACKAGE).rglob("*.cu"))
    assert text.count("__global__") == sum(len(sources.kernels(path)) for path in sources.PACKAGE.rglob("*.cu"))
