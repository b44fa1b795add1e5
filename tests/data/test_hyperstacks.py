"""Files that hold more than one time-lapse: channels, slices, positions, as ImageJ, OME and tifffile describe them."""

import re

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stacks import SHAPE, assert_read, frames_of, one_directory, planes, refusal

from stemnet_ref.data.discovery.selection import UNCHOSEN, Selection
from stemnet_ref.data.frames import find
from stemnet_ref.data.images import read_bytes
from stemnet_ref.data.pairing import find_pairs
from stemnet_ref.errors import InputError

WRITERS = {
    "imagej": lambda path, data: tifffile.imwrite(path, data, imagej=True, metadata={"axes": "TZCYX"}),
    "ome": lambda path, data: tifffile.imwrite(path, np.moveaxis(data, 2, 0), ome=True, photometric="minisblack",
                                               metadata={"axes": "CTZYX"}),
    "tifffile": lambda path, data: tifffile.imwrite(path, np.moveaxis(data, 2, 1), photometric="minisblack",
                                                    metadata={"axes": "TCZYX"}),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_channels_slices_and_time_are_told_apart(tmp_path, writer):
    data, path = planes(4, 3, 2), tmp_path / "f.tif"
    WRITERS[writer](path, data)
    for channel in range(2):
        for z in range(3):
            assert_read(path, data[:, z, channel], channel_index=channel, z=z)
    assert_read(path, data[:, :, 1].max(axis=1), channel_index=1, z="max")
    assert [frame.name for frame in frames_of(path, channel_index=0, z=0)] == [f"f_{n:04d}" for n in (1, 2, 3, 4)]
    said = refusal(path)
    assert said.startswith(f"{path}: holds 2 channels x 3 slices x 4 time points; ")
    assert "--channel-index 0 or 1" in said
    assert "--z 0 to 2" in said
    assert "--z" not in refusal(path, z="max")
    assert re.search("--channel-index 2: .* holds 2 channels; it must be 0 to 1", refusal(path, channel_index=2, z=0))
    assert re.search("--z 3: .* holds 3 slices; it must be 0 to 2", refusal(path, channel_index=0, z=3))


def test_two_channels_a_file(tmp_path):
    data = planes(3, 2)
    for number, each in enumerate(data, 1):
        tifffile.imwrite(tmp_path / f"t{number:03d}.tif", each, imagej=True, metadata={"axes": "CYX"})
    assert_read(tmp_path, data[:, 1], channel_index=1)
    found = frames_of(tmp_path, channel_index=1)
    assert [(each.name, each.sequence, each.number) for each in found] == [
        ("t001", "t#", 1), ("t002", "t#", 2), ("t003", "t#", 3)]
    assert "holds 2 channels x 1 time point; choose" in refusal(tmp_path)
    with pytest.raises(InputError, match="2 channels"):
        find(tmp_path, "--frames", lenient=True)                # it can be read: no file to leave out


def test_a_choice_that_no_file_needs_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "f.tif", planes(3), imagej=True, metadata={"axes": "TYX"})
    frames = frames_of(tmp_path)
    for chosen, words in (({"channel_index": 0}, "--channel-index 0: no file of --frames holds several channels"),
                          ({"z": "max"}, "--z max: no file of --frames holds several slices"),
                          ({"z": 3}, "--z 3: no file of --frames holds several slices")):
        with pytest.raises(InputError, match=words):
            Selection.of(chosen).check_effect(frames, [None] * 3, "--frames")
        Selection.of(chosen).completed({}).check_effect(frames, [None] * 3, "--frames")        # a model's own
        with pytest.raises(InputError, match=words):
            find_pairs(tmp_path, tmp_path, selection=Selection.of(chosen))


