"""What the check says of frames and masks, faults planted one by one, on the sample's real frames."""

import numpy as np
import pytest
from models import save_model
from PIL import Image
from refusals import contents, script

import run_predict
import run_train
from stemnet_ref import sample
from stemnet_ref.data import check, preprocess
from stemnet_ref.errors import InputError
from stemnet_ref.predict import results
from stemnet_ref.program import cli
from stemnet_ref.report import figures


@pytest.fixture
def field(tmp_path):
    """The ten frames of the sample's first field of view and their masks, to be spoiled."""
    folders = []
    for name, source in (("frames", sample.FRAMES), ("masks", sample.MASKS)):
        folder = tmp_path / name
        folder.mkdir()
        for path in sorted(source.glob("*field1*.png")):
            (folder / path.name).write_bytes(path.read_bytes())
        folders.append(folder)
    return folders


def said(capsys, *argv):
    assert script(check.main, *argv) == 0
    return capsys.readouterr().out


@pytest.mark.drawn
def test_the_sample_is_described(tmp_path, capsys):
    text = said(capsys, sample.FRAMES, sample.MASKS, "--out", tmp_path / "sheet.png")
    for line in ("15 frames of 448 x 448 pixels, 8 bits: t98g_field1_01 to t98g_field1_10",
                 "15 pairs, from t98g_field1_01 with t98g_field1_01 to t98g_field2_05 with t98g_field2_05",
                 "15 frames of 2 sequences: 10 to train on, 5 to validate on; validated on t98g_field2_01",
                 "--class-weight ratio: 1 and 1.3", "--class-weight median-frequency: 0.87",
                 "masks fit their frames best as they are paired and placed", "done: look at"):
        assert line in text, text
    assert "warning" not in text
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 900
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000


def rename(folder, by):
    """Count a folder's files from another number, in another order of names that none is lost."""
    for path in sorted(folder.iterdir(), reverse=by > 0):
        stem, number = path.stem[:-2], int(path.stem[-2:])
        path.rename(path.with_name(f"{stem}{number + by:02d}.png"))


@pytest.mark.parametrize(("by", "words"), [(1, "1 frame later"), (-1, "1 frame earlier"), (2, "2 frames later")])
def test_masks_paired_with_another_frame_are_told(tmp_path, field, capsys, by, words):
    frames, masks = field
    rename(masks, by)
    for path in (frames if by > 0 else masks).iterdir():        # what has lost its partner
        other = (masks if by > 0 else frames) / path.name
        if not other.exists():
            path.unlink()
    for path in (masks if by > 0 else frames).iterdir():
        if not ((frames if by > 0 else masks) / path.name).exists():
            path.unlink()
    text = said(capsys, frames, masks, "--out", tmp_path / "s.png", "--gap", "1")
    assert f"warning: the masks of {words} fit better" in text
    assert "best as they are paired" not in text


def test_masks_that_lie_beside_their_cells_are_told(tmp_path, field, capsys):
    frames, masks = field
    for path in masks.iterdir():
        Image.fromarray(np.roll(np.asarray(Image.open(path)), (-9, 14), (0, 1))).save(path)
    text = said(capsys, frames, masks, "--out", tmp_path / "s.png", "--gap", "1")
    line = next(line for line in text.splitlines() if "fit better when moved" in line)
    down, right = (int(word) for word in line.split() if word.isdigit())
    assert abs(down - 9) <= 3                   # halos are broader on one side of the cells
    assert abs(right - 14) <= 3
    assert "pixels down" in line
    assert f"{right} left" in line


def test_too_few_frames_give_no_opinion(tmp_path, field, capsys):
    frames, masks = field
    for folder in field:
        for number in range(5, 11):
            (folder / f"t98g_field1_{number:02d}.png").unlink()
    text = said(capsys, frames, masks, "--gap", "1", "--out", tmp_path / "s.png")
    assert "cannot tell whether masks fit their frames: that needs sequences of at least 5 frames of one size" in text


def spoil(folder, numbers, change):
    for number in numbers:
        path = folder / f"t98g_field1_{number:02d}.png"
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


