"""The cost of a network's logits, by its name; the gradients of all costs are in network/test_gradient.py."""

import numpy as np
import pytest

from stemnet_ref.cost import COSTS, Cost


def test_a_cost_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="Cost: name='focal' must be one of weighted_cross_entropy, cross_entropy, "
                                         "dice, quadratic"):
        Cost("focal")


@pytest.mark.parametrize("name", COSTS[1:])
def test_a_cost_without_weights_refuses_some(name):
    """They would change nothing, or make the cross-entropy another cost than eq. 5."""
    with pytest.raises(ValueError, match=rf"class_weights=\(1.0, 2.0\) must be ones with name='{name}'"):
        Cost(name, (1.0, 2.0))


def test_every_name_is_a_cost_of_its_own():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((1, 4, 4, 2)), rng.integers(0, 2, (1, 4, 4))
    assert len({float(Cost(name, (1.0, 1.0 + (name == COSTS[0]))).forward(logits, labels)[0]) for name in COSTS}) == 4
