"""Prediction for frames that are not like those of training: scaled as they were, warned of, or refused."""


import numpy as np
import pytest
import refusals
import tifffile
from pictures import sequence
from PIL import Image

import run_predict
import run_train
from stemnet_ref.training import checkpoint


def test_the_image_that_training_subtracted_is_subtracted_again(tmp_path, pair, no_figures, capsys):
    assert refusals.script(run_train.main, "--frames", pair[0], "--masks", pair[1], *refusals.SMALL, "--scaling",
                           "median-image", "--out", tmp_path / "run") == 0
    model = checkpoint.load(tmp_path / "run")
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(pair[0].iterdir())])
    np.testing.assert_allclose(model.scaling.image, np.median(frames[:4], axis=0), rtol=1e-6)       # those to train on
    assert refusals.script(run_predict.main, tmp_path / "run", pair[0], "--out", tmp_path / "p") == 0
    x = (frames[5] - model.scaling.image) / model.scaling.std
    z, _ = model.network.forward(x[None, ..., None].astype(np.float32))
    mask = np.asarray(Image.open(tmp_path / "p" / "t_06_mask.png")) > 0
    sure = abs(z[0, ..., 1] - z[0, ..., 0]) > 1e-4
    np.testing.assert_array_equal(mask[sure], (z[0, ..., 1] > z[0, ..., 0])[sure])
    assert refusals.script(run_train.main, "--resume", "--epochs", "2", "--out", tmp_path / "run") == 0
    capsys.readouterr()
    Image.new("L", (30, 30)).save(tmp_path / "x_1.png")
    status = refusals.script(run_predict.main, tmp_path / "run", tmp_path / "x_1.png", "--out", tmp_path / "q")
    refusals.check(capsys, status, "x_1.png: 30 x 30 pixels, but the image that is subtracted has 40 x 48")


def test_sequences_shorter_than_the_window_are_warned_of(tmp_path, pair, no_figures, capsys):
    argv = "--frames", pair[0], "--masks", pair[1], *refusals.SMALL, "--channels", "5", "--out", tmp_path / "run"
    assert refusals.script(run_train.main, *argv) == 0
    assert "fewer frames than" not in capsys.readouterr().out
    (pair[0] / "t_01.png").unlink()
    (pair[0] / "t_02.png").unlink()
    assert refusals.script(run_predict.main, tmp_path / "run", pair[0], "--out", tmp_path / "p") == 0
    assert "warning: 1 of 1 sequence has fewer frames than the network sees at once, 5: t_# has 4; " in (
        capsys.readouterr().out)


def test_a_mean_image_needs_frames_of_one_size(tmp_path, no_figures, capsys):
    for name, side in (("a", 32), ("b", 48)):
        sequence(tmp_path, 3, name=f"{name}_{{}}.png", height=side, width=side)
    status = refusals.script(run_train.main, "--frames", tmp_path / "frames", "--masks", tmp_path / "masks",
                             *refusals.SMALL, "--scaling", "mean-image", "--out", tmp_path / "out")
    refusals.check(capsys, status, "--scaling mean-image", "48 x 48", "32 x 32")


def test_pictures_that_are_there_are_not_mixed_with_results(tmp_path, pair, trained, capsys):
    before = refusals.contents(pair[1])
    status = refusals.script(run_predict.main, trained, pair[0], "--out", pair[1])      # the masks, not named as such
    refusals.check(capsys, status, f"--out {pair[1]}: holds pictures already")
    data = "--frames", pair[0], "--masks", pair[1]
    status = refusals.script(run_train.main, *data, *refusals.SMALL, "--out", pair[1])
    refusals.check(capsys, status, f"--out {pair[1]}: holds pictures already")
    assert refusals.contents(pair[1]) == before
    for _ in range(2):                                                                  # its own may be replaced
        assert refusals.script(run_predict.main, trained, pair[0], "--out", tmp_path / "p") == 0


def test_frames_on_another_scale_are_warned_of(tmp_path, pair, trained, capsys):
    other = tmp_path / "other"
    other.mkdir()
    for path in pair[0].iterdir():
        pixels = np.asarray(Image.open(path)).astype(np.float32)
        Image.fromarray(pixels / 255).save(other / f"{path.stem}.tif")
    assert refusals.script(run_predict.main, trained, pair[0], "--out", tmp_path / "same") == 0
    assert "may mean nothing" not in capsys.readouterr().out
    assert refusals.script(run_predict.main, trained, other, "--out", tmp_path / "p") == 0
    assert "warning: t_01 scaled as the model's training frames has mean -" in capsys.readouterr().out


@pytest.mark.parametrize(("bias", "word"), [(50, "cell"), (-50, "background")])
def test_a_prediction_of_one_class_is_warned_of(tmp_path, pair, trained, capsys, bias, word):
    model = checkpoint.load(trained)
    model.network.parameters["output.bias"][:] = 0, bias
    checkpoint.save(tmp_path / "model.npz", model, "0")
    assert refusals.script(run_predict.main, tmp_path / "model.npz", pair[0], "--out", tmp_path / "p") == 0
    assert f"every pixel of every frame is predicted as {word}" in capsys.readouterr().out


def test_the_channel_of_training_is_taken_where_one_is_needed(tmp_path, pair, trained, capsys):
    path = tmp_path / "f.tif"
    frames = np.stack([np.asarray(Image.open(each)) for each in sorted(pair[0].iterdir())])
    tifffile.imwrite(path, np.stack([frames // 2, frames], axis=1), imagej=True, metadata={"axes": "TCYX"})
    status = refusals.script(run_predict.main, trained, path, "--out", tmp_path / "p")
    refusals.check(capsys, status, "f.tif: holds 2 channels x 6 time points; choose a channel by --channel-index 0 or")
    run = tmp_path / "channel"
    assert refusals.script(run_train.main, "--frames", path, "--masks", pair[1], *refusals.SMALL, "--out", run,
                           "--channel-index", "1") == 0
    capsys.readouterr()
    for out, given in (("as_trained", []), ("named", ["--channel-index", "1"]), ("other", ["--channel-index", "0"])):
        assert refusals.script(run_predict.main, run, path, "--out", tmp_path / out, *given) == 0
        said = capsys.readouterr().out
        assert ("note: --channel-index 1, as the model was trained" in said) == (not given)
    files = [refusals.contents(tmp_path / out) for out in ("as_trained", "named", "other")]
    assert files[0] == files[1] != files[2]
    assert refusals.script(run_predict.main, run, pair[0], "--out", tmp_path / "plain") == 0     # needs no channel
