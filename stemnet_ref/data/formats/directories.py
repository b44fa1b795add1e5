"""Check the directories of a TIFF file before a library trusts them.

A TIFF is a chain of directories of tags. A damaged one may run in circles, end early, or claim more than the file
holds; libraries then leave out pages or tags without an error.
"""

import os
import struct
from dataclasses import dataclass

SIGNATURES = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes
WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}       # formats of whole numbers, by type
BYTES = (1, 2, 6, 7)                            # types whose values are one byte each
LAYOUT = {254: "subfile", 256: "width", 257: "height", 277: "samples", 284: "planar", 32997: "depth"}
NESTED = (330, 34665, 34853, 40965)             # tags that point at further directories
PRIVATE = 32768                 # the first tag that programs define for themselves
MAX_TAGS, MAX_VALUES, MAX_NESTED = 4096, 2 ** 21, 256


@dataclass(frozen=True, slots=True)
class Directory:
    """Offset of the directory of a page, and the tags that determine the layout of its pixels."""

    offset: int
    subfile: int = 0
    width: int = 0
    height: int = 0
    samples: int = 1
    planar: int = 1
    depth: int = 1

    @property
    def is_page(self):
        """Whether this is a page, neither a preview nor a level of a pyramid nor a transparency mask."""
        return not self.subfile & 5

    @property
    def layout(self):
        """Values that all pages of one stack share."""
        return self.width, self.height, self.samples, self.planar, self.depth


def read_directories(file):
    """Return the Directory of every page of an open TIFF, in order.

    Raises
    ------
    ValueError, OSError
        If a directory is damaged; the message is the reason alone.
    """
    reader = _Reader(file)
    found, offset = [], reader.first
    while offset:
        page, offset = reader.directory(offset, f"page {len(found) + 1}")
        if not page.width or not page.height:
            raise ValueError(f"page {len(found) + 1} has {page.height} x {page.width} pixels")
        found.append(page)
    if not found:
        raise ValueError("it has no pages")
    return found


class _Reader:
    def __init__(self, file):
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.seen = set()
        self.used = 0               # bytes of all directories, which cannot exceed those of the file
        head = self._read(0, 16)
        if head[:2] not in (b"II", b"MM") or len(head) < 8:
            raise ValueError("it is cut off, or damaged")
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = self._unpack("H", head[2:4]) == 43
        self.offset, self.number = ("Q", "Q") if self.big else ("I", "H")
        self.inline = 8 if self.big else 4          # bytes that fit into the tag itself
        self.first = self._unpack(self.offset, head[8:16] if self.big else head[4:8])

    def _unpack(self, format, data):
        try:
            return struct.unpack(self.order + format, data)[0]
        except struct.error:
            raise ValueError("it is cut off, or damaged") from None

    def _read(self, offset, count):
        self.file.seek(offset)
        return self.file.read(count)

    def directory(self, offset, what, nested=False):
        """Return a Directory and the offset of the next one."""
        width = struct.calcsize(self.order + self.number)
        if not 8 <= offset <= self.size - width:
            raise ValueError(f"{what} would be beyond the end: it is cut off, or damaged")
        if offset in self.seen:
            if nested:
                return Directory(offset), 0
            raise ValueError(f"{what} is an earlier one again: it is damaged")
        self.seen.add(offset)
        count = self._unpack(self.number, self._read(offset, width))
        tag_size = 12 + 8 * self.big
        self.used += width + count * tag_size
        if not 0 < count <= MAX_TAGS or self.used > self.size:
            raise ValueError(f"{what} has {count} tags: it is damaged")
        data = self._read(offset + width, count * tag_size + self.inline)
        layout, total, inner = {}, 0, []
        for code, kind, values, raw in struct.iter_unpack(f"{self.order}HH{self.offset}{self.inline}s",
                                                          data[:count * tag_size]):
            size = values * SIZES.get(kind, 0)
            if not size and code < PRIVATE:
                raise ValueError(f"tag {code} of {what} has no value: it is damaged")
            total += size if size > self.inline else 0
            beyond = size > self.inline and self._unpack(self.offset, raw) + size > self.size
            if beyond or total > self.size or (kind not in BYTES and values > MAX_VALUES):
                raise ValueError(f"tag {code} of {what} is larger than the file: it is cut off, or damaged")
            if code in LAYOUT and values == 1 and kind in WHOLE:
                layout[LAYOUT[code]] = self._unpack(WHOLE[kind], raw[:SIZES[kind]])
            if code in NESTED and kind in (4, 13, 16, 18):
                inner += self._offsets(code, kind, values, raw, size, what)
        following = self._unpack(self.offset, data[count * tag_size:])
        for each in inner if not nested else ():
            self.directory(each, f"a directory within {what}", True)
        return Directory(offset, **layout), following

    def _offsets(self, code, kind, values, raw, size, what):
        if values > MAX_NESTED:
            raise ValueError(f"tag {code} of {what} names {values} directories: it is damaged")
        data = raw[:size] if size <= self.inline else self._read(self._unpack(self.offset, raw), size)
        form = "Q" if SIZES[kind] == 8 else "I"
        return [each for each in struct.unpack(f"{self.order}{values}{form}", data) if each]
