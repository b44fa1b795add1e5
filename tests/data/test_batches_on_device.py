"""Batches made on a device from frames that went there as they were read: those of the CPU, every frame sent once."""

from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import sequence
from places import KERNEL_PLACES, backend_at, emulator

from stemnet_ref import predict
from stemnet_ref.data.crops.batch import Sample, assemble
from stemnet_ref.data.crops.crop import Crop
from stemnet_ref.data.crops.epoch import plan_epoch
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.frames import find
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.pairing import pair
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.training.settings import Settings

SCALING = Scaling(100.0, 30.0)
SIDE = st.integers(1, 40)


def dataset(folder, device=None, **options):
    frames, masks = sequence(folder, 60, height=16, width=20)
    found = find(frames, "--frames")
    return Dataset(inspect(found, pair(found, find(masks, "--masks")), 5), device=device, **options)


def assert_equal_but_for_rounding(actual, expected):
    # two operations in float32, of which the kernel may fuse one with the other
    np.testing.assert_allclose(actual, expected, rtol=3e-7, atol=3e-7 * 100 / 30)


@KERNEL_PLACES
@given(st.booleans(), st.integers(0, 3), SIDE, SIDE, SIDE, SIDE, st.sampled_from([np.uint8, np.uint16]))
def test_pieces_are_cut_mirrored_turned_and_scaled_as_on_the_cpu(place, mirror, turns, top, left, height, width, dtype):
    where, rng = place(), np.random.default_rng(0)
    window = [rng.integers(0, np.iinfo(dtype).max, (80, 90)).astype(dtype) for _ in range(3)]
    classes = rng.integers(0, 2, (80, 90)).astype(np.uint8)
    crops = [Crop(0, top, left, height, width, mirror, turns), Crop(0, 1, 0, height, width, mirror, turns)]
    there = [where.to_device(pixels) for pixels in window]
    parts = [Sample(crop, there, where.to_device(classes)) for crop in crops]
    x, labels, _ = assemble(SCALING, parts)
    x, labels = where.to_host(x), where.to_host(labels)
    expected = [np.stack([SCALING.apply(crop.cut(pixels)) for pixels in window], axis=-1) for crop in crops]
    assert_equal_but_for_rounding(x, np.stack(expected))
    np.testing.assert_array_equal(labels, np.stack([crop.cut(classes) for crop in crops]))


@KERNEL_PLACES
@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["all fit", "few fit"])
def test_every_frame_is_sent_once_or_once_an_epoch_as_it_was_read(tmp_path, place, memory):
    where, sent = place(), []
    here, there = dataset(tmp_path), dataset(tmp_path, where, memory=memory)
    to_device = where.to_device

    def watched(array):
        sent.append((array.dtype, array.shape, array.tobytes()))
        return to_device(array)

    with mock.patch.object(where, "to_device", watched):
        for epoch in range(2):
            crops = plan_epoch(there, range(60), Settings(crop=16, levels=3, crops_per_frame=3, augment=True), epoch)
            for (x, labels, _), (x2, labels2, _) in zip(there.batches(crops, 2, SCALING),
                                                        here.batches(crops, 2, SCALING), strict=True):
                assert_equal_but_for_rounding(where.to_host(x), x2)
                np.testing.assert_array_equal(where.to_host(labels), labels2)
            once = epoch + 1 if memory == 0 else 1
            assert len(sent) == 2 * 60 * once
            assert {dtype for dtype, _, _ in sent} == {np.dtype(np.uint8)}
            assert set(Counter(sent[:60 * 2]).values()) == {1}
    held = [kind for kind, _ in there.cache.arrays if kind.endswith("on the device")]
    assert len(held) == (120 if memory else 0)


@KERNEL_PLACES
def test_the_same_buffers_come_back_for_every_batch_of_one_kind(tmp_path, place):
    """A step that was recorded on a set of buffers may be repeated whenever that very set comes again."""
    there = dataset(tmp_path, place())
    crops = plan_epoch(there, range(60), Settings(crop=16, levels=3, crops_per_frame=1), 0)[:5]
    first, *batches, last = there.batches(crops, 2, SCALING)
    assert all(batch is first for batch in batches)
    assert last.x.shape == (1, 16, 16, 5)                               # the rest of an epoch has its own set
    assert last is not first
    assert next(there.batches(crops, 2, SCALING)) is first              # in the next epoch too
    assert first.weights is None


def test_a_frame_goes_on_beyond_its_end_as_its_mirror_image():
    network = StemNet(3, 3, 4)
    window = [np.random.default_rng(number).integers(0, 256, (37, 18)).astype(np.uint8) for number in range(3)]
    expected = predict.logits(network, SCALING, window, tile=16)
    found = predict.logits(network.to(backend_at(emulator)), SCALING, window, tile=16)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
