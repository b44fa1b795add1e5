"""What of a golden file was compared, and whether that is enough for a verdict.

A kind of tensors is the KIND of its keys, as docs/golden.md lists them. The input and the parameters before the first
step are what an implementation begins with: a file may hold them, but they say nothing of what it computes.
"""

from ..errors import InputError, pluralize
from .expected.key import Key

NOTHING = "says nothing"    # verdict on a tensor whose numbers differ, where the reference's own mean nothing
KINDS = {"input": "inputs", "forward": "forward tensors", "cost": "costs", "backward": "backward tensors",
         "gradient": "gradients of parameters", "parameter": "parameters"}
# Without --only, one of each of these is needed. A parameter after a step follows from its gradient.
NEEDED = {"cost": ("cost",), "gradient": ("gradient", "parameter", "backward")}
TAKES = f"kinds with commas between them, of {', '.join(KINDS)}"


def kinds(text):
    """Return the kinds that a text names, with commas between them, a tuple."""
    found = tuple(each.strip() for each in text.split(","))
    if not set(found) <= set(KINDS):
        raise ValueError(text)
    return found


def is_begun_with(key):
    """Return whether a tensor is one that an implementation begins with: the input, or a parameter of step 0."""
    return not Key.of(key).step


def choose(keys, only, path):
    """Return those of the keys in a file that are compared.

    Parameters
    ----------
    keys : list of str
        Keys of tensors that the file holds.
    only : tuple of str
        The kinds that were asked for; none for all. What the implementation begins with is compared beside them.
    path : path
        The file, for messages.

    Raises
    ------
    InputError
        If a kind that was asked for is missing; or if nothing is left that an implementation computes.
    """
    if not only:
        if all(map(is_begun_with, keys)):
            raise InputError(f"{path}: holds nothing that your implementation computes, only what it begins with, "
                             f"{keys[0]} the first; add costs and gradients, or ask for the input by --only input")
        return keys
    chosen = [key for key in keys if is_begun_with(key) or Key.of(key).kind in only]
    for kind in only:
        if not any(Key.of(key).kind == kind and (kind == "input" or not is_begun_with(key)) for key in chosen):
            raise InputError(f"{path}: --only {kind}: it holds no {kind} of a golden file; leave {kind} out of --only")
    return chosen


def lacking(report, only=()):
    """Return the text for what a verdict needs and was not compared; nothing if all is there, or was not asked for."""
    have = {row.parts.kind for row in report.rows if row.parts.step and row.verdict != NOTHING}
    lacks = [name for name, enough in NEEDED.items() if report.known and not only and not have & set(enough)]
    if not lacks:
        return ""
    return (f"no {' and no '.join(lacks)} was compared; give {' and '.join(f'{name}s' for name in lacks)}, or ask for "
            f"this part alone by --only {','.join(kind for kind in KINDS if kind in have)}")


def share(report):
    """Return the text for how many tensors were compared, of all that an implementation of the golden file computes."""
    compared = {row.key for row in report.rows if row.parts.step and row.verdict != NOTHING}
    if not compared:                                        # a layer alone, or the input alone
        return pluralize(len(report.rows), "tensor")
    return f"{len(compared)} of {pluralize(len(compared.union(report.known)), 'tensor')}"


def left_out(report):
    """Return the text that counts, by kind, the tensors of the golden file that were not compared; "" if none."""
    compared, counts = {row.key for row in report.rows}, {}
    for key in report.known:
        count = counts.setdefault(Key.of(key).kind, [0, 0])
        count[0] += key not in compared
        count[1] += 1
    parts = [f"{'all ' if missing == of else ''}{missing}{'' if missing == of else f' of {of}'} {KINDS[kind]}"
             for kind, (missing, of) in counts.items() if missing]
    return f"not compared: {', '.join(parts)}" if parts else ""
