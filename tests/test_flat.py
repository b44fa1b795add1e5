"""Arrays in one buffer: where they lie, copies, and that an optimizer changes them as it does separate ones."""

from functools import partial

import numpy as np
import pytest
from places import PLACES, backend_at

from stemnet_ref.backends.cuda.launch import VECTOR
from stemnet_ref.dispatch import to_host
from stemnet_ref.flat import Flat
from stemnet_ref.optimizers import SGD, Adam, Momentum

SHAPES = {"a.weight": (3, 3, 2, 5), "a.bias": (5,), "b.weight": (4, 1), "c.bias": (1,)}


def filled(seed, dtype=np.float64):
    rng, flat = np.random.default_rng(seed), Flat(SHAPES, dtype)
    for name, shape in SHAPES.items():
        flat[name] = rng.standard_normal(shape)
    return flat


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_arrays_are_views_of_one_buffer_that_do_not_overlap_and_begin_where_kernels_can_read_vectors(dtype):
    flat = filled(0, dtype)
    assert flat.shapes == SHAPES
    for number, array in enumerate(flat.values()):
        start = array.ctypes.data - flat.buffer.ctypes.data
        assert start % VECTOR == 0
        array[...] = number + 1
    assert [np.sum(flat.buffer == number + 1) for number in range(4)] == [90, 5, 4, 1]


def test_assigning_copies_and_checks_name_and_shape():
    flat, value = filled(0), np.ones(5)
    flat["a.bias"] = value
    value[:] = 2
    assert (flat["a.bias"] == 1).all()
    with pytest.raises(KeyError):
        flat["d.bias"] = value
    with pytest.raises(ValueError, match="broadcast"):
        flat["b.weight"] = value


@PLACES
@pytest.mark.parametrize("make", [
    partial(SGD, 0.1), partial(Momentum, 0.1, 0.5), partial(Momentum, 0.1, 0.5, "tensorflow"), partial(Adam, 0.1),
    partial(Adam, 0.1, form="tensorflow")])
def test_an_optimizer_changes_a_flat_as_separate_arrays_and_goes_on_from_their_state(place, make):
    where = place()
    separate, ours = {name: array.copy() for name, array in filled(1).items()}, filled(1)
    rules = backend_at(place).optimizers
    optimizers = [make(), make(rules=rules)]
    for step in range(4):
        gradients = filled(2 + step)
        optimizers[0].update(separate, dict(gradients))
        if step == 2:                                       # the state of one serves the other
            state = optimizers[1].state()
            optimizers[1] = make(rules=rules)
            optimizers[1].load_state({key: to_host(array) for key, array in state.items()})
        if where:
            ours, gradients = ours.on(where) if step == 0 else ours, gradients.on(where)
        optimizers[1].update(ours, gradients)
    for name, array in separate.items():
        # the kernels may fuse a multiplication with an addition
        np.testing.assert_allclose(to_host(ours[name]), array, rtol=1e-12, atol=1e-12 if where else 0)
    assert all(isinstance(arrays, Flat) for arrays in optimizers[1].slots.values())
