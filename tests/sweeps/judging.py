"""What came of a comparison, held against what was planted."""

import re
from typing import NamedTuple

import numpy as np
from deviation import LAYERS

from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.golden import keys

VIEWS = {               # by name: a pattern of the keys that are given
    "all": "",
    "training": r"^\d+/(cost|gradient|parameter)",
    "script": r"^1/(forward/logits|backward/logits|cost|gradient/)",
    "relu": r"^1/forward/.*(\.relu|deconv_relu|\.pool)$",
}
SHOWN = 30              # unit roundoffs of a tensor's largest number: what differs by more was planted
ALTERNATIVE = "Or, which these numbers cannot tell apart"
HINTS = {               # by the word for a hint in `Deviation.hint`: a pattern of what it says
    "format": "TF32|float16|half precision",
    "early": "saved before optimizer.step",
    "copy": "saved without a copy",
    "begin": "not begin with the golden file's parameters",
    "mask": "is the mask another",
    "factor": "learning rate another",
}


class Outcome(NamedTuple):
    """What came of one deviation in one view."""

    planted: str
    family: str
    kind: str           # listed: a name is right; unlisted: none is
    implementation: str
    view: str
    shown: bool         # whether the deviation changes what is given
    verdict: str        # right, unknown, false, undetected; of what is not shown: right or accused
    detail: str         # why it is false
    first: str          # the first tensor that departs
    first_right: bool
    named: str
    said: str
    seconds: float


def judge(planted, golden, actual, plain, implementation, view, clock):
    """Return the Outcome; `actual` and `plain` have the tensors of the deviating and of the right implementation."""
    given = {key: each for key, each in actual.items() if re.search(VIEWS[view], key)}
    order = [key for key in keys(golden, 1) if key in given]
    changed = [key for key in order if differs(given[key], plain[key], golden.input.dtype)]
    begun = clock()
    report = diagnose(compare(golden, given))
    seconds = clock() - begun
    first = report.first.key if report.first else ""
    named = "; ".join(name + (f" in {' '.join(layers)}" if layers else "")
                      for name, layers in report.conventions.items())
    shown = bool(changed) and planted.kind != "right run"
    verdict, detail = verdict_of(planted, report, shown)
    return Outcome(planted.name, planted.family, planted.kind, implementation, view, shown, verdict,
                   detail, first, not shown or first == changed[0], named, " | ".join(report.diagnoses), seconds)


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
    claims = {known_as(name, planted, report): labels for name, labels in report.conventions.items()}
    claimed = frozenset(claims)
    hints = [word for said in report.diagnoses if not is_of_a_convention(said, report.conventions)
             for word, pattern in HINTS.items() if re.search(pattern, said) and word not in planted.hint]
    rights = [right for right in planted.right if claimed <= right]
    if not shown and claimed not in rights:
        return "accused", ""
    if claimed and not rights:
        hedged = [right for right in planted.right
                  if 0 < len(claimed - right) <= len((right - claimed) & alternatives(report))]
        if any(right <= claimed | alternatives(report) for right in hedged):
            return "right", "as an alternative"
        return ("unknown", "in part") if hedged else (
            "false", "names " + " ".join(sorted(claimed - frozenset().union(*planted.right)) or sorted(claimed)))
    for name, labels in claims.items():
        if wrong := wrong_scope(planted, labels):
            return "false", f"{name} {wrong}"
    if hints:
        return "false", f"hint: {hints[0]}"
    missed = any(labels and planted.layers and set(layers_of(labels)) < planted.layers for labels in claims.values())
    if claimed in rights and planted.whole and not missed:
        return "right", ""
    return "unknown", "in part" if claimed else ""


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


def is_of_a_convention(said, claimed):
    return ALTERNATIVE in said or any(CONVENTIONS[name].does.partition("{")[0][1:40] in said for name in claimed
                                      if name in CONVENTIONS)


def alternatives(report):
    """Return the names of the conventions that a report gives as alternatives."""
    texts = [said for said in report.diagnoses if said.startswith(ALTERNATIVE)]
    return frozenset(name for name, each in CONVENTIONS.items() for said in texts
                     if each.does.partition("{")[0][1:] in said)


def wrong_scope(planted, labels):
    """Return what is wrong with where a convention is said to hold, words for layers and steps or None; or ""."""
    everywhere = frozenset(LAYERS.get(planted.family, ()))
    if planted.family == "pair":
        return ""
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
