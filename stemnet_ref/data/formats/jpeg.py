"""Check JPEG data before they are decompressed: the library fills missing rows, and takes memory for any size."""

END = b"\xff\xd9"
NO_FRAMES = 0xC4, 0xC8, 0xCC            # markers among 0xC0 to 0xCF that begin no frame: tables, and a reserved one


def check(data, height, width):
    """Raise ValueError unless the data are whole and hold one grey picture within this size.

    Parameters
    ----------
    data : bytes
        One strip or tile.
    height, width : int
        Size of a whole strip or tile, in pixels.
    """
    if data.rstrip(b"\0")[-2:] != END:
        raise ValueError("its JPEG data are cut off")
    at = 2
    while data[at:at + 1] == b"\xff" and at + 9 < len(data):
        marker = data[at + 1]
        if marker == 0xFF:                          # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in NO_FRAMES:
            rows, columns, samples = (int.from_bytes(data[at + 5:at + 7], "big"),
                                      int.from_bytes(data[at + 7:at + 9], "big"), data[at + 9])
            if not (0 < rows <= height and 0 < columns <= width and samples == 1):
                raise ValueError(f"its JPEG data are of {rows} x {columns} pixels of {samples} values: it is damaged")
            return
        else:
            at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    raise ValueError("its JPEG data are damaged")
