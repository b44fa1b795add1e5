"""What can be seen in numbers that depart, where no convention explains them."""

import numpy as np

from ...errors import pluralize

OTHER_PARAMETERS = ("the training does not begin with the golden file's parameters; load them, and no others. Nothing "
                    "else has been looked for.")
UNKNOWN = "no convention known here explains it, nor do two together."
HURRIED = ("no convention known here explains it, nor do those two together that were tried; not all were, since that "
           "would take long; give more tensors.")
ENOUGH = 8              # numbers: fewer are a factor of others by chance


def of_all(comparison):
    """Return what is said of all tensors together before any convention is tried, or ""."""
    for kind in ("gradient", "parameter"):
        earlier = [row for row in comparison.rows if row.parts.kind == kind and row.parts.step
                   and row.parts.at_step(row.parts.step + 1) in comparison.actual]
        if earlier and all(_same_later(row, comparison.actual) for row in earlier) and any(
                row.verdict == "departs" for row in earlier):
            return (f"the numbers of {pluralize(len(earlier), kind)}, {earlier[0].key} the first, are those of the "
                    "next step too: were they saved without a copy, .clone() in PyTorch, and then changed in place?")
    return ""


def _same_later(row, actual):
    """Return whether a tensor is given with the same numbers for the next step."""
    return np.array_equal(actual[row.key], actual[row.parts.at_step(row.parts.step + 1)])


def of_row(row, comparison, trace):
    """Return what is seen in a row under the conventions of a trace, or ""."""
    step, kind, name = row.parts
    exact = trace.computed(row.key).value
    actual = np.asarray(comparison.actual[row.key], np.float64)
    if not np.isfinite(actual).all():
        return f"{(~np.isfinite(actual)).sum()} numbers are NaN or infinite; the reference's are finite."
    allowed = exact.error + 4 * trace.unit * abs(exact.array)
    before, what = 0.0, "numbers are"
    if kind == "parameter":
        before, what = trace.value(row.parts.at_step(step - 1)).array, "step is"
    moved, expected = actual - before, exact.array - before
    factor = np.vdot(expected, moved) / max(np.vdot(expected, expected), 1e-300)
    if actual.size >= ENOUGH and (abs(moved - factor * expected) <= abs(factor) * allowed + 1e-300).all():
        why = " Is the learning rate another, or the gradient clipped?" if kind == "parameter" else ""
        return f"no convention known here explains it, but the {what} {factor:.7g} times the reference's.{why}"
    if kind == "forward" and name.endswith(".dropout"):
        return ("no convention known here explains it; is the mask another? Take the golden file's, or export one "
                "with --keep-prob 1.")
    return ""
