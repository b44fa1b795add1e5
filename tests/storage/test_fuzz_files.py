"""Damaged copies of every file that is read back: a line that names it, or a right result; soon, in few bytes."""

import json
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import refusals
from json_mutations import json_mutants
from memory import Peak
from mutations import mutants
from pictures import sequence
from verifying import write_files

import run_train
from stemnet_ref.data import geometry
from stemnet_ref.data import preprocess as preprocessing
from stemnet_ref.data.fitting import fit
from stemnet_ref.data.training import prepare
from stemnet_ref.errors import InputError
from stemnet_ref.experiments import page
from stemnet_ref.metrics import ROC_COLUMNS
from stemnet_ref.storage import readers
from stemnet_ref.training import checkpoint, resume, saved
from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import actual, golden, weights

SECONDS, BYTES = 10, 300e6
COUNTS = pytest.mark.parametrize("count", [60, pytest.param(400, marks=pytest.mark.fuzz)])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Files of every kind: of a run, of preprocessing, and of verification."""
    folder = tmp_path_factory.mktemp("files")
    frames, masks = sequence(folder / "movie", 6)
    assert refusals.script(run_train.main, "--frames", frames, "--masks", masks, "--levels", "2", "--features", "1",
                           "--crop", "16", "--crops-per-frame", "1", "--epochs", "2", "--gap", "1", "--scaling",
                           "mean-image", "--out", folder / "run") == 0
    assert refusals.script(preprocessing.main, frames, folder / "ready", "--size", "32") == 0
    write_files(folder)
    made = golden.read(folder / "golden.npz")
    model = checkpoint.load(folder / "run" / "model.npz")
    weights.save(model.network.parameters, folder / "weights.safetensors")
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    safetensors.save_file({key: np.ascontiguousarray(made.arrays[key]) for key in ("1/cost", "1/forward/logits")},
                          folder / "weights.safetensors")
    return SimpleNamespace(folder=folder, model=model, golden=made)


def survive(damaged, path, read, right=lambda found: None):
    """Assert that reading each damaged copy at a path gives a line with the file's name, or something right.

    The most memory that is held is counted from the first copy on: to begin anew with each takes longer than to read.
    """
    refused, total, peak = 0, 0, Peak()
    for data in damaged:
        path.write_bytes(data)
        total += 1
        began = time.process_time()
        said = None
        try:
            right(read(path))
        except InputError as error:
            said = str(error)
        if said is not None:
            refused += 1
            assert path.name in said or "metrics.csv" in said, said     # has too few rows for that model
            assert len(said) < 2000
        assert time.process_time() - began < SECONDS
        assert peak.bytes() < BYTES
    assert refused > total / 4          # else the copies are hardly damaged


@pytest.mark.parametrize(("read", "error"), [
    (lambda path: {}["missing"], KeyError),                             # another error than InputError
    (lambda path: (_ for _ in ()).throw(InputError("damaged")), AssertionError),            # no file is named
    (lambda path: b"wrong", AssertionError),                            # neither refused nor right
    (lambda path: b"x" * int(BYTES + 1), AssertionError),                # takes too much memory
])
def test_a_reader_that_takes_damage_wrongly_is_noticed(tmp_path, read, error):
    def right(found):
        assert found != b"wrong"

    with pytest.raises(error):
        survive(mutants(b"some data", 8, 0), tmp_path / "x.npz", read, right)


def same_model(wanted):
    def check(found):
        for part in checkpoint.PARTS:
            for name, array in getattr(wanted.network, part).items():
                np.testing.assert_array_equal(getattr(found.network, part)[name], array)
        np.testing.assert_array_equal(found.scaling.image, wanted.scaling.image)
        assert (found.scaling.mean, found.scaling.std) == (wanted.scaling.mean, wanted.scaling.std)
        assert found.settings == wanted.settings
        assert found.progress == wanted.progress
    return check


@COUNTS
def test_models(count, prepared, tmp_path):
    data = (prepared.folder / "run" / "model.npz").read_bytes()
    survive(mutants(data, count * 5, 1), tmp_path / "model.npz", checkpoint.load, same_model(prepared.model))


@COUNTS
def test_models_whose_checksums_are_right(count, prepared, tmp_path):
    """The description is damaged; what can be loaded is used by `resume` too."""
    with np.load(prepared.folder / "run" / "model.npz") as archive:
        arrays = dict(archive)
    shutil.copy(prepared.folder / "run" / "metrics.csv", tmp_path)

    def files():
        for about in json_mutants(json.loads(str(arrays["about"])), count * 3, 2):
            np.savez(tmp_path / "model.npz", **{**arrays, "about": np.array(json.dumps(about))})
            yield (tmp_path / "model.npz").read_bytes()

    def read(path):
        found = checkpoint.load(path)
        settings, _, _ = saved.settings_of(tmp_path)
        assert settings.as_dict().keys() <= {*found.settings, *saved.ADDED}
        _, state = resume.read_state(path, found, Settings())
        resume.read_rows(tmp_path, state.epoch)
        return found

    survive(files(), tmp_path / "model.npz", read)


def test_entries_of_a_model_that_are_of_another_kind(prepared, tmp_path):
    """Every entry in turn: a line with the file's name, or what a run can go on with."""
    with np.load(prepared.folder / "run" / "model.npz") as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    out = tmp_path / "run"
    shutil.copytree(prepared.folder / "run", out)
    data = prepare(*saved.settings_of(prepared.folder / "run"))
    fitted = fit(data, lambda line: None)                   # once, for all that is tried

    def damaged():
        for part in ("settings", "progress", "scaling", "network"):
            for name in about[part]:
                for value in (None, True, 10 ** 30, 0.5, "x", [[]], [None]):
                    changed = {**about, part: {**about[part], name: value}}
                    np.savez(out / "model.npz", **{**arrays, "about": np.array(json.dumps(changed))})
                    yield (out / "model.npz").read_bytes()

    def read(path):
        settings, _, _ = saved.settings_of(out)
        try:
            own = replace(data, settings=settings)
            resume.check_pixels(out, own, fitted, resume.resume_run(out, own)[1])
        except InputError as error:
            if str(error).startswith(("--frames", "--masks")):   # of the data, where their names or pixels differ
                raise InputError(f"{path}: {error}") from None
            raise

    survive(damaged(), out / "model.npz", read)


