"""Damaged PNG and TIFF files: each is read rightly, or refused in one line that names it, in little time and memory."""

import io
import logging
import resource
import time

import numpy as np
import pytest
import tifffile
from mutations import mutants
from PIL import Image

from stemnet_ref.data.discovery.selection import UNCHOSEN, Selection
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_frame, read_size, read_values
from stemnet_ref.errors import InputError

MEGABYTE = 2 ** 20
SECONDS, MEGABYTES = 2, 200             # for one file
COUNT = 500                             # of damaged copies of each file, where time is short
LONG = 10000


def png(pixels, **options):
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    if "palette" in options:
        image.putpalette(options.pop("palette"))
    image.save(file, "PNG", **options)
    return file.getvalue()


def tiff(pixels, **options):
    file = io.BytesIO()
    kinds = {name: options.pop(name) for name in ("imagej", "ome", "bigtiff", "byteorder") if name in options}
    with tifffile.TiffWriter(file, **kinds) as writer:
        writer.write(pixels, photometric=options.pop("photometric", "minisblack"), **options)
    return file.getvalue()


def seeds():
    """Return one file of each kind: its name, its bytes, and the channel and slice to choose."""
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
    noise = rng.integers(0, 65536, (24, 32)).astype(np.uint16)
    tall = rng.integers(0, 65536, (3, 2, 2, 24, 32)).astype(np.uint16)
    return {
        "eight.png": (png(smooth), {}),
        "sixteen.png": (png(noise), {}),
        "palette.png": (png(smooth // 16, palette=[value for grey in range(16) for value in [17 * grey] * 3]), {}),
        "plain.tif": (tiff(noise), {}),
        "lzw.tif": (tiff(smooth, compression="lzw", predictor=True, rowsperstrip=5), {}),
        "deflate.tif": (tiff(noise, compression="zlib", byteorder=">"), {}),
        "tiled.tif": (tiff(noise.astype(np.float32), tile=(16, 16), bigtiff=True, compression="zstd"), {}),
        "pages.tif": (tiff(tall[:, 0, 0], metadata=None), {}),
        "imagej.tif": (tiff(tall, imagej=True, metadata={"axes": "TZCYX"}), {"channel_index": 1, "z": "max"}),
        "positions.ome.tif": (tiff(tall, ome=True, metadata={"axes": "TCZYX"}), {"channel_index": 0, "z": 1}),
        "jpeg.tif": (tiff(smooth, compression="jpeg"), {}),
    }


SEEDS = seeds()


def read(path, selection):
    """Return the pixels of all frames of a file, as frames and as masks."""
    frames = find(path, "--frames", selection=selection)
    sizes = [read_size(frame) for frame in frames]
    pixels = [read_frame(frame) for frame in frames]
    assert [each.shape for each in pixels] == sizes
    return [*pixels, *(read_values(frame) for frame in frames)]


def peak():
    """Return the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def check(path, data, selection, expected=None):
    """Assert that a file is read, in time, or refused by name; where `expected` is given, with these pixels."""
    path.write_bytes(data)
    begin, before = time.process_time(), peak()
    found, message = None, str(path)
    try:
        found = read(path, selection)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message
    assert time.process_time() - begin < SECONDS            # of the processor: a guard against hanging
    assert peak() - before < MEGABYTES * MEGABYTE
    if found is not None and expected is not None:
        for got, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(got, right)
    return found


@pytest.mark.parametrize(("planted", "error"), [
    (lambda path, selection: {}["missing"], KeyError),                  # another error than InputError
    (lambda path, selection: (_ for _ in ()).throw(InputError("damaged")), AssertionError),     # no file is named
    (lambda path, selection: [np.ones((2, 2))], AssertionError),        # other pixels
])
def test_a_reader_that_takes_damage_wrongly_is_noticed(tmp_path, monkeypatch, planted, error):
    monkeypatch.setitem(globals(), "read", planted)
    with pytest.raises(error):
        check(tmp_path / "x.png", b"damaged", UNCHOSEN, [np.zeros((2, 2))])


def examine(tmp_path, capfd, name, copies):
    """Check damaged copies of one of SEEDS."""
    data, choice = SEEDS[name]
    path, selection = tmp_path / name, Selection.of(choice)
    path.write_bytes(data)
    right = read(path, selection)
    read_anyway = 0
    for number, damaged in enumerate(copies(data)):
        path = tmp_path / f"{number}{name}"             # a new name: no earlier file is in the cache
        read_anyway += check(path, damaged, selection, right if name.endswith(".png") else None) is not None
        path.unlink()
    assert "".join(capfd.readouterr()) == "", "the libraries' own words reached the terminal"
    return read_anyway


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_copies(tmp_path, capfd, name):
    examine(tmp_path, capfd, name, lambda data: mutants(data, COUNT, 1))


@pytest.mark.parametrize("name", SEEDS)
def test_files_that_are_cut_off(tmp_path, capfd, name):
    """No frame is lost and no pixel made up: a file that lacks bytes is refused."""
    assert examine(tmp_path, capfd, name, lambda data: (data[:end] for end in range(1, len(data) - 16, 50))) == 0


@pytest.mark.parametrize("name", [name for name in SEEDS if name.endswith(".png")])
def test_every_bit_of_a_small_png(tmp_path, capfd, name):
    def flipped(data):
        for bit in range(0, 8 * len(data), max(1, 8 * len(data) // 600)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            yield bytes(damaged)

    assert examine(tmp_path, capfd, name, flipped) == 0


@pytest.mark.fuzz
@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_copies(tmp_path, capfd, name):
    examine(tmp_path, capfd, name, lambda data: mutants(data, LONG, 2))


def test_the_library_does_not_log():
    assert logging.getLogger("tifffile").handlers
