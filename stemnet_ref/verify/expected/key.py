"""The keys of tensors: STEP/KIND/NAME, as docs/golden.md lists them; of a layer alone, the names of its outputs."""

from functools import cache
from typing import NamedTuple


class Key(NamedTuple):
    """The parts of a key."""

    step: int | None    # counted from 1; 0 is before the first; None for "input", and for a layer alone
    kind: str           # "forward", "backward", "gradient", "parameter" or "cost"; the whole key where step is None
    name: str           # name of the layer or the parameter, if any

    @classmethod
    @cache
    def of(cls, text):
        """Return the parts of a key."""
        step, _, rest = text.partition("/")
        kind, _, name = (rest or text).partition("/")
        return cls(int(step) if rest else None, kind, name)

    @property
    def layer(self):
        """Layer to which the tensor belongs, as conventions name it."""
        if self.step is None:
            return "input"
        return "cost" if self.kind == "cost" or self[1:] == ("backward", "logits") else owner(self.name)

    def at_step(self, step):
        """Return the key of the same tensor in another step."""
        return "/".join(filter(None, (str(step), self.kind, self.name)))


def owner(name):
    """Return the layer, as conventions name it, to which a layer of the topology or a parameter belongs.

    What belongs to a transposed convolution has its own: up0.deconv beside up0.
    """
    block, _, own = name.partition(".")
    if block in ("logits", "probabilities"):
        return "output"
    return f"{block}.deconv" if own.startswith("deconv") else block
