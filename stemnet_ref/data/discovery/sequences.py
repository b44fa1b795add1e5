"""The order of the frames in their sequences: which are neighbours, which are missing."""

from collections import Counter
from itertools import pairwise
from statistics import median_low

import numpy as np

from ...errors import listed, pluralize
from ..grouping import grouped
from .names import place_before


def window_indices(frames, channels, neighbours="frames"):
    """Return the frames that the network sees for each frame: itself in the middle, and its neighbours in time.

    X(j-2), X(j-1), X(j), X(j+1), X(j+2) of one sequence for five channels (thesis section 9), by `time_indices`. Where
    a frame is missing, as beyond both ends, the nearest existing one on the way to j is repeated.
    With `neighbours` "copies" the frame itself is in their places, as a fault of the listing's paths had it.

    Returns
    -------
    windows : int ndarray of shape (len(frames), channels)
        Indices into `frames`.
    """
    place_of = time_indices(frames)
    indices = {}
    for index, frame in enumerate(frames):
        indices.setdefault(frame.sequence, {})[place_of[index]] = index
    windows = np.repeat(np.arange(len(frames), dtype=np.intp)[:, None], channels, axis=1)
    middle = channels // 2 if neighbours == "frames" else 0
    for index, frame in enumerate(frames):
        at = indices[frame.sequence]
        for direction in (-1, 1):
            nearest = index
            for distance in range(1, middle + 1):
                nearest = at.get(place_of[index] + direction * distance, nearest)
                windows[index, middle + direction * distance] = nearest
    return windows


def time_indices(frames):
    """Return the place of each frame in its sequence, from 0; a missing frame leaves its place free.

    The way from one frame to the next is the difference of their numbers in `steps`, rounded, so that times may be a
    little late.
    """
    step_of, found = steps(frames), {}
    for sequence, those in _by_sequence(frames).items():
        place, before = 0, those[0].number
        for frame in those:
            if frame.number != before:
                place += _steps_between(before, frame.number, step_of[sequence])
            found[sequence, frame.number], before = place, frame.number
    return [found[frame.sequence, frame.number] for frame in frames]


def steps(frames):
    """Return how much the number rises from frame to frame in every sequence.

    That is the commonest difference between neighbouring numbers, the least of equals; of times, which vary a little,
    the median one.
    """
    found = {}
    for sequence, those in _by_sequence(frames).items():
        differences = Counter(b.number - a.number for a, b in pairwise(those))
        if those[0].timed and differences:
            found[sequence] = median_low(differences.elements())
        else:
            found[sequence] = min(differences, key=lambda step: (-differences[step], step), default=1)
    return found


def gaps(frames):
    """Return (sequence, count, words) for every sequence that leaves out so many frames; the words say which."""
    step_of, found = steps(frames), []
    for sequence, those in _by_sequence(frames).items():
        count, step, words = 0, step_of[sequence], []
        for a, b in pairwise(those):
            missing = _steps_between(a.number, b.number, step) - 1
            if not missing:
                continue
            count += missing
            first, last = a.number + step, a.number + step * missing
            if a.timed:
                words.append(f"{missing} between {a.name} and {b.name}")
            elif missing > 3:
                words.append(f"{first} to {last}")
            else:
                words += map(str, range(first, last + 1, step))
        if count:
            found.append((sequence, count, listed(words)))
    return found


def describe_gaps(frames):
    """Return a sentence about the first sequence that leaves out frames, and how many more do; None where none does."""
    found = gaps(frames)
    if not found:
        return None
    sequence, count, words = found[0]
    timed = any(frame.timed for frame in frames if frame.sequence == sequence)
    more = f"; {pluralize(len(found) - 1, 'more sequence')} with gaps" if len(found) > 1 else ""
    if timed:
        return f"{pluralize(count, 'frame')} missing in sequence {sequence}: {words}{more}"
    return f"{pluralize(count, 'frame number')} missing in sequence {sequence}, # being the number: {words}{more}"


def describe_sequences(frames, channels, log=print):
    """Say where sequences are too short for the network's window, and where the frame number may be misread."""
    sequences = _by_sequence(frames)
    short = [those for those in sequences.values() if len(those) < channels]
    if short:
        least = min(short, key=len)
        log(f"warning: {len(short)} of {pluralize(len(sequences), 'sequence')} {'has' if len(short) == 1 else 'have'} "
            f"fewer frames than the network sees at once, {channels}: {least[0].sequence} has {len(least)}; copies of "
            "frames stand in for the neighbours that they lack. If the names were misread, say by --pattern where "
            "the frame number is, with * for what tells no sequences apart; else a network of --channels 1 needs no "
            "neighbours")
    together = [sequence for sequence, (first, *_) in sequences.items()
                if sequence.count("#") - first.label.count("#") > 1]
    if together:
        log(f"note: the numbers in place of # in sequence {together[0]}{_and_more(together)} are read as one frame "
            "number; if that is wrong, give --pattern")
    doubtful = {sequence: word for sequence, those in sequences.items()
                if len(those) > 1 and (word := place_before(those[0].label, sequence))}
    if doubtful:
        sequence, word = next(iter(doubtful.items()))
        log(f"note: the number after {word} in sequence {sequence}{_and_more(doubtful)} is read as the frame number, "
            "though such numbers often count places, channels or slices; if that is wrong, give --pattern")
    chance = [sequence for sequence, (first, *_) in sequences.items() if "?" in sequence and "?" not in first.label]
    if chance:
        log(f"note: the numbers in place of ? in sequence {chance[0]}{_and_more(chance)} are taken to vary by chance "
            "and to tell no sequences apart; if that is wrong, give --pattern, with {s} in place of them")
    _describe_interleaved(sequences, log)


def _describe_interleaved(sequences, log):
    """Warn where the numbers of several sequences are those of one that has been cut into them."""
    frames = sorted(((frame.number, sequence) for sequence, those in sequences.items() for frame in those
                     if frame.page is None and not frame.timed), key=lambda pair: pair[0])
    numbers = {number for number, _ in frames}
    cut = {sequence for _, sequence in frames}
    runs = 1 + sum(a != b for (_, a), (_, b) in pairwise(frames))
    if len(cut) > 1 and len(frames) == len(numbers) >= 5 and (runs > len(cut) or len(cut) == len(frames)):
        log(f"warning: no two of {pluralize(len(cut), 'sequence')} have a frame number in common, and their frames "
            "take turns; if they are one time-lapse, say so by --pattern, with {t} in place of the frame number and * "
            f"of what else differs: {listed(sorted(cut)[:3])}")


def _and_more(sequences):
    """Return in words how many more sequences there are than one."""
    return f" and {len(sequences) - 1} more" if len(sequences) > 1 else ""


def _by_sequence(frames):
    """Return the frames of every sequence, in the order of their numbers."""
    return {sequence: sorted(those, key=lambda frame: frame.number)
            for sequence, those in grouped(frames, lambda frame: frame.sequence).items()}


def _steps_between(number, later, step):
    """Return how many steps lead from one number to a later one, at least 1."""
    return max(1, (2 * (later - number) + step) // (2 * step))
