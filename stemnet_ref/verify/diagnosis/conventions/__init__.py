"""The conventions in which implementations are known to differ from the reference, in the order of the data.

Each is tried by computing what departs once more under it (`expected`), and named when the other side's numbers come
out. `data`, `layers`, `others`, `cost`, `training` and `precision` have what is said of them.
"""

from ...expected.rounding import Held
from . import cost, data, layers, others, precision, training
from .training import FORMS

CONVENTIONS = {name: each for part in (data, layers, others, cost, training, precision)
               for name, each in part.CONVENTIONS.items()}


def everywhere(name):
    """Return a convention with each of its values that are tried, a list of Held."""
    convention = CONVENTIONS[name]
    return [Held(name, value=value) for value in convention.values or (() if convention.estimated_from else (None,))]


def sentence(held, training, scope=""):
    """Return the diagnosis of a convention found, one sentence.

    Parameters
    ----------
    held : expected.rounding.Held
    training : dict
        The golden file's settings: what the other form is depends on them. Empty for a layer alone.
    scope : str
        What `scopes.words` says of where it holds.
    """
    does, reference, change = CONVENTIONS[held.name][:3]
    text = f"{scope}{does}; the reference has {reference}; {change}."
    if "{" in text:
        values = held.value if isinstance(held.value, tuple) else (held.value,)
        value = " and ".join(_number(each) if isinstance(each, float) else str(each) for each in values)
        forms = (training.get("momentum_form", "thesis"), f"adam {training.get('adam_form', 'kingma')}")
        text = text.format(value=value, **{key: word for form in forms for key, word in FORMS[form].items()})
    return text[0].upper() + text[1:]


def _number(value):
    """Return a float with as few digits as give it nearly: beta2 of 0.99996 is not 1, and 0.000299997 is 0.0003."""
    texts = (f"{value:.{digits}g}" for digits in range(4, 18))
    return next(text for text in texts if abs(float(text) - value) <= 2e-5 * abs(value))
