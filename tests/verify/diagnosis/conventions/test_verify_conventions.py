"""What is said of the conventions can be said under every setting."""

import re
from itertools import chain

import pytest

from stemnet_ref.verify.diagnosis.conventions import (
    CONVENTIONS,
    cost,
    data,
    everywhere,
    layers,
    precision,
    sentence,
    training,
)


def test_a_name_stands_for_one_convention():
    parts = [part.CONVENTIONS for part in (data, layers, cost, training, precision)]
    assert [*CONVENTIONS] == [*chain(*parts)]
    assert all(re.fullmatch(r"[a-z][a-z0-9_.-]*", name) for name in CONVENTIONS)


@pytest.mark.parametrize(("momentum_form", "adam_form"), [("thesis", "tensorflow"), ("tensorflow", "kingma")])
def test_a_sentence_is_whole(momentum_form, adam_form):
    for name in CONVENTIONS:
        said = [sentence(held, {"momentum_form": momentum_form, "adam_form": adam_form}) for held in everywhere(name)]
        assert len({*said}) == len(said)
        for each in said:
            assert re.fullmatch(r"[A-Z0-9].*; the reference has .*; .*[^.]\.", each), each
            assert not re.search(r"[{}]|None", each), each
