"""What is said of the conventions can be said under every setting."""

import re
from importlib import import_module
from pkgutil import iter_modules

import pytest

from stemnet_ref.verify.diagnosis import conventions
from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS, everywhere, sentence


def test_a_name_stands_for_one_convention():
    modules = [import_module(f"{conventions.__name__}.{each.name}") for each in iter_modules(conventions.__path__)]
    parts = [module.CONVENTIONS for module in modules if hasattr(module, "CONVENTIONS")]
    assert len(parts) > 4
    assert sum(map(len, parts)) == len(CONVENTIONS)
    assert {*CONVENTIONS} == {name for part in parts for name in part}
    assert all(re.fullmatch(r"[a-z][a-z0-9_.-]*", name) for name in CONVENTIONS)


@pytest.mark.parametrize(("momentum_form", "adam_form"), [("thesis", "tensorflow"), ("tensorflow", "kingma")])
def test_a_sentence_is_whole(momentum_form, adam_form):
    for name, convention in CONVENTIONS.items():
        said = [sentence(held, {"momentum_form": momentum_form, "adam_form": adam_form}) for held in everywhere(name)]
        assert len({*said}) == (len(said) if "{value}" in convention.does else min(len(said), 1))
        for each in said:
            assert re.fullmatch(r"[A-Z0-9].*; the reference has .*; .*[^.]\.", each), each
            assert not re.search(r"[{}]|None", each), each


def test_what_the_reference_has_is_a_thing_and_no_clause():
    for convention in CONVENTIONS.values():
        first = re.split(r"[,;(:]", convention.reference)[0]            # follows "the reference has"
        assert not re.search(r"\b(is|go|goes|takes|shares?|means|sums|class 0)\b", first) or "on class 0" in first
