"""Pair frames with their masks by name or number."""

import re

from ..errors import InputError


def pair(frames, masks):
    """Return the masks in the order of the frames, paired by name or number, never by position alone.

    The first of these that gives every frame one mask is taken: equal names; names equal but for a beginning and an
    end that all frames, or all masks, share (``frame2009_1_2.png`` with ``mask2009_1_2.png``); equal numbers in the
    names (``t1.png`` with ``man_seg001.png``); equal frame numbers, where there is one sequence of each.

    Raises
    ------
    InputError
        If a frame or a mask is left over; the message names it.
    """
    best = None
    for rule in _pairing_rules(frames, masks):
        by_key = {rule(mask): mask for mask in masks}
        keys = [rule(frame) for frame in frames]
        matched = sum(key in by_key for key in keys)
        if len(by_key) == len(masks) == len(set(keys)) == len(frames) == matched:
            return [by_key[key] for key in keys]
        if best is None or matched > best[0]:
            best = matched, rule
    raise InputError(_unpaired(frames, masks, best[1]))


def mask_of(frame, masks):
    """Return the one mask of a single frame, among the masks of its whole folder.

    Raises
    ------
    InputError
        If no mask, or more than one, has its name or its numbers.
    """
    for rule in _pairing_rules([frame], masks):
        found = [mask for mask in masks if rule(mask) == rule(frame)]
        if len(found) == 1:
            return found[0]
    raise InputError(f"--masks: no one of {len(masks)} masks has the name or the number of {frame}; "
                     "name its mask alone")


def _pairing_rules(frames, masks):
    """Return functions from a frame or mask to what must be equal in a pair, the strictest first."""
    rules = [lambda frame: (frame.label, frame.page), _without_shared_words(frames, masks), lambda frame: frame.numbers]
    if len({frame.sequence for frame in frames}) == len({mask.sequence for mask in masks}) == 1:
        rules.append(lambda frame: frame.number)
    return rules


def _without_shared_words(frames, masks):
    """Return a function from a frame or mask to its label less what all of its kind share.

    That is folders with one name for all, and words at the beginning and the end. Words hold no digits: numbers tell
    files apart.
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
    first, last = min(labels), max(labels)              # all others lie between them
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return re.match(r"\D*", first[:length]).group()


def _unpaired(frames, masks, rule):
    """Return a message that names a frame without mask, or a mask without frame."""
    frame_keys, mask_keys = [rule(frame) for frame in frames], [rule(mask) for mask in masks]
    known_frames, known_masks = set(frame_keys), set(mask_keys)
    lonely_frames = [frame for frame, key in zip(frames, frame_keys, strict=True) if key not in known_masks]
    lonely_masks = [mask for mask, key in zip(masks, mask_keys, strict=True) if key not in known_frames]
    counts = f"{len(frames)} frames and {len(masks)} masks"
    remedy = "give a frame and its mask the same number"
    if lonely_frames:
        return (f"--masks: {counts}; {len(lonely_frames)} frames have no mask, "
                f"the first is {lonely_frames[0]}; {remedy}")
    if lonely_masks:
        return f"--masks: {counts}; {len(lonely_masks)} masks have no frame, the first is {lonely_masks[0]}; {remedy}"
    twins = {}
    for kind, keys in ((frames, frame_keys), (masks, mask_keys)):
        seen = {}
        for each, key in zip(kind, keys, strict=True):
            twins = twins or ({"first": seen[key], "second": each} if key in seen else {})
            seen[key] = each
    return (f"--masks: {counts}; {twins['first']} and {twins['second']} have the same numbers; {remedy}, "
            "or the same name")
