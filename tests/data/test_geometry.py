"""Cropping and padding to one size, and back."""

import csv
import json
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import save_model
from pictures import pixels_of, sequence
from PIL import Image
from refusals import check, script

import run_predict
from stemnet_ref import metrics, predict
from stemnet_ref.data import preprocess
from stemnet_ref.data.geometry import Geometry, geometry_of, read_record
from stemnet_ref.errors import InputError
from stemnet_ref.training import checkpoint

SIDE = st.integers(1, 12)


@given(SIDE, SIDE, SIDE, SIDE)
def test_cropping_and_back(height, width, new_height, new_width):
    geometry = Geometry((height, width), (new_height, new_width))
    pixels = 1 + np.arange(height * width).reshape(height, width)
    moved = geometry.apply(pixels)
    assert moved.shape == (new_height, new_width)
    back = geometry.undo(moved)
    assert back.shape == pixels.shape
    if new_height >= height and new_width >= width:
        np.testing.assert_array_equal(back, pixels)                         # padded and back: the identity
    np.testing.assert_array_equal(geometry.apply(back), moved)
    kept = back > 0
    np.testing.assert_array_equal(back[kept], pixels[kept])
    np.testing.assert_array_equal(geometry.shared(moved).ravel(), pixels[kept])
    assert kept.sum() == min(height, new_height) * min(width, new_width)
    assert geometry.padding == pytest.approx(np.mean(moved == 0))
    for axis in (0, 1):                                                     # centred: as much cut on either side
        lines = np.flatnonzero(kept.any(axis=1 - axis))
        assert abs(lines[0] - (pixels.shape[axis] - 1 - lines[-1])) <= 1
    with pytest.raises(ValueError, match="this geometry is for"):
        geometry.apply(np.zeros((height + 1, width)))


def test_predictions_return_to_the_original_size(tmp_path, capsys):
    frames, masks = sequence(tmp_path / "movie", 5, height=44, width=30)
    out = tmp_path / "out"
    assert script(preprocess.main, frames, out, "--masks", masks, "--size", "32") == 0
    model = save_model(tmp_path / "model.npz")
    for name, options in (("small", ()), ("large", ("--restore",))):
        assert script(run_predict.main, model, out / "frames", "--masks", out / "masks", "--out", tmp_path / name,
                      *options) == 0
    geometry = Geometry((44, 30), (32, 32))
    for number in range(1, 6):
        for kind in ("mask", "probability"):
            small, large = (pixels_of(tmp_path / name / f"t_{number:02d}_{kind}.png") for name in ("small", "large"))
            assert large.shape == (44, 30)
            np.testing.assert_array_equal(large, geometry.undo(small))
        assert pixels_of(tmp_path / "large" / f"t_{number:02d}_overlay.png").shape == (44, 30, 3)
    capsys.readouterr()
    check(capsys, script(run_predict.main, model, frames, "--restore", "--out", tmp_path / "x"),
            "preprocess.json is missing")
    Image.new("L", (64, 64)).save(out / "frames" / "t_02.png")
    check(capsys, script(run_predict.main, model, out / "frames" / "t_02.png", "--restore", "--out", tmp_path / "x"),
            "t_02.png has 64 x 64 pixels, but 32 x 32 were written")
    shutil.copy(out / "frames" / "t_01.png", out / "frames" / "t_02.png")
    shutil.copy(out / "frames" / "t_01.png", out / "frames" / "t_99.png")
    check(capsys, script(run_predict.main, model, out / "frames", "--restore", "--out", tmp_path / "x"), "t_99.png",
            "not in the record")
    (out / "frames" / "t_99.png").write_bytes(b"damaged")
    check(capsys, script(run_predict.main, model, out / "frames", "--restore", "--out", tmp_path / "y"), "t_99.png",
            "all is done except 1 file")
    assert pixels_of(tmp_path / "y" / "t_01_mask.png").shape == (44, 30)
    (out / "preprocess.json").write_text("{")
    check(capsys, script(run_predict.main, model, out / "frames", "--restore", "--out", tmp_path / "x"),
            "cannot be read")


