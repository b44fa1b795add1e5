"""What can be seen in numbers that depart, where no convention explains them."""

import numpy as np

from ...errors import pluralize
from ..compare import ENOUGH, Comparison
from ..difference import allowed
from ..expected.key import Key
from ..expected.rounding import FORMATS
from ..expected.trace import Trace

NOTHING_ELSE = "Nothing else has been looked for."
OTHER_PARAMETERS = (f"the training does not begin with the golden file's parameters; load them, and no others. "
                    f"{NOTHING_ELSE}")
BEGUN = "the training began with the golden file's parameters, for step 1 agrees, but these are"
NOT_BEGUN = f"{BEGUN} others. {NOTHING_ELSE}"
OF_LATER = (f"{BEGUN} those of a later step: were they saved without a copy, .clone() in PyTorch, and then changed in "
            f"place? {NOTHING_ELSE}")
ZEROED = ("all gradients are 0, but the {}: were the gradients saved after zero_grad()? Save them before it. "
          f"{NOTHING_ELSE}")
NOT_KNOWN = "no convention known here explains it"
NOT_FOUND = "no convention that was tried explains it"      # where not all were
UNKNOWN = f"{NOT_KNOWN}, nor do two together."
HURRIED = f"{NOT_KNOWN}. Not all of them and of their pairs were tried, for that takes long."
OTHERS_LEFT = "not all conventions were tried, for that takes long: others may explain it as well."
SPREAD = ("another order of sums explains what departs, but not all conventions were tried before it, for that takes "
          "long: one of them may explain it, too.")
TOO_FEW = f"{NOT_KNOWN}. Pairs of them were not tried, for so few numbers say too little."
MORE = " Give more tensors."
OF_UPDATE = " The gradient agrees: the optimizer is another, or its settings, or the learning rate."
WORDS = {"half": "float16", "bfloat16": "bfloat16", "float32": "float32"}       # of the formats that results have


def of_all(comparison):
    """Return what is said of all tensors together before any convention is tried, or ""."""
    parameters = [row.key for row in comparison.rows if row.parts.kind == "parameter" and row.parts.step]
    start = getattr(comparison.trace, "golden", None) and comparison.trace.golden.parameters
    unmoved = [key for key in parameters if np.array_equal(comparison.actual[key], np.asarray(
        start[Key.of(key).name], comparison.actual[key].dtype))]
    if unmoved and len(unmoved) == sum(Key.of(key).step == 1 for key in parameters) and _are_of_the_step_before(
            parameters, comparison):
        return ("the parameters of each step are those before it: they were saved before optimizer.step(). Save them "
                f"after it. {NOTHING_ELSE}")
    gradients = [row for row in comparison.rows if row.parts.kind == "gradient"]
    if any(row.verdict == "departs" for row in gradients) and not any(
            np.any(comparison.actual[row.key]) for row in gradients):
        if unmoved != parameters:
            return ZEROED.format("parameters change")
        if not parameters and _costs_go_on(gradients, comparison):
            return ZEROED.format("costs are those of a training")
    if unmoved == parameters:                               # nothing is changed in place, for nothing is changed
        return ""
    for kind in ("gradient", "parameter"):
        earlier = [row for row in comparison.rows if row.parts.kind == kind and row.parts.step
                   and row.parts.at_step(row.parts.step + 1) in comparison.actual]
        if earlier and all(_same_later(row, comparison.actual) for row in earlier) and any(
                row.verdict == "departs" for row in earlier):
            return (f"the numbers of {pluralize(len(earlier), kind)}, {earlier[0].key} the first, are those of the "
                    "next step too: were they saved without a copy, .clone() in PyTorch, and then changed in place?")
    return ""


def of_start(comparison):
    """Return what is said of parameters before the first step that depart."""
    others = [row.key for row in comparison.rows if row.parts.step == 0 and row.verdict == "departs"]
    given = {key: array for key, array in comparison.actual.items() if key not in others}
    if not _agree([key for key in comparison.keys if Key.of(key).step == 1], given, comparison.trace):
        return OTHER_PARAMETERS
    later = all(any(Key.of(each)[1:] == Key.of(key)[1:] and np.array_equal(array, comparison.actual[key])
                    for each, array in given.items()) for key in others)
    return OF_LATER if later else NOT_BEGUN


def _are_of_the_step_before(parameters, comparison):
    """Return whether all parameters agree if each is taken for that of the step before it, and no cost departs then.

    A cost that departs as it is too says nothing.
    """
    shifted = {key: array for key, array in comparison.actual.items() if key not in parameters} | {
        Key.of(key).at_step(Key.of(key).step - 1): comparison.actual[key] for key in parameters}
    costs = [row.key for row in comparison.rows if row.parts.kind == "cost" and row.verdict == "agrees"]
    return _agree([key for key in parameters if key in shifted], shifted, comparison.trace) and (
        not costs or _agree(costs, shifted, comparison.trace))