def test_constant_and_saturated_frames_are_told(tmp_path, field, capsys):
    frames, masks = field
    spoil(frames, [3], np.zeros_like)
    spoil(frames, [5, 6], lambda pixels: np.minimum(pixels, np.percentile(pixels, 90)).astype(np.uint8))
    text = said(capsys, frames, masks, "--out", tmp_path / "s.png")
    assert "warning: 1 frame is constant, the first " in text
    assert "t98g_field1_03.png (every pixel is 0)" in text
    assert "warning: 2 frames are saturated, the first " in text
    assert "have the highest value" in text
    assert script(run_train.main, "--frames", frames, "--masks", masks, "--levels", "1", "--features", "1",
                  "--epochs", "1", "--crops-per-frame", "1", "--out", tmp_path / "run") == 0
    told = capsys.readouterr().out
    assert "warning: 1 frame is constant" in told                           # the cheap part comes before training
    assert told.index("constant") < told.index("network1, backend cpu")


def test_inverted_masks_are_told(tmp_path, field, capsys):
    frames, masks = field
    for path in masks.iterdir():
        Image.fromarray(np.where(np.asarray(Image.open(path)) > 0, 0, 255).astype(np.uint8)).save(path)
    text = said(capsys, frames, masks, "--gap", "1", "--out", tmp_path / "s.png")
    assert "warning: masks look inverted" in text
    assert "fit better" not in text


