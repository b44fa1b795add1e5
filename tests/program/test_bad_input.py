"""What users get wrong: each ends with exit status 2 and one line that names the culprit and the remedy."""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import sequence, stack
from PIL import Image
from refusals import SMALL, check, contents, script

import run_predict
import run_train
from stemnet_ref.program.options import flag_of
from stemnet_ref.training import checkpoint
from stemnet_ref.training.settings import OPTIONS

ROOT = Path(__file__).parents[2]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 2])


FILES = {
    "text file": (lambda f, m: (f / "t_03.png").write_text("not a picture"), "t_03.png: this is no PNG or TIFF"),
    "zero bytes": (lambda f, m: (f / "t_03.png").write_bytes(b""), "t_03.png: the file is empty (0 bytes)"),
    "truncated": (lambda f, m: truncate(f / "t_03.png"), "t_03.png: the picture cannot be read"),
    "truncated header": (lambda f, m: (f / "t_03.png").write_bytes((f / "t_03.png").read_bytes()[:20]), "t_03.png"),
    "truncated mask": (lambda f, m: truncate(m / "t_02.png"), "t_02.png: the picture cannot be read"),
    "truncated tiff": (lambda f, m: ((f / "t_03.png").unlink(),
                                     Image.new("L", (48, 40)).save(f / "t_03.tif"), truncate(f / "t_03.tif")),
                       "t_03.tif"),
    "JPEG named png": (lambda f, m: Image.new("L", (48, 40)).save(f / "t_03.png", "JPEG"), "t_03.png: this is no PNG"),
    "RGB": (lambda f, m: Image.new("RGB", (48, 40)).save(f / "t_03.png"), "t_03.png: the frame has colours (RGB)"),
    "palette": (lambda f, m: Image.new("RGB", (48, 40), (9, 8, 7)).quantize().save(f / "t_03.png"),
                "t_03.png: the frame has colours (a palette of colours)"),
    "RGB mask": (lambda f, m: Image.new("RGB", (48, 40)).save(m / "t_03.png"), "number the colours"),
    "size": (lambda f, m: Image.new("L", (48, 39)).save(m / "t_03.png"), "t_03.png: 39 x 48 pixels, but its frame"),
    "frame size": (lambda f, m: [Image.new("L", (12, 40)).save(d / "t_03.png") for d in (f, m)],
                   "t_03.png: 40 x 12 pixels are less than the 16 x 16"),
    "unequal counts": (lambda f, m: (m / "t_03.png").unlink(), "6 frames and 5 masks; no mask belongs to "),
    "unpaired names": (lambda f, m: (m / "t_03.png").rename(m / "t_09.png"), "t_03.png"),
    "one folder is empty": (lambda f, m: [p.unlink() for p in m.iterdir()], "--masks"),
    "no contrast": (lambda f, m: [Image.new("L", (48, 40), 9).save(p) for p in f.iterdir()],
                    "every pixel of the training"),
    "NaN": (lambda f, m: ((f / "t_03.png").unlink(),
                          Image.fromarray(np.full((40, 48), np.nan, np.float32)).save(f / "t_03.tif")),
            "t_03.tif: 1920 pixels are NaN"),
    "NaN mask": (lambda f, m: ((m / "t_03.png").unlink(),
                               Image.fromarray(np.full((40, 48), np.nan, np.float32)).save(m / "t_03.tif")),
                 "t_03.tif: 1920 pixels are NaN"),
    "masks without a cell": (lambda f, m: [Image.new("L", (48, 40)).save(p) for p in m.iterdir()],
                             "no training mask holds a cell"),
    "masks without background": (lambda f, m: [Image.new("L", (48, 40), 255).save(p) for p in m.iterdir()],
                                 "no training mask holds background"),
    "frames and masks swapped": (lambda f, m: (f.rename(f.parent / "x"), m.rename(f), (f.parent / "x").rename(m)),
                                 "are --frames and --masks swapped?"),
    "JPEG files": (lambda f, m: [p.rename(p.with_suffix(".jpg")) for p in f.iterdir()],
                   "it holds .jpg files, convert them to PNG"),
    "too few frames": (lambda f, m: [(d / f"t_0{n}.png").unlink() for d in (f, m) for n in (1, 2, 3, 4, 5)],
                       "one sequence of 1 frame is too short"),
    "the frames as masks": (lambda f, m: ([p.unlink() for p in m.iterdir()], m.rmdir(), m.symlink_to(f)),
                            "is a frame too"),
    "unreadable": (lambda f, m: (f / "t_03.png").rename(f / "x") and (f / "t_03.png").symlink_to(f / "absent"),
                   "absent, which is not there"),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_files_while_training(tmp_path, pair, capsys, case):
    change, culprit = FILES[case]
    change(*pair)
    out = tmp_path / "out"
    before = contents(tmp_path)
    check(capsys, script(run_train.main, "--frames", pair[0], "--masks", pair[1], *SMALL, "--out", out), culprit)
    assert not (out / "model.npz").exists()
    assert {path: data for path, data in contents(tmp_path).items() if path.parts[0] == "movie"} == before


@pytest.mark.parametrize("case", ["text file", "zero bytes", "truncated", "truncated tiff", "RGB", "NaN"])
def test_bad_files_while_predicting(tmp_path, pair, trained, capsys, case):
    change, culprit = FILES[case]
    change(*pair)
    out = tmp_path / "out"
    check(capsys, script(run_predict.main, trained, pair[0], "--out", out), culprit, "all is done except 1 file")
    assert len(list(out.glob("*_mask.png"))) == 5


@pytest.mark.parametrize(("options", "culprits"), [
    (["--neighbours", "copies"], ("--neighbours copies", "--channels 1")),
    (["--normalisation", "batch", "--crop", "32"], ("--normalisation batch", "32 x 32", "--batch-size")),
    (["--frames", "absent", "--masks", "absent"], ["--frames absent: no such file or folder"]),
    (["--frames", "absent/*.png", "--masks", "absent"], ["--frames absent/*.png: no file matches"]),
    (["--frames", "absent"], ["--frames absent: no such file or folder"]),
    (["--masks", "absent"], ["--frames: missing beside --masks"]),
    (["--resume"], ["--resume: name the run", "--out"]),
    (["--resume", "--out", "absent"], ["--out absent: no model.npz"]),
    (["--channels", "4"], ["--channels 4: must be odd"]),
    (["--crop", "100"], ["--crop 100", "multiple of 32", "96 or 128"]),
    (["--crop", "8"], ["--crop 8", "try 32"]),
    (["--device", "cuda"], ["--backend cuda", "--backend cpu"]),
    (["--backend", "tpu"], ["--backend tpu"]),
    (["--precision", "fp16"], ["--precision fp16", "fp32, tf32"]),
    (["--device", "cpu", "--precision", "tf32"], ["--precision tf32", "leave it out"]),
    (["--epochs", "many"], ["--epochs", "'many'"]),
    (["--preset", "best"], ["--preset", "thesis-table2", "listing"]),
    (["--no-such-option"], ["--no-such-option: no such option"]),
    (["--chanels", "5"], ["--chanels: no such option, did you mean --channels?"]),
    (["5"], ["5: belongs to no option; see"]),
    (["--", "--epochs", "1"], ["--: no such option; see"]),
    (["--frames", "", "--masks", ""], ["--frames: the value is empty"]),
    (["--frames", "x" * 300, "--masks", "y"], ["xxx", "File name too long"]),
    (["--out", "x" * 300], ["xxx", "File name too long"]),
    (["--resume", "--out", "x" * 300], ["xxx", "File name too long"]),
    (["--optimizer", "sgd", "--momentum", "0.9"], ["--momentum: has no effect with --optimizer sgd"]),
    (["--adam-form", "tensorflow"], ["--adam-form: has no effect with --optimizer momentum"]),
    (["--cost", "dice", "--class-weight", "7"], ["--class-weight: has no effect with --cost dice"]),
    (["--crop", "512"], ["448 x 448 pixels are less than the 512 x 512", "smaller --crop"]),
    (["--crop", "0", "--levels", "10"], ["448 x 448 pixels are less than the 512 x 512", "fewer --levels"]),
])
def test_impossible_options(tmp_path, monkeypatch, capsys, options, culprits):
    monkeypatch.chdir(tmp_path)
    check(capsys, script(run_train.main, *options), *culprits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dropped", [True, False])
def test_two_dashes_alone_are_told_alike_whatever_argparse_leaves_of_them(pair, trained, capsys, monkeypatch, dropped):
    parse = argparse.ArgumentParser.parse_known_args

    def parsed(self, args=None, namespace=None):
        given, unknown = parse(self, args, namespace)
        rest = [text for text in unknown if text != "--"]
        return given, rest if dropped or not rest else ["--", *rest]

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parsed)
    check(capsys, script(run_train.main, "--", "--epochs", "1"), "error: --: no such option; see")
    check(capsys, script(run_predict.main, trained, pair[0], "--", "more"), "error: more: belongs to no option")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.limits])
