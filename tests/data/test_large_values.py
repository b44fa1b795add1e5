"""Floats that overflow where they are summed or squared: refused in one line by every command, without warnings."""

import numpy as np
import pytest
from PIL import Image
from refusals import SMALL, check, script

import run_predict
import run_train
from stemnet_ref.data import check as checking
from stemnet_ref.data import preprocess
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("value", [3e38, -3e38, 2e18])
def test_they_are_refused_by_name(value, trained, pair, tmp_path, capsys):
    frames, masks = pair
    for path in frames.iterdir():
        Image.fromarray(np.full((40, 48), value, np.float32)).save(path.with_suffix(".tif"))
        path.unlink()
    named = "t_01.tif: the largest of its pixels is", "divide them"
    check(capsys, script(run_train.main, "--frames", frames, "--masks", masks, *SMALL, "--out", tmp_path / "new"),
          *named)
    check(capsys, script(checking.main, frames, masks, "--out", tmp_path / "new.png"), *named)
    for status in (script(run_predict.main, trained, frames, "--out", tmp_path / "predicted"),
                   script(preprocess.main, frames, tmp_path / "ready")):
        assert status == 2
    assert "t_01.tif: the largest of its pixels is" in capsys.readouterr().err


def test_others_are_taken_as_they_are(tmp_path):
    (tmp_path / "f").mkdir()
    Image.fromarray(np.full((4, 4), -1e18, np.float32)).save(tmp_path / "f" / "t_01.tif")
    assert (read_frame(find(tmp_path / "f", "--frames", True)[0]) == np.float32(-1e18)).all()