def test_restored_results_are_measured_without_padding_and_what_was_cropped(tmp_path, capsys):
    """Both at once: 44 rows are cropped to 32, and 20 columns padded to 32."""
    frames, masks = sequence(tmp_path / "movie", 3, height=44, width=20)
    out = tmp_path / "out"
    assert script(preprocess.main, frames, out, "--masks", masks, "--size", "32") == 0
    assert "37.5% of the written pixels are padding" in capsys.readouterr().out
    model = save_model(tmp_path / "model.npz")
    assert script(run_predict.main, model, out / "frames", "--masks", out / "masks", "--restore", "--backend",
                  "plain", "--out", tmp_path / "p") == 0
    loaded, scores = checkpoint.load(model), metrics.Scores()
    for number in range(1, 4):
        frame = pixels_of(out / "frames" / f"t_{number:02d}.png")
        z = predict.logits(loaded.network, loaded.scaling, [frame])[:, 6:26]
        scores.add(predict.cell_probability(z) > 0.5, z, pixels_of(masks / f"t_{number:02d}.png")[6:38])
    header, *rows = csv.reader((tmp_path / "p" / "metrics.csv").read_text().splitlines())
    expected = scores.table(["t_01", "t_02", "t_03"])
    assert header == expected[0]
    assert rows == [[str(value) for value in row] for row in expected[1]]
    _, *points = csv.reader((tmp_path / "p" / "roc.csv").read_text().splitlines())
    assert [[float(value) for value in point] for point in points] == scores.roc.points()


@pytest.mark.parametrize("memory", ["500", "0.001"])
def test_frames_of_any_size_are_made_one_size_and_come_back(tmp_path, capsys, memory):
    """Without a median every frame has its own geometry, and all have one scale."""
    sizes, rng = [(40, 48), (30, 60), (20, 20), (52, 31)], np.random.default_rng(0)
    for part in ("frames", "masks"):
        (tmp_path / part).mkdir()
    for number, size in enumerate(sizes):
        pixels = rng.integers(0, 1000 * (number + 1), size).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "frames" / f"t_{number}.png")
        Image.fromarray((pixels > 500).astype(np.uint8)).save(tmp_path / "masks" / f"t_{number}.png")
    out = tmp_path / "out"
    options = "--masks", tmp_path / "masks", "--size", "32", "--background", "none", "--bits", "8", "--memory", memory
    assert script(preprocess.main, tmp_path / "frames", out, *options) == 0
    assert "frames of 4 sizes made 32 x 32" in capsys.readouterr().out
    scale = json.loads((out / "preprocess.json").read_text())["sequences"]["t_#"]["scale"]
    for number, size in enumerate(sizes):
        geometry = Geometry(size, (32, 32))
        raw, mask = (pixels_of(tmp_path / part / f"t_{number}.png") for part in ("frames", "masks"))
        pixels = np.rint(np.clip(raw * np.float32(scale), 0, 255)).astype(np.uint8)
        np.testing.assert_array_equal(pixels_of(out / "frames" / f"t_{number}.png"),
                                      geometry.apply(pixels, int(np.median(pixels))))
        np.testing.assert_array_equal(pixels_of(out / "masks" / f"t_{number}.png") > 0, geometry.apply(mask) > 0)
    model = save_model(tmp_path / "model.npz")
    assert script(run_predict.main, model, out / "frames", "--restore", "--out", tmp_path / "p") == 0
    for number, size in enumerate(sizes):
        assert pixels_of(tmp_path / "p" / f"t_{number}_mask.png").shape == size


def test_a_record_of_an_earlier_version_is_read():
    record = {"sequences": {"s": {"written_size": [3, 4]}}, "frames": {"a": {"size": [5, 6], "sequence": "s"}}}
    assert geometry_of(record, "a") == Geometry((5, 6), (3, 4))


@pytest.mark.parametrize(("size", "taken"), [
    ([1, 1], True), ([1 << 15, 1 << 15], True), ([1 << 15, (1 << 15) + 1], False), ([0, 4], False), ([4], False),
    ([4, 4, 4], False), ([4.0, 4], False), ([True, 4], False)])
def test_a_record_of_impossible_sizes_is_refused(tmp_path, size, taken):
    record = {"sequences": {"s": {"written_size": [3, 4]}}, "frames": {"a": {"size": size, "sequence": "s"}}}
    (tmp_path / "frames").mkdir()
    (tmp_path / "preprocess.json").write_text(json.dumps(record))
    with nullcontext() if taken else pytest.raises(InputError, match=r"preprocess\.json: a cannot be used"):
        assert read_record(tmp_path / "frames") == record