@COUNTS
def test_golden_files(count, prepared, tmp_path):
    def same(found):
        assert found.arrays.keys() == prepared.golden.arrays.keys()
        for key, array in prepared.golden.arrays.items():
            np.testing.assert_array_equal(found.arrays[key], array)

    data = (prepared.folder / "golden.npz").read_bytes()
    survive(mutants(data, count, 3), tmp_path / "golden.npz", golden.read, same)


@COUNTS
def test_golden_files_whose_checksums_are_right(count, prepared, tmp_path):
    with np.load(prepared.folder / "golden.npz") as archive:
        arrays = dict(archive)

    def files():
        for about in json_mutants(json.loads(str(arrays["about"])), count, 4):
            np.savez(tmp_path / "golden.npz", **{**arrays, "about": np.array(json.dumps(about))})
            yield (tmp_path / "golden.npz").read_bytes()

    survive(files(), tmp_path / "golden.npz", golden.read,
            lambda found: actual.select(found.arrays, found, log=lambda text: None))


@COUNTS
@pytest.mark.parametrize("name", ["actual.npz", "weights.safetensors"])
def test_others_arrays(name, count, prepared, tmp_path):
    def same(found):
        for key, array in found.items():
            assert array.shape == prepared.golden.arrays[key].shape

    data = (prepared.folder / name).read_bytes()
    survive(mutants(data, count, 5), tmp_path / name,
            lambda path: actual.read(path, prepared.golden, log=lambda text: None), same)


@COUNTS
def test_weights(count, prepared, tmp_path):
    data = (prepared.folder / "weights.safetensors").read_bytes()
    survive(mutants(data, count, 6), tmp_path / "weights.safetensors", weights.load)


def texts(data, count, seed):
    """Yield damaged copies of a JSON file: of its bytes, and of what it says."""
    yield from mutants(data, count, seed)
    for value in json_mutants(json.loads(data), count, seed):
        yield json.dumps(value).encode()
    yield from (b"", b"\xff\xfe{}", b"[" * 10 ** 6, b"7", b"[]", b"null", b'{"a": ' * 10 ** 5, b"\0" * 100)


