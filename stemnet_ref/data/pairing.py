"""Pair frames with their masks by name or number."""

import re
from collections import Counter
from dataclasses import replace

from ..errors import InputError, pluralize
from .discovery import challenge
from .discovery.mixed import shared_beginning
from .discovery.patterns import read_by
from .discovery.selection import UNCHOSEN, ChoiceNeeded
from .discovery.sequences import gaps, time_indices
from .discovery.truth import complete
from .frames import find, in_order, spans


def find_pairs(frames, masks, log=print, sparse=False, lenient=False, selection=UNCHOSEN):
    """Return the frames at a path, and the mask of each, None for one without.

    Parameters
    ----------
    frames, masks : path or str
        Folder, glob pattern or file. `masks` is None, or names the same set, where the layout of the Cell Tracking
        Challenge says which masks belong to the frames; there frames may be without a mask.
    sparse : bool
        Whether frames may be without a mask.
    lenient, selection, log
        Arguments of `frames.find`, and one of the common arguments of `data`.

    Raises
    ------
    InputError
        If frames and masks cannot be found or paired.
    """
    folders, found = challenge.sequences(frames), find(frames, "--frames", lenient, selection)
    if masks is None and not folders:
        raise InputError("--masks: missing beside --frames; give both")
    of_masks = challenge.sequences(masks) if masks is not None else folders
    if not (folders and of_masks):
        paired = pair(found, _find_masks(masks, lenient, selection, found, log), log, sparse)
    elif not {folder.resolve() for folder in folders} <= {folder.resolve() for folder in of_masks}:
        raise InputError(f"--masks {masks}: another set of the Cell Tracking Challenge than {frames}; leave "
                         "--masks out, or name the folder of the masks alone")
    else:
        paired = _truth(found, folders, lenient, selection)
    selection.check_effect(found, paired, "--frames")
    return found, complete(paired, log, lenient)


def masks_of(frames, masks, log=print, sparse=False, selection=UNCHOSEN, lenient=False):
    """Return the masks to measure predictions by: a dict from each frame that has one to its mask.

    Parameters
    ----------
    frames : list of Frame
        A single one may come with the masks of its whole folder.
    masks, log, sparse, selection, lenient
        Arguments of `find_pairs`; in a set of the Cell Tracking Challenge frames may be without a mask.

    Raises
    ------
    InputError
        If masks cannot be found or paired.
    """
    folders = challenge.sequences(masks)
    if folders:
        paired = _truth(frames, folders, lenient, selection)
        if not any(paired):
            raise InputError(f"--masks {masks}: has no truth of {spans(frames)}; name the set that they are of, or a "
                             "folder of masks")
    else:
        found = _find_masks(masks, lenient, selection, frames, log)
        single = len(frames) == 1 < len(found)
        paired = [mask_of(frames[0], found)] if single else pair(frames, found, log, sparse)
    return {frame: mask for frame, mask in zip(frames, complete(paired, log, lenient), strict=True) if mask}


def _find_masks(where, lenient, selection, frames, log):
    """Return the masks at a path; raise InputError where numbers of slices could be taken for those of times.

    ImageJ calls the planes of any stack slices. Where the frames have none, and each sequence has as many, they are its
    time points. Where each frame is a slice of a file of its own, so is its mask, also if that does not say so; but a
    single file with a page for each frame counts them.
    """
    of_slices = all(frame.page is None and "Z" in frame.several for frame in frames)
    try:
        masks = find(where, "--masks", lenient, selection.of_masks(of_slices))
        if of_slices and len(masks) == 1 < len(frames):
            pages = find(where, "--masks", lenient, selection.of_masks())
            masks = pages if len(pages) == len(frames) else masks
    except ChoiceNeeded:
        try:
            masks = find(where, "--masks", lenient, replace(selection, z="time").of_masks())
        except InputError:
            masks = []
        lengths = [sorted(Counter(each.sequence for each in kind).values()) for kind in (frames, masks)]
        if selection.z is not None or any("Z" in frame.several for frame in frames) or lengths[0] != lengths[1]:
            raise
        log(f"note: the slices of {masks[0].path} are taken for time points: there are as many as frames, which have "
            "no slices")
    for mask in masks:
        part = challenge.slice_of(mask.path)
        if part is not None and challenge.holds_slices(mask.path):
            raise InputError(f"--masks {where}: holds truth of single slices, such as {mask.path.name}; name the "
                             f"whole set, and choose a slice by --z {part}")
    return masks


