"""What programs write of a TIFF's planes in their own ways: ImageJ's count of images, tags of each page, axes."""

import json

import numpy as np
import pytest
import tifffile
from stacks import assert_read, one_directory, planes, refusal

from stemnet_ref.data.frames import find


def test_images_alone_are_time_points(tmp_path):
    data = planes(6)
    one_directory(tmp_path / "f.tif", data, "ImageJ=1.53t\nimages=6\n")
    assert_read(tmp_path / "f.tif", data)


def test_images_beside_channels_are_time_points(tmp_path):
    data = planes(3, 2)
    one_directory(tmp_path / "f.tif", data.reshape(6, *data.shape[2:]), "ImageJ=1.53t\nimages=6\nchannels=2\n")
    assert_read(tmp_path / "f.tif", data[:, 1], channel_index=1)


def test_fewer_planes_than_images_are_refused(tmp_path):
    one_directory(tmp_path / "f.tif", planes(5), "ImageJ=1.53t\nimages=6\n")
    assert "speaks of 6 planes, but 1 are there; it is cut off" in refusal(tmp_path / "f.tif")
    with tifffile.TiffWriter(tmp_path / "g.tif") as tiff:
        for each in planes(5):
            tiff.write(each, description="ImageJ=1.53t\nimages=6\n", metadata=None, contiguous=False)
    assert "speaks of 6 planes, but 5 are there; it is cut off" in refusal(tmp_path / "g.tif")


@pytest.mark.parametrize(("shape", "axes", "better"), [
    ((5, 7, 2), "YXC", "CYX"), ((3, 5, 7, 2), "TYXC", "TCYX"), ((5, 2, 7), "YCX", "CYX"), ((7, 7, 7), "YXT", "TYX"),
])
def test_axes_within_the_planes_are_refused(tmp_path, shape, axes, better):
    tifffile.imwrite(tmp_path / "f.tif", np.zeros(shape, np.uint16), photometric="minisblack", metadata={"axes": axes})
    said = refusal(tmp_path / "f.tif")
    assert f"its axes are {axes}, {' x '.join(map(str, shape))}, " in said
    assert f"save it with the axes {better}" in said


def test_channels_within_a_pixel_are_read(tmp_path):
    data = planes(3, 2)
    tifffile.imwrite(tmp_path / "f.tif", np.moveaxis(data, 1, -1), photometric="minisblack", planarconfig="contig",
                     metadata={"axes": "TYXC"})
    assert_read(tmp_path / "f.tif", data[:, 1], channel_index=1)


def test_grey_with_alpha_has_no_channels(tmp_path):
    data = np.random.default_rng(0).integers(0, 200, (5, 7, 2)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "f.tif", data, photometric="minisblack", planarconfig="contig",
                     extrasamples=["unassalpha"])
    for index in (0, 1):
        assert "f.tif: its pixels have two values, grey and alpha" in refusal(tmp_path / "f.tif", channel_index=index)


def micromanager(path, pages):
    """Write planes with Micro-Manager's tag of each page, if there is one: (position, time, channel, slice)."""
    names = "PositionIndex", "FrameIndex", "ChannelIndex", "SliceIndex"
    with tifffile.TiffWriter(path) as tiff:
        for data, said in pages:
            text = said and json.dumps({**dict(zip(names, said, strict=True)), "Channel": ("Phase", "GFP")[said[2]]})
            tiff.write(data, metadata=None, contiguous=False, extratags=[(51123, 2, 0, text, True)] if text else [])


def test_micromanagers_indices(tmp_path):
    data = planes(2, 3, 2)
    order = np.random.default_rng(1).permutation([(p, t, c, 0) for p in range(2) for t in range(3) for c in range(2)])
    micromanager(tmp_path / "f.tif", [(data[p, t, c], (int(p), int(t), int(c), 4)) for p, t, c, _ in order])
    assert "holds 2 channels x 3 time points; choose a channel by --channel-index 0 or 1 (Phase, GFP)" in refusal(
        tmp_path / "f.tif")
    assert_read(tmp_path / "f.tif", data[:, :, 1].reshape(6, *data.shape[3:]), channel_index=1)


def test_micromanagers_indices_that_do_not_fit(tmp_path):
    data = planes(4)
    micromanager(tmp_path / "twice.tif", [(each, (0, 1, 0, 0)) for each in data])
    assert "its Micro-Manager indices name planes twice" in refusal(tmp_path / "twice.tif")
    micromanager(tmp_path / "some.tif", [(each, at < 3 and (0, at, at % 2, 0)) for at, each in enumerate(data)])
    assert_read(tmp_path / "some.tif", data)
    micromanager(tmp_path / "one.tif", [(data[0], (0, 7, 1, 0))])
    assert len(find(tmp_path / "one.tif", "--frames")) == 1


def scanimage(path, data, slices):
    """Write 12 pages as ScanImage, which describes them in the tag Software."""
    said = f"SI.VERSION_MAJOR = 5\nSI.hChannels.channelSave = [1;2]\nSI.hStackManager.numSlices = {slices}\n"
    with tifffile.TiffWriter(path) as tiff:
        for number, each in enumerate(data.reshape(12, *data.shape[-2:]), 1):
            tiff.write(each, software=said, description=f"frameNumbers = {number}\n", metadata=None, contiguous=False)


def test_scanimages_channels(tmp_path):
    data = planes(6, 2)
    scanimage(tmp_path / "f.tif", data, slices=1)
    assert "holds 2 channels x 6 time points" in refusal(tmp_path / "f.tif")
    assert_read(tmp_path / "f.tif", data[:, 1], channel_index=1)
    scanimage(tmp_path / "f.tif", data, slices=6)
    assert_read(tmp_path / "f.tif", [data[:, 1].max(axis=0)], channel_index=1, z="max")
    scanimage(tmp_path / "f.tif", data, slices=3)
    assert "it holds 12 pages of 2 channels and 3 slices (ScanImage)" in refusal(tmp_path / "f.tif")
