"""Tell by their names masks that lie among the frames of one folder, such as ``t1_mask.png`` beside ``t1.png``."""

import glob
import os
import re
from fnmatch import fnmatchcase

from ...errors import InputError

WORD = re.compile(r"[^\W\d_]+|\d+")
OF_MASKS = {"mask", "masks", "seg", "segmentation", "label", "labels", "labelled", "labeled", "annotation", "gt"}
OF_FRAMES = {"img", "image", "images", "im", "raw", "frame", "frames", "phase", "brightfield", "bf", "dic", "orig",
             "original", "input"}


def check_apart(files, option, where):
    """Raise InputError where masks lie among frames, with patterns that name each of them alone.

    A mask is a file whose name is that of another file of its folder but for a word for masks.

    Parameters
    ----------
    files : list of Path
    option, where : str
        What the user named the files by.
    """
    masks = masks_among(files)
    if not masks:
        return
    mask, frame = next(iter(masks.items()))
    frames = [file for file in files if file not in masks]
    patterns = [_pattern(frames, [*masks]), _pattern([*masks], frames)]
    remedy = ("name the frames by '{}' and the masks by '{}', with the quotes".format(*patterns) if all(patterns)
              else "move the masks into a folder of their own")
    raise InputError(f"{option} {where}: holds frames and masks among one another, such as {frame.name} with "
                     f"{mask.name}; {remedy}")


def masks_among(files):
    """Return those files that are masks of others among them: a dict from mask to frame."""
    words = {file: WORD.findall(file.stem.lower()) for file in sorted(files)}
    frame_of, marked = {}, {}
    for file, all_words in words.items():
        rest = _without(all_words, OF_MASKS)
        if rest == all_words:
            for key in (all_words, _without(all_words, OF_FRAMES)):
                frame_of.setdefault((file.parent, *key), file)
        else:
            marked[file] = (file.parent, *rest)
    return {file: frame_of[key] for file, key in marked.items() if key in frame_of}


def _without(words, some):
    """Return words without some, and without cellpose's "cp" before one."""
    return [word for word, after in zip(words, [*words[1:], ""], strict=True)
            if word not in some and not (word == "cp" and after in some)]


def _pattern(files, others):
    """Return a glob pattern for files of one folder that fits none of the others, or None."""
    folders = {file.parent for file in (*files, *others)}
    if len(folders) > 1:
        return None
    names, other_names = [file.name for file in files], [file.name for file in others]
    begin, end = shared_beginning(names).rstrip("0123456789"), shared_beginning([name[::-1] for name in names])[::-1]
    last = "".join(sorted({file.stem[-1] for file in others}))
    around = glob.escape(begin), glob.escape(end.lstrip("0123456789"))
    for pattern in [glob.escape(names[0])] if len(names) == 1 else [middle.join(around)
                                                                    for middle in ("*", "*[0-9]", f"*[!{last}]")]:
        if all(fnmatchcase(name, pattern) for name in names) and not any(fnmatchcase(name, pattern)
                                                                         for name in other_names):
            return os.path.join(glob.escape(str(folders.pop())), pattern)
    return None


def shared_beginning(names):
    """Return the longest beginning that all names share."""
    first, last = min(names), max(names)                # all others lie between them
    return first[:next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
