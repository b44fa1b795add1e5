"""What the sentences of a Report claim: conventions, with their values and scopes, and hints."""

import re
from typing import NamedTuple

from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS

ALTERNATIVE = "Or, which these numbers cannot tell apart"
NOTHING = re.compile(r"(\S+: )?(no convention known here explains it(, nor do two together|\. (Pairs of them were not"
                     r"|Not all of them and of their pairs were) tried[^.]*)?\.( Give more tensors\.)?"
                     r"( The gradient agrees: [^.]*\.)?"
                     r"|not all conventions were tried[^.]*\.)")
HINTS = {               # by the word for a hint in `Deviation.hint`: a pattern of what it says
    "format": "TF32|float16|half precision|rounded to",
    "early": "saved before optimizer.step",
    "copy": "saved without a copy",
    "zeroed": "saved after zero_grad",
    "begin": "not begin with the golden file's parameters",
    "mask": "is the mask another",
    "factor": "times the reference's",
    "zero": "all its numbers are 0",
    "rate": "learning rate another",
    "uphill": "goes up the gradient",
    "still": "what it was before the step",
    "nan": "NaN or infinite",
}
OTHER = "other"         # the word for a hint that none of the patterns knows: it is never right
CLOSE = 1e-3            # a value is right that differs by this share of it at most


class Claim(NamedTuple):
    """What one sentence says of one convention."""

    name: str
    value: str          # as it is written; "" without one
    labels: list        # layers and steps in which the convention holds; none for everywhere
    alternative: bool   # whether it is said beside another explanation only


def pattern(does):
    """Return the pattern of the sentences with which a convention is diagnosed."""
    text, value = "", "(?P<value>[^;]+?)"
    for part in re.split(r"(\{\w+\})", does):
        text += value if part == "{value}" else "[^;]+?" if part.startswith("{") else re.escape(part)
        value = "(?P=value)" if part == "{value}" else value
    return re.compile(rf"(?P<scope>((in|from|up to) .+?, )*){text}; the reference has .*", re.IGNORECASE)


PATTERNS = {name: pattern(each.does) for name, each in CONVENTIONS.items()}


def parts(said):
    """Return the sentences in a diagnosis, a list, and whether they are said beside another explanation only."""
    alternative = re.match(rf'{ALTERNATIVE}(, in place of ".*?")?: ', said)
    return said[alternative.end():].split(" And: ") if alternative else [said], bool(alternative)


def claims(report):
    """Return the Claims in the sentences of a report, a list; of conventions that are alike there is one for each."""
    return [Claim(name, found.groupdict().get("value") or "", labels(found["scope"]), alternative)
            for sentences, alternative in map(parts, report.diagnoses) for said in sentences
            for name, each in PATTERNS.items() if (found := each.fullmatch(said))]


def labels(scope):
    """Return the layers and steps that the beginning of a sentence names, a list."""
    return re.findall(r"\b(?:input|down\d+|up\d+|output|cost)(?:\.\w+)*", scope) + [
        each.lower() for each in re.findall(r"((?:in|from|up to) step [^,]+),", scope, re.IGNORECASE)]


def hints(report):
    """Return (word, sentence) of each sentence that is of no convention and says more than that nothing is known."""
    return [(word, said) for diagnosis in report.diagnoses for said in parts(diagnosis)[0]
            if not NOTHING.fullmatch(said) and not any(each.fullmatch(said) for each in PATTERNS.values())
            for word in [each for each, says in HINTS.items() if re.search(says, said)] or [OTHER]]


def same(value, other):
    """Return whether two values, as they are written, are the same but for CLOSE."""
    if value == other:
        return True
    try:
        one, two = ([float(each) for each in text.split(" and ")] for text in (value, other))
    except ValueError:
        return False
    return len(one) == len(two) and all(abs(a - b) <= CLOSE * abs(b) for a, b in zip(one, two, strict=True))
