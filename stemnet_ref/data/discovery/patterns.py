"""Read the sequence and the frame number of files from their names by a pattern of the user's, --pattern."""

import re

from ...errors import InputError, pluralize
from .names import Name, marked, numbers_of, read
from .times import READINGS


def read_by(pattern, paths, labels, strict=True):
    """Return a Name for each label, with the frame number where a pattern has {t}.

    Parameters
    ----------
    pattern : str
        A file's name, or the end of its path, with or without suffix: {t} is the number or the time that counts the
        frames, {s} what tells sequences apart, and * anything that does not matter, both within a name.
    paths : list of Path
    labels : list of str
        The ends of these paths, without suffix.
    strict : bool
        Whether all files must match; else none is read by the pattern where one does not.

    Raises
    ------
    InputError
        If the pattern has no {t}, or files do not match it.
    """
    option = f"--pattern {pattern}"
    if pattern.count("{t}") != 1:
        raise InputError(f"{option}: must hold {{t}} once, in place of the frame number, as in "
                         '"img_{t}_Phase_000.tif"')
    if strict and not paths:
        raise InputError(f"{option}: is for files of one frame each, and here all hold several, which are numbered "
                         "within their file; leave --pattern out")
    lost = paths
    for reading in READINGS:
        found = [_match(pattern, path, *reading) for path in paths]
        unmatched = [path for path, match in zip(paths, found, strict=True) if match is None]
        if not unmatched:
            break
        lost = min(lost, unmatched, key=len)
    else:
        if not strict:
            return read(labels)
        do = "does" if len(lost) == 1 else "do"
        raise InputError(f"{option}: {pluralize(len(lost), 'file')} of {len(paths)} {do} not match, the first "
                         f"{lost[0]}; put * in the pattern for what differs, or choose files by a quoted glob pattern")
    numbers, timed = numbers_of([field for field, _ in found])
    named = []
    for label, number, (_, before_end) in zip(labels, numbers, found, strict=True):
        spans = [(max(0, len(label) - start), len(label) - end, mark) for start, end, mark in before_end
                 if end <= len(label)]
        named.append(Name(marked(label, spans), number, timed))
    return named


def matches(pattern, path):
    """Return whether a path matches a pattern of `read_by`."""
    return any(_match(pattern, path, *reading) for reading in READINGS)


def _match(pattern, path, form, read_field):
    """Return the Field at {t}, and the spans of {t} and each *, from the end of the stem, with marks; or None."""
    parts = path.absolute().parts[-1 - pattern.count("/"):]
    name = "/".join(parts)
    stem = name.removesuffix(path.suffix)
    forms = {"{t}": f"(?P<t>(?i:{form.pattern}))", "{s}": "[^/]*?"}
    pieces = [f"(?P<ignored{at}>[^/]*?)" if piece == "*" else forms.get(piece, re.escape(piece))
              for at, piece in enumerate(re.split(r"(\*|\{t\}|\{s\})", pattern))]
    for text in (name, stem):
        match = re.fullmatch("".join(pieces), text)
        field = match and read_field(form.fullmatch(match["t"]))
        if field:
            marks = {"t": "#", **{group: "*" for group in match.groupdict() if group.startswith("ignored")}}
            return field, sorted(((len(stem) - match.start(group), len(stem) - match.end(group), mark)
                                  for group, mark in marks.items()), reverse=True)
    return None
