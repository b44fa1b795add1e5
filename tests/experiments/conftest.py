"""What the tests of the experiments count, and leave undrawn."""

import pytest
from PIL import Image

from stemnet_ref.experiments import page
from stemnet_ref.training.step import Steps


@pytest.fixture
def no_figures(no_figures, monkeypatch):
    """Leave out the runs' figures, and put white pixels in place of the experiment's."""
    def blank(*arguments):
        Image.new("L", (1, 1), 255).save(arguments[-1])

    monkeypatch.setattr(page, "plot", blank)
    monkeypatch.setattr(page, "plot_compared", blank)


@pytest.fixture
def count_steps(monkeypatch):
    """A list that gets the number of every step of training."""
    steps, original = [], Steps.run

    def count_and_run(self, batch, step):
        steps.append(step)
        return original(self, batch, step)

    monkeypatch.setattr(Steps, "run", count_and_run)
    return steps
