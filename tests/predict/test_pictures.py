"""What the pictures of predictions show."""

import numpy as np
import pytest
from PIL import Image

from stemnet_ref import pictures
from stemnet_ref.report import figures


def test_overlay_marks_borders_and_errors():
    pixels = np.full((9, 9), 100, np.uint8)
    pixels[0] = np.arange(9)
    mask, truth = np.zeros((9, 9), bool), np.zeros((9, 9), np.uint8)
    mask[2:7, 1:6], truth[2:7, 3:8] = True, 1
    picture = pictures.overlay(pixels, mask, truth).astype(int)
    assert tuple(picture[2, 1]) == pictures.BLUE
    false, missed, agreed = picture[4, 2], picture[4, 6], picture[4, 4]
    assert false[0] > false[1] > false[2]                                   # orange
    assert missed[0] > missed[2] + 20                                       # yellow
    assert missed[1] > missed[2] + 20
    assert len(set(agreed.tolist())) == 1                                   # grey


def test_borders_of_several_pixels_grow_inwards():
    pixels, mask = np.tile(np.arange(12, dtype=np.uint8), (12, 1)), np.zeros((12, 12), bool)
    mask[1:11, 1:11] = True
    blue = np.all(pictures.overlay(pixels, mask, border=3) == pictures.BLUE, axis=2)
    expected = mask.copy()
    expected[4:8, 4:8] = False
    np.testing.assert_array_equal(blue, expected)


@pytest.mark.drawn
@pytest.mark.parametrize("shape", [(30, 30), (16, 600), (600, 16)])
def test_the_figure_of_a_frame_of_any_shape_holds_its_four_pictures(tmp_path, shape):
    frame = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    figures.plot_predictions([("a", frame, frame > 99, frame / frame.max())] * 2, tmp_path / "p.png")
    picture = np.asarray(Image.open(tmp_path / "p.png").convert("RGB")).astype(int)
    assert 250 < picture.shape[0] < 1400
    assert np.ptp(picture, axis=2).max() > 100                              # the heat map's colours