@pytest.mark.parametrize("value", ["-1", "nan", "1e30"])
def test_numbers_beyond_their_limits(tmp_path, monkeypatch, capsys, name, value):
    monkeypatch.chdir(tmp_path)
    check(capsys, script(run_train.main, flag_of(name), value), flag_of(name))


@pytest.mark.parametrize(("name", "value"), [("seed", 2 ** 63 + 1), ("epochs", 2 * 10 ** 6), ("crop", 10 ** 5),
                                             ("gap", -1)])
def test_messages_of_limits_name_both_ends(tmp_path, monkeypatch, capsys, name, value):
    monkeypatch.chdir(tmp_path)
    low, high = OPTIONS[name].limits
    check(capsys, script(run_train.main, flag_of(name), value),
          f"{flag_of(name)} {value}: must be from {low} to {high}")


def test_pieces_of_several_sizes_do_not_make_a_batch(tmp_path, pair, capsys):
    sequence(tmp_path / "movie", 6, "u_{:02d}.png", height=32, width=32)
    frames, masks = sequence(tmp_path / "movie", 6, "v_{:02d}.png")
    options = ["--crop", "0", "--batch-size", "2", "--validation", "0.1", "--out", tmp_path / "out"]
    check(capsys, script(run_train.main, "--frames", frames, "--masks", masks, *SMALL, *options),
          "--batch-size 2: the crops differ in size")


