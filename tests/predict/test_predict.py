"""Prediction: any size, tiles equal to the whole, neighbours from the folder, and what is written."""

import csv

import numpy as np
import pytest
from checkers import SEED
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictures import sequence, stack
from PIL import Image

import run_predict
from stemnet_ref import metrics, pictures, predict
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.errors import InputError
from stemnet_ref.layers import conv2d
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.storage import readers
from stemnet_ref.training import checkpoint
from stemnet_ref.training.checkpoint import Model

SCALING = Scaling(100.0, 30.0)


def model(channels=1, levels=3, features=2, seed=0):
    return Model(StemNet(channels, levels, features, seed=seed), SCALING, {}, {}, {})


def window(rng, height, width, channels=1):
    return [rng.integers(0, 256, (height, width)).astype(np.uint8) for _ in range(channels)]


def test_a_frame_of_fitting_size_is_the_network_itself():
    network = StemNet(3, 3, 2)
    frames = window(np.random.default_rng(0), 16, 24, 3)
    z, _ = network.forward(SCALING.apply(np.stack(frames, axis=-1))[None])
    np.testing.assert_array_equal(predict.logits(network, SCALING, frames), z[0])


@given(SEED, st.integers(1, 21), st.integers(1, 21))
def test_any_size_is_padded_by_reflection_and_cropped_back(seed, height, width):
    network = StemNet(1, 3, 2, seed=1)
    frames = window(np.random.default_rng(seed), height, width)
    padded_h, padded_w = -(-height // 4) * 4, -(-width // 4) * 4
    padded = np.pad(frames[0], ((0, padded_h - height), (0, padded_w - width)), "reflect")
    z, _ = network.forward(SCALING.apply(padded)[None, ..., None])
    got = predict.logits(network, SCALING, frames)
    assert got.shape == (height, width, 2)
    np.testing.assert_array_equal(got, z[0, :height, :width])


@settings(max_examples=8)
@example(0, 91, 94, 4, 1)                               # the smallest tiles
@given(SEED, st.integers(90, 110), st.integers(90, 110), st.sampled_from([8, 20, 37]), st.integers(1, 2))
def test_tiles_equal_the_whole_within_rounding_seams_included(seed, height, width, tile, features):
    network = StemNet(3, 3, features, seed=seed % 5)
    assert max(network.halo()) < 30 < 90 - tile, "the frame must be larger than one tile with its halo"
    frames = window(np.random.default_rng(seed), height, width, 3)
    whole = predict.logits(network, SCALING, frames, tile=1024)
    tiled = predict.logits(network, SCALING, frames, tile=tile)
    # float32: the same sums in another order; 1e-5 of the largest logit is 100 roundings
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5 * abs(whole).max())


def test_tiles_with_too_small_a_halo_are_noticed(monkeypatch):
    network = StemNet(1, 3, 2)
    frames = window(np.random.default_rng(0), 120, 120)
    whole = predict.logits(network, SCALING, frames)
    monkeypatch.setattr(StemNet, "halo", lambda self: (8, 8))
    tiled = predict.logits(network, SCALING, frames, tile=20)
    assert abs(tiled - whole).max() > 1e-3 * abs(whole).max()


def test_the_thesis_network_in_tiles_equals_the_whole():
    network = StemNet(1, features=1)                    # six levels, halo 190
    frames = window(np.random.default_rng(0), 512, 96)
    whole, tiled = (predict.logits(network, SCALING, frames, tile) for tile in (1024, 64))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5 * abs(whole).max())


def test_probability_is_the_softmax_of_the_cell():
    network = StemNet(1, 2, 2)
    frames = window(np.random.default_rng(0), 8, 8)
    z = predict.logits(network, SCALING, frames).astype(float)
    np.testing.assert_allclose(predict.cell_probability(z), 1 / (1 + np.exp(z[..., 0] - z[..., 1])), rtol=0, atol=1e-15)


@given(SEED, st.integers(1, 9), st.integers(1, 9))
def test_edges_are_cell_pixels_with_background_among_their_eight_neighbours(seed, height, width):
    mask = np.random.default_rng(seed).random((height, width)) > 0.3
    expected = [[i, j] for i, j in np.ndindex(height, width)
                if mask[i, j] and not mask[max(i - 1, 0):i + 2, max(j - 1, 0):j + 2].all()]
    assert pictures.edges(mask).tolist() == expected


def test_edges_do_not_shift_or_wrap():
    mask = np.zeros((6, 6), int)
    mask[:, 0] = 1                              # a cell at the left border, background at the right one
    assert pictures.edges(mask).tolist() == [[i, 0] for i in range(6)]
    mask[:] = 1
    assert pictures.edges(mask).tolist() == []
    mask[2, 3] = 0
    assert [2, 3] not in pictures.edges(mask).tolist()
    assert len(pictures.edges(mask)) == 8


