"""Preprocessing from the command line: what is written, named and refused."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from pictures import pixels_of, sequence, stack
from PIL import Image
from refusals import check, contents, script
from runs import ROOT

import run_train
from stemnet_ref import sample
from stemnet_ref.data import preprocess


def run(*argv):
    return script(preprocess.main, *argv)


def moving(folder, count=9, dtype=np.uint8, size=(20, 24), scale=1, name="t_{}.png"):
    """Write frames of a fixed pattern with a bright pixel that moves; return the folder and the frames."""
    folder.mkdir(parents=True)
    still = np.random.default_rng(0).integers(60, 90, size) * scale
    frames = np.stack([still] * count).astype(dtype)
    for t in range(count):
        frames[t, 3, t] += 100 * scale
        Image.fromarray(frames[t]).save(folder / name.format(t + 1))
    return folder, frames


@pytest.mark.equation("3-background")
def test_what_stands_still_becomes_127_and_what_moves_stays(tmp_path):
    folder, frames = moving(tmp_path / "raw")
    assert run(folder, tmp_path / "out", "--size", "0") == 0
    expected = 127 + (frames - np.median(frames, axis=0))
    for t in range(9):
        written = pixels_of(tmp_path / "out" / "frames" / f"t_{t + 1}.png")
        assert written.dtype == np.uint8
        np.testing.assert_array_equal(written, expected[t])
    record = json.loads((tmp_path / "out" / "preprocess.json").read_text())
    assert {*record["settings"]} == {"version", "raw", "masks", "size", "background", "bits", "scale", "channel_index",
                                     "z", "pattern"}
    assert record["complete"] is True
    assert record["sequences"]["t_#"] == {"bits": 8, "centre": 127, "scale": 1.0}
    assert record["frames"]["t_4"]["written_size"] == [20, 24]
    assert not (tmp_path / "out" / "masks").exists()


@pytest.mark.parametrize("memory", ["500", "0.001"])
def test_sixteen_bits_and_a_scratch_file(tmp_path, memory):
    folder, frames = moving(tmp_path / "raw", dtype=np.uint16, scale=100, name="t_{}.tif")
    assert run(folder, tmp_path / "out", "--size", "16x30", "--memory", memory) == 0
    expected = np.full((9, 16, 30), 127 * 257)
    expected[:, :, 3:27] += (frames - np.median(frames, axis=0)).astype(int)[:, 2:18]
    for t in range(9):
        written = pixels_of(tmp_path / "out" / "frames" / f"t_{t + 1}.png")
        assert written.dtype == np.uint16
        np.testing.assert_array_equal(written, expected[t])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"frames", "preprocess.json"}


def test_fewer_bits_record_their_scale(tmp_path, capsys):
    folder, frames = moving(tmp_path / "raw", dtype=np.uint16, scale=100, name="t_{}.tif")
    assert run(folder, tmp_path / "a", "--size", "0", "--bits", "8", "--scale", "0.01") == 0
    written = np.stack([pixels_of(tmp_path / "a" / "frames" / f"t_{t + 1}.png") for t in range(9)])
    np.testing.assert_array_equal(written, np.rint(127 + (frames - np.median(frames, axis=0)) / 100))
    assert run(folder, tmp_path / "b", "--size", "0", "--bits", "8") == 0
    scale = json.loads((tmp_path / "b" / "preprocess.json").read_text())["sequences"]["t_#"]["scale"]
    largest = max(np.percentile(abs(each), 99.9) for each in frames - np.median(frames, axis=0))
    assert scale == pytest.approx(127 / largest)
    assert "clipped" in capsys.readouterr().out
    assert run(folder, tmp_path / "c", "--size", "0", "--background", "none") == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "c" / "frames" / "t_4.png"), frames[3])


def test_floats_and_stacks_and_masks(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.random((5, 12, 14)).astype(np.float32)
    masks = np.kron(rng.integers(0, 400, (5, 4, 7)) * (rng.random((5, 4, 7)) < 0.3), np.ones((1, 3, 2), int))
    stack(tmp_path / "raw.tif", frames)
    stack(tmp_path / "raw_mask.tif", masks.astype(np.uint16))
    assert run(tmp_path / "raw.tif", tmp_path / "out", "--size", "10x16", "--masks", tmp_path / "raw_mask.tif") == 0
    scale = json.loads((tmp_path / "out" / "preprocess.json").read_text())["sequences"]["raw"]["scale"]
    for t in range(5):
        written = pixels_of(tmp_path / "out" / "frames" / f"raw_{t + 1:04d}.png").astype(float)
        foreground = (frames[t] - np.median(frames, axis=0))[1:11]
        np.testing.assert_allclose((written[:, 1:15] - 127 * 257) / scale, foreground, atol=1 / scale)
        np.testing.assert_array_equal(written[:, [0, 15]], 127 * 257)
        mask = pixels_of(tmp_path / "out" / "masks" / f"raw_{t + 1:04d}.png")
        np.testing.assert_array_equal(mask[:, 1:15], masks[t][1:11])
        np.testing.assert_array_equal(mask[:, [0, 15]], 0)


def test_frames_that_cannot_be_used_are_named_and_the_others_done(tmp_path, capsys):
    folder, frames = moving(tmp_path / "raw", count=8, name="t_{}.tif")
    (folder / "t_2.tif").write_bytes((folder / "t_2.tif").read_bytes()[:300])
    (folder / "t_3.tif").write_bytes(b"")
    (folder / "t_4.tif").unlink()
    Image.new("L", (9, 9)).save(folder / "t_6.tif")
    assert run(folder, tmp_path / "out", "--size", "0") == 2
    said, error = capsys.readouterr()
    assert f"all is done except 3 files, named above; the first is {folder / 't_3.tif'}: " in error
    assert error.count("\n") == 1
    for name in ("t_2.tif", "t_3.tif", "t_6.tif"):
        assert f"left out: {folder / name}" in said
    assert "1 frame number missing in sequence t_#, # being the number: 4" in said
    good = [0, 4, 6, 7]
    assert sorted(path.name for path in (tmp_path / "out" / "frames").iterdir()) == [f"t_{t + 1}.png" for t in good]
    foreground = frames[good] - np.median(frames[good], axis=0)
    for t, expected in zip(good, 127 + foreground, strict=True):
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "frames" / f"t_{t + 1}.png"), expected)


@pytest.mark.parametrize(("options", "culprit"), [
    (["--size", "10x"], "--size '10x': must be"), (["--size", "-3"], "--size '-3': must be"),
    (["--memory", "0"], "--memory 0: must be"), (["--memory", "inf"], "--memory inf: must be"),
    (["--scale", "-1"], "--scale -1: must be"), (["--bits", "12"], "--bits 12: must be"),
    (["--masks", "absent"], "--masks absent: no such"), (["--background", "mean"], "--background mean: must be"),
])
def test_bad_options(tmp_path, capsys, options, culprit):
    folder, _ = moving(tmp_path / "raw")
    check(capsys, run(folder, tmp_path / "out", *options), culprit)
    assert not (tmp_path / "out").exists()


def test_the_same_call_again_does_it_again_with_what_is_there_now(tmp_path, capsys):
    folder, _ = moving(tmp_path / "frames")
    out = tmp_path / "out"
    assert run(folder, out, "--size", "16") == 0
    before = contents(out)
    (out / ".stemnet_ref.lock").touch()                         # of a process that was killed at its end
    assert run(folder, out, "--size", "16") == 0
    assert contents(out) == before
    min(folder.iterdir()).unlink()                              # what was made of it would stay among the others
    capsys.readouterr()
    check(capsys, run(folder, out, "--size", "16"), "holds files already")
    assert contents(out) == before


def test_nothing_that_is_there_is_written_over(tmp_path, capsys):
    folder, _ = moving(tmp_path / "data" / "frames")
    before = contents(tmp_path)
    check(capsys, run(folder, tmp_path / "data"), "frames or masks are in it")
    check(capsys, run(folder, folder), "frames or masks are in it")
    assert contents(tmp_path) == before
    assert run(folder, tmp_path / "out", "--size", "0") == 0
    before = contents(tmp_path)
    check(capsys, run(folder, tmp_path / "out"), "holds files already")
    (tmp_path / "out" / "preprocess.json").unlink()
    check(capsys, run(folder, tmp_path / "out"), "holds files already")
    check(capsys, run(tmp_path / "absent", tmp_path / "new"), "absent", "no such file")
    (tmp_path / "empty").mkdir()
    check(capsys, run(tmp_path / "empty", tmp_path / "new"), "no PNG or TIFF")
    (tmp_path / "file.txt").write_text("")
    check(capsys, run(folder, tmp_path / "file.txt"), f"OUT {tmp_path / 'file.txt'}: this is a file")


def test_the_size_and_the_bits_of_most_frames_count(tmp_path, capsys):
    folder, frames = moving(tmp_path / "raw", count=6, dtype=np.uint16, scale=100, name="t_{}.tif")
    Image.new("I;16", (9, 9)).save(folder / "t_0.tif")
    Image.fromarray((frames[2] // 100).astype(np.uint8)).save(folder / "t_3.tif")          # 8 bits among 16
    check(capsys, run(folder, tmp_path / "out", "--size", "0"), "all is done except 1 file", "--background none",
          "t_0.tif: 9 x 9 pixels, but most of its sequence has 20 x 24")
    record = json.loads((tmp_path / "out" / "preprocess.json").read_text())["sequences"]["t_#"]
    units = frames / 257
    units[2] = frames[2] // 100
    expected = (units - np.median(units, axis=0)) * record["scale"] + 127 * 257
    for t in range(6):
        written = pixels_of(tmp_path / "out" / "frames" / f"t_{t + 1}.png").astype(float)
        np.testing.assert_allclose(written, expected[t].clip(0, 65535), atol=1)


def test_masks_that_cannot_be_used_are_named_and_the_others_done(tmp_path, capsys):
    frames, masks = sequence(tmp_path, 6)
    (masks / "t_02.png").write_bytes((masks / "t_02.png").read_bytes()[:60])
    Image.new("L", (9, 9)).save(masks / "t_03.png")
    (frames / "t_04.png").write_bytes(b"")
    assert run(frames, tmp_path / "out", "--masks", masks, "--size", "0") == 2
    said = capsys.readouterr().out
    for path in (masks / "t_02.png", masks / "t_03.png", frames / "t_04.png"):
        assert f"left out: {path}" in said
    assert f"t_03.png: 9 x 9 pixels, but its frame {frames / 't_03.png'} has 40 x 48; a mask must have the size" in said
    assert {path.name for path in (tmp_path / "out" / "masks").iterdir()} == {"t_01.png", "t_05.png", "t_06.png"}
    assert len(list((tmp_path / "out" / "frames").iterdir())) == 5


def test_a_frame_that_is_changed_while_others_are_read_is_named(tmp_path, capsys, monkeypatch):
    folder, _ = moving(tmp_path / "raw", count=4)
    read_frame = preprocess.read_frame
    monkeypatch.setattr(preprocess, "read_frame", lambda frame: read_frame(frame)[:5 if frame.number == 2 else None])
    check(capsys, run(folder, tmp_path / "out", "--size", "0"), "t_2.png: has 5 x 24 pixels, and had 20 x 24 when")
    assert {path.name for path in (tmp_path / "out" / "frames").iterdir()} == {"t_1.png", "t_3.png", "t_4.png"}


def test_what_cropping_takes_away_is_told(tmp_path, capsys):
    frames, masks = sequence(tmp_path, 3)
    assert run(frames, tmp_path / "out", "--masks", masks, "--size", "20") == 0
    said = capsys.readouterr().out
    kept, all_ = (sum(np.sum(pixels_of(path) > 0) for path in folder.iterdir())
                  for folder in (tmp_path / "out" / "masks", masks))
    assert f"40 x 48 pixels made 20 x 20; {1 - kept / all_:.1%} of the cell pixels were cut off" in said
    frames, _ = moving(tmp_path / "two", count=2)
    assert run(frames, tmp_path / "few", "--size", "0") == 0
    assert "has 2 frames, whose median is nearly the frames themselves" in capsys.readouterr().out


def test_two_frames_of_one_name_are_refused(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    stack(tmp_path / "raw" / "x.tif", np.zeros((3, 8, 8), np.uint8))
    Image.new("L", (8, 8)).save(tmp_path / "raw" / "x_0001.tif")
    check(capsys, run(tmp_path / "raw", tmp_path / "out"), "would both be written as x_0001.png")
    assert not (tmp_path / "out").exists()


def test_no_frame_that_can_be_read_is_an_error(tmp_path, capsys):
    folder, _ = moving(tmp_path / "raw", count=2)
    for path in folder.iterdir():
        path.write_bytes(b"\x89PNG")
    check(capsys, run(folder, tmp_path / "out"), "no frame could be read")
    check(capsys, run(folder / "t_1.png", tmp_path / "out"), folder / "t_1.png", "the first bytes are damaged")


def test_a_killed_call_can_be_made_again(tmp_path):
    folder, _ = moving(tmp_path / "raw", count=300, size=(400, 500), name="t_{}.tif")
    command = [sys.executable, "-m", "stemnet_ref.data.preprocess", str(folder), str(tmp_path / "out"), "--size", "0",
               "--memory", "10"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    written = tmp_path / "out" / "frames"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (written.is_dir() and len(list(written.glob("*.png"))) > 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(list(written.glob("*.png"))) < 300
    assert run(folder, tmp_path / "out", "--size", "64", "--memory", "10") == 2     # another call than that one
    for path in written.glob("*.png"):
        pixels_of(path)                                                          # whole, each of them
    assert run(folder, tmp_path / "out", "--size", "0", "--memory", "10") == 0
    assert len(list(written.glob("*.png"))) == 300
    assert json.loads((tmp_path / "out" / "preprocess.json").read_text())["complete"] is True


def test_the_sample_is_preprocessed_and_trained_on(tmp_path, no_figures):
    """Real frames: each field of view less its own median, padded to 512 pixels."""
    assert run(sample.FRAMES, tmp_path / "out", "--masks", sample.MASKS, "--size", "512") == 0
    frames = [pixels_of(path) for path in sorted(sample.FRAMES.glob("*field2*.png"))]
    written = pixels_of(tmp_path / "out" / "frames" / "t98g_field2_03.png")
    foreground = frames[2] - np.median(np.stack(frames), axis=0)
    np.testing.assert_array_equal(written[32:480, 32:480], np.rint(127 + foreground).clip(0, 255))
    assert script(run_train.main, "--frames", tmp_path / "out" / "frames", "--masks", tmp_path / "out" / "masks",
                  "--levels", "2", "--features", "2", "--epochs", "1", "--crops-per-frame", "1",
                  "--out", tmp_path / "run") == 0
