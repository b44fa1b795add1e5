"""Predictions as graphs of their kernels, on the emulated device or a GPU."""

import numpy as np
import pytest
from places import KERNEL_PLACES, backend_at

from stemnet_ref.backends.buffers import Buffers
from stemnet_ref.backends.cuda.recorder import Forward
from stemnet_ref.network.stemnet import StemNet

SHAPES = [(1, 8, 8, 3)] * 4 + [(1, 8, 16, 3)] * 2 + [(1, 8, 8, 3)] * 3


class Counted:
    """A device that notes what is recorded and forgotten on it, or refuses to record."""

    def __init__(self, device, error=None):
        self.device, self.error, self.done = device, error, []

    def record(self, work, alone):
        assert alone
        self.done.append("record")
        if self.error:
            raise self.error
        return self.device.record(work, alone)

    def forget(self):
        self.done.append("forget")
        self.device.forget()


def assert_forward(place, device, log):
    """Run frames of several shapes, and compare their logits with those of the network by itself."""
    where, network, rng = place(), StemNet(3, 2, 8).to(backend_at(place)), np.random.default_rng(0)
    forward, frames = Forward(network, device, log), [rng.standard_normal(shape, np.float32) for shape in SHAPES]
    for frame in frames:
        if frame.shape not in forward.buffers:
            forward.buffers[frame.shape] = Buffers(where.empty(frame.shape, np.float32))
        x = forward.buffers[frame.shape].x
        x[...] = where.to_device(frame)
        z = where.to_host(forward.run(x))
        assert list(forward.buffers) == [frame.shape]
        np.testing.assert_array_equal(z, where.to_host(network.forward(where.to_device(frame), with_cache=False)[0]))


@KERNEL_PLACES
def test_frames_of_one_shape_are_one_graph_and_another_shape_takes_its_place(place):
    device = Counted(place())
    assert_forward(place, device, pytest.fail)
    assert device.done == ["forget", "record"] * 3


@KERNEL_PLACES
@pytest.mark.parametrize("error", [RuntimeError("not allowed"), MemoryError("full")])
def test_a_prediction_that_cannot_be_recorded_is_right_and_is_noted(place, error):
    device, told = Counted(place(), error), []
    assert_forward(place, device, told.append)
    assert device.done == ["forget", "record", "forget"] * 3
    assert told[0] == (f"note: a prediction cannot be recorded as a CUDA graph ({error}); its kernels are started one "
                       "by one")
