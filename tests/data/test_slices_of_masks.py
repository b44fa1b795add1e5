"""Frames in time beside masks whose planes are called slices, as ImageJ calls those of any stack."""

import numpy as np
import pytest
import tifffile
from models import save_model
from refusals import script

import run_predict
from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError

TIMES = 4


def write(path, axes, count=TIMES):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.zeros((count, 40, 48), np.uint8)
    for number, each in enumerate(data):
        each[5:15, 5:15 + number] = 255
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": axes})
    return path


def frames_of(tmp_path, kind):
    """Return the path of frames in time: a stack, or a folder of planes."""
    if kind == "stack":
        return write(tmp_path / "f.tif", "TYX")
    for number in range(1, TIMES + 1):
        tifffile.imwrite(tmp_path / "f" / f"t{number}.tif", np.full((40, 48), number, np.uint8))
    return tmp_path / "f"


def planes_of(masks):
    return [mask.planes for mask in masks]


@pytest.fixture(params=["stack", "folder"])
def frames(tmp_path, request):
    (tmp_path / "f").mkdir()
    return frames_of(tmp_path, request.param)


def test_as_many_slices_as_frames_are_time_points(tmp_path, frames):
    lines = []
    _, masks = find_pairs(frames, write(tmp_path / "m.tif", "ZYX"), lines.append)
    assert planes_of(masks) == [((time, 0),) for time in range(TIMES)]
    assert f"note: the slices of {tmp_path / 'm.tif'} are taken for time points" in lines[0]


def test_a_choice_may_have_an_effect_on_masks_alone(tmp_path, frames):
    lines = []
    _, masks = find_pairs(frames, write(tmp_path / "m.tif", "ZYX"), lines.append, selection=Selection(z="time"))
    assert planes_of(masks) == [((time, 0),) for time in range(TIMES)]
    assert not any("taken for time points" in line for line in lines)


def test_a_choice_without_any_effect_is_refused(tmp_path, frames):
    for z in ("time", "max", 2):
        with pytest.raises(InputError, match=f"--z {z}: "):
            find_pairs(frames, write(tmp_path / "m.tif", "TYX"), selection=Selection(z=z))
    with pytest.raises(InputError, match="--channel-index 1: "):
        find_pairs(frames, write(tmp_path / "m.tif", "ZYX"), selection=Selection(1, "time"))


def test_another_number_of_slices_than_frames_needs_a_choice(tmp_path, frames):
    with pytest.raises(InputError, match=r"m\.tif: holds 3 slices x 1 time point; choose a slice"):
        find_pairs(frames, write(tmp_path / "m.tif", "ZYX", 3))


def test_slices_of_frames_need_a_choice(tmp_path):
    with pytest.raises(InputError, match=r"f\.tif: holds 4 slices x 1 time point; choose a slice"):
        find_pairs(write(tmp_path / "f.tif", "ZYX"), write(tmp_path / "m.tif", "ZYX"))


def test_truth_of_volumes_beside_planes(tmp_path):
    for time in range(TIMES):
        write(tmp_path / "01_ST" / "SEG" / f"man_seg{time:03d}.tif", "ZYX", 3)
        (tmp_path / "01").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "01" / f"t{time:03d}.tif", np.full((40, 48), time, np.uint8))
    with pytest.raises(InputError, match="holds 3 slices"):
        find_pairs(tmp_path, None)
    for z, expected in ((1, ((1, 0),)), ("max", ((0, 0), (1, 0), (2, 0)))):
        _, masks = find_pairs(tmp_path, None, selection=Selection(z=z))
        assert planes_of(masks) == [expected] * TIMES


@pytest.mark.parametrize("options", [(), ("--z", "time")])
def test_predictions_are_measured_by_slices(tmp_path, capsys, options):
    frames, masks = frames_of(tmp_path, "stack"), write(tmp_path / "m.tif", "ZYX")
    model = save_model(tmp_path / "model.npz")
    assert script(run_predict.main, model, frames, "--masks", masks, "--out", tmp_path / "out", *options) == 0
    assert ("taken for time points" in capsys.readouterr().out) == (not options)
    assert script(run_predict.main, model, frames, "--out", tmp_path / "out", "--z", "time") == 2
    assert "--z time: no file of FRAMES holds several slices" in capsys.readouterr().err
