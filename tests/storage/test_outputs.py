"""What may be written where: no file of anybody's is replaced, whatever command is told to, and by whatever name."""

import os
import socket
import stat
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from refusals import check, contents, script
from strangers import STRANGERS, png

from stemnet_ref.benchmark import __main__ as benchmark
from stemnet_ref.data import check as data_check
from stemnet_ref.errors import InputError
from stemnet_ref.explain import __main__ as explain
from stemnet_ref.storage import files, outputs
from stemnet_ref.verify import __main__ as verify

TINY = ["--levels", "1", "--features", "1", "--size", "4", "--steps", "1"]
# Of every command that writes one file: its name, main, the words before the file's name, and its option
COMMANDS = {
    "check": ("new.png", data_check.main, ["movie/frames", "movie/masks", "--out"]),
    "explain": ("new.html", explain.main, ["--size", "4", "--levels", "1", "--features", "1", "--out"]),
    "export": ("new.npz", verify.main, ["export", *TINY, "--out"]),
    "of a model": ("new.npz", verify.main, ["export", "--model", "run/best.npz", "--frames", "movie/frames", "--masks",
                                            "movie/masks", "--size", "4", "--steps", "1", "--out"]),
    "arrays": ("new.npz", verify.main, ["weights", "run", "--to"]),
    "safetensors": ("new.safetensors", verify.main, ["weights", "run", "--to"]),
    "onnx": ("new.onnx", verify.main, ["weights", "run", "--to"]),
    "converted": ("new.npz", verify.main, ["weights", "run", "--like", "run", "--to"]),
    "benchmark": ("new.json", benchmark.main, ["--teaching", "--rounds", "1", "--json"]),
}
EVERY = pytest.mark.parametrize("command", COMMANDS)


def run(command, target):
    _, main, words = COMMANDS[command]
    return script(main, *words, target)


def refused(capsys, place, command, target, *culprits):
    """Assert that a command refuses a target in one line, and leaves all as it is."""
    before = contents(place)
    capsys.readouterr()
    check(capsys, run(command, target), target, *culprits)
    assert contents(place) == before


@EVERY
def test_an_earlier_output_is_replaced_and_nothing_else_stays(place, command):
    name, _, _ = COMMANDS[command]
    before = {*contents(place)}
    for _ in range(2):
        assert run(command, name) == 0
        assert {*map(str, contents(place))} == {*map(str, before), name}
    assert stat.S_IMODE(os.stat(name).st_mode) == 0o666 & ~files_umask()


def files_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@EVERY
@pytest.mark.parametrize("name", ["model.npz", "best.npz", "config.json", "metrics.csv"])
def test_a_run_is_not_written_over(place, capsys, command, name):
    target = f"run/{name}"
    if command in ("arrays", "converted", "export", "of a model") or name != "model.npz":
        refused(capsys, place, command, target)
    (place / "copies").mkdir()
    os.link("run/model.npz", f"copies/{COMMANDS[command][0]}")
    refused(capsys, place, command, f"copies/{COMMANDS[command][0]}", "choose another name")


@EVERY
def test_another_commands_output_is_not_replaced(place, capsys, command):
    for other, (name, _, _) in COMMANDS.items():
        if other == command or {other, command} == {"export", "of a model"}:
            continue
        (place / other).mkdir()
        assert run(other, f"{other}/{name}") == 0
        target = f"{other}/{COMMANDS[command][0]}"
        os.replace(f"{other}/{name}", target)
        refused(capsys, place, command, target, "choose another name")


@EVERY
def test_a_strangers_file_is_not_replaced(place, capsys, command):
    target = COMMANDS[command][0]
    for make in STRANGERS.values():
        make(place / target)
        refused(capsys, place, command, target, "exists", "choose another name")
        (place / target).unlink()


@EVERY
def test_what_is_no_file_is_refused(place, capsys, command):
    target = COMMANDS[command][0]
    os.mkfifo(target)
    refused(capsys, place, command, target, "is a FIFO")
    assert stat.S_ISFIFO(os.lstat(target).st_mode)
    os.symlink(target, f"link-{target}")
    refused(capsys, place, command, f"link-{target}", "is a FIFO")
    os.unlink(target)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(target)
        refused(capsys, place, command, target, "is a socket")
    os.unlink(target)
    os.mkdir(target)
    refused(capsys, place, command, target, "is a folder")
    os.rmdir(target)
    os.symlink(target, target)
    refused(capsys, place, command, target, "choose another name")
    refused(capsys, place, command, f"nowhere/{target}")


