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
    claimed = frozenset(report.conventions)
    hints = [word for said in report.diagnoses for word, pattern in HINTS.items()
             if not is_of_a_convention(said, claimed) and re.search(pattern, said) and word not in planted.hint]
    rights = [right for right in planted.right if claimed <= right]
    if not shown and claimed not in rights:
        return "accused", ""
    if claimed and not rights:
        hedged = any(right and right <= claimed | alternatives(report) for right in planted.right)
        return ("right", "as an alternative") if hedged and len(claimed) == 1 else (
            "false", "names " + " ".join(sorted(claimed - frozenset().union(*planted.right))) or "a surplus")
    for name, layers in report.conventions.items():
        if wrong := wrong_scope(planted, layers):
            return "false", f"{name} {wrong}"
    if hints:
        return "false", f"hint: {hints[0]}"
    missed = any(layers and planted.layers and set(layers) < planted.layers for layers in report.conventions.values())
    if claimed in rights and not missed:
        return "right", ""
    return "unknown", "in part" if claimed else ""


def is_of_a_convention(said, claimed):
    return any(CONVENTIONS[name].does[1:40] in said for name in claimed if name in CONVENTIONS) or ALTERNATIVE in said


def alternatives(report):
    """Return the names of the conventions that a report gives as alternatives."""
    texts = [said for said in report.diagnoses if said.startswith(ALTERNATIVE)]
    return frozenset(name for name, each in CONVENTIONS.items() for said in texts
                     if each.does.partition("{")[0][1:] in said)


def wrong_scope(planted, layers):
    """Return what is wrong with the layers in which a convention is said to hold, None for everywhere; or ""."""
    everywhere = frozenset(LAYERS.get(planted.family, ()))
    if planted.family == "pair" or not everywhere:
        return ""
    if layers is None:
        return "everywhere, not in some layers" if planted.layers and planted.layers < everywhere else ""
    if extra := set(layers) - (planted.layers or everywhere):
        return f"in {' '.join(sorted(extra))}, where it is not"
    return "" if planted.layers or everywhere == set(layers) else "in some layers, not everywhere"
