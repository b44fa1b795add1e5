"""Which files may be replaced: a file that exists is replaced only if its content says that it is of the same kind.

Every file that this package writes says what it is, as far as its format allows: PNG and TIFF by "Software", pages by
their generator, arrays by "about", JSON by its keys, tables by their header.
"""

import os
import re
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import InputError, reason
from .archives import open_npz
from .columns import COLUMNS, EDGE_COLUMNS, IMAGE_COLUMNS, ROC_COLUMNS
from .readers import read_json

EXPLANATION_TITLE = b"<title>One step of training, number by number</title>"
SOFTWARE = 305                      # TIFF tag that names the program
NO_FILES = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device",
          stat.S_ISBLK: "a device"}


@dataclass(frozen=True)
class Kind:
    """A kind of file that this package writes."""

    name: str                           # what messages call it
    mark: str                           # beginning of what such a file says of itself; it outlives names of modules
    read: Callable[[Path], str]         # returns what a file says; any exception means a file of another kind
    earlier: tuple = ()                 # beginnings of what files of earlier versions say

    def made(self, path):
        """Return whether a path leads to a file with the content of this kind."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")                 # Pillow warns of damaged or strange pictures
                return Path(path).is_file() and self.read(Path(path)).startswith((self.mark, *self.earlier))
        except Exception:                                       # libraries raise anything on files of other programs
            return False


def _png(path):
    with Image.open(path, formats=("PNG",)) as image:
        return image.info.get("Title") or image.info.get("Software")           # sheets of earlier versions have a title


def _tiff(path):
    with Image.open(path, formats=("TIFF",)) as image:
        return image.tag_v2[SOFTWARE]


def _prediction(path):
    if software := _png(path):
        return software
    stem, _, what = path.stem.rpartition("_")                   # by an earlier version, if its table is there too
    beside = path.with_name(f"{stem}_edges.csv")
    return PREDICTION.mark if what in ("mask", "probability", "overlay") and EDGES.made(beside) else ""


def _about(key):
    def read(path):
        with open_npz(path, "no file of arrays", "choose another name") as arrays:
            return arrays.about()[key]
    return read


def _page(path):
    with open(path, "rb") as file:
        head = file.read(4000)
    if b"body { font: 16px/1.5 system-ui, sans-serif;" in head and b'name="generator"' not in head:
        return EXPLANATION.mark if EXPLANATION_TITLE in head else REPORT.mark   # by an earlier version
    return re.search(rb'<meta name="generator" content="([^"]*)">', head).group(1).decode()


def _first_line(path):
    with open(path, "rb") as file:
        return file.readline(10_000).decode().rstrip("\r\n")


def _safetensors(path):
    import safetensors

    with safetensors.safe_open(path, "np") as file:
        return " ".join(file.metadata())


def _onnx(path):
    import onnx

    return onnx.load(path, load_external_data=False).producer_name


def _events(path):
    with open(path, "rb") as file:
        return re.search(rb"brain.Event:\d", file.read(99)).group().decode()


def table(header):
    """Return the Kind of a CSV file with this header."""
    return Kind("table of stemnet_ref's", ",".join(header), _first_line)


def keyed(name, *names):
    """Return the Kind of a JSON file with these keys."""
    def read(path):
        found = read_json(path, "choose another name")
        return " ".join(each for each in names if each in found)
    return Kind(name, " ".join(names), read)


MODEL = Kind("model of stemnet_ref", "stemnet_ref model", _about("format"))
CONVERTED = Kind("model that verify weights wrote", "stemnet_ref.verify", _about("made_by"))
GOLDEN = Kind("golden file", "stemnet_ref golden", _about("format"))
TENSORS = Kind("file of tensors that verify against wrote", "stemnet_ref tensors", _about("format"))
WEIGHTS = {".npz": Kind("file of weights that verify weights wrote", "stemnet_ref weights", _about("format")),
           ".safetensors": Kind("file of weights that verify weights wrote", "stemnet_ref weights", _safetensors),
           ".onnx": Kind("network that verify weights wrote", "stemnet_ref", _onnx)}
CONFIG = keyed("config.json of a run", "preset", "steps_per_epoch", "version")
EXPERIMENT = keyed("experiment.json of an experiment", "experiment")
DIVERGED = keyed("diverged.json of a run", "error")
RECORD = keyed("record of preprocessing", "complete", "settings", "sequences", "frames")
BENCHMARK = keyed("file of a benchmark's figures", "machine", "rounds", "seconds")
PREDICTION = Kind("prediction", "stemnet_ref.predict", _prediction)
NUMBERED = Kind("prediction", "stemnet_ref.predict", _tiff)
PREPROCESSED = Kind("preprocessed frame or mask", "stemnet_ref.data.preprocess", _png)
FIGURE = Kind("figure of stemnet_ref's", "stemnet_ref.figures", _png, ("Matplotlib", "stemnet_ref.report.page.figures"))
SHEET = Kind("sheet that stemnet_ref.data.check drew", "stemnet_ref.data.check", _png)
REPORT = Kind("report of stemnet_ref's", "stemnet_ref.report", _page)
EXPLANATION = Kind("page that stemnet_ref.explain wrote", "stemnet_ref.explain", _page)
EVENTS = Kind("event file of TensorBoard's", "brain.Event:2", _events)
EDGES, EPOCHS, MEASURES, ROC = map(table, (EDGE_COLUMNS, COLUMNS, IMAGE_COLUMNS, ROC_COLUMNS))

# Files that run_train.py writes to a run's folder, beside figures/ and summaries/
RUN_FILES = {"model.npz": MODEL, "best.npz": MODEL, "config.json": CONFIG, "metrics.csv": EPOCHS,
             "validation.csv": MEASURES, "roc.csv": ROC, "report.html": REPORT}
RUN_FOLDERS = "figures", "summaries"
RUN_FIGURES = ("predictions", "loss", "accuracy", "precision_recall", "f1", "error_rate", "false_white",
               "white_pixel_accuracy", "roc", "maps", "pieces")


def what_is(path):
    """Return whether a path leads to a file, a folder, a device and so on, in words with an article."""
    mode = os.stat(path).st_mode
    return next((what for is_it, what in NO_FILES.items() if is_it(mode)), "a file")


def is_run(folder):
    """Return whether a folder holds a run of run_train.py."""
    return (Path(folder) / "model.npz").exists() or CONFIG.made(Path(folder) / "config.json")


def check_replaceable(path, kind=None, option="--out", remedy="choose another name"):
    """Return the path of the file that is to be written, with symbolic links followed.

    Parameters
    ----------
    path : path
    kind : Kind, optional
        Kind of the file; a file of another kind is not replaced.
    option, remedy : str
        Option by which the user named the path, and what the message advises.

    Raises
    ------
    InputError
        If the path leads to something else.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    except OSError as error:                                    # a circle of links, or a name that is too long
        raise InputError(f"{option} {path}: cannot be written ({reason(error)}); {remedy}") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{option} {path}: is {what_is(target)}; name a file")
    if kind and not kind.made(target):
        article = "an" if kind.name[0] in "aeiou" else "a"
        raise InputError(f"{option} {path}: exists, but is not {article} {kind.name}; {remedy}")
    return target