@COUNTS
def test_configurations(count, prepared, tmp_path):
    def use(config):
        page.about({"a": config})
        page.settings({"a": config})

    survive(texts((prepared.folder / "run" / "config.json").read_bytes(), count * 4, 7), tmp_path / "config.json",
            lambda path: saved.read_config(path.parent), use)


@COUNTS
def test_small_json(count, tmp_path):
    for name in ("experiment.json", "diverged.json"):
        survive(texts(json.dumps({"word": "Table 3"}).encode(), count * 2, 8), tmp_path / name,
                lambda path: readers.read_json(path, "remove it", word=str), lambda found: found["word"].strip())


@COUNTS
def test_records_of_preprocessing(count, prepared, tmp_path):
    (tmp_path / "frames").mkdir()
    pixels = {}

    def use(record):
        for name in record["frames"]:
            each = geometry.geometry_of(record, name)
            if each.size == (32, 32) and np.prod(each.original) < 1e6:
                each.undo(pixels.setdefault(name, np.zeros((32, 32), np.uint8)))

    survive(texts((prepared.folder / "ready" / "preprocess.json").read_bytes(), count * 4, 9),
            tmp_path / "preprocess.json", lambda path: geometry.read_record(path.parent / "frames"), use)


@COUNTS
def test_tables(count, prepared, tmp_path):
    """Damaged digits cannot be told; rows that are lost, doubled or out of order can."""
    data = (prepared.folder / "run" / "metrics.csv").read_bytes()
    survive(mutants(data, count * 4, 10), tmp_path / "metrics.csv", lambda path: resume.read_rows(path.parent, 2),
            lambda rows: [row["epoch"] for row in rows] == [1, 2] or pytest.fail(str(rows)))
    data = (prepared.folder / "run" / "roc.csv").read_bytes()
    survive(mutants(data, count, 11), tmp_path / "roc.csv", lambda path: readers.read_csv(path, ROC_COLUMNS))


@pytest.mark.parametrize(("change", "words"), [
    (lambda lines: [lines[0], lines[2], lines[1]], "has epochs 2, 1; epochs 1 to 2 are needed"),
    (lambda lines: [*lines, lines[2]], "has epochs 1, 2, 2"), (lambda lines: lines[:2], "has epochs 1; epochs 1 to 2"),
    (lambda lines: [lines[0], lines[2]], "has epochs 2;"), (lambda lines: lines[:1], "has epochs none"),
    (lambda lines: [lines[0], *lines[1:2], lines[2].replace(",", ",nan,", 1)], "has 30 cells, not 29"),
    (lambda lines: [lines[0], "1" + ",nan" * 28 + "\n", lines[2]], "seconds of epoch 1 is nan"),
    (lambda lines: [lines[0], "1," + "9" * 5000 + ",1" * 27 + "\n", lines[2]], "cannot be read"),
    (lambda lines: [lines[0], "1,\0" + ",1" * 27 + "\n", lines[2]], "cannot be read"),
    (lambda lines: [lines[0].replace("seconds", "epoch"), *lines[1:]], "its columns are"),
    (lambda lines: [*lines[:2], lines[2][:-4]], "its last line is cut off")])
def test_rows_of_a_run_that_cannot_go_on(change, words, prepared, tmp_path):
    lines = (prepared.folder / "run" / "metrics.csv").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.csv").write_text("".join(change(lines)))
    with pytest.raises(InputError) as caught:
        resume.read_rows(tmp_path, 2)
    assert words in str(caught.value)
    assert "metrics.csv" in str(caught.value)
    assert "restore it, or begin a new run" in str(caught.value)


def test_later_rows_than_the_model_s_are_of_an_epoch_that_is_done_again(prepared):
    assert [row["epoch"] for row in resume.read_rows(prepared.folder / "run", 1)] == [1]
    assert resume.read_rows(prepared.folder / "run", 0) == []


@pytest.mark.fuzz
def test_every_flipped_bit_of_a_model(prepared, tmp_path):
    """None gives another model, though the archive's directory has no checksum."""
    data = (prepared.folder / "run" / "model.npz").read_bytes()

    def flipped():
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            yield bytes(damaged)

    survive(flipped(), tmp_path / "model.npz", checkpoint.load, same_model(prepared.model))
