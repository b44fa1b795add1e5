"""Frames that cannot be used, of several sizes, and files that change while a run reads them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from models import save_model
from pictures import cells, sequence
from PIL import Image
from refusals import SMALL, check, script
from runs import rows_of

import run_predict
import run_train
from stemnet_ref import predict
from stemnet_ref.data.cache import LeftOut
from stemnet_ref.data.dataset import Dataset, with_nearest
from stemnet_ref.data.discovery.sequences import window_indices
from stemnet_ref.data.frames import Frame, find
from stemnet_ref.data.headers import inspect
from stemnet_ref.data.pairing import pair as paired
from stemnet_ref.data.scaling import Scaling
from stemnet_ref.errors import InputError
from stemnet_ref.training import checkpoint
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings

SIZES = (40, 48), (33, 60), (24, 17), (40, 48), (51, 30), (29, 29)


@pytest.fixture
def mixed(tmp_path):
    """Six frames of one sequence, of five sizes, and their masks."""
    rng = np.random.default_rng(0)
    folders = tmp_path / "mixed" / "frames", tmp_path / "mixed" / "masks"
    for folder in folders:
        folder.mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES, 1):
        for folder, pixels in zip(folders, cells(rng, height, width), strict=True):
            Image.fromarray(pixels).save(folder / f"t_{number}.png")
    return folders


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def damage_pixels(path):
    """Cut a picture off within its pixels: its header is good."""
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize("options", [[], ["--channels", "3", "--neighbours", "copies"], ["--crop", "0"],
                                     ["--paste", "2", "--border-weight", "5", "--elastic", "2", "--on-cells", "1"]])
def test_frames_of_several_sizes_are_trained_on_and_segmented(tmp_path, mixed, options):
    data = "--frames", mixed[0], "--masks", mixed[1]
    out = tmp_path / "out"
    assert script(run_train.main, *data, *SMALL, *options, "--out", out) == 0
    assert script(run_predict.main, out, mixed[0], "--masks", mixed[1], "--out", tmp_path / "p") == 0
    for number, (height, width) in enumerate(SIZES, 1):
        assert pixels_of(tmp_path / "p" / f"t_{number}_mask.png").shape == (height, width)


def test_a_window_of_several_sizes_is_refused(tmp_path, mixed, capsys):
    for main, begin in ((run_train.main, ("--channels", "3", *SMALL, "--masks", mixed[1], "--frames")),
                        (run_predict.main, (save_model(tmp_path / "model.npz", 3),))):
        check(capsys, script(main, *begin, mixed[0], "--out", tmp_path / "out"), mixed[0] / "t_1.png", "40 x 48",
              mixed[0] / "t_2.png", "33 x 60", "--size", "--channels 1")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("damage", [damage_pixels, lambda path: path.write_bytes(b""),
                                    lambda path: Image.new("RGB", (48, 40)).save(path),
                                    lambda path: (path.unlink(), path.symlink_to("absent.png")),
                                    lambda path: (path.unlink(), path.mkdir())])
def test_a_bad_frame_is_named_and_the_others_are_segmented(tmp_path, capsys, channels, damage):
    frames, masks = sequence(tmp_path / "movie", 6)
    model = save_model(tmp_path / "model.npz", channels)
    pixels = [pixels_of(path) for path in sorted(frames.iterdir())]
    damage(frames / "t_03.png")
    out = tmp_path / "out"
    status = script(run_predict.main, model, frames, "--masks", masks, "--out", out)
    printed = capsys.readouterr()
    assert status == 2
    assert printed.err.count("\n") == 1
    assert f"all is done except 1 file: {frames / 't_03.png'}: " in printed.err
    assert f"warning: left out: {frames / 't_03.png'}: " in printed.out
    assert ("the nearest frame stands in" in printed.out) == (channels == 5)
    assert {path.name for path in out.glob("*_mask.png")} == {f"t_0{number}_mask.png" for number in (1, 2, 4, 5, 6)}
    assert [row["frame"] for row in rows_of(out)] == ["t_01", "t_02", "t_04", "t_05", "t_06", "mean", "pooled"]
    if channels == 5:
        network = checkpoint.load(model).network
        for number, window in ((1, (1, 1, 1, 2, 2)), (2, (1, 1, 2, 2, 4)), (4, (2, 4, 4, 5, 6)), (5, (4, 4, 5, 6, 6))):
            z = predict.logits(network, Scaling(110.0, 25.0), [pixels[each - 1] for each in window])
            heat = pixels_of(out / f"t_{number:02d}_probability.png")
            np.testing.assert_array_equal(heat, np.round(255 * predict.cell_probability(z)))


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_frame_of_another_size_is_left_out_and_the_others_are_segmented(tmp_path, capsys, number):
    frames, masks = sequence(tmp_path / "movie", 6)
    model, odd = save_model(tmp_path / "model.npz", 5), frames / f"t_{number:02d}.png"
    others = [path for path in sorted(frames.iterdir()) if path != odd]
    (tmp_path / "others").mkdir()
    for path in others:
        (tmp_path / "others" / path.name).write_bytes(path.read_bytes())
    assert script(run_predict.main, model, tmp_path / "others", "--out", tmp_path / "a") == 0
    Image.new("L", (32, 32)).save(odd)
    capsys.readouterr()
    status = script(run_predict.main, model, frames, "--masks", masks, "--out", tmp_path / "b")
    printed = capsys.readouterr()
    assert status == 2
    assert printed.err.count("\n") == 1
    assert f"except 1 file: {odd}: 32 x 32 pixels, but most of its sequence has 40 x 48; crop" in printed.err
    assert "the nearest frame stands in for it as a neighbour" in printed.out
    for path in others:
        name = f"{path.stem}_probability.png"
        np.testing.assert_array_equal(pixels_of(tmp_path / "b" / name), pixels_of(tmp_path / "a" / name))
    assert not (tmp_path / "b" / f"{odd.stem}_mask.png").exists()
    assert script(run_predict.main, model, odd, "--out", tmp_path / "c") == 2
    assert f"{odd}: 32 x 32 pixels, but most" in capsys.readouterr().err
    check(capsys, script(run_train.main, "--channels", "3", *SMALL, "--masks", masks, "--frames", frames, "--out",
                         tmp_path / "run"), "beside it in a window")


def test_a_size_that_no_neighbour_shares_is_done(tmp_path, capsys):
    frames, _ = sequence(tmp_path / "movie", 6)
    Image.new("L", (32, 32), 99).save(frames / "t_20.png")
    assert script(run_predict.main, save_model(tmp_path / "model.npz", 3), frames, "--out", tmp_path / "a") == 0
    assert pixels_of(tmp_path / "a" / "t_20_mask.png").shape == (32, 32)


@given(st.sets(st.integers(1, 12), min_size=1))
def test_a_frame_that_is_left_out_is_replaced_as_a_missing_one(numbers):
    frames = [Frame(None, None, f"t{number}", "t#", number, (number,)) for number in range(1, 13)]
    kept = [number - 1 for number in sorted(numbers)]
    # else the missing ones change the step from frame to frame
    assume(len(kept) > 1 and np.bincount(np.diff(kept)).argmax() == 1)
    windows = [with_nearest([index if index in kept else None for index in window_indices(frames, 7)[middle].tolist()])
               for middle in kept]
    expected = np.array(kept)[window_indices([frames[index] for index in kept], 7)]
    np.testing.assert_array_equal(windows, expected)


def test_an_error_that_is_no_frames_is_raised(tmp_path):
    """Such as that of a device without memory; it must not be tried for ever."""
    class Full:
        def to_device(self, array):
            raise InputError("out of memory")

    frames, _ = sequence(tmp_path, 3)
    data = Dataset(inspect(find(frames, ""), [None] * 3, 3), device=Full(), left_out=[])
    with pytest.raises(InputError, match="out of memory"):
        data.window(1)
    assert not data.left_out


def test_a_dataset_does_not_change_where_files_turn_out_to_be_damaged(tmp_path):
    frames, masks = sequence(tmp_path, 5)
    found, left_out, lines = find(frames, ""), [], []
    headers = inspect(found, paired(found, find(masks, "")), 3, left_out=left_out)
    data = Dataset(headers, log=lines.append, left_out=left_out)
    damage_pixels(frames / "t_02.png")
    damage_pixels(masks / "t_04.png")
    before = {name: value for name, value in vars(data).items() if not name.startswith("_")}
    listed = [[*each] for each in (data.frames, data.masks, data.sizes, data.windows.tolist())]
    for _ in range(2):
        wholes = list(data.whole(range(5)))
        assert [whole is None for whole in wholes] == [False, True, False, False, False]
        assert wholes[3].classes is None
        for index, around in ((0, (0, 0, 0)), (2, (2, 2, 3))):
            np.testing.assert_array_equal(wholes[index].window, [data.pixels(each) for each in around])
    assert {name: value for name, value in vars(data).items() if not name.startswith("_")} == before
    assert [[*each] for each in (data.frames, data.masks, data.sizes, data.windows.tolist())] == listed
    assert not headers.bad
    assert [str(error).partition(":")[0] for error in left_out] == [str(frames / "t_02.png"), str(masks / "t_04.png")]
    assert len(lines) == 2                                  # each is said once
    with pytest.raises(LeftOut, match=r"t_02\.png"):
        data.pixels(1)


def test_only_the_neighbours_of_a_single_frame_are_looked_at(tmp_path, capsys):
    frames, _ = sequence(tmp_path / "movie", 9)
    model = save_model(tmp_path / "model.npz", 5)
    for number in (4, 9):
        (frames / f"t_0{number}.png").write_bytes(b"")
    assert script(run_predict.main, model, frames / "t_01.png", "--out", tmp_path / "a") == 0
    assert script(run_predict.main, model, frames / "t_02.png", "--out", tmp_path / "b") == 2
    assert "t_04.png" in capsys.readouterr().err
    assert (tmp_path / "b" / "t_02_mask.png").exists()


@pytest.mark.parametrize("damage", [damage_pixels, lambda path: Image.new("L", (20, 20)).save(path)])
def test_a_bad_mask_is_named_and_its_frame_segmented_but_not_measured(tmp_path, capsys, damage):
    frames, masks = sequence(tmp_path / "movie", 4)
    damage(masks / "t_02.png")
    out, model = tmp_path / "out", save_model(tmp_path / "model.npz")
    check(capsys, script(run_predict.main, model, frames, "--masks", masks, "--out", out), masks / "t_02.png",
          "all is done except 1 file")
    assert len(list(out.glob("*_mask.png"))) == 4
    assert [row["frame"] for row in rows_of(out)] == ["t_01", "t_03", "t_04", "mean", "pooled"]


def test_where_nothing_can_be_used_that_is_said(tmp_path, capsys):
    frames, masks = sequence(tmp_path / "movie", 3)
    model = save_model(tmp_path / "model.npz")
    for path in masks.iterdir():
        Image.new("L", (20, 20)).save(path)
    check(capsys, script(run_predict.main, model, frames, "--masks", masks, "--out", tmp_path / "a"), "but its frame")
    assert not (tmp_path / "a").exists()
    for path in frames.iterdir():
        damage_pixels(path)
    check(capsys, script(run_predict.main, model, frames, "--out", tmp_path / "b"), frames / "t_01.png", "be read")


def test_numbers_that_are_not_finite_are_no_result(tmp_path, capsys):
    frames, _ = sequence(tmp_path / "movie", 3)
    model = save_model(tmp_path / "model.npz", factor=1e30)
    check(capsys, script(run_predict.main, model, frames, "--out", tmp_path / "a"), frames / "t_01.png",
          "not finite", "the model is damaged")
    assert not list((tmp_path / "a").iterdir())
    many, _ = sequence(tmp_path / "many", 9)
    capsys.readouterr()
    assert script(run_predict.main, model, many, "--out", tmp_path / "c") == 2
    printed = capsys.readouterr()
    assert printed.out.count("warning: left out: ") == 3
    assert "warning: left out for the same reason: 6 frames more, t_04 to t_09\n" in printed.out
    assert f"error: {many / 't_01.png'}: what the network makes of it is not finite" in printed.err
    pixels = pixels_of(frames / "t_02.png").astype(np.float32)
    (frames / "t_02.png").unlink()
    Image.fromarray(pixels * np.float32(5e15)).save(frames / "t_02.tif")           # 1e18, the largest that are read
    model = save_model(tmp_path / "good.npz", factor=1e6)
    check(capsys, script(run_predict.main, model, frames, "--out", tmp_path / "b"), frames / "t_02.tif", "not finite",
          "another scale")
    assert len(list((tmp_path / "b").glob("*_mask.png"))) == 2


@pytest.mark.parametrize("kind", ["frames", "masks"])
def test_a_size_that_changes_while_a_run_reads_is_told(tmp_path, kind):
    frames, masks = sequence(tmp_path / "movie", 4)
    found = find(frames, "")
    data = Dataset(inspect(found, paired(found, find(masks, "")), 1))
    changed = (frames if kind == "frames" else masks) / "t_02.png"
    Image.new("L", (30, 20)).save(changed)
    with pytest.raises(InputError, match=r"t_02\.png: has 20 x 30 pixels, and had 40 x 48 when this began"):
        list(data.whole(range(4)))


@pytest.mark.parametrize("damage", [damage_pixels, lambda path: Image.new("L", (20, 20)).save(path),
                                    lambda path: path.unlink()])
def test_a_frame_that_is_lost_in_a_run_stops_it_and_keeps_its_model(tmp_path, pair, no_figures, damage):
    settings = Settings.from_options({"levels": 2, "features": 2, "crop": 16, "epochs": 3})
    run = Run(settings, *pair, tmp_path / "out", log=lambda line: None)
    data = run.data.dataset
    data.cache.fits = False                                             # frames are read again in every epoch

    def after_epoch(run):
        damage(pair[0] / "t_02.png")

    with pytest.raises(InputError, match=r"t_02\.png"):
        run.train(after_epoch=after_epoch)
    assert checkpoint.load(tmp_path / "out" / "model.npz").progress["epoch"] == 1


@pytest.mark.parametrize(("height", "width"), [(1, 48), (48, 1), (1, 1)])
def test_a_side_of_one_pixel(tmp_path, capsys, height, width):
    rng = np.random.default_rng(0)
    for part in ("frames", "masks"):
        (tmp_path / part).mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (height, width)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "frames" / f"{number}.png")
        mask = np.zeros((height, width), np.uint8)
        mask.flat[:(mask.size + number % 2) // 2] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    model = save_model(tmp_path / "model.npz", 5)
    assert script(run_predict.main, model, tmp_path / "frames", "--masks", tmp_path / "masks", "--out",
                  tmp_path / "p") == 0
    assert pixels_of(tmp_path / "p" / "3_mask.png").shape == (height, width)
    data = "--frames", tmp_path / "frames", "--masks", tmp_path / "masks"
    capsys.readouterr()
    check(capsys, script(run_train.main, *data, *SMALL, "--out", tmp_path / "out"), "less than the 16 x 16")
    assert script(run_train.main, *data, "--levels", "1", "--crop", "1", "--epochs", "1", "--gap", "1", "--out",
                  tmp_path / "run") == 0
