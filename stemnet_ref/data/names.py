"""Read the sequence and the frame number of a file from its name.

The frame number is the last number in a name, and the rest of the name is the sequence: ``frame2009_1_2.png`` is frame
2 of sequence ``frame2009_1_#``. A last number that stands after a letter and is the same in all files, as in
``t001_ch0.tif``, ``t002_ch0.tif``, is passed over.
"""

import re

NUMBER = re.compile(r"\d+")


def frame_field(label, rows):
    """Return which of a label's numbers counts the frames: the last.

    A last number that is the same in all files of the group and stands after a letter, as in ``t001_ch0``, is passed
    over where an earlier one differs.
    """
    letters = [label[match.start() - 1:match.start()].isalpha() for match in NUMBER.finditer(label)]
    varies = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    field = len(varies) - 1
    while field >= 0 and not varies[field] and letters[field]:
        field -= 1
    return field if field >= 0 and any(varies[:field + 1]) else len(varies) - 1


def sequence_of(label, field):
    """Return the label with # in place of the number at `field`."""
    spans = [match.span() for match in NUMBER.finditer(label)]
    if not spans:
        return label
    start, end = spans[field]
    return f"{label[:start]}#{label[end:]}"


def natural(text):
    """Return a key that sorts numbers within a text as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
