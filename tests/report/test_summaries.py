"""The event files of --summaries, read back by TensorBoard's own definition of their records."""

import io
import struct
import sys

import numpy as np
import pytest
import refusals
from PIL import Image
from runs import SETTINGS, SMALL, rows_of, train_main

from stemnet_ref.network.maps import liveliest
from stemnet_ref.report import summaries
from stemnet_ref.report.page import example_maps
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="pip install tensorboardX",
                                exc_type=ImportError)


def crc32c(data):
    """Return the masked Castagnoli checksum of the records' format, bit by bit."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def events_of(path):
    """Return the events of a file, after checking the sums of every record."""
    data, events = io.BytesIO(path.read_bytes()), []
    while head := data.read(12):
        length, sum_of_length = struct.unpack("<QI", head)
        assert crc32c(head[:8]) == sum_of_length
        record = data.read(length)
        assert crc32c(record) == struct.unpack("<I", data.read(4))[0]
        events.append(event_pb2.Event.FromString(record))
    assert events[0].file_version == "brain.Event:2"
    return events[1:]


def read(folder):
    """Return the values of a folder's event files: by (tag, epoch)."""
    found = {}
    for path in sorted(folder.iterdir()):
        for event in events_of(path):
            for value in event.summary.value:
                assert (value.tag, event.step) not in found
                found[value.tag, event.step] = value
    return found


def scalars(folder, names):
    found = read(folder)
    return {name: [value.simple_value for (tag, _), value in sorted(found.items(), key=lambda item: item[0][1])
                   if tag == f"measures/{name}"] for name in names}


def test_they_hold_scalars_pictures_and_histograms_of_every_epoch(tmp_path, movie, no_figures):
    out = tmp_path / "run"
    assert train_main(*movie, *SMALL, "--summaries", "--out", out) == 0
    rows = rows_of(out)
    for part, columns in (("training", summaries.TRAINING), ("validation", summaries.VALIDATION)):
        for name, values in scalars(out / "summaries" / part, columns).items():
            np.testing.assert_allclose(values, [float(row[columns[name]]) for row in rows], rtol=1e-6, err_msg=name)
    found = read(out / "summaries" / "validation")
    settings = Settings.from_options(SETTINGS)
    run = Run(settings, movie[1], movie[3], out, resume=True, log=lambda line: None)
    maps = example_maps(run.network, run.data)
    assert {name for name in maps if "conv" in name or "pool" in name or "concat" in name} == {
        "down0.conv", "down0.pool", "down1.conv", "up0.deconv", "up0.concat", "up0.conv"}
    assert "output" in maps
    for name, array in maps.items():
        assert {epoch for tag, epoch in found if tag == f"maps/{name}"} == {1, 2, 3}
        encoded = found[f"maps/{name}", 3].image.encoded_image_string
        picture = np.asarray(Image.open(io.BytesIO(encoded)).convert("L")) / 255
        shown, _ = liveliest(array)
        low, high = float(shown.min()), float(shown.max())
        np.testing.assert_allclose(low + picture * (high - low), shown, atol=(high - low) / 250 + 1e-6)
        if name.endswith("conv") or name == "output":
            histogram = found[f"activations/{name}", 3].histo
            assert histogram.num == sum(histogram.bucket) == array.size
            assert histogram.sum == pytest.approx(array.sum(dtype=float), rel=1e-4)
            assert (histogram.min, histogram.max) == pytest.approx((array.min(), array.max()))


def test_a_resumed_run_has_every_epoch_once(tmp_path, movie, no_figures):
    whole, part, late = (tmp_path / name for name in ("whole", "part", "late"))
    start = [*movie, *SMALL, "--epochs"]
    assert train_main(*start, "3", "--summaries", "--out", whole) == 0
    assert train_main(*start, "1", "--summaries", "--out", part) == 0
    assert train_main("--resume", "--epochs", "3", "--out", part) == 0          # goes on by itself
    assert train_main("--resume", "--out", part) == 0                           # is done; writes nothing twice
    assert train_main(*start, "2", "--out", late) == 0
    assert train_main("--resume", "--epochs", "3", "--summaries", "--out", late) == 0
    for kind, columns in (("training", summaries.TRAINING), ("validation", summaries.VALIDATION)):
        expected = scalars(whole / "summaries" / kind, columns)
        assert all(len(values) == 3 for values in expected.values())
        assert scalars(part / "summaries" / kind, columns) == expected
        assert scalars(late / "summaries" / kind, columns) == expected
    assert read(part / "summaries" / "validation").keys() == read(whole / "summaries" / "validation").keys()
    assert ("maps/up0.conv", 2) not in read(late / "summaries" / "validation")


def test_without_the_library_nothing_is_begun(tmp_path, movie, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    out = tmp_path / "run"
    refusals.check(capsys, train_main(*movie, *SMALL, "--summaries", "--out", out), "--summaries",
                   "pip install tensorboardx")
    assert not out.exists()


def test_without_the_option_there_are_none(tmp_path, movie, no_figures):
    assert train_main(*movie, *SMALL, "--epochs", "1", "--out", tmp_path / "run") == 0
    assert not (tmp_path / "run" / "summaries").exists()