def test_masks_of_cells_between_stained_membranes_are_not_inverted(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for kind in ("frames", "masks"):
        (tmp_path / kind).mkdir()
    for t in range(6):
        centres = rng.integers(0, 128, (2, 14, 1, 1))
        rows, columns = np.mgrid[:128, :128]
        distances = np.sort((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2, axis=0)
        membrane = np.sqrt(distances[1]) - np.sqrt(distances[0]) < 3
        number = 1 + ((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2).argmin(axis=0)
        frame = np.where(membrane, 160, 60) + rng.normal(0, 6, membrane.shape)
        Image.fromarray(frame.astype(np.uint8)).save(tmp_path / "frames" / f"t{t}.png")
        Image.fromarray(np.where(membrane, 0, number).astype(np.uint8)).save(tmp_path / "masks" / f"t{t}.png")
    text = said(capsys, tmp_path / "frames", tmp_path / "masks", "--out", tmp_path / "s.png")
    assert "look inverted" not in text
    assert "note: the masks' background is thin lines" in text


def outlines_of(mask, width):
    """Return the borders of a mask's cells, so many pixels wide."""
    cell = np.pad(mask > 0, width)
    inner = cell
    for _ in range(width):
        inner = (inner & np.roll(inner, 1, 0) & np.roll(inner, -1, 0) & np.roll(inner, 1, 1) & np.roll(inner, -1, 1))
    return (cell & ~inner)[width:-width, width:-width]


FAULTS = {
    "none": (lambda masks: masks, None),
    "inverted": (lambda masks: [mask == 0 for mask in masks], "warning: masks look inverted"),
    "moved": (lambda masks: [np.roll(mask, (-9, 14), (0, 1)) for mask in masks], "warning: masks fit better when"),
    "later": (lambda masks: [*masks[1:], masks[-1]], "warning: the masks of 1 frame earlier fit better"),
    "outlines": (lambda masks: [outlines_of(mask, 2) for mask in masks], "warning: masks look like outlines"),
    "thick outlines": (lambda masks: [outlines_of(mask, 4) for mask in masks], "warning: masks look like outlines"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_masks_that_do_not_fit_are_told_of_before_training_and_measuring(tmp_path, field, no_figures, monkeypatch,
                                                                          capsys, fault):
    monkeypatch.setattr(figures, "plot_sheet", lambda *arguments, **keywords: None)
    monkeypatch.setattr(results, "write_pictures", lambda *arguments: None)
    frames, masks = field
    change, warning = FAULTS[fault]
    paths = sorted(masks.iterdir())
    for path, mask in zip(paths, change([np.asarray(Image.open(path)) for path in paths]), strict=True):
        Image.fromarray(255 * (mask > 0).astype(np.uint8)).save(path)
    out, said_by = tmp_path / "run", []
    for main, argv in ((run_train.main, ("--frames", frames, "--masks", masks, "--levels", "1", "--features", "1",
                                         "--epochs", "1", "--crops-per-frame", "1", "--out", out)),
                       (run_predict.main, (out, frames, "--masks", masks, "--out", tmp_path / "p"))):
        assert script(main, *argv) == 0
        said_by.append(capsys.readouterr().out)
    said_by.append(said(capsys, frames, masks, "--out", tmp_path / "s.png"))
    for text in said_by:
        assert [line for line in text.splitlines() if "masks look" in line or "fit better" in line] == [
            line for line in text.splitlines() if warning and line.startswith(warning)]
        assert warning is None or text.count(warning) == 1


def test_sequences_of_another_brightness_and_large_parts_are_told(tmp_path, field, capsys):
    frames, masks = field
    for folder in field:
        for path in list(folder.iterdir()):
            pixels = np.asarray(Image.open(path))
            Image.fromarray(pixels // 10 if folder == frames else pixels).save(
                path.with_name(path.name.replace("field1", "dark")))
    text = said(capsys, frames, masks, "--out", tmp_path / "s.png")
    assert "warning: the pixels of sequence t98g_field1_# are " in text
    assert "note: that is 50% to validate on, not --validation 20%" in text


def test_gaps_steps_bits_and_frames_without_masks_are_told(tmp_path, field, capsys):
    frames, masks = field
    for folder in field:
        for number in (2, 4, 5, 6, 8, 10):
            (folder / f"t98g_field1_{number:02d}.png").unlink()
    (masks / "t98g_field1_03.png").unlink()
    pixels = np.asarray(Image.open(frames / "t98g_field1_09.png")).astype(np.uint16) * 257
    Image.fromarray(pixels).save(frames / "t98g_field1_09.png")
    text = said(capsys, frames, masks, "--sparse-masks", "--gap", "0", "--out", tmp_path / "s.png")
    assert "numbers rise by 2 from frame to frame" in text
    assert "1 frame number missing" in text
    assert "frames differ in their bits" in text
    assert "1 without a mask" in text


def test_sequences_shorter_than_the_window_are_told(tmp_path, field, capsys):
    argv = *field, "--out", tmp_path / "s.png", "--channels"
    assert "warning" not in said(capsys, *argv, "5")
    text = said(capsys, *argv, "11", "--gap", "1")
    assert "warning: 1 of 1 sequence has fewer frames than the network sees at once, 11: t98g_field1_# has 10; " in text


def test_the_sheet_replaces_nothing_but_a_sheet(tmp_path, field, capsys):
    frames, masks = field
    before = contents(tmp_path)
    (tmp_path / "mine.png").write_bytes((frames / "t98g_field1_01.png").read_bytes())
    for out in (frames / "t98g_field1_01.png", frames / "new.png", masks / "new.png", tmp_path / "mine.png"):
        assert script(check.main, frames, masks, "--gap", "1", "--out", out) == 2
        assert f"--out {out}" in capsys.readouterr().err
    (tmp_path / "mine.png").unlink()
    assert contents(tmp_path) == before
    for _ in range(2):
        said(capsys, frames, masks, "--gap", "1", "--out", tmp_path / "sheet.png")


@pytest.mark.parametrize(("argv", "culprit"), [
    (["absent", "absent"], "absent: no such file"), ([sample.FRAMES], "MASKS: missing beside FRAMES"),
    ([sample.FRAMES, sample.MASKS, "--out", "sheet.jpg"], "--out sheet.jpg"),
    ([sample.FRAMES, sample.MASKS, "--channels", "2"], "--channels 2"),
    ([sample.FRAMES, sample.MASKS, "--out", "/no/such/folder/s.png"], "/no/such/folder/s.png"),
])
def test_what_cannot_be_checked_is_named(capsys, argv, culprit):
    status = script(check.main, *argv)
    error = capsys.readouterr().err
    assert status == 2, error
    assert culprit in error
    assert error.count("\n") == 1


def test_messages_name_the_paths_as_each_program_takes_them(tmp_path, field, capsys):
    """But other options, and files of such names, stay as they are."""
    frames, masks = field[0], field[1].rename(tmp_path / "no--frames")
    assert script(check.main, masks, frames, "--gap", "1", "--out", tmp_path / "s.png") == 2
    assert "are FRAMES and MASKS swapped?" in capsys.readouterr().err
    min(masks.iterdir()).unlink()
    for main, argv, word in ((check.main, [masks], "MASKS"),
                             (preprocess.main, [tmp_path, "--masks", masks], "--masks")):
        assert script(main, frames, *argv) == 2
        error = capsys.readouterr().err
        assert f"{word}: 10 frames and 9 masks" in error
        assert "--sparse-masks" in error
    min(frames.iterdir()).unlink()
    model = save_model(tmp_path / "model.npz")
    max(masks.iterdir()).write_bytes(max(frames.iterdir()).read_bytes())    # a picture in place of the last mask
    assert script(run_predict.main, model, frames, "--masks", masks, "--out", tmp_path / "p") == 2
    printed = capsys.readouterr()
    for text in printed.out, printed.err:
        assert "are FRAMES and --masks swapped?" in text
    with pytest.raises(InputError, match=r"^RAW no--frames: bad; see --frames-of$"), cli.naming(frames="RAW"):
        raise InputError("--frames no--frames: bad; see --frames-of")
