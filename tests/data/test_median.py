"""The median of sequences larger than memory: NumPy's, within the memory allowed, through a scratch file if need be."""

import io
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemnet_ref.data.images import eight_bit_units
from stemnet_ref.data.median import Stack
from stemnet_ref.errors import InputError

DTYPE = st.sampled_from([np.uint8, np.uint16, np.float32])


def filled(frames, **options):
    stack = Stack(**options)
    for frame in frames:
        stack.append(frame)
    return stack


@pytest.mark.equation("3-background")
@given(st.integers(1, 7), st.integers(0, 2 ** 32 - 1))
def test_the_background_is_the_middle_of_the_values_over_time(count, seed):
    frames = np.random.default_rng(seed).integers(0, 256, (count, 3, 4)).astype(np.uint8)
    with filled(frames) as stack:
        still = stack.median()
    for row, column in np.ndindex(3, 4):
        values = sorted(frames[:, row, column].tolist())
        assert still[row, column] == (values[(count - 1) // 2] + values[count // 2]) / 2


def test_no_frames_have_no_median():
    with Stack() as stack, pytest.raises(ValueError, match="0 frames"):
        stack.median()


@given(st.integers(0, 2 ** 32 - 1), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), DTYPE,
       st.sampled_from([1, 200, 10 ** 6]))
def test_the_median_is_numpys_whatever_the_memory(seed, count, height, width, dtype, memory):
    frames = (250 * np.random.default_rng(seed).random((count, height, width))).astype(dtype)
    rows = []
    with filled(frames, memory=memory) as stack:
        median = stack.median(rows.append)
        np.testing.assert_array_equal(median, np.median(frames, axis=0))
        assert median.dtype == np.median(frames, axis=0).dtype
        assert (stack._file is not None) == (2 * frames.nbytes > memory)
        for number in range(count):
            np.testing.assert_array_equal(stack.frame(number), frames[number])
    assert sum(rows) == height


@pytest.mark.parametrize("memory", [1, 10 ** 6])
def test_frames_of_several_sizes_are_kept_but_have_no_median(memory):
    frames = [np.arange(h * w, dtype=np.uint16).reshape(h, w) for h, w in ((3, 4), (5, 2), (1, 7))]
    with filled(frames, memory=memory) as stack:
        for number in (2, 0, 1):
            np.testing.assert_array_equal(stack.frame(number), frames[number])
        with pytest.raises(ValueError, match="3 frames of 3 sizes"):
            stack.median()


@given(st.lists(DTYPE, min_size=1, max_size=6), st.sampled_from([1, 10 ** 6]))
def test_frames_of_several_dtypes_are_held_in_8_bit_units(dtypes, memory):
    frames = [np.arange(at, at + 12).reshape(3, 4).astype(dtype) for at, dtype in enumerate(dtypes)]
    expected = frames if len(set(dtypes)) == 1 else [eight_bit_units(frame) for frame in frames]
    with filled(frames, memory=memory) as stack:
        assert stack.dtype == expected[0].dtype
        assert stack.count == len(frames)
        for found, frame in zip(stack.frames(), expected, strict=True):
            np.testing.assert_array_equal(found, frame)


def test_memory_is_bounded(tmp_path):
    frames = np.random.default_rng(0).integers(0, 60000, (80, 100, 200)).astype(np.uint16)        # 3.2 MB
    expected, peak = np.median(frames, axis=0), {}
    for memory in (800_000, 100_000_000):
        tracemalloc.start()
        with Stack(memory, tmp_path) as stack:
            for frame in frames:
                stack.append(frame.copy())
            median = stack.median()
        peak[memory] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(median, expected)
    # beside the frames: the median, and what the threads sort (CHUNK values each, or all there are)
    assert peak[800_000] < 800_000 + expected.nbytes + 800_000 < 3_200_000 < peak[100_000_000]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Full())
    with Stack(memory=1, folder=tmp_path) as stack, pytest.raises(
            InputError, match=r"No space left.*free space, choose another folder, or allow more memory"):
        stack.append(np.zeros((3, 3), np.uint8))
