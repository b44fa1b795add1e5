"""Check LZW data before they are decompressed: imagecodecs follows codes that were never defined, and may crash.

TIFF 6.0, section 13. Codes of 9 to 12 bits, the highest bit first. 256 empties the table; the first code after it is a
byte, and each one after that defines the next entry, from 258, which it may itself name.
"""

import numpy as np

CLEAR, END, FIRST = 256, 257, 258
CODES = 4700                                        # between two CLEARs, more than an encoder may write
USUAL = 3850                                        # encoders write CLEAR before, when the table is full
_place = np.arange(CODES)
_defined = np.maximum(FIRST - 1 + _place, FIRST)    # the entry that the code at each place defines
_widths = 9 + sum(_defined >= limit for limit in (511, 1023, 2047))
_ends = np.cumsum(_widths)
_largest = np.where(_place == 0, 255, np.minimum(_defined, 4095)).astype(np.int32)
_masks = ((1 << _widths) - 1).astype(np.int32)
_bits = _ends - _widths + np.arange(8)[:, None]     # where codes begin if the first one begins at this bit of a byte
_bytes, _shifts = _bits >> 3, (24 - (_bits & 7) - _widths).astype(np.int32)


def check(data):
    """Raise ValueError if data name a code that is not defined.

    Parameters
    ----------
    data : bytes
        One strip or tile.
    """
    if data[:1] != b"\x80" or len(data) < 2 or data[1] & 128:
        raise ValueError("its LZW data are damaged, or of a style older than TIFF 6: save it anew")
    single = np.frombuffer(data + bytes(4), np.uint8).astype(np.int32)
    triples = (single[:-2] << 16) | (single[1:-1] << 8) | single[2:]        # three bytes, from each byte on
    size, at = 8 * len(data), 0
    while True:
        there = int(np.searchsorted(_ends, size - at, side="right"))        # codes that are there in full
        codes = _codes(triples, at, min(there, USUAL))
        stop = _first_stop(codes)
        if stop == len(codes) < there:
            codes = _codes(triples, at, there)
            stop = _first_stop(codes)
        if stop == CODES or np.any(codes[:stop] > _largest[:stop]):
            raise ValueError("its LZW data are damaged")
        if stop == there or codes[stop] == END:
            return
        at += int(_ends[stop])


def _codes(triples, at, number):
    """Return the codes that begin at a bit, the first after a CLEAR, or a CLEAR."""
    phase = at & 7
    return (triples[at >> 3:][_bytes[phase, :number]] >> _shifts[phase, :number]) & _masks[:number]


def _first_stop(codes):
    """Return the place of the first CLEAR or END; their number where there is none."""
    stops = codes & ~1 == CLEAR
    first = int(stops.argmax()) if len(stops) else 0
    return first if len(stops) and stops[first] else len(codes)