def test_a_file_without_the_slice_that_others_have_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a_1.tif", planes(3), imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "a_2.tif", planes(1), imagej=True, metadata={"axes": "ZYX"})
    for z in (0, "max"):
        Selection(z=z).check_effect(frames_of(tmp_path, z=z), [], "--frames")
    with pytest.raises(InputError, match=r"--z 2: .*a_2\.tif holds 1 slice; it must be 0"):
        Selection(z=2).check_effect(frames_of(tmp_path, z=2), [], "--frames")


def test_masks_have_one_channel_and_need_no_slices(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", planes(3), imagej=True, metadata={"axes": "TYX"})
    selection = Selection(1, 4).of_masks()
    assert len(find(tmp_path / "m.tif", "--masks", selection=selection)) == 3
    tifffile.imwrite(tmp_path / "two.tif", planes(3, 2), imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(InputError, match=r"two\.tif: the mask holds 2 channels x 3 time points; a mask has one"):
        find(tmp_path / "two.tif", "--masks", selection=selection)


def test_volumes_are_no_time_lapses(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", planes(6), imagej=True, metadata={"axes": "ZYX"})
    said = refusal(tmp_path / "v.tif")
    assert "holds 6 slices x 1 time point" in said
    assert "time points by --z time" in said                    # for time-lapses whose frames are called slices


@pytest.mark.parametrize("axes", ["ZYX", "ZCYX"])
def test_slices_may_be_time_points(tmp_path, axes):
    data = planes(6, *([2] if "C" in axes else []))
    tifffile.imwrite(tmp_path / "v.tif", data, imagej=True, metadata={"axes": axes})
    tifffile.imwrite(tmp_path / "t.tif", planes(2, 3), imagej=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "m.tif", planes(6), imagej=True, metadata={"axes": "ZYX"})
    chosen = {"z": "time", **({"channel_index": 1} if "C" in axes else {})}
    assert_read(tmp_path / "v.tif", data[:, 1] if "C" in axes else data, **chosen)
    assert [frame.name for frame in frames_of(tmp_path / "v.tif", **chosen)] == [f"v_{n:04d}" for n in range(1, 7)]
    masks = find(tmp_path / "m.tif", "--masks", selection=Selection.of(chosen).of_masks())
    assert [frame.number for frame in masks] == [1, 2, 3, 4, 5, 6]
    assert "holds 3 slices x 2 time points; only the slices of a single time" in refusal(tmp_path / "t.tif", z="time")


def test_positions_are_sequences_of_their_own(tmp_path):
    data = planes(2, 3)
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True) as writer:
        for name, each in zip(("A1", "B/2"), data, strict=True):
            writer.write(each, photometric="minisblack", metadata={"axes": "TYX", "Name": name})
    assert_read(tmp_path / "p.ome.tif", [*data[0], *data[1]])
    found = frames_of(tmp_path / "p.ome.tif")
    assert [(each.sequence, each.number, each.name) for each in found[::3]] == [
        ("p.ome_A1", 1, "p.ome_A1_0001"), ("p.ome_B_2", 1, "p.ome_B_2_0001")]


def test_a_tiff_by_the_name_of_a_png(tmp_path):
    tifffile.imwrite(tmp_path / "f.tif", planes(3, 2), imagej=True, metadata={"axes": "TCYX"})
    (tmp_path / "f.tif").rename(tmp_path / "f.png")
    assert "holds 2 channels x 3 time points" in refusal(tmp_path / "f.png")


def test_tifffiles_axis_of_positions(tmp_path):
    data = planes(2, 3)
    tifffile.imwrite(tmp_path / "p.tif", data, photometric="minisblack", metadata={"axes": "PTYX"})
    assert_read(tmp_path / "p.tif", [*data[0], *data[1]])
    assert [each.name for each in frames_of(tmp_path / "p.tif")[::3]] == ["p_p0001_0001", "p_p0002_0001"]


def test_ome_names_channels_and_keeps_any_order(tmp_path):
    data = planes(2, 3)
    tifffile.imwrite(tmp_path / "c.ome.tif", data, photometric="minisblack",
                     metadata={"axes": "TCYX", "Channel": {"Name": ["phase", "GFP", "RFP"]}})
    assert "0 or 1 or 2 (phase, GFP, RFP)" in refusal(tmp_path / "c.ome.tif")
    assert_read(tmp_path / "c.ome.tif", data[:, 2], channel_index=2)


OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="Image:0"><Pixels
 DimensionOrder="{order}" ID="Pixels:0" SizeC="{c}" SizeT="{t}" SizeX="7" SizeY="5" SizeZ="{z}" Type="uint16">
{blocks}</Pixels></Image></OME>"""
BLOCK = ('<TiffData FirstC="{c}" FirstT="{t}" FirstZ="{z}" IFD="{ifd}" PlaneCount="1"><UUID FileName="{file}">{uuid}'
         "</UUID></TiffData>")


def write_ome(path, pages, blocks, order="XYCZT", c=1, t=1, z=1):
    tifffile.imwrite(path, pages, photometric="minisblack", metadata=None,
                     description=OME.format(order=order, c=c, t=t, z=z, blocks=blocks).encode())


@given(st.permutations("CZT"), st.data())
def test_ome_in_every_order_of_axes(tmp_path_factory, axes, data):
    """Pages in an order of their own, each named by a block, or in the order of the axes."""
    path = tmp_path_factory.mktemp("ome") / "o.ome.tif"
    sizes = {axis: data.draw(st.integers(1, 3)) for axis in axes}
    pages = planes(*(sizes[axis] for axis in reversed(axes)))           # the first axis varies fastest
    expected = pages.transpose(*(list(reversed(axes)).index(axis) for axis in "TCZ"), 3, 4)
    flat = pages.reshape(-1, *SHAPE)
    order = data.draw(st.permutations(range(len(flat)))) if data.draw(st.booleans()) else None
    blocks = "<TiffData/>"
    if order:
        blocks = ""
        for index in range(len(flat)):
            at = np.unravel_index(index, pages.shape[:3])
            place = dict(zip((axis.lower() for axis in reversed(axes)), at, strict=True))
            blocks += BLOCK.format(**place, ifd=order.index(index), file="o.ome.tif", uuid="urn:uuid:1")
        flat = flat[list(order)]
    write_ome(path, flat, blocks, "XY" + "".join(axes), **{axis.lower(): size for axis, size in sizes.items()})
    chosen = {"channel_index": sizes["C"] - 1 if sizes["C"] > 1 else None, "z": "max" if sizes["Z"] > 1 else None}
    assert_read(path, expected[:, -1].max(axis=1), **chosen)


def test_a_file_of_a_set_gives_its_own_planes(tmp_path):
    data = planes(4)
    blocks = "".join(BLOCK.format(c=0, z=0, t=t, ifd=t % 2, file=f"s{t // 2}.ome.tif", uuid=f"urn:uuid:{t // 2}")
                     for t in range(4))
    for number in range(2):
        text = OME.format(order="XYCZT", c=1, t=4, z=1, blocks=blocks).replace('UUID="urn:uuid:1"',
                                                                               f'UUID="urn:uuid:{number}"')
        tifffile.imwrite(tmp_path / f"s{number}.ome.tif", data[2 * number:][:2], photometric="minisblack",
                         metadata=None, description=text.encode())
    assert_read(tmp_path, data)
    assert [frame.number for frame in frames_of(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize(("blocks", "sizes", "words"), [
    ("<TiffData/>", {"t": 5}, "speaks of 5 planes, but the file has 2 pages"),
    ("<TiffData/>", {"t": 10 ** 9}, "speaks of 1000000000 x 1 x 1 planes"),
    ('<TiffData IFD="7"/>', {"t": 2}, "but the file has 2 pages"),
    ('<TiffData FirstT="7"/>', {"t": 2}, "names a plane beyond its 2"),
    ("<TiffData>", {"t": 2}, "OME description is damaged"),
    ('<TiffData IFD="x"/>', {"t": 2}, "cannot be read"),
    (BLOCK.format(c=0, t=0, z=0, ifd=0, file="else.tif", uuid="urn:uuid:9"), {"t": 2}, "names no plane of this file")])
def test_ome_that_does_not_fit_its_file_is_refused(tmp_path, blocks, sizes, words):
    write_ome(tmp_path / "o.ome.tif", planes(2), blocks, **sizes)
    said = refusal(tmp_path / "o.ome.tif")
    assert words in said
    assert said.startswith(f"{tmp_path / 'o.ome.tif'}: ")


def test_planes_without_directories(tmp_path):
    data = planes(5, 2)
    one_directory(tmp_path / "s.tif", data, "ImageJ=1.53t\nimages=10\nchannels=2\nframes=5\nhyperstack=true\n")
    assert_read(tmp_path / "s.tif", data[:, 1], channel_index=1)
    one_directory(tmp_path / "s.tif", data[:4], "ImageJ=1.53t\nimages=10\nchannels=2\nframes=5\nhyperstack=true\n")
    assert "speaks of 10 planes, but 1 are there" in refusal(tmp_path / "s.tif", channel_index=1)


def test_previews_and_levels_of_pyramids_are_passed_over(tmp_path):
    data = planes(3)
    with tifffile.TiffWriter(tmp_path / "p.tif") as writer:
        for each in data:
            writer.write(each, metadata=None, contiguous=False)
            writer.write(each[::2, ::2], subfiletype=1, metadata=None, contiguous=False)
    assert_read(tmp_path / "p.tif", data)
    with tifffile.TiffWriter(tmp_path / "s.tif") as writer:
        writer.write(planes(5))
        writer.write(planes()[:3, :2], subfiletype=1)           # a preview of another shape
    assert_read(tmp_path / "s.tif", planes(5))
    with tifffile.TiffWriter(tmp_path / "q.ome.tif", ome=True) as writer:
        writer.write(data, subifds=1, photometric="minisblack", metadata={"axes": "TYX"})
        writer.write(data[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    assert_read(tmp_path / "q.ome.tif", data)


def test_pages_of_several_sizes_are_refused(tmp_path):
    Image.fromarray(planes()).save(tmp_path / "s.tif", save_all=True, append_images=[Image.fromarray(planes()[:3])])
    assert "pages have several sizes (5 x 7, 3 x 7)" in refusal(tmp_path / "s.tif")


def test_pages_without_a_description_are_time_points(tmp_path):
    data = planes(5)
    for name, options in (("a", {"metadata": None}), ("b", {})):
        tifffile.imwrite(tmp_path / f"{name}.tif", data, **options)
        assert_read(tmp_path / f"{name}.tif", data)
    with tifffile.TiffWriter(tmp_path / "d.tif") as writer:     # page by page
        for each in data:
            writer.write(each, contiguous=False)
    assert_read(tmp_path / "d.tif", data)


def test_axes_that_cannot_be_told_apart_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "q.tif", planes(4, 3), photometric="minisblack")
    assert "4 (Q) x 3 (Q) are not time, channels and slices alone" in refusal(tmp_path / "q.tif")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_samples_that_are_no_colours_are_channels(tmp_path, planar):
    data = planes(3)
    data = np.moveaxis(data, 0, -1) if planar == "contig" else data
    tifffile.imwrite(tmp_path / "s.tif", data, photometric="minisblack", planarconfig=planar, metadata=None,
                     compression="zlib")
    assert_read(tmp_path / "s.tif", planes(3)[1:2], channel_index=1)
    assert "holds 3 channels" in refusal(tmp_path / "s.tif")


def test_a_stack_that_changed_is_opened_anew(tmp_path):
    for count in (5, 6):
        data = planes(count) // np.uint16(count)
        tifffile.imwrite(tmp_path / "f.tif", data)
        assert_read(tmp_path / "f.tif", data)
    assert read_bytes(find(tmp_path / "f.tif", "", selection=UNCHOSEN)[0]) == 2