def _truth(frames, folders, lenient, selection):
    """Return the mask that sequences of the Cell Tracking Challenge have for each frame, None where there is none."""
    truth = {file.resolve(): mask for file, mask in challenge.truth_files(folders, selection.z).items()}
    masks = {mask.path: mask for mask in in_order(list(truth.values()), "--masks", lenient, selection.of_masks())}
    return [masks[truth[path]] if (path := frame.path.resolve()) in truth else None for frame in frames]


def pair(frames, masks, log=print, sparse=False):
    """Return the masks in the order of the frames, paired by name or number, never by position alone.

    The first of these that gives every frame one mask is taken: equal names; names equal but for a beginning and an
    end that all frames, or all masks, share (``frame2009_1_2.png`` with ``mask2009_1_2.png``); equal numbers in the
    names (``t1.png`` with ``man_seg001.png``); equal sequences and frame numbers, as --pattern may read them; equal
    frame numbers, where there is one sequence of each; equal places in time, where of two sequences without gaps one is
    named by times and the other counts. Where only the numbers or the places are equal, `log` gets a line that shows
    the first and the last pair: masks that count from 0 beside frames that count from 1, some of them left out, would
    pair too. With `sparse` every mask must have its frame, and a frame without a mask has None; `log` gets that line
    then too, since pages may be of other time points.

    Raises
    ------
    InputError
        If a frame or a mask is left over; the message names it.
    """
    best = None
    for by_number, rule in _pairing_rules(frames, masks):
        by_key = {rule(mask): mask for mask in masks}
        keys = [rule(frame) for frame in frames]
        matched = sum(key in by_key for key in keys)
        if len(by_key) == len(masks) == matched and len(set(keys)) == len(frames) and (sparse or matched == len(keys)):
            paired = [by_key.get(key) for key in keys]
            if by_number or None in paired:
                log(f"note: frames and masks were paired by their {'numbers' if by_number else 'names'}, "
                    f"{first_and_last(frames, paired)}")
            return paired
        if best is None or matched > best[0]:
            best = matched, rule
    raise InputError(_unpaired(frames, masks, best[1], sparse))


def mask_of(frame, masks):
    """Return the one mask of a single frame, among the masks of its whole folder.

    Raises
    ------
    InputError
        If no mask, or more than one, has its name or its numbers.
    """
    for _, rule in _pairing_rules([frame], masks):
        found = [mask for mask in masks if rule(mask) == rule(frame)]
        if len(found) == 1:
            return found[0]
    raise InputError(f"--masks: none of the {pluralize(len(masks), 'mask')} has the name or the number of {frame}; "
                     "give the path of its mask")


def _pairing_rules(frames, masks):
    """Return the rules, the strictest first: whether a rule compares numbers alone, and the key that pairs share."""
    rules = [(False, lambda frame: (frame.label, frame.page)), (False, _without_shared_words(frames, masks)),
             (True, lambda frame: frame.numbers), (True, lambda frame: (frame.sequence, frame.timed, frame.number))]
    if len({frame.sequence for frame in frames}) == len({mask.sequence for mask in masks}) == 1:
        rules.append((True, lambda frame: (frame.timed, frame.number)))
        if frames[0].timed != masks[0].timed and len(frames) == len(masks) > 1 and not gaps(frames) + gaps(masks) and (
                all(each[0].timed or each[0].number in (0, 1) for each in (frames, masks))):
            index_of = {each: index for kind in (frames, masks)
                        for each, index in zip(kind, time_indices(kind), strict=True)}
            rules.append((True, index_of.__getitem__))
    return rules


