"""Read the planes of TIFF files by tifffile, which gives the stored values, and imagecodecs, which decompresses them.

What a file declares is compared with what it holds before memory is taken: missing rows are an error, never zeros.
"""

import logging
import math
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import tifffile

from ...errors import InputError, pluralize, reason
from . import jpeg, lzw
from .header import Header

logging.getLogger("tifffile").addHandler(logging.NullHandler())     # errors are raised here, once, with the file's name

LZW, JPEG = 5, 7
GREY_AND_ALPHA = "its pixels have two values, grey and alpha, which are no channels; save it as grey without alpha"
GREY, PALETTE, MASK = (0, 1, 32844), 3, 4
COLOURS = {2: "RGB", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "CIELab", 10: "CIELab", 32803: "a colour filter's mosaic"}
ALPHA = 1, 2
MAX_RATIO = 40000                       # bytes that one compressed byte can give in any compression
OTHERS = JPEG, 34925, 50000             # LZMA, Zstandard; decoders of other kinds crash, or make up missing rows
RATIOS = {1: 1, 5: 2800, 8: 1032, 32773: 64, 32946: 1032, **dict.fromkeys(OTHERS, MAX_RATIO)}
OTHER_FORMATS = dict.fromkeys(("is_ome", "is_mmstack", "is_ndtiff"), False)      # they span files, or are read in axes
DESCRIBED = ("shaped", "imagej", "lsm", "fluoview", "stk", "sis", "scanimage")      # as tifffile names them
UPRIGHT = {2: np.fliplr, 3: lambda a: a[::-1, ::-1], 4: np.flipud, 5: np.transpose, 6: lambda a: np.rot90(a, -1),
           7: lambda a: a[::-1, ::-1].T, 8: np.rot90}               # by the tag ORIENTATION
ORIENTATION = 274


@dataclass(frozen=True)
class Series:
    """Pages that belong together."""

    axes: str
    shape: tuple
    pages: list             # their numbers
    parts: int              # planes of a page


