"""What may be written where: a file that exists is replaced only if its content says that it is of the same kind.

Every file that this package writes says what it is, where its format has a place for that: PNG and TIFF by "Software",
pages by their generator, arrays by "about", JSON by its keys, tables by their header.
"""

import os
import re
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .. import metrics
from ..errors import InputError, reason
from .archives import open_npz
from .readers import read_json

EXPLAINED = b"<title>One step of training, number by number</title>"        # of a page
SOFTWARE = 305                      # tag of TIFF
OTHERS = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device",
          stat.S_ISBLK: "a device"}


@dataclass(frozen=True)
class Kind:
    """A kind of file that this package writes.

    Parameters
    ----------
    name : str
        In words, for messages.
    mark : str
        What such a file says of itself, or begins with.
    read : callable
        Returns what the file at a path says of itself; whatever it raises means that the file is of another kind.
    """

    name: str
    mark: str
    read: Callable[[Path], str]

    def made(self, path):
        """Return whether there is a file of this kind, by its content."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")                 # of damaged or strange pictures
                return Path(path).is_file() and self.read(Path(path)).startswith(self.mark)
        except Exception:                                       # libraries raise anything on other programs' files
            return False


def _png(path):
    with Image.open(path, formats=("PNG",)) as image:
        return image.info["Software"]


def _tiff(path):
    with Image.open(path, formats=("TIFF",)) as image:
        return image.tag_v2[SOFTWARE]


def _sheet(path):
    with Image.open(path, formats=("PNG",)) as image:
        return image.info.get("Title") or image.info["Software"]               # the title is of earlier versions


def _figure(path):
    software = _png(path)
    return FIGURE.mark if software.startswith("Matplotlib") else software       # of earlier versions


def _prediction(path):
    with Image.open(path, formats=("PNG",)) as image:
        if "Software" in image.info:
            return image.info["Software"]
    stem, _, what = path.stem.rpartition("_")                   # of earlier versions, told by the table beside them
    beside = path.with_name(f"{stem}_edges.csv")
    return PREDICTION.mark if what in ("mask", "probability", "overlay") and EDGES.made(beside) else ""


def _about(key):
    def read(path):
        with open_npz(path, "no file of arrays", "choose another name") as arrays:
            return arrays.about()[key]
    return read


def _keys(*names):
    def read(path):
        found = read_json(path, "choose another name")
        return " ".join(name for name in names if name in found)
    return read


def _page(path):
    with open(path, "rb") as file:
        head = file.read(4000)
    if b"body { font: 16px/1.5 system-ui, sans-serif;" in head and b'name="generator"' not in head:
        return EXPLANATION.mark if EXPLAINED in head else REPORT.mark           # of earlier versions
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
    return Kind(name, " ".join(names), _keys(*names))


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
FIGURE = Kind("figure of stemnet_ref's", "stemnet_ref.report.page.figures", _figure)
SHEET = Kind("sheet that stemnet_ref.data.check drew", "stemnet_ref.data.check", _sheet)
REPORT = Kind("report of stemnet_ref's", "stemnet_ref.report.page", _page)
EXPLANATION = Kind("page that stemnet_ref.explain wrote", "stemnet_ref.explain", _page)
EVENTS = Kind("event file of TensorBoard's", "brain.Event:2", _events)
EDGES, MEASURES, ROC = table(("row", "column")), table(metrics.IMAGE_COLUMNS), table(metrics.ROC_COLUMNS)

# What run_train.py writes into a run's folder: figures/ and summaries/ beside these
RUN_FILES = {"model.npz": MODEL, "best.npz": MODEL, "config.json": CONFIG, "metrics.csv": table(metrics.COLUMNS),
             "validation.csv": MEASURES, "roc.csv": ROC, "report.html": REPORT}
RUN_FOLDERS = "figures", "summaries"
RUN_FIGURES = ("predictions", "loss", "accuracy", "precision_recall", "f1", "error_rate", "false_white",
               "white_pixel_accuracy", "roc", "maps", "pieces")


def what_is(path):
    """Return in words what there is at a path."""
    mode = os.stat(path).st_mode
    return next((what for is_it, what in OTHERS.items() if is_it(mode)), "a file")


def is_run(folder):
    """Return whether a folder holds a run of run_train.py."""
    return (Path(folder) / "model.npz").exists() or CONFIG.made(Path(folder) / "config.json")


def check_replaceable(path, kind=None, option="--out", remedy="choose another name"):
    """Return the place where a file is to be written; a symbolic link is followed.

    Parameters
    ----------
    path : path
    kind : Kind, optional
        Of what is to be written there: another file is not replaced.
    option, remedy : str
        What the user names the place by, and what to do where it cannot be used.

    Raises
    ------
    InputError
        If something else is there.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return place
    except OSError as error:                                    # links in a circle, a name too long
        raise InputError(f"{option} {path}: cannot be written ({reason(error)}); {remedy}") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{option} {path}: is {what_is(place)}; name a file")
    if kind and not kind.made(place):
        article = "an" if kind.name[0] in "aeiou" else "a"
        raise InputError(f"{option} {path}: exists, but is not {article} {kind.name}; {remedy}")
    return place


def check_output(path, kind, option="--out", inputs=()):
    """Raise InputError where a file that the user names cannot be written, or something would be lost by it.

    Parameters
    ----------
    path : path
    kind : Kind
        Of what is to be written.
    option : str
    inputs : iterable of path or None
        Of the same command: none of them is written over, under whatever name.
    """
    place = check_replaceable(path, option=option)
    if not place.parent.is_dir():
        raise InputError(f"{option} {path}: must be the name of a file in a folder that exists")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: cannot write in {place.parent}; choose another folder")
    for each in inputs:
        if each is not None and place.exists() and os.path.exists(each) and os.path.samefile(place, each):
            raise InputError(f"{option} {path}: is read by the same command, as {each}; choose another name")
    config = place.with_name("config.json")
    if place.name in RUN_FILES and (CONFIG.made(config) or (is_run(place.parent) and not kind.made(place))):
        raise InputError(f"{option} {path}: belongs to the run in that folder; choose another name")
    check_replaceable(path, kind, option)


def check_run(out, resume=False):
    """Raise InputError unless run_train.py may write into a folder: what is there must be of this run.

    Of a run that was killed before its first model config.json is there: it is written first.
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
            away = "" if name == "metrics.csv" else "move it away, "         # else it is needed
            raise InputError(f"{out / name}: is damaged, or not of this run, which would overwrite it; restore it, "
                             f"{away}or begin a new run in another folder")
        raise InputError(f"--out {out}: {name} there would be overwritten, and is not of a run of stemnet_ref; choose "
                         "another folder")


def check_no_pictures(out, predictions=False):
    """Raise InputError where a folder holds pictures that this package has not written: it would be spoiled as input.

    `predictions` may be there if so is said.
    """
    foreign = [path for path in sorted(Path(out).glob("*")) if path.suffix.lower() in (".png", ".tif", ".tiff")
               and not (predictions and PREDICTION.made(path))]
    if foreign:
        raise InputError(f"--out {out}: holds pictures already ({foreign[0].name}), which results would be mixed with; "
                         "choose another folder")
