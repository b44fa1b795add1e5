"""Check LZW data before they are decompressed: imagecodecs follows codes that were never defined, and may crash.

TIFF 6.0, section 13: codes have 9 to 12 bits, the highest bit first. The code 256 empties the table. The first code
after it is a byte, and each further code defines the next entry, from 258 on, and may itself name that entry.
"""

import numpy as np

CLEAR, END, FIRST = 256, 257, 258
MAX_CODES = 4700                                    # codes between two CLEARs, more than an encoder may write
USUAL_CODES = 3850                                  # encoders write CLEAR before these, when the table is full
_number = np.arange(MAX_CODES)
_defined = np.maximum(FIRST - 1 + _number, FIRST)   # the entry that each code defines, by its number after a CLEAR
_widths = 9 + sum(_defined >= limit for limit in (511, 1023, 2047))
_ends = np.cumsum(_widths)
_largest = np.where(_number == 0, 255, np.minimum(_defined, 4095)).astype(np.int32)
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
        codes = _codes(triples, at, min(there, USUAL_CODES))
        stop = _first_stop(codes)
        if stop == len(codes) < there:
            codes = _codes(triples, at, there)
            stop = _first_stop(codes)
        if stop == MAX_CODES or np.any(codes[:stop] > _largest[:stop]):
            raise ValueError("its LZW data are damaged")
        if stop == there or codes[stop] == END:
            return
        at += int(_ends[stop])


def _codes(triples, at, number):
    """Return `number` codes from a bit on, at which a CLEAR stands or the first code after one."""
    phase = at & 7
    return (triples[at >> 3:][_bytes[phase, :number]] >> _shifts[phase, :number]) & _masks[:number]


def _first_stop(codes):
    """Return the index of the first CLEAR or END, or the number of codes where there is none."""
    stops = codes & ~1 == CLEAR
    first = int(stops.argmax()) if len(stops) else 0
    return first if len(stops) and stops[first] else len(codes)