def check_output(path, kind, option="--out", inputs=()):
    """Raise InputError where a file cannot be written, or where another file would be lost by it.

    `inputs` are paths, or None, of files that the same command reads; none of them is overwritten, whatever name leads
    to it. The other arguments are those of `check_replaceable`.
    """
    target = check_replaceable(path, option=option)
    if not target.parent.is_dir():
        raise InputError(f"{option} {path}: must be the name of a file in a folder that exists")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: cannot write in {target.parent}; choose another folder")
    for each in inputs:
        if each is not None and target.exists() and os.path.exists(each) and os.path.samefile(target, each):
            raise InputError(f"{option} {path}: is read by the same command, as {each}; choose another name")
    config = target.with_name("config.json")
    if target.name in RUN_FILES and (CONFIG.made(config) or (is_run(target.parent) and not kind.made(target))):
        raise InputError(f"{option} {path}: belongs to the run in that folder; choose another name")
    check_replaceable(path, kind, option)


def check_run(out, resume=False):
    """Raise InputError unless run_train.py may write to a folder: what it would replace must belong to this run.

    A run that was killed before its first model has left its config.json, which is written first.
    """
    out = Path(out)
    if not resume and os.path.lexists(out / "model.npz"):
        raise InputError(f"--out {out}: holds a run already; go on with it by --resume, or choose another folder")
    kinds = {**dict.fromkeys(RUN_FOLDERS), **RUN_FILES, **{f"figures/{name}.png": FIGURE for name in RUN_FIGURES}}
    begun = resume or CONFIG.made(out / "config.json")
    for name, kind in kinds.items():
        if not os.path.lexists(out / name) or (begun and (kind is None or kind.made(out / name))):
            continue
        if resume:
            away = "" if name == "metrics.csv" else "move it away, "         # metrics.csv is needed
            raise InputError(f"{out / name}: is damaged, or not of this run, which would overwrite it; restore it, "
                             f"{away}or begin a new run in another folder")
        raise InputError(f"--out {out}: {name} there would be overwritten, and is not of a run of stemnet_ref; choose "
                         "another folder")


def check_no_pictures(out, predictions=False):
    """Raise InputError where a folder holds pictures of others, among which the results would be lost.

    `predictions` says whether earlier predictions of this package may be there.
    """
    foreign = [path for path in sorted(Path(out).glob("*")) if path.suffix.lower() in (".png", ".tif", ".tiff")
               and not (predictions and PREDICTION.made(path))]
    if foreign:
        raise InputError(f"--out {out}: holds pictures already ({foreign[0].name}), which results would be mixed with; "
                         "choose another folder")
