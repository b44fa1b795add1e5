"""Sums that several blocks share, on the emulated device or a GPU."""

import numpy as np
import pytest
from places import KERNEL_PLACES, on

from stemnet_ref.backends import cuda
from stemnet_ref.backends.cuda.launch import add_parts
from stemnet_ref.layers import block
from stemnet_ref.layers.block import Saved

PARTS = pytest.mark.parametrize(("count", "elements"), [
    (1, 300), (7, 1000), (16, 2), (40, 70), (512, 1), (512, 16), (1000, 5), (33, 9000)])


def added(place, parts, factor):
    where, parts = place(), np.ascontiguousarray(parts)
    return where.to_host(add_parts(where.to_device(parts), factor, where.empty(parts.shape[1:], parts.dtype)))


@KERNEL_PLACES
@PARTS
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2 ** 13), (np.float64, 2 ** 42)])
def test_the_sum_of_parts_that_are_whole_numbers_is_exact(place, count, elements, dtype, limit):
    parts = np.random.default_rng(count).integers(-limit, limit, (count, elements))
    np.testing.assert_array_equal(added(place, parts.astype(dtype), 0.5), parts.sum(axis=0) / 2)


@KERNEL_PLACES
@PARTS
def test_parts_are_added_in_the_same_order_each_time(place, count, elements):
    parts = np.random.default_rng(count).standard_normal((count, elements)).astype(np.float32)
    first, second = (added(place, parts, 1.5) for _ in range(2))    # the emulator takes another order for every launch
    assert first.tobytes() == second.tobytes()


@KERNEL_PLACES
@pytest.mark.parametrize("o", [5, 16, 20, 300])
def test_the_gradient_of_the_bias_where_a_thread_has_many_pixels(place, monkeypatch, o):
    monkeypatch.setattr(cuda.block, "MAX_BLOCKS", 4)
    rng = np.random.default_rng(o)
    x, dy, weight = (rng.standard_normal(shape) for shape in ((2, 33, 40, 1), (2, 33, 40, o), (1, 1, 1, o)))
    saved = Saved((x,), np.maximum(rng.standard_normal(dy.shape), 0), "conv", "relu", 0.75, (3, 1, 2))
    for ours, right in zip(on(place, block).backward(dy, saved, weight)[1:3], block.backward(dy, saved, weight)[1:3],
                           strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-10, atol=1e-10)