class Tiff:
    """An open TIFF file. Planes are named by their page and their part of it, both from 0.

    A page has several parts where it is a volume or has several samples; beyond them lie planes that follow the page's
    data without a page of their own, as in ImageJ's stacks of more than 4 GB.

    Parameters
    ----------
    file : binary file
        The file, open at its beginning; it is closed with the Tiff, or if none can be made.
    directories : list of directories.Directory

    Raises
    ------
    ValueError, OSError
        If it is damaged; the message is the reason alone.
    """

    def __init__(self, file, directories):
        self.path, self.directories = file.name, directories
        with ExitStack() as opened:
            opened.enter_context(file)
            self._file = tifffile.TiffFile(file, **OTHER_FORMATS)
            self.close = opened.pop_all().close         # closes the file
        self.size = self._file.filehandle.size

    def page(self, number):
        """Return a tifffile.TiffPage."""
        if number == 0:
            return self._file.pages.first
        self._file.filehandle.seek(self.directories[number].offset)     # not by the way of all pages before it
        return tifffile.TiffPage(self._file, number)

    def imagej_description(self):
        """Return what ImageJ's description says, a dict."""
        return self._file.imagej_metadata or {}

    def series(self):
        """Return every Series that a description names, as tifffile understands it; none without a description."""
        if not any(getattr(self._file, f"is_{kind}") for kind in DESCRIBED):
            return []
        found = [each for each in self._file.series if not each.keyframe.is_reduced]
        if not all(each.kind in DESCRIBED for each in found):
            return []
        return [self._scanimage(each) if each.kind == "scanimage" and each.axes.startswith("I") else
                Series(each.axes, each.shape, [page.index for page in each.pages], parts(each.keyframe))
                for each in found]

    def micromanager(self, number):
        """Return what Micro-Manager says of a page, a dict; empty where it says nothing."""
        said = self.page(number).tags.valueof(51123)
        return said if isinstance(said, dict) else {}

    def _scanimage(self, series):
        """Return the Series of ScanImage's pages, whose axes are in tags that tifffile does not look at."""
        page, count = series.keyframe, len(self.directories)
        said = tifffile.tifffile.scanimage_description_metadata(
            page.software if page.software.startswith("SI.") else page.description)
        said = said if isinstance(said, dict) else {}
        channels = max(np.size(said.get("SI.hChannels.channelSave", 1)), 1)
        slices = int(said.get("SI.hStackManager.numSlices", 1))
        if count % channels or (slices > 1 and slices != count // channels):
            self._refuse(f"it holds {count} pages of {pluralize(channels, 'channel')} and {pluralize(slices, 'slice')} "
                         "(ScanImage), in an order that it does not say", "save it by ImageJ as a hyperstack")
        return Series(("Z" if slices > 1 else "I") + "C" + series.axes[1:],
                      (count // channels, channels, *series.shape[1:]), [*range(count)], parts(page))

    def header(self, number):
        """Return the Header of the planes of a page, the right way up.

        Raises
        ------
        InputError
            If such pixels cannot be read.
        """
        page = self.page(number)
        if page.dtype is None:
            bits, kind = page.bitspersample, page.sampleformat
            kind = {3: "of floats ", 5: "of complex whole numbers ", 6: "of complex numbers "}.get(int(kind), "")
            self._refuse(f"{bits} bits a sample {kind}are not supported", "save it with 8, 16 or 32 bits")
        if page.dtype.kind == "c":
            self._refuse("its pixels are complex numbers", "save their magnitude")
        height, width = page.imagelength, page.imagewidth
        if page.tags.valueof(ORIENTATION, 1) in (5, 6, 7, 8):
            height, width = width, height
        return Header(height, width, page.dtype, self._colours(page), self._palette(page), page.photometric == 0)

    def pixels(self, number, part):
        """Return the stored values of a plane, (H, W), native byte order, the right way up.

        Raises
        ------
        InputError
            If their compression is not supported.
        ValueError
            If it is damaged; the message is the reason alone.
        """
        page = self.page(number)
        count = parts(page)
        if page.compression not in RATIOS or (page.compression == LZW and page.fillorder != 1):
            name = getattr(page.compression, "name", page.compression)
            self._refuse(f"compression {name} is not supported", "save it without compression, or with LZW")
        _load_decoder(page.compression)
        self._check_data(page)
        if part < count:
            data = page.asarray(squeeze=False, maxworkers=1).transpose(0, 1, 4, 2, 3)
            data = data.reshape(count, page.imagelength, page.imagewidth)
            if has_alpha(page):
                self._check_opaque(data)
            pixels = data[part]
        else:
            pixels = self._following(page, part)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return UPRIGHT.get(page.tags.valueof(ORIENTATION, 1), np.asarray)(pixels)

    def holds(self, number, last):
        """Return whether the file is long enough for the plane `last` of those that lie behind a page's offset."""
        page = self.page(number)
        if not page.is_contiguous or page.dtype is None or page.predictor != 1 or page.fillorder != 1:
            return False
        begin, end = page.dataoffsets[0], page.dataoffsets[0] + (last + 1) * self._plane_bytes(page)
        return end <= self.size and not any(begin < each.offset < end for each in self.directories)

    def _following(self, page, part):
        """Return a plane without a page of its own."""
        if not self.holds(page.index, part):
            raise ValueError(f"plane {part + 1} is missing: it is cut off")
        pixels = self._file.filehandle.read_array(
            self._file.byteorder + page.dtype.char, page.imagelength * page.imagewidth,
            page.dataoffsets[0] + part * self._plane_bytes(page))
        return pixels.reshape(page.imagelength, page.imagewidth)

    def _plane_bytes(self, page):
        return page.imagelength * page.imagewidth * page.dtype.itemsize

    def _check_data(self, page):
        """Raise ValueError unless all strips or tiles are in the file and can hold as many pixels as are declared."""
        offsets, counts = page.dataoffsets, page.databytecounts
        kind, number = ("tile" if page.is_tiled else "strip"), math.prod(page.chunked)
        if min(len(offsets), len(counts)) < number:
            raise ValueError(f"it has {min(len(offsets), len(counts))} of {number} {kind}s of data: rows are missing")
        for index in range(number):
            if not counts[index] or not 8 <= offsets[index] <= self.size - counts[index]:
                raise ValueError(f"the data of {kind} {index + 1} of {number} are missing: it is cut off, or damaged")
        bits = math.prod(page.chunks) * number * page.bitspersample if page.is_tiled else \
            math.prod(page.shaped) * page.bitspersample
        held = sum(counts[:number])
        if bits // 8 > held * RATIOS.get(int(page.compression), MAX_RATIO):
            raise ValueError(f"its {held} bytes of data cannot hold {page.imagelength} x {page.imagewidth} pixels")
        size = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        for index in range(number if page.compression in (LZW, JPEG) else 0):
            self._file.filehandle.seek(offsets[index])
            data = self._file.filehandle.read(counts[index])
            if page.compression == LZW:
                lzw.check(data)
            else:
                jpeg.check(data, *size)

    def _check_opaque(self, data):
        opaque = 1 if data.dtype.kind == "f" else np.iinfo(data.dtype).max
        if np.any(data[-1] != opaque):
            raise InputError(f"{self.path}: {GREY_AND_ALPHA}")

    def _colours(self, page):
        photometric = int(page.photometric)
        if photometric in (*GREY, MASK):
            return ""
        if photometric == PALETTE and page.colormap is not None:
            return "" if parts(page) == page.imagedepth else "several palettes"
        return COLOURS.get(photometric, f"photometric {getattr(page.photometric, 'name', photometric)}")

    def _palette(self, page):
        if int(page.photometric) != PALETTE or page.colormap is None:
            return None
        palette = np.asarray(page.colormap).T.astype(np.uint16)
        return palette * np.uint16(257) if palette.max(initial=0) < 256 else palette

    def _refuse(self, what, remedy):
        raise InputError(f"{self.path}: {what}; {remedy}")


def _load_decoder(compression):
    """Raise ImportError where a decoder cannot be loaded: what its module raises then is no fault of the file."""
    try:
        tifffile.TIFF.DECOMPRESSORS[compression]
    except Exception as error:
        raise ImportError(f"imagecodecs cannot be used for compression {compression} ({reason(error)}); install "
                          "imagecodecs and numpy anew") from error


def parts(page):
    """Return how many planes a page has."""
    samples, depth, _, _, contiguous_samples = page.shaped
    return samples * depth * contiguous_samples


def has_alpha(page):
    """Return whether a page has grey and alpha."""
    return (int(page.photometric) in GREY and page.samplesperpixel == 2 and len(page.extrasamples or ()) == 1
            and int(page.extrasamples[0]) in ALPHA)
