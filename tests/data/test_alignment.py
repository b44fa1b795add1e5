"""Where masks fit their frames best, on the sample's real frames."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stemnet_ref import sample
from stemnet_ref.data import alignment
from stemnet_ref.data.dataset import Dataset
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.pairing import find_pairs

FRAMES, MASKS = str(sample.FRAMES / "*field2*"), str(sample.MASKS / "*field2*")


@given(st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=10)
def test_the_shift_is_that_which_was_made(down, right):
    frames, masks = find_pairs(FRAMES, MASKS)
    data = Dataset(inspect(frames, masks, 1), log=lambda line: None)
    for index in range(len(frames)):
        data.cache.arrays["classes", index] = np.roll(data.classes(index), (down, right), (0, 1))
    found = alignment.fit(data).pixels
    if max(abs(down), abs(right)) <= 2:
        assert found == (0, 0)
    elif max(abs(down), abs(right)) >= 12 or found != (0, 0):       # between them the fit is not much worse
        assert abs(found[0] - down) <= 3
        assert abs(found[1] - right) <= 3


def test_frames_without_structure_give_no_opinion(tmp_path):
    for path in sample.MASKS.glob("*field2*"):
        Image.new("L", (448, 448), 90).save(tmp_path / path.name)
    assert alignment.fit(Dataset(inspect(*find_pairs(tmp_path, MASKS), 1))) is None


def test_the_glance_at_a_few_frames_makes_large_ones_smaller():
    for side in (448, 200, 50):
        data = Dataset(inspect(*find_pairs(FRAMES, MASKS), 1))
        for index in range(len(data.frames)):
            data.cache.arrays["classes", index] = np.roll(data.classes(index), (16, -24), (0, 1))
        down, right = alignment.fit(data, 10, side).pixels
        assert abs(down - 16) <= max(3, 448 / side)
        assert abs(right + 24) <= max(3, 448 / side)
