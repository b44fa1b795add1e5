"""Gold truth of the Cell Tracking Challenge that holds all cells of its frame, and what stands in for the rest.

In most sets gold masks were drawn of some of the cells; taken as the whole truth, all others would be background.
``01_GT/TRA/man_track000.tif`` has a numbered marker for each cell of a frame, and silver masks hold them all.
"""

from dataclasses import replace

import numpy as np

from ...errors import InputError, pluralize
from ..images import read_values
from ..masks.regions import regions
from . import challenge

COMPLETE = 0.9      # of the marked cells. With fewer a mask is partial: one of ten may be just entering the frame, but
                    # no fewer than ten may lack one: silver truth, or a frame less, costs less than unseen cells
DRAWN = 0.5         # of a marker's pixels: the cell is in the mask where more are, as the challenge counts it found


def complete(masks, log=print, lenient=False):
    """Return masks with silver truth, or None, in place of gold truth that holds only some of the cells.

    Parameters
    ----------
    masks : list of Frame or None
        Masks of any layout; only those in a folder of the challenge's gold truth are examined.
    lenient : bool
        Whether to keep a mask that cannot be read, and to warn of markers or silver truth that cannot be read;
        otherwise it is an error.

    Raises
    ------
    InputError
        If no mask is left.
    """
    whole, partial, unknown, replaced = list(masks), [], [], 0
    gold = [(at, mask) for at, mask in enumerate(masks) if mask and challenge.is_gold(mask.path)]
    for at, mask in gold:
        silver = challenge.silver_of(mask.path)
        markers = challenge.markers_of(mask.path)
        references = [file for file in (markers, silver) if file]
        if not references:
            unknown.append(mask)
            continue
        try:
            drawn = read_values(mask) > 0
        except InputError:
            if not lenient:
                raise
            continue                                        # it is left out, and named, by whoever reads it next
        held = marked = None
        for reference in references:
            try:
                held, marked = _count(mask, drawn, _beside(mask, reference))
                break
            except InputError as error:
                if not lenient:
                    raise
                log(f"warning: {error}")
        if held is None:
            log(f"warning: {mask}: left out, because nothing tells whether it holds all cells of its frame")
            whole[at] = None
        elif held < COMPLETE * marked:
            words = "marked in" if reference == markers else "in"
            partial.append(f"{mask}: {held} of the {pluralize(marked, 'cell')} {words} {reference}")
            whole[at] = silver and _beside(mask, silver)
            replaced += bool(silver)
    hold = {True: "holds", False: "hold"}
    if partial:
        line = (f"{len(partial)} of {pluralize(len(gold), 'gold mask')} {hold[len(partial) == 1]} only some "
                f"of the frame's cells (the first, {partial[0]})")
        if not any(whole):
            raise InputError(f"{line}, and there is no silver truth; take a set with silver truth (01_ST), or name "
                             "masks of all cells by --masks")
        without = len(partial) - replaced
        instead = [f"silver truth is taken in place of {replaced}"] * (replaced > 0)
        instead += [f"{without} without silver truth left out, the frames seen as neighbours only"] * (without > 0)
        log(f"note: {line}; {', '.join(instead)}")
    if unknown:
        log(f"note: nothing tells whether {pluralize(len(unknown), 'gold mask')} (the first, {unknown[0]}) "
            f"{hold[len(unknown) == 1]} all cells of the frame, neither markers (01_GT/TRA) nor silver truth (01_ST); "
            "a cell that is left out would count as background")
    return whole


def _beside(mask, file):
    """Return the same frame and slice of another file as a mask's."""
    part = challenge.slice_of(mask.path)
    planes = mask.planes if part is None or file.name == mask.path.name else ((part, 0),)
    return replace(mask, path=file, label=mask.label.replace("_GT", "_ST"), planes=planes)


def _count(mask, drawn, reference):
    """Return how many of the cells of a reference a mask holds, which is `drawn` there, and how many there are."""
    markers = read_values(reference)
    if drawn.shape != markers.shape:
        raise InputError("{}: {} x {} pixels, but {} {} x {}; one of them belongs to another set".format(
            reference, *markers.shape, mask, *drawn.shape))
    numbers = markers if len(np.unique(markers[markers > 0])) > 1 else regions(markers)
    of_all, of_drawn = (dict(zip(*np.unique(part, return_counts=True), strict=True))
                        for part in (numbers[numbers > 0], numbers[(numbers > 0) & drawn]))
    held = sum(of_drawn.get(number, 0) > DRAWN * pixels for number, pixels in of_all.items())
    return held, len(of_all)