def test_outputs(tmp_path):
    frames, masks = sequence(tmp_path, 4, height=30, width=26)
    m = model(channels=5)
    summary = predict.run(m, frames, tmp_path / "out", masks, log=lambda line: None)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    kinds = ("mask.png", "probability.png", "overlay.png", "edges.csv")
    assert names == {f"t_{n:02d}_{kind}" for n in range(1, 5) for kind in kinds} | {"metrics.csv", "roc.csv"}
    mask = np.asarray(Image.open(tmp_path / "out" / "t_02_mask.png"))
    assert mask.shape == (30, 26)
    assert set(np.unique(mask)) <= {0, 255}
    windows = [np.asarray(Image.open(frames / f"t_{n:02d}.png")) for n in (1, 1, 2, 3, 4)]
    cell = predict.cell_probability(predict.logits(m.network, m.scaling, windows))      # neighbours from the folder
    np.testing.assert_array_equal(mask > 0, cell > 0.5)
    heat = Image.open(tmp_path / "out" / "t_02_probability.png")
    np.testing.assert_array_equal(np.asarray(heat), np.round(255 * cell))
    assert heat.convert("RGB").getpixel((0, 0)) == tuple(pictures.heat_palette()[np.asarray(heat)[0, 0]])
    assert np.asarray(Image.open(tmp_path / "out" / "t_02_overlay.png")).shape == (30, 26, 3)
    with open(tmp_path / "out" / "t_02_edges.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "column"]
    assert [[int(value) for value in row] for row in rows[1:]] == pictures.edges(mask).tolist()
    with open(tmp_path / "out" / "metrics.csv") as file:
        table = {row["frame"]: row for row in csv.DictReader(file)}
    assert list(table) == ["t_01", "t_02", "t_03", "t_04", "mean", "pooled"]
    assert float(table["mean"]["f1"]) == pytest.approx(summary["f1"])
    assert float(table["pooled"]["f1"]) == pytest.approx(summary["f1_pooled"])
    rocs = [metrics.Roc() for _ in range(5)]
    for place, frame in enumerate(sorted(frames.iterdir())):
        numbers = [min(max(place + step, 0), 3) + 1 for step in (-2, -1, 0, 1, 2)]
        windows = [np.asarray(Image.open(frames / f"t_{n:02d}.png")) for n in numbers]
        for roc in (rocs[place], rocs[4]):
            roc.add(metrics.margins(predict.logits(m.network, m.scaling, windows)),
                    np.asarray(Image.open(masks / frame.name)))
    areas = [roc.area() for roc in rocs]
    truths = [np.asarray(Image.open(mask)) > 0 for mask in sorted(masks.iterdir())]
    assert [float(row["tp"]) + float(row["fn"]) for row in table.values()] == [
        *(truth.sum() for truth in truths), np.mean([truth.sum() for truth in truths]), np.sum(truths)]
    assert float(table["pooled"]["tn"]) + float(table["pooled"]["fp"]) == np.sum(~np.array(truths))
    expected = [*areas[:4], np.mean(areas[:4]), areas[4]]
    assert [float(row["roc_auc"]) for row in table.values()] == pytest.approx(expected)
    curve = readers.read_csv(tmp_path / "out" / "roc.csv", metrics.ROC_COLUMNS)
    assert curve[0]["true_positive_rate"] == 0
    assert curve[-1]["true_positive_rate"] == 1


def test_measures_of_an_earlier_call_are_spoken_of(tmp_path):
    frames, masks = sequence(tmp_path, 2)
    told = []
    predict.run(model(), frames, tmp_path / "out", masks, log=told.append)
    assert told == [f"2 frames: t_01 to t_02; writing to {tmp_path / 'out'}"]
    predict.run(model(), frames, tmp_path / "out", log=told.append)
    assert "metrics.csv is of an earlier call" in told[-1]


def test_the_backend_is_said_first(tmp_path, capsys):
    checkpoint.save(tmp_path / "model.npz", model(), "0")
    assert run_predict.main([str(tmp_path / "model.npz"), str(sequence(tmp_path, 2)[0]), "--backend", "plain", "--out",
                             str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("network1, backend plain\n")
    with pytest.raises(InputError, match="nowhere"):
        run_predict.main([str(tmp_path / "model.npz"), "nowhere"])
    assert "writing to" not in capsys.readouterr().out                      # nothing is written


def test_a_second_call_without_out_takes_a_new_folder(tmp_path, monkeypatch):
    frames, _ = sequence(tmp_path, 2)
    checkpoint.save(tmp_path / "model.npz", model(), "0")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run_predict.main(["model.npz", str(frames)]) == 0
    assert (tmp_path / "predictions" / "t_01_mask.png").exists()
    assert (tmp_path / "predictions-2" / "t_01_mask.png").exists()


def test_a_single_file_is_predicted_as_within_its_folder(tmp_path):
    frames, masks = sequence(tmp_path, 5)
    m = model(channels=5)
    predict.run(m, frames, tmp_path / "all", log=lambda line: None)
    predict.run(m, frames / "t_03.png", tmp_path / "one", masks, log=lambda line: None)
    assert {path.name for path in (tmp_path / "one").glob("*_mask.png")} == {"t_03_mask.png"}
    for name in ("t_03_mask.png", "t_03_probability.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    assert (tmp_path / "one" / "metrics.csv").exists()


def test_a_stack_equals_its_pages_as_files(tmp_path):
    frames, _ = sequence(tmp_path, 4)
    stack(tmp_path / "movie.tif", [np.asarray(Image.open(path)) for path in sorted(frames.iterdir())])
    m = model(channels=3)
    predict.run(m, frames, tmp_path / "a", log=lambda line: None)
    predict.run(m, tmp_path / "movie.tif", tmp_path / "b", log=lambda line: None)
    for n in range(1, 5):
        a, b = (np.asarray(Image.open(tmp_path / f"{name}_probability.png")) for name in (f"a/t_{n:02d}",
                                                                                        f"b/movie_{n:04d}"))
        assert np.ptp(a) > 3
        np.testing.assert_array_equal(a, b)


def test_frames_of_several_bit_depths_are_one_scale(tmp_path):
    frames, _ = sequence(tmp_path / "a", 3)
    mixed, _ = sequence(tmp_path / "b", 3)
    pixels = np.asarray(Image.open(mixed / "t_02.png"))
    Image.fromarray(pixels.astype(np.uint16) * 257).save(mixed / "t_02.png")
    m = model(channels=3)
    for kind, where in (("a", frames), ("b", mixed)):
        predict.run(m, where, tmp_path / "out" / kind, log=lambda line: None)
    for n in (1, 2, 3):
        a, b = (np.asarray(Image.open(tmp_path / "out" / kind / f"t_{n:02d}_probability.png")) for kind in "ab")
        assert np.ptp(a) > 3
        assert abs(a.astype(int) - b).max() <= 1                            # of 255: rounding


def test_results_never_overwrite_inputs_or_runs_or_each_other(tmp_path):
    frames, masks = sequence(tmp_path, 2)
    for n in (1, 2):
        (masks / f"t_{n:02d}.png").rename(frames / f"t_{n:02d}_mask.png")
    before = {path: path.read_bytes() for path in frames.iterdir()}
    with pytest.raises(InputError, match="the frames or masks are in it"):
        predict.run(model(), str(frames / "t_0?.png"), frames, str(frames / "*_mask.png"), log=lambda line: None)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.npz").touch()
    with pytest.raises(InputError, match="holds a run"):
        predict.run(model(), str(frames / "t_0?.png"), tmp_path / "run", log=lambda line: None)
    (frames / "a").mkdir()
    for name in ("a/t_01.png", "a_t_01.png"):
        (frames / name).write_bytes(before[frames / "t_01.png"])
    with pytest.raises(InputError, match=r"both be written as a_t_01_mask\.png"):
        predict.run(model(), str(frames / "**" / "*t_01.png"), tmp_path / "out", log=lambda line: None)
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "out").exists()


def test_masks_and_frames_swapped_are_refused(tmp_path, pair):
    with pytest.raises(InputError, match="are --frames and --masks swapped"):
        predict.run(model(), pair[1], tmp_path / "out", pair[0])


def test_masks_that_are_nearly_all_cell_are_warned_of(tmp_path):
    frames, masks = sequence(tmp_path, 2)
    for path in masks.iterdir():
        inverted = np.ones(np.asarray(Image.open(path)).shape, np.uint8)
        inverted[0] = 0
        Image.fromarray(inverted).save(path)
    told = []
    predict.run(model(), frames, tmp_path / "out", masks, log=told.append)
    assert "are frames and --masks swapped, or the masks inverted?" in told[-1]


def test_bad_tile_is_named(tmp_path, pair):
    with pytest.raises(InputError, match="--tile 0"):
        predict.run(model(), pair[0], tmp_path / "out", tile=0)


def test_one_level_is_two_convolutions_by_their_loops():
    """The whole prediction once more in plain loops: scaling, convolution, bias, ReLU, output, bias."""
    network = StemNet(1, 1, 2, seed=3)
    frame = np.random.default_rng(0).integers(0, 256, (6, 7)).astype(np.uint8)
    p = {name: array.astype(float) for name, array in network.parameters.items()}
    x = ((frame - SCALING.mean) / SCALING.std)[None, ..., None]
    hidden = np.maximum(conv2d.loops(x, p["down0.conv.weight"]) + p["down0.conv.bias"], 0)
    z = conv2d.loops(hidden, p["output.weight"]) + p["output.bias"]
    np.testing.assert_allclose(predict.logits(network, SCALING, [frame]), z[0], rtol=1e-4, atol=1e-4)
