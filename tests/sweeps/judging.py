"""What came of a comparison, held against what was planted."""

import re
import signal
import time
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from claims import claims, hints, same
from deviation import LAYERS

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.golden import keys

VIEWS = {               # by name: a pattern of the keys that are given
    "all": "",
    "training": r"^\d+/(cost|gradient|parameter)",
    "script": r"^1/(forward/logits|backward/logits|cost|gradient/)",
    "relu": r"^1/forward/.*(\.relu|deconv_relu|\.pool)$",
}
SHOWN = 30              # unit roundoffs of a tensor's largest number: what differs by more was planted
FINE = "right", "among", "unknown"


class Outcome(NamedTuple):
    """What came of one deviation in one view."""

    planted: str
    family: str
    kind: str           # listed: a name is right; unlisted: none is
    implementation: str
    view: str
    shown: bool         # whether the deviation changes what is given
    # right; among: right among alternatives, of which the first is wrong; unknown; false; undetected; timeout; of what
    # is not shown: right or accused
    verdict: str
    detail: str         # why it is false
    first: str          # the first tensor that departs
    first_right: bool
    named: str
    said: str
    seconds: float


@contextmanager
def limited(seconds):
    """Raise a TimeoutError after some seconds of the processor."""
    def stop(*_):
        raise TimeoutError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def judge(planted, golden, actual, plain, implementation, view, limit):
    """Return the Outcome; `actual` and `plain` have the tensors of the deviating and of the right implementation.

    `limit` is the number of seconds of the processor that the comparison may take.
    """
    given = {key: each for key, each in actual.items() if re.search(VIEWS[view], key)}
    order = [key for key in keys(golden, 1) if key in given]
    changed = [key for key in order if differs(given[key], {**golden.arrays, **plain}[key], golden.input.dtype)]
    shown = bool(changed) and planted.kind != "right run"
    outcome = Outcome(planted.name, planted.family, planted.kind, implementation, view, shown, "timeout", "", "",
                      not shown, "", "", 0.0)
    begun = time.process_time()
    try:
        with limited(limit):
            report = diagnose(compare(golden, given))
    except TimeoutError:
        return outcome._replace(seconds=time.process_time() - begun)
    seconds = time.process_time() - begun
    first = report.first.key if report.first else ""
    named = "; ".join(name + (f" in {' '.join(layers)}" if layers else "")
                      for name, layers in report.conventions.items())
    verdict, detail = verdict_of(planted, report, shown)
    return outcome._replace(verdict=verdict, detail=detail, first=first, named=named, seconds=seconds,
                            first_right=not shown or first == changed[0], said=" | ".join(report.diagnoses))


def differs(actual, plain, precision):
    actual, plain = np.float64(actual), np.float64(plain)
    unit = SHOWN * (2.0 ** -24 if precision == np.float32 else 2.0 ** -53)
    return not (abs(actual - plain) <= unit * abs(plain).max(initial=0)).all()


def verdict_of(planted, report, shown):
    """Return what a report is worth, and why."""
    departs = any(row.verdict in ("departs", "follows") for row in report.rows)
    if not shown and not departs:
        return "right", ""
    if report.agrees:
        return "undetected", ""
    said = claims(report)
    names = {known_as(name, planted, report): labels for name, labels in report.conventions.items()}
    others = {each.name: each.labels for each in said if each.alternative}
    claimed = frozenset(names)
    rights = [right for right in planted.right if claimed <= right]
    if not shown and claimed not in rights:
        return "accused", ""
    hinted = [f"hint: {text}" for word, text in hints(report) if word not in planted.hint.split()]
    if claimed and not rights:
        hedged = [right for right in planted.right
                  if 0 < len(claimed - right) <= len((right - claimed) & others.keys())]
        if not hedged:
            extra = sorted(claimed - frozenset().union(*planted.right)) or sorted(claimed)
            return "false", f"names {' '.join(extra)}"
        whole = [right for right in hedged if right <= claimed | others.keys()]
        wrong = min((wrongs(planted, {**others, **names}, right, said) for right in whole or hedged), key=len)
        if wrong := wrong + hinted:
            return "false", wrong[0]
        return ("among", "") if whole else ("unknown", "in part, among alternatives")
    if wrong := wrongs(planted, names, claimed, said) + hinted:
        return "false", wrong[0]
    missed = any(labels and set(layers_of(labels)) < (part_of(planted, name).layers or set())
                 for name, labels in names.items())
    if claimed in rights and planted.whole and not missed:
        return "right", ""
    return "unknown", "in part" if claimed else ""


def wrongs(planted, names, right, said):
    """Return what is wrong with the values and scopes of the right names that are said, a list of words."""
    found = []
    for name in sorted(right & names.keys()):
        part = part_of(planted, name)
        found += [f"{name} {wrong}" for wrong in [wrong_scope(part, names[name])] if wrong]
        value, of = part.values.get(name), [each for each in said if each.name == name]
        values = [each.value for each in of if not each.alternative] or [each.value for each in of]
        if value is not None and not (values and all(same(each, value) for each in values)):
            found.append(f"{name} of {' and of '.join(values) or 'no value'}, not of {value}")
    return found


def part_of(planted, name):
    """Return which of two deviations a name is right of; of one alone itself."""
    return next((part for part in planted.parts if any(name in right for right in part.right)), planted)


def known_as(name, planted, report):
    """Return the name that a deviation has for a convention, with the value in it, if the report says the value."""
    for each in frozenset().union(*planted.right):
        found = re.fullmatch(re.escape(name) + "_([0-9.e-]+)", each)
        if found and any(f"{float(found[1]):.4g}" in said for said in report.diagnoses):
            return each
    return name


def layers_of(labels):
    """Return the blocks of labels: a transposed convolution belongs to its own."""
    return [label.partition(".")[0] for label in labels if "step" not in label]


def wrong_scope(planted, labels):
    """Return what is wrong with where a convention is said to hold, words for layers and steps or None; or ""."""
    everywhere = frozenset(LAYERS.get(planted.family, ()))
    steps = [label for label in labels or () if "step" in label]
    if steps != ([planted.steps] if planted.steps else []):
        return f"in {' '.join(steps) or 'every step'}, not {planted.steps or 'in every step'}"
    layers = frozenset(layers_of(labels or ()))
    if not everywhere or (not layers and not planted.layers):
        return ""
    if not layers:
        return "everywhere, not in some layers" if planted.layers != everywhere else ""
    if extra := layers - (planted.layers or everywhere):
        return f"in {' '.join(sorted(extra))}, where it is not"
    return "" if planted.layers or everywhere == layers else "in some layers, not everywhere"
