"""Which folders may be written into: none with a file that another program or command has written."""

import json
import os

import pytest
from commands import into
from PIL import Image
from refusals import check, contents, script
from strangers import STRANGERS, png

import run_train
from stemnet_ref.storage import files, outputs


@pytest.mark.parametrize(("command", "name", "make"), [
    ("train", "config.json", STRANGERS["json"]), ("train", "config.json", STRANGERS["text"]),
    ("train", "metrics.csv", STRANGERS["text"]), ("train", "roc.csv", STRANGERS["text"]),
    ("train", "best.npz", STRANGERS["npz"]), ("train", "report.html", STRANGERS["html"]),
    ("train", "figures", STRANGERS["text"]), ("train", "picture.png", STRANGERS["png"]),
    ("predict", "metrics.csv", STRANGERS["text"]), ("measure", "metrics.csv", STRANGERS["text"]),
    ("measure", "roc.csv", STRANGERS["text"]), ("predict", "t_03_edges.csv", STRANGERS["text"]),
    ("predict", "t_03_mask.png", STRANGERS["png"]), ("predict", "t_03_overlay.png", png("another program")),
    ("predict", "t_03_probability.png", png("stemnet_ref.data.preprocess")),
    ("challenge", "01_RES/mask003.tif", STRANGERS["png"]),
    ("challenge", "01_RES/mask003.tif", lambda path: Image.new("I;16", (4, 4)).save(path, "TIFF")),
    ("preprocess", "preprocess.json", STRANGERS["json"]), ("preprocess", "frames/t_03.png", STRANGERS["png"]),
    ("preprocess", "masks/other.png", STRANGERS["png"]),
    ("experiments", "experiment.json", STRANGERS["json"]), ("experiments", "table3.csv", STRANGERS["text"]),
    ("experiments", "table3.md", STRANGERS["text"]), ("experiments", "report.html", STRANGERS["html"]),
    ("experiments", "l2-1-seed0/config.json", STRANGERS["json"]),
])
def test_a_folder_with_a_strangers_file_is_refused(place, capsys, no_figures, command, name, make):
    target = place / "out" / name
    target.parent.mkdir(parents=True)
    make(target)
    before = contents(place)
    status = into(command, "out")
    if command == "experiments" and name.startswith("l2"):
        assert status == 2
        assert target.read_bytes() == before[target.relative_to(place)]
        return
    check(capsys, status, "out", "another folder")
    assert contents(place) == before


@pytest.mark.parametrize("command", ["train", "preprocess", "experiments"])
def test_a_begun_folder_with_a_strangers_file_is_refused(place, capsys, no_figures, monkeypatch, command):
    """By the same command, which went no further than the file that says whose the folder is."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "make_folder", lambda out, option="--out": os.makedirs(out, exist_ok=True))
        patch.setattr(files, "write_json", stop_after(files.write_json))
        with pytest.raises(KeyError):
            into(command, "out")
    name = {"train": "metrics.csv", "preprocess": "frames/t_01.png", "experiments": "table3.csv"}[command]
    (place / "out" / name).parent.mkdir(exist_ok=True)
    (place / "out" / name).write_text("mine")
    before = contents(place)
    capsys.readouterr()
    check(capsys, into(command, "out"), "out", "another folder")
    assert contents(place) == before


def stop_after(write):
    def once(*arguments):
        write(*arguments)
        raise KeyError
    return once


def test_predictions_replace_earlier_ones_of_the_same_names(place):
    for command in ("measure", "predict"):
        assert into(command, "pictures") == 0
    for _ in range(2):
        assert into("challenge", "challenge") == 0
    assert len(os.listdir("challenge/01_RES")) == 6


def test_results_of_other_frames_are_not_mixed_with(place, capsys):
    assert into("challenge", "out") == 0
    (place / "movie" / "frames" / "t_06.png").unlink()
    before = contents(place)
    capsys.readouterr()
    check(capsys, into("challenge", "out"), "01_RES holds results already", "mask006.tif")
    assert contents(place) == before


def test_a_resumed_run_leaves_a_strangers_file(place, capsys, no_figures):
    assert into("train", "out") == 0
    for name in ("metrics.csv", "report.html", "config.json"):
        kept = (place / "out" / name).read_bytes()
        (place / "out" / name).write_text('{"mine": 1}')
        before = contents(place)
        capsys.readouterr()
        check(capsys, script(run_train.main, "--resume", "--out", "out", "--epochs", "2"), name, "another folder")
        assert contents(place) == before
        (place / "out" / name).write_bytes(kept)
    assert script(run_train.main, "--resume", "--out", "out", "--epochs", "2") == 0


def test_predictions_of_earlier_versions_are_replaced(place, capsys):
    """They bear no mark, and are told by the table beside them."""
    assert into("predict", "out") == 0
    pictures = [*(place / "out").glob("*.png")]
    assert len(pictures) == 18                              # three of each of six frames
    for path in pictures:
        image = Image.open(path)
        image.load()
        del image.info["Software"]
        image.save(path)
        assert b"Software" not in path.read_bytes()
    assert into("predict", "out") == 0
    assert all(outputs.PREDICTION.made(path) for path in pictures)
    capsys.readouterr()
    for table in ("mine", "row;column"):
        STRANGERS["png"](place / "out" / "other_mask.png")
        (place / "out" / "other_edges.csv").write_text(table)
        check(capsys, into("predict", "out"), "holds pictures already (other_mask.png)")
    (place / "out" / "other_edges.csv").write_bytes((place / "out" / "t_01_edges.csv").read_bytes())
    assert into("predict", "out") == 0
    png("another program")(place / "out" / "other_mask.png")
    check(capsys, into("predict", "out"), "holds pictures already (other_mask.png)")
    os.rename("out/other_mask.png", "out/other_cells.png")
    STRANGERS["png"](place / "out" / "other_cells.png")
    check(capsys, into("predict", "out"), "holds pictures already (other_cells.png)")


def test_the_record_of_a_run_is_told_by_its_keys(place, no_figures):
    assert into("train", "out") == 0
    assert outputs.is_run("out")
    os.unlink("out/model.npz")
    assert outputs.is_run("out")
    (place / "out" / "config.json").write_text(json.dumps({"version": "1", "steps_per_epoch": 3}))
    assert not outputs.is_run("out")
