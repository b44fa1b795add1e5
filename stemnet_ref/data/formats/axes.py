"""Find out which planes of a TIFF are time points, channels, slices and positions.

The description by OME says so, or one by ImageJ, tifffile or some microscopes, which tifffile understands. The pages
of a file without a description are time points.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from . import ome
from .ome import MAX_PLANES
from .tiff import has_alpha, parts

POSITIONS = "PR"            # letters that tifffile gives to the axes of positions and regions
INDICES = {"FrameIndex": "T", "ChannelIndex": "C", "SliceIndex": "Z"}       # names that Micro-Manager gives to axes


@dataclass(frozen=True)
class Position:
    """The planes of one position of the microscope."""

    name: str               # empty where the file has one position only
    planes: np.ndarray      # page and part of the page, int64 of shape (T, C, Z, 2); -1 for planes of other files
    channels: tuple = ()    # names of the channels, where they are known
    timed: bool = True      # whether the file itself says that T is time
    has_alpha: bool = False


def positions(tiff):
    """Return every Position of a file.

    Parameters
    ----------
    tiff : tiff.Tiff
        Open file.

    Raises
    ------
    InputError
        If the axes of the file are unclear, or its planes have several sizes.
    ValueError
        If the description is damaged, or does not fit the pages; the message is the reason alone.
    """
    description = tiff.page(0).description
    if ome.is_ome(description):
        found = [Position(*each) for each in ome.read(description, tiff.path, tiff.directories)]
    else:
        found = _series(tiff)
    return found if len(found) > 1 else [replace(found[0], name="")]


def _series(tiff):
    """Return the positions of a file that tifffile understands, or whose pages have no description."""
    _check_imagej(tiff)
    series = tiff.series()
    if series:
        if len({each.shape for each in series}) > 1:
            _refuse_several_sizes(tiff, [each.shape for each in series])
        if all(each.parts == math.prod(each.shape[:-2]) for each in series) and len(series) > 1:
            return _split(tiff, "I" + series[0].axes, (len(series), *series[0].shape),
                          [page for each in series for page in each.pages])
        found = [position for each in series
                 for position in _split(tiff, *_with_images(tiff, each.axes, each.shape), each.pages)]
        return [replace(each, name=f"p{number + 1:04d}") for number, each in enumerate(found)]
    pages = [number for number, each in enumerate(tiff.directories) if each.is_page]
    pages = pages or list(range(len(tiff.directories)))
    layouts = list(dict.fromkeys(tiff.directories[number].layout for number in pages))
    if len(layouts) > 1:
        _refuse_several_sizes(tiff, [(each[1], each[0]) for each in layouts])
    said = [tiff.micromanager(number) for number in pages] if len(pages) > 1 and tiff.micromanager(pages[0]) else [{}]
    if all(INDICES.keys() <= each.keys() for each in said):
        return _by_indices(said, pages)
    page = tiff.page(pages[0])
    return _split(tiff, "I" + page.axes, (len(pages), *page.shape), pages)


def _split(tiff, axes, shape, pages):
    """Return the positions of planes that lie, in the order of the axes, in these pages, or behind a single page."""
    page = tiff.page(pages[0])
    if "Y" not in axes or "X" not in axes:
        raise InputError(f"{tiff.path}: its axes are {axes}: it holds no planes; save its planes as a stack")
    plane = [axes.rindex("Y"), axes.rindex("X")]
    within = [length for at, length in enumerate(shape) if at > min(plane) and at not in plane and length > 1]
    if within not in ([], [page.shaped[-1]]):
        order = "".join(axis for at, axis in enumerate(axes) if at not in plane) + "YX"
        raise InputError(f"{tiff.path}: its axes are {axes}, {' x '.join(map(str, shape))}, so that its pages are no "
                         f"planes; save it with the axes {order}, the rows and columns of a plane being the last")
    letters = [axis for at, axis in enumerate(axes) if at not in plane]
    lengths = [length for at, length in enumerate(shape) if at not in plane]
    total, inner = math.prod(lengths), parts(page)
    alone = len(pages) == 1 and total <= MAX_PLANES and tiff.holds(pages[0], total - 1)
    if not alone and len(pages) * inner != total:
        raise ValueError(_too_few("description", total, len(pages) * inner))
    flat = np.arange(total)
    planes = [np.full(total, pages[0]), flat] if alone else [np.array(pages)[flat // inner], flat % inner]
    planes = np.stack(planes, axis=-1).reshape(*lengths, 2)
    for axis in POSITIONS:
        if _length(planes, letters, axis) > 1:
            each_position = np.moveaxis(planes, letters.index(axis), 0)
            letters.remove(axis)
            break
    else:
        each_position = [planes]
    one_value = _is_one_value(tiff, page)
    return [Position("", _by_axis(each, letters, one_value, tiff.path), timed="T" in letters, has_alpha=has_alpha(page))
            for each in each_position]


def _with_images(tiff, axes, shape):
    """Return axes and shape with an axis of images, where ImageJ's description gives only their number."""
    images = int(tiff.imagej_description().get("images", 1))
    known = math.prod(length for axis, length in zip(axes, shape, strict=True) if axis not in "YXS")
    return ("I" + axes, (images // known, *shape)) if images > known and not images % known else (axes, shape)


def _by_indices(said, pages):
    """Return the positions of pages that each have indices of Micro-Manager's."""
    names = "PositionIndex", *INDICES
    try:
        values = np.array([[int(each.get(name, 0)) for name in names] for each in said])
    except (TypeError, ValueError, OverflowError):
        raise ValueError("its Micro-Manager indices are damaged") from None
    known, at = zip(*(np.unique(column, return_inverse=True) for column in values.T), strict=True)
    sizes = [len(each) for each in known]
    if math.prod(sizes) > MAX_PLANES or len(np.unique(np.stack(at), axis=1).T) < len(pages):
        raise ValueError("its Micro-Manager indices name planes twice; it was changed by a program that kept the old "
                         "ones")
    planes = np.full((*sizes, 2), -1)
    planes[at] = [(page, 0) for page in pages]
    channels = {int(channel): each.get("Channel") or "" for channel, each in zip(at[2], said, strict=True)}
    return [Position(f"p{number + 1:04d}", each, tuple(str(channels[channel]) for channel in sorted(channels)))
            for number, each in enumerate(planes)]


def _is_one_value(tiff, page):
    """Return whether a page's samples are colours, or grey and alpha, rather than channels."""
    return bool(tiff.header(page.index).colours) or has_alpha(page)


def _by_axis(planes, letters, one_value, path):
    """Return planes of shape (..., 2) as (T, C, Z, 2)."""
    if "S" in letters and one_value:
        planes = planes.take(0, axis=letters.index("S"))
        letters = [axis for axis in letters if axis != "S"]
    kinds = ["C" if axis == "S" and not _length(planes, letters, "C") > 1 else axis for axis in letters]
    unknown = [axis for at, axis in enumerate(kinds) if axis not in "TCZ" and planes.shape[at] > 1]
    if len(unknown) == 1 and not _length(planes, kinds, "T") > 1:
        kinds = ["T" if axis == unknown[0] else axis if axis != "T" else "?" for axis in kinds]
        unknown = []
    if unknown or any(kinds.count(axis) > 1 and axis in "TCZ" for axis in kinds):
        lengths = " x ".join(f"{length} ({axis})" for axis, length in zip(letters, planes.shape, strict=False))
        raise InputError(f"{path}: its axes {lengths} are not time, channels and slices alone; save one series of time "
                         "points as a stack, or name the axes (ImageJ: Image > Hyperstacks > Stack to Hyperstack)")
    for axis in "TCZ":
        if axis not in kinds:
            kinds.append(axis)
            planes = planes[..., None, :]
    order = [kinds.index(axis) for axis in "TCZ"]
    rest = [at for at in range(len(kinds)) if at not in order]
    planes = planes.transpose(*order, *rest, planes.ndim - 1)
    return planes.reshape(*planes.shape[:3], 2)


def _length(planes, letters, axis):
    return planes.shape[letters.index(axis)] if axis in letters else 1


def _check_imagej(tiff):
    """Raise ValueError where ImageJ's description announces planes that the file cannot hold."""
    meta = tiff.imagej_description()
    try:
        said = max(math.prod(int(meta.get(name, 1)) for name in ("channels", "slices", "frames")),
                   int(meta.get("images", 1)))
    except (TypeError, ValueError):
        raise ValueError("its ImageJ description is damaged") from None
    pages = len(tiff.directories)
    if said > max(pages, parts(tiff.page(0))) and not (pages == 1 and tiff.holds(0, said - 1)):
        raise ValueError(_too_few("ImageJ description", said, pages))


def _too_few(what, said, found):
    return (f"its {what} speaks of {said} planes, but {found} are there; it is cut off, or was changed by a program "
            "that kept the old description")


def _refuse_several_sizes(tiff, shapes):
    words = ", ".join(" x ".join(map(str, shape)) for shape in list(dict.fromkeys(shapes))[:4])
    raise InputError(f"{tiff.path}: its pages have several sizes ({words}); save the wanted ones as a file of their "
                     "own")