def _costs_go_on(gradients, comparison):
    """Return whether costs depart with the gradients that are given, some rows, and all agree without these."""
    costs = [row for row in comparison.rows if row.parts.kind == "cost"]
    zeros = {row.key for row in gradients}
    return any(row.verdict == "departs" for row in costs) and _agree(
        [row.key for row in costs], {key: each for key, each in comparison.actual.items() if key not in zeros},
        comparison.trace)


def _agree(keys, given, trace):
    """Return whether all tensors of some keys, and there are some, agree where others are given than to a trace."""
    rows = Comparison(Trace(trace.golden, given, trace.unit, inexact=trace.inexact), keys, given).rows
    return bool(rows) and all(row.verdict == "agrees" for row in rows)


def _same_later(row, actual):
    """Return whether a tensor is given with the same numbers, that are finite and not all 0, for the next step."""
    array = actual[row.key]
    return np.any(array) and np.isfinite(array).all() and np.array_equal(
        array, actual[row.parts.at_step(row.parts.step + 1)])


def _factor(key, comparison, trace):
    """Return the factor by which the numbers of a tensor, or the step of a parameter, are the reference's, or None."""
    exact, actual, before = trace.computed(key).value, np.asarray(comparison.actual[key], np.float64), begun(key, trace)
    bound = allowed(exact, trace.unit)
    moved, expected = actual - before, exact.array - before
    factor = np.vdot(expected, moved) / max(np.vdot(expected, expected), 1e-300)
    return factor if (abs(moved - factor * expected) <= abs(factor) * bound + 1e-300).all() else None


def begun(key, trace):
    """Return what a parameter was before the step that a key names; 0 of another tensor."""
    parts = Key.of(key)
    return trace.value(parts.at_step(parts.step - 1)).array if parts.kind == "parameter" else 0.0


def _stored(key, comparison, trace):
    """Return the short format to which all numbers of a tensor are rounded that else agree, or ""."""
    exact, actual = trace.computed(key).value, np.asarray(comparison.actual[key], np.float64)
    bound = allowed(exact, trace.unit)
    for name, word in WORDS.items():
        cut = FORMATS[name].cut
        if FORMATS[name].unit > trace.unit and comparison.distinct(key) >= ENOUGH and np.array_equal(
                cut(actual), actual) and (
                    (cut(exact.array - bound) <= actual) & (actual <= cut(exact.array + bound))).all():
            return word
    return ""


def _why(factor, comparison, trace):
    """Return what may be behind a parameter's step that is another by a factor: no rate, if one step contradicts it."""
    departing = [row.key for row in comparison.rows if row.verdict == "departs" and row.parts.kind == "parameter"]
    not_so = next((key for key in departing if np.size(comparison.actual[key]) >= ENOUGH
                   and _factor(key, comparison, trace) is None), None)
    if not_so:
        return f" One factor on the learning rate does not explain {not_so}."
    return " Is the learning rate another, or the gradient clipped?"


def of_row(row, comparison, trace):
    """Return what is seen in a row under the conventions of a trace, or ""."""
    _, kind, name = row.parts
    actual = np.asarray(comparison.actual[row.key], np.float64)
    if not np.isfinite(actual).all():
        wrong = np.count_nonzero(~np.isfinite(actual))
        return (f"{NOT_KNOWN}: {pluralize(wrong, 'number')} {'are' if wrong > 1 else 'is'} NaN or infinite; the "
                "reference's are finite.")
    if kind == "parameter" and np.array_equal(actual, trace.value(row.parts.at_step(row.parts.step - 1)).array):
        return (f"{NOT_KNOWN}, but it is what it was before the step: does it require a gradient, and was it given to "
                "the optimizer?")
    if short := _stored(row.key, comparison, trace):
        return f"{NOT_KNOWN}, but all its numbers are rounded to {short}: it was computed or saved in that format."
    factor = _factor(row.key, comparison, trace)
    if kind == "parameter" and actual.size >= ENOUGH and factor is not None and factor < 0:
        return f"{NOT_KNOWN}, but the step goes up the gradient: it must be subtracted."
    if actual.size >= ENOUGH and factor == 0 and kind != "parameter":
        return f"{NOT_KNOWN}, but all its numbers are 0."
    if actual.size >= ENOUGH and factor is not None:
        what = "step is" if kind == "parameter" else "numbers are"
        why = _why(factor, comparison, trace) if kind == "parameter" else ""
        return f"{NOT_KNOWN}, but the {what} {factor:.7g} times the reference's.{why}"
    exact = trace.computed(row.key).value
    both = (actual != 0) & (exact.array != 0)
    if kind == "forward" and name.endswith(".dropout") and ((actual != 0) != (exact.array != 0)).any() and (
            abs(actual - exact.array) <= allowed(exact, trace.unit))[both].all():
        return f"{NOT_KNOWN}; is the mask another? Take the golden file's, or export one with --keep-prob 1."
    return ""
