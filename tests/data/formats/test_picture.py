"""Picture files that are read often, and by several threads; and faults of the program, which are none of a file."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image

from stemnet_ref.data import images
from stemnet_ref.data.formats import directories, lzw, picture, png
from stemnet_ref.data.formats.tiff import Tiff
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_bytes, read_frame, read_instances, read_mask, read_size
from stemnet_ref.errors import InputError


def opened_files(folder):
    """Return how many files of a folder this process has open."""
    names = []
    for each in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{each}"))
        except FileNotFoundError:
            continue
    return sum(name.startswith(str(folder)) for name in names)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_many_threads_read_many_stacks(tmp_path, monkeypatch):
    """No file is closed while it is read; each is walked once; and few stay open."""
    monkeypatch.setattr(picture, "MAX_IDLE", 8)
    walked = []
    monkeypatch.setattr(picture, "read_directories",
                        lambda file: walked.append(file.name) or directories.read_directories(file))
    rng = np.random.default_rng(0)
    data = rng.integers(0, 60000, (20, 12, 5, 7)).astype(np.uint16)
    for number, each in enumerate(data):
        tifffile.imwrite(tmp_path / f"s{number:02d}.tif", each, photometric="minisblack", compression="zlib")
    frames = find(tmp_path, "--frames")
    assert len(frames) == 240
    order = rng.permutation(np.repeat(np.arange(240), 6))
    with ThreadPoolExecutor(16) as pool:
        for index, pixels in zip(order, pool.map(lambda index: read_frame(frames[index]), order), strict=True):
            np.testing.assert_array_equal(pixels, data.reshape(-1, 5, 7)[index])
    assert sorted(walked) == sorted(str(path) for path in tmp_path.iterdir())
    assert 1 <= opened_files(tmp_path) <= 8


def test_a_file_of_one_plane_is_opened_once_to_be_found_and_once_to_be_read(tmp_path, monkeypatch):
    opened = []

    class Counted(Tiff):
        def __init__(self, file, found):
            opened.append(file.name)
            super().__init__(file, found)

    monkeypatch.setattr(picture, "Tiff", Counted)
    tifffile.imwrite(tmp_path / "m.tif", np.eye(8, dtype=np.uint8))
    frame, = find(tmp_path / "m.tif", "--masks")
    assert read_size(frame, mask=True) == (8, 8)
    assert read_bytes(frame) == 1
    assert len(opened) == 1
    assert read_mask(frame)[1] is None
    assert len(opened) == 2


def test_a_mask_is_judged_once_until_it_changes(tmp_path, monkeypatch):
    judged = []
    check = images.check_values
    monkeypatch.setattr(images, "check_values", lambda *arguments: judged.append(arguments[1]) or check(*arguments))
    pixels = np.pad(np.full((2, 2), 3, np.uint8), 3)
    pixels[0, 0] = 1
    tifffile.imwrite(tmp_path / "m.tif", pixels)
    frame, = find(tmp_path / "m.tif", "--masks")
    remarks = [read_mask(frame)[1] for _ in range(3)]
    assert remarks == 3 * [("numbers", "holds more than two values; every value above 0 counts as cell")]
    assert read_instances(frame).max() == 2
    assert len(judged) == 1
    tifffile.imwrite(tmp_path / "m.tif", np.pad(pixels, 1))
    assert read_mask(frame)[0].shape == (10, 10)
    assert len(judged) == 2


@pytest.mark.parametrize("fault", [NameError("x"), AssertionError("x"), AttributeError("x"), ImportError("x")])
@pytest.mark.parametrize(("module", "name"), [(picture, "read_directories"), (picture.axes, "positions"),
                                              (lzw, "check"), (png, "_check"), (Tiff, "header")])
def test_faults_of_the_program_are_none_of_a_file(tmp_path, monkeypatch, module, name, fault):
    def fail(*arguments):
        raise fault

    monkeypatch.setattr(module, name, fail)
    suffix = "png" if module is png else "tif"
    if suffix == "png":
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "f.png")
    else:
        tifffile.imwrite(tmp_path / "f.tif", np.eye(8, dtype=np.uint8), compression="lzw")
    with pytest.raises(type(fault)):
        read_frame(find(tmp_path / f"f.{suffix}", "--frames")[0])


def test_a_decoder_that_does_not_fit_numpy_is_no_fault_of_a_file(tmp_path, monkeypatch):
    class Decoders(dict):
        def __missing__(self, key):
            raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    tifffile.imwrite(tmp_path / "f.tif", np.eye(8, dtype=np.uint8), compression="lzw")
    frame, = find(tmp_path / "f.tif", "--frames")
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", Decoders())
    with pytest.raises(ImportError, match=r"numpy.dtype size changed.*install imagecodecs and numpy anew"):
        read_frame(frame)


def test_whatever_a_library_raises_is_damage(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack", compression="zlib")
    frames = find(tmp_path / "f.tif", "--frames")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", property(lambda page: page.no_such_attribute))
    with pytest.raises(AttributeError):                                     # the words of this test, not of the library
        read_frame(frames[1])
    monkeypatch.undo()
    monkeypatch.setattr(tifffile.TiffPage, "decode", None)
    with pytest.raises(InputError, match=r"page 2: the picture cannot be read \('NoneType' object is not callable\); "
                                         r"replace or remove this file$"):
        read_frame(frames[1])


def written(path, kind):
    """Write a file that is whole, and is not understood."""
    data = np.zeros((4, 3, 8, 8), np.uint8)
    if kind == "axes":
        tifffile.imwrite(path, data, photometric="minisblack")
    elif kind == "sizes":
        Image.fromarray(data[0, 0]).save(path, save_all=True, append_images=[Image.fromarray(data[0, 0, :5])])
    elif kind == "alpha":
        tifffile.imwrite(path, data[0, :2], photometric="minisblack", planarconfig="separate",
                         extrasamples=["unassalpha"], metadata=None)
    elif kind == "alpha of a PNG":
        Image.fromarray(data[0, 0]).convert("LA").point(lambda value: 7).save(path, "PNG")
    else:
        block = '<TiffData IFD="0"><UUID FileName="else.tif">urn:uuid:2</UUID></TiffData>'
        inside = {"other file": '<BinaryOnly MetadataFile="else.ome.xml" UUID="urn:uuid:2"/>',
                  "other planes": '<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" SizeC="1" SizeT="4" SizeZ="1" '
                                  f'SizeX="8" SizeY="8" Type="uint8">{block}</Pixels></Image>'}[kind]
        tifffile.imwrite(path, data[:, 0], photometric="minisblack", metadata=None,
                         description=f'<OME UUID="urn:uuid:1">{inside}</OME>')


@pytest.mark.parametrize(("kind", "remedy"), [
    ("axes", "save one series of time points as a stack"), ("sizes", "save the wanted ones as a file of their own"),
    ("alpha", "save it as grey without alpha"), ("alpha of a PNG", "save it as grey without alpha"),
    ("other file", "save it with ImageJ as a stack of its own"),
    ("other planes", "save it with ImageJ as a stack of its own")])
def test_a_whole_file_that_is_not_understood_has_one_remedy(tmp_path, kind, remedy):
    path = tmp_path / ("f.png" if "PNG" in kind else "f.tif")
    written(path, kind)
    with pytest.raises(InputError) as caught:
        read_frame(find(path, "--frames")[0])
    assert str(caught.value).startswith(f"{path}: ")
    assert remedy in str(caught.value)
    assert "cannot be read" not in str(caught.value)
    assert "replace or remove" not in str(caught.value)
