"""How far a training run has come, and the state that its next step begins with: values."""

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from .. import metrics
from ..network.stemnet import StemNet
from ..optimizers import SGD


def no_sums():
    """Return the sums of an epoch without a step."""
    return {"cost": 0.0, **asdict(metrics.Counts(0, 0, 0, 0))}


@dataclass
class Progress:
    """How far a run has come; a model file holds these numbers by their names."""

    epoch: int = 0                  # epochs that are done
    position: int = 0               # batches of the next epoch that are done
    step: int = 0                   # steps since the beginning
    sums: dict = field(default_factory=no_sums)     # cost and counts of pixels, over the steps of the present epoch
    best_f1: float = -1.0           # pooled F1 in validation of the best epoch; below every F1 before there is one
    best_cost: float = 0.0          # cost of that epoch in validation

    @classmethod
    def read(cls, saved):
        """Return the Progress that a model file holds; raise one of `saved.UNUSABLE` where no run can be so far."""
        for name in ("epoch", "position", "step"):
            value = saved[name]
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
                raise ValueError(f"{name} is {str(value)[:40]!r}")
        cost = saved["best_cost" if "best_cost" in saved else "best_val_loss"]          # the name in earlier versions
        found = cls(saved["epoch"], saved["position"], saved["step"], {name: saved["sums"][name] for name in no_sums()},
                    float(saved["best_f1"]), float(cost))
        if not np.isfinite([*found.sums.values(), found.best_f1, found.best_cost]).all():
            raise ValueError("its numbers are not finite")
        before = found.step - found.position                    # steps of the epochs that are done, which are alike
        if before < found.epoch or before % max(found.epoch, 1):
            raise ValueError(f"step {found.step} is not that of epoch {found.epoch}, batch {found.position}")
        return found


class State(NamedTuple):
    """All that the next step of a run depends on, beside its settings and its data."""

    network: StemNet
    optimizer: SGD                  # or another optimizer
    rows: list                      # of metrics.csv, a dict for each epoch that is done, by `metrics.COLUMNS`
    progress: Progress