def _without_shared_words(frames, masks):
    """Return a function from a frame or mask to its label, without what all frames, or all masks, share.

    Shared are folders with one name for all, and words at the beginning and the end. Words hold no digits, because
    numbers tell files apart.
    """
    rest = {}
    for kind in (frames, masks):
        parts = [each.label.split("/") for each in kind]
        if len({len(each) for each in parts}) == 1:
            columns = [column for column in zip(*parts, strict=True) if len(set(column)) > 1]
            parts = list(zip(*columns, strict=True)) if columns else [each[-1:] for each in parts]
        labels = ["/".join(each) for each in parts]
        begin, end = len(_shared_word(labels)), len(_shared_word([label[::-1] for label in labels]))
        for each, label in zip(kind, labels, strict=True):
            rest[each] = label[begin:max(begin, len(label) - end)], each.page
    return rest.__getitem__


def _shared_word(labels):
    """Return the longest beginning, without a digit, that all labels share."""
    return re.match(r"\D*", shared_beginning(labels)).group()


def _unpaired(frames, masks, rule, sparse):
    """Return a message that names a frame without mask, or a mask without frame."""
    frame_at, mask_at = ({rule(each): each for each in kind} for kind in (frames, masks))
    lonely_frames = [frame for frame in frames if rule(frame) not in mask_at]
    lonely_masks = [mask for mask in masks if rule(mask) not in frame_at]
    counts = f"--masks: {pluralize(len(frames), 'frame')} and {pluralize(len(masks), 'mask')}"
    remedy = "give a frame and its mask the same number"
    if 0 < len(lonely_masks) < len(masks) and (sparse or not lonely_frames):
        words = "mask is of a frame that was" if len(lonely_masks) == 1 else "masks are of frames that were"
        return (f"{counts}; {len(lonely_masks)} {words} not given (the first, {lonely_masks[0]}); if the pairs "
                f"{first_and_last([frame_at.get(rule(mask)) for mask in masks], masks)} are right, name only the masks "
                "of these frames")
    if lonely_masks or (lonely_frames and not sparse):
        lonely = [f"no {other} belongs to {each[0]}" + f" and {len(each) - 1} more" * (len(each) > 1)
                  for other, each in (("mask", lonely_frames), ("frame", lonely_masks)) if each]
        if by_pattern := _pattern_for(frames, masks, sparse):
            remedy = f"the frame numbers agree; if nothing else in the names matters, give --pattern {by_pattern}"
        elif not lonely_masks:
            if all(frame.page is not None for frame in lonely_frames):      # whose numbers are places in a file alone
                remedy = "give masks as files whose numbers are those of their pages, from 1"
            remedy += (f", or, if the pairs {first_and_last(frames, [mask_at.get(rule(frame)) for frame in frames])} "
                       "are right, let the other frames be neighbours only by --sparse-masks")
        return f"{counts}; {', '.join(lonely)}; {remedy}"
    first, second = next((each, last[rule(each)]) for kind, last in ((frames, frame_at), (masks, mask_at))
                         for each in kind if each is not last[rule(each)])
    return f"{counts}; {first} and {second} have the same numbers; {remedy}, or the same name"


def _pattern_for(frames, masks, sparse):
    """Return as text the --pattern by which frames and masks pair, if their frame numbers are the same, else ""."""
    of_frames, of_masks = (Counter((each.timed, each.number) for each in kind) for kind in (frames, masks))
    agree = of_masks <= of_frames if sparse else of_masks == of_frames
    if len(of_masks) == 1 or not agree or any(each.page is not None or "*" in each.sequence for each in frames):
        return ""
    paths, labels = [frame.path for frame in frames], [frame.label for frame in frames]
    pattern = shared_beginning([path.stem for path in paths]).rstrip("0123456789") + "{t}*"
    read = read_by(pattern, paths, labels, strict=False)
    if len(of_frames) == len(frames) and [name.number for name in read] == [frame.number for frame in frames]:
        return f'"{pattern}"'
    return "with {t} in place of the frame number, {s} of what tells sequences apart, and * of the rest"


def first_and_last(frames, masks):
    """Return as text the first and the last pair that lacks neither frame nor mask."""
    both = [f"{frame.name} with {mask.name}" for frame, mask in zip(frames, masks, strict=True) if frame and mask]
    return f"from {both[0]} to {both[-1]}"
