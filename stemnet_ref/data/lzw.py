"""Check LZW data before they are decompressed: imagecodecs follows codes that were never defined, and may crash.

TIFF 6.0, section 13. Codes of 9 to 12 bits, the highest bit first. 256 empties the table; the first code after it is a
byte, and each one after that defines the next entry, from 258, which it may itself name.
"""

import numpy as np

CLEAR, END, FIRST = 256, 257, 258
CODES = 4700                                        # between two CLEARs, more than an encoder may write
_defined = np.maximum(FIRST - 1 + np.arange(CODES), FIRST)         # the entry that the code at each place defines
_widths = 9 + np.add.reduce([_defined >= limit for limit in (511, 1023, 2047)]).astype(np.int64)
_ends = np.cumsum(_widths)
_starts = _ends - _widths
_largest = np.where(np.arange(CODES) == 0, 255, np.minimum(_defined, 4095)).astype(np.int32)
_masks = ((1 << _widths) - 1).astype(np.int32)


def check(data):
    """Raise ValueError if data name a code that is not defined.

    Parameters
    ----------
    data : bytes
        One strip or tile.
    """
    if data[:1] != b"\x80" or len(data) < 2 or data[1] & 128:
        raise ValueError("its LZW data are damaged, or of a style older than TIFF 6: save it anew")
    padded = np.frombuffer(data + bytes(4), np.uint8).astype(np.int32)
    bits, at = 8 * len(data), 0
    while True:
        number = min(CODES, int(np.searchsorted(_ends, bits - at, side="right")))       # that are there in full
        for most in (min(number, 3900), number):                    # encoders empty the table before
            codes = _codes(padded, at, most)
            stops = np.flatnonzero((codes == CLEAR) | (codes == END))
            if len(stops):
                break
        stop = int(stops[0]) if len(stops) else number
        if np.any(codes[:stop] > _largest[:stop]) or stop == CODES:
            raise ValueError("its LZW data are damaged")
        if stop == number or codes[stop] == END:
            return
        at += int(_ends[stop])


def _codes(padded, at, number):
    """Return the codes that begin at a bit, the first after a CLEAR, or a CLEAR."""
    places = at + _starts[:number]
    byte, rest = places >> 3, (places & 7).astype(np.int32)
    value = (padded[byte] << 16) | (padded[byte + 1] << 8) | padded[byte + 2]
    return (value >> (24 - rest - _widths[:number].astype(np.int32))) & _masks[:number]