@pytest.mark.parametrize("main", [run_train.main, run_predict.main])
def test_out_is_a_file(tmp_path, pair, trained, capsys, main):
    out = tmp_path / "file"
    out.write_text("mine")
    arguments = {run_train.main: ["--frames", pair[0], "--masks", pair[1], *SMALL],
                 run_predict.main: [trained, pair[0]]}[main]
    check(capsys, script(main, *arguments, "--out", out), f"--out {out}: this is a file")
    check(capsys, script(main, *arguments, "--out", out / "below"), f"--out {out / 'below'}")
    assert out.read_text() == "mine"


@pytest.mark.parametrize("main", [run_train.main, run_predict.main])
def test_out_cannot_be_written(pair, trained, capsys, main):
    arguments = {run_train.main: ["--frames", pair[0], "--masks", pair[1], *SMALL],
                 run_predict.main: [trained, pair[0]]}[main]
    check(capsys, script(main, *arguments, "--out", "/proc/nothing"), "--out /proc/nothing", "choose another folder")


def test_a_full_disk_keeps_the_old_model(tmp_path, pair, trained):
    """The file-size limit stands in for the disk's end: every write beyond it fails as on a full disk."""
    before = (trained / "model.npz").read_bytes()
    limited = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
               "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); import run_train; "
               "from stemnet_ref.program import cli; sys.exit(cli.run('run_train.py', run_train.main, sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", limited, "--resume", "--out", str(trained), "--epochs", "2"], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot be written (File too large)" in done.stderr
    assert "free space" in done.stderr
    assert (trained / "model.npz").read_bytes() == before
    assert not list(trained.glob(".*.tmp"))
    checkpoint.load(trained / "model.npz")


def test_a_frames_folder_in_place_of_figures(tmp_path, pair, trained, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.json").write_bytes((trained / "config.json").read_bytes())
    (out / "figures").write_text("mine")
    check(capsys, script(run_train.main, "--frames", pair[0], "--masks", pair[1], *SMALL, "--out", out), "figures")
    assert (out / "figures").read_text() == "mine"


def test_a_truncated_compressed_tiff_gives_one_line(tmp_path, pair):
    for part in pair:
        (part / "t_03.png").unlink()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48)).astype(np.uint8)).save(
            part / "t_03.tif", compression="tiff_adobe_deflate")
    truncate(pair[0] / "t_03.tif")
    done = subprocess.run([sys.executable, "run_train.py", "--frames", pair[0], "--masks", pair[1], *SMALL, "--out",
                           tmp_path / "out"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "t_03.tif: " in done.stderr.splitlines()[-1]         # libtiff itself may write lines above it
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_an_unquoted_pattern_is_spoken_of(tmp_path, pair, trained, capsys, monkeypatch):
    monkeypatch.chdir(pair[0])
    check(capsys, script(run_predict.main, trained, *sorted(path.name for path in pair[0].iterdir())),
          "t_02.png: belongs to no option", "in quotes")
    (pair[0] / "frames2").touch()
    check(capsys, script(run_train.main, "--frames", "t_01.png", "frames2"), "frames2: belongs to no option")


def test_out_below_a_file_is_refused_before_anything_is_read(tmp_path, pair, capsys, monkeypatch):
    monkeypatch.setattr("stemnet_ref.data.headers.read_size", None)
    (tmp_path / "file").touch()
    check(capsys, script(run_train.main, "--frames", pair[0], "--masks", pair[1], *SMALL, "--out",
                         tmp_path / "file" / "out"), "cannot write in")


def test_stacks_of_unequal_length(tmp_path, trained, capsys):
    pages = [np.zeros((40, 48), np.uint8)] * 4
    stack(tmp_path / "frames.tif", pages)
    stack(tmp_path / "masks.tif", pages[:3])
    check(capsys, script(run_predict.main, trained, tmp_path / "frames.tif", "--masks", tmp_path / "masks.tif", "--out",
                         tmp_path / "out"), "4 frames and 3 masks", "frames.tif, page 4")


def test_out_of_memory_is_one_line(tmp_path, pair, trained, capsys, monkeypatch):
    def too_much(*arguments, **keywords):
        return np.empty(1 << 50)

    monkeypatch.setattr("stemnet_ref.predict.segment.cell_probability", too_much)
    check(capsys, script(run_predict.main, trained, pair[0], "--out", tmp_path / "out"), "out of memory", "use ")


def test_scripts_end_with_status_2_as_processes(tmp_path):
    for arguments in (["run_train.py", "--frames", "absent", "--masks", "absent"], ["run_predict.py", "absent.npz"],
                      ["run_predict.py"], ["run_train.py", "--epochs", "x"]):
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
