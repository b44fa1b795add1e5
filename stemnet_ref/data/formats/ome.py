"""Read OME's description of a TIFF file: which page is which time point, channel and slice of which position.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html
"""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...errors import InputError

MAX_PLANES = 10 ** 6


def is_ome(description):
    """Return whether the description of a file's first page is OME's."""
    return re.search(r"<([\w.-]+:)?OME[\s>]", description[:2000]) is not None


def read(xml, path, directories):
    """Return (name, planes, channel names) of every position; planes are int64 of shape (T, C, Z, 2).

    In a set of several files only the planes of this file have a page; the others are -1.

    Parameters
    ----------
    xml : str
        Description of the first page.
    path : path
        File that is read, among those that the description of a set names.
    directories : list of directories.Directory
        Directories of the pages of the file.

    Raises
    ------
    InputError
        If the description is in another file, or describes only other files, or its planes have several sizes.
    ValueError
        If the description is damaged, or does not fit the pages; the message is the reason alone.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its OME description is damaged ({error})") from None
    images = [(image, pixels) for image in _children(root, "Image") for pixels in _children(image, "Pixels")]
    if not images:
        other = next(_children(root, "BinaryOnly"), ElementTree.Element("")).get("MetadataFile")
        if other:
            raise InputError(f"{path}: its OME description is in another file, {other}; save it with ImageJ as a stack "
                             "of its own")
        raise ValueError("its OME description names no image")
    try:
        found = [(image.get("Name") or "", *_planes(root, pixels, path, directories)) for image, pixels in images]
    except (KeyError, TypeError) as error:
        raise ValueError(f"its OME description is damaged ({error})") from None
    named = [(name, planes, channels) for name, planes, channels in found if np.any(planes >= 0)]
    if not named:
        raise InputError(f"{path}: its OME description names no plane of this file; save it with ImageJ as a stack of "
                         "its own")
    names = _safe_names([name for name, _, _ in named])
    return [(name, *rest) for name, (_, *rest) in zip(names, named, strict=True)]


def _planes(root, pixels, path, directories):
    """Return the planes of one image, and the names of its channels."""
    axes = pixels.attrib["DimensionOrder"][:1:-1]           # the slowest first, without X and Y
    if sorted(axes) != ["C", "T", "Z"]:
        raise ValueError(f"its OME description has the order {pixels.attrib['DimensionOrder']}")
    sizes = {axis: int(pixels.attrib["Size" + axis]) for axis in axes}
    channels = list(_children(pixels, "Channel"))
    samples = int(channels[0].get("SamplesPerPixel", 1)) if channels else 1
    if samples > 1:
        sizes["C"] = -(-sizes["C"] // samples)
    total = math.prod(sizes.values())
    if min(sizes.values()) < 1 or total > MAX_PLANES:
        raise ValueError(f"its OME description speaks of {sizes['T']} x {sizes['C']} x {sizes['Z']} planes")
    pages = np.full(total, -1, np.int64)
    shape = [sizes[axis] for axis in axes]
    for block in list(_children(pixels, "TiffData")) or [ElementTree.Element("TiffData")]:
        if not _is_of_this_file(root, block, path):
            continue
        first = [int(block.get("First" + axis, 0)) for axis in axes]
        if any(not 0 <= at < length for at, length in zip(first, shape, strict=True)):
            raise ValueError(f"its OME description names a plane beyond its {total}")
        start, page = int(np.ravel_multi_index(first, shape)), int(block.get("IFD", 0))
        rest = min(total - start, len(directories) - page) if _uuid(block) is not None else total - start
        count = int(block.get("PlaneCount", 1 if "IFD" in block.attrib else rest))
        if not (page >= 0 and 0 <= count <= total - start and page + count <= len(directories)):
            raise ValueError(f"its OME description speaks of {total} planes, but the file has {len(directories)} "
                             "pages; it is cut off, or was changed by a program that kept the old description")
        pages[start:start + count] = range(page, page + count)
    if len({directories[page].layout for page in pages if page >= 0}) > 1:
        raise InputError(f"{path}: the pages of one position have several sizes; save the wanted ones as a file of "
                         "their own")
    known = np.where(pages >= 0, 0, -1)
    planes = np.stack([pages, known], axis=-1).reshape(*shape, 2)
    planes = planes.transpose(*(axes.index(axis) for axis in "TCZ"), 3)
    return planes, tuple(channel.get("Name") or "" for channel in channels)


def _is_of_this_file(root, block, path):
    """Return whether a block of planes is in this file; a file that was renamed is known by its identifier."""
    uuid = _uuid(block)
    if uuid is None or uuid.text == root.get("UUID") or uuid.get("FileName") == Path(path).name:
        return True
    others = {each.text for each in root.iter() if each.tag.endswith("UUID")}
    return root.get("UUID") is None and len(others) == 1


def _uuid(block):
    """Return the element that says in which file of a set a block of planes is, or None."""
    return next(_children(block, "UUID"), None)


def _children(element, name):
    """Yield the children of this name, whatever their namespace."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _safe_names(names):
    """Return the names as parts of file names, or p0001, p0002, ... where some are missing or equal."""
    safe = [re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._")[:60] for name in names]
    return safe if all(safe) and len(set(safe)) == len(safe) else [f"p{at + 1:04d}" for at in range(len(names))]