def test_a_device_is_told_by_its_mode():
    assert [what for is_it, what in outputs.NO_FILES.items() if is_it(os.stat(os.devnull).st_mode)] == ["a device"]


@EVERY
def test_a_link_is_written_through(place, capsys, command):
    name = COMMANDS[command][0]
    (place / "elsewhere").mkdir()
    os.symlink(f"elsewhere/{name}", f"link-{name}")
    for _ in range(2):                                      # at first its target does not exist
        assert run(command, f"link-{name}") == 0
        assert os.path.islink(f"link-{name}")
        assert os.listdir("elsewhere") == [name]
    (place / "elsewhere" / name).write_text("mine")
    refused(capsys, place, command, f"link-{name}", "exists")


def test_an_input_is_not_written_over_under_any_name(place, capsys):
    assert run("arrays", "weights.npz") == 0
    os.link("weights.npz", "hard.npz")
    os.symlink("weights.npz", "soft.npz")
    os.symlink(".", "here")
    for target in ("weights.npz", "./weights.npz", "hard.npz", "soft.npz", "here/weights.npz"):
        before = contents(place)
        capsys.readouterr()
        check(capsys, script(verify.main, "weights", "weights.npz", "--to", target), Path(target), "read by the same")
        assert contents(place) == before


def test_it_is_refused_before_the_work(place, capsys, monkeypatch):
    (place / "mine.npz").write_text("mine")
    monkeypatch.setattr(verify, "make_golden", None)
    check(capsys, script(verify.main, "export", *TINY, "--out", "mine.npz"), "--out mine.npz")
    check(capsys, script(verify.main, "against", "torch", *TINY, "--save", "mine.npz"), "--save mine.npz")


@pytest.mark.parametrize(("kind", "software"), [
    (outputs.FIGURE, "stemnet_ref.figures"), (outputs.FIGURE, "stemnet_ref.report.page.figures"),
    (outputs.SHEET, "stemnet_ref.data.check"), (outputs.PREDICTION, "stemnet_ref.predict"),
    (outputs.PREPROCESSED, "stemnet_ref.data.preprocess")])
def test_pictures_say_what_they_are_whatever_modules_are_called(tmp_path, kind, software):
    """A mark that followed the name of a module would make the files of earlier versions foreign."""
    said = PngInfo()
    said.add_text("Software", software)
    Image.new("L", (4, 4)).save(tmp_path / "picture.png", pnginfo=said)
    assert kind.made(tmp_path / "picture.png")


@pytest.mark.parametrize(("kind", "generator"), [
    (outputs.REPORT, "stemnet_ref.report"), (outputs.REPORT, "stemnet_ref.report.page"),
    (outputs.EXPLANATION, "stemnet_ref.explain")])
def test_pages_say_what_they_are_whatever_modules_are_called(tmp_path, kind, generator):
    (tmp_path / "page.html").write_text(f'<meta name="generator" content="{generator}">')
    assert kind.made(tmp_path / "page.html")


def test_what_earlier_versions_wrote_is_known(tmp_path):
    png("Matplotlib version3.7, https://matplotlib.org/")(tmp_path / "loss.png")
    (tmp_path / "report.html").write_text("<style>\nbody { font: 16px/1.5 system-ui, sans-serif; }</style>")
    assert outputs.FIGURE.made(tmp_path / "loss.png")
    assert outputs.REPORT.made(tmp_path / "report.html")
    (tmp_path / "page.html").write_text(f"<title>{explain.TITLE}</title>\n" + (tmp_path / "report.html").read_text())
    assert outputs.EXPLANATION.made(tmp_path / "page.html")
    assert not outputs.REPORT.made(tmp_path / "page.html")
    said = PngInfo()
    for name, text in (("Software", "Matplotlib version3.7"), ("Title", "stemnet_ref.data.check")):
        said.add_text(name, text)
    Image.new("L", (4, 4)).save(tmp_path / "check.png", pnginfo=said)
    assert outputs.SHEET.made(tmp_path / "check.png")
    assert not outputs.SHEET.made(tmp_path / "loss.png")
    assert not outputs.PREDICTION.made(tmp_path / "loss.png")
    assert not outputs.EXPLANATION.made(tmp_path / "report.html")


def test_what_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "t.csv"
    files.write_csv(path, ["a"], [[1]])
    path.chmod(0o640)
    files.write_csv(path, ["a"], [[2]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text() == "a\n2\n"


def test_a_table_with_another_header_is_not_replaced(tmp_path):
    files.write_csv(tmp_path / "t.csv", ["a", "b"], [])
    with pytest.raises(InputError, match="exists, but is not a table"):
        files.write_csv(tmp_path / "t.csv", ["a", "c"], [])
