"""Names of arrays that a golden file has not, and the names that were probably meant."""

import difflib
import re

from ..errors import pluralize

MAX_NAMES = 3           # unknown names in a message
AS_GIVEN = "about", "frames", "labels", "class_weights"         # a golden file's arrays that no implementation makes


def unknown(names, golden, known):
    """Return those of the names that are neither keys of tensors, `known`, nor of other arrays of the golden file."""
    masks = {f"{step}/mask/{name}" for step, _, name in (key.partition("/") for key in golden.masks)}
    return [name for name in names if name not in known and name not in AS_GIVEN and name not in masks]


def described(names, known, steps):
    """Return the text for unknown names: how many there are, and of the first few what was probably meant."""
    texts = [f"{name[:80]!r}{_meant(name, known, steps)}" for name in names[:MAX_NAMES]]
    texts += [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return f"{pluralize(len(names), 'array')} under no name of the golden file: {', '.join(texts)}"


def _meant(name, known, steps):
    """Return the text that follows an unknown name, in parentheses; nothing where no known name is like it."""
    step, _, rest = name.partition("/")
    if step.isdecimal() and f"{steps}/{rest}" in known:
        return f" (its steps are counted from 1 to {steps})"
    squeezed = _squeeze(name)
    alike = [key for key in known if squeezed.endswith(_squeeze(key)) or _squeeze(key).endswith(squeezed)
             ] if len(squeezed) > 3 else []
    exact = [key for key in alike if squeezed.endswith(_squeeze(key))]
    # a name without its step may be that of several tensors; parameters before the first step are seldom meant
    first = [key for key in alike if not key.startswith("0/")]
    alike = exact[-1:] or first[:2] or alike[:1] or difflib.get_close_matches(name, known, 1)
    return f" (did you mean {' or '.join(map(repr, alike))}?)" if alike else ""


def _squeeze(name):
    """Return a name in small letters without what separates its parts."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
