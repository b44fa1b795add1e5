"""Files and options that verify's commands refuse: one line that names the culprit, exit status 2."""

import json

import numpy as np
import pytest
from verifying import COMMANDS, run, write_files


@pytest.fixture
def files(tmp_path):
    """A golden file, and one that agrees with it."""
    return write_files(tmp_path)


def test_files_that_are_none(files, tmp_path, capsys):
    capsys.readouterr()
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(files[0].read_bytes()[:1000])
    np.savez(tmp_path / "pickled.npz", about=np.array([{}], object))
    np.savez(tmp_path / "old.npz", about=np.array(json.dumps({"format": "stemnet_ref golden 0"})))
    for name, words in (("empty.npz", "cut off"), ("cut.npz", "cut off"), ("none.npz", "no such file"),
                        ("pickled.npz", "about is"), ("old.npz", "golden 0"), ("actual.npz", "no golden file")):
        assert run("compare", tmp_path / name, files[1]) == 2
        text = capsys.readouterr().err
        assert words in text, text
        assert name in text
        assert text.count("\n") == 1
        if name not in ("old.npz", "actual.npz"):
            assert run("compare", files[0], tmp_path / name) == 2
            assert words in capsys.readouterr().err


@pytest.mark.parametrize(("options", "words"), [
    (["--size", "63"], "--size 63x63: with 6 levels each side must be a multiple of 32; try 32x32 or 64x64"),
    (["--size", "a"], "--size 'a': must be a side in pixels, or HEIGHTxWIDTH"),
    (["--steps", "0"], "--steps 0: must be from 1"),
    (["--steps-per-epoch", "0"], "--steps-per-epoch 0: must be from 1"),
    (["--frames", "here"], "--frames: has no effect without --model"),
    (["--channels", "2"], "--channels 2: must be odd"),
    (["--momentum-form", "thesis", "--optimizer", "adam"], "--momentum-form: has no effect with --optimizer adam"),
    (["--keep-prob", "0"], "--keep-prob 0: must be from 0.001 to 1"),
    (["--model", "nowhere"], "nowhere: no such file"),
])
def test_export_options_that_cannot_be_used(options, words, tmp_path, capsys):
    try:
        status = run("export", *options, "--out", tmp_path / "x.npz")
    except SystemExit as end:
        status = end.code
    assert status == 2
    text = capsys.readouterr().err
    assert words in text
    assert text.count("\n") == 1
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.torch
@pytest.mark.parametrize(("options", "words"), [
    (["conv_transpose2d", "--stride", "0"], "--stride 0: must be from 1"),
    (["dropout", "--keep-prob", "0"], "--keep-prob 0: must be from 0.001 to 1"),
    (["dropout", "--keep-prob", "nan"], "--keep-prob nan: must be from 0.001 to 1"),
    (["conv2d", "--filters", "0"], "--filters 0: must be from 1"),
    (["conv2d", "--kernel", "99", "--padding", "valid"], "does not fit"),
    (["batch_norm", "--shape", "1,1,1,2"], "pixels of shape=1 must be at least 2"),
    (["dice", "--shape", "1,4,4,1"], "must be at least 2"),
    (["max_pool2d", "--shape", "1,3,4,1"], "must be multiples of 2"),
    (["max_pool2d", "--kernel", "3"], "--kernel: max_pool2d has none; leave it out"),
])
def test_layer_options_that_cannot_be_used(options, words, capsys):
    assert run("layer", *options, "--against", "torch") == 2
    text = capsys.readouterr().err
    assert words in text
    assert text.count("\n") == 1


def change_about(change):
    def damage(arrays):
        about = json.loads(str(arrays["about"]))
        change(about)
        arrays["about"] = np.array(json.dumps(about))
    return damage


@pytest.mark.parametrize("damage", [
    change_about(lambda about: about["network"].pop("logits")), change_about(lambda about: about.update(steps="x")),
    change_about(lambda about: about["network"].update(levels=4)),
    change_about(lambda about: about.update(layout="CHWN")),
    change_about(lambda about: about["training"].pop("keep_prob")),
    change_about(lambda about: about["training"].update(optimizer="rmsprop")),
    change_about(lambda about: about["training"].update(steps_per_epoch=0)),
    change_about(lambda about: about.pop("scaling")),
    change_about(lambda about: about["scaling"].update(mean="1")),
    change_about(lambda about: about["training"].update(beta1="0.9")),
    change_about(lambda about: about["training"].update(epsilon=True)),
    change_about(lambda about: about["training"].update(weight_decay=-1)),
    lambda arrays: arrays.update(frames=arrays["frames"][:, 1:]),
    lambda arrays: arrays.update({"1/mask/up0.conv": arrays["1/mask/up0.conv"] * 1j}),
    lambda arrays: arrays.update(class_weights=arrays["class_weights"] * 1j),
    lambda arrays: arrays.update({"0/parameter/up0.conv.bias": arrays["0/parameter/up0.conv.bias"] * np.nan}),
    lambda arrays: arrays.update(input=arrays["input"] / 0),
    lambda arrays: arrays.update(frames=arrays["frames"] * np.inf),
    lambda arrays: arrays.update(labels=arrays["labels"] + np.uint8(5)),
    lambda arrays: arrays.update(labels=arrays["labels"][:, 1:]),
    lambda arrays: arrays.update(class_weights=np.ones(1)),
    lambda arrays: arrays.pop("0/parameter/up0.conv.bias"), lambda arrays: arrays.pop("2/mask/up0.conv"),
])
def test_damaged_golden_files_are_refused(damage, files, capsys):
    with np.load(files[0]) as archive:
        arrays = dict(archive)
    with np.errstate(all="ignore"):
        damage(arrays)
    np.savez(files[0], **arrays)
    capsys.readouterr()
    assert run("compare", *files) == 2
    text = capsys.readouterr().err
    assert "golden.npz: no golden file, or a damaged one" in text
    assert text.count("\n") == 1


def test_a_folder_in_place_of_a_file(tmp_path, capsys):
    assert run("export", *COMMANDS, "--out", tmp_path) == 2
    assert "is a folder; name a file" in capsys.readouterr().err
    assert run("export", *COMMANDS, "--weight-decay", "-1", "--out", tmp_path / "x.npz") == 2
    assert "--weight-decay -1: must be" in capsys.readouterr().err
