"""Fail unless the default run on the sample learned: the validation F1 rose, and the pictures are there."""

import csv
import sys
from pathlib import Path

out = Path(sys.argv[1])
with open(out / "metrics.csv") as file:
    rows = list(csv.DictReader(file))
f1 = [float(row["f1_pooled"]) for row in rows]
seconds = sum(float(row["seconds"]) for row in rows)
print(f"pooled F1 from {f1[0]:.3f} to {f1[-1]:.3f}, best {max(f1):.3f}, {seconds:.0f} s in {len(rows)} epochs")
assert max(f1) > f1[0] + 0.03, "the validation F1 did not rise"     # 120 steps of the first epoch reach 0.5 to 0.73
assert max(f1) > 0.75, "cells were not found"                       # calling every pixel a cell gives 0.45
assert {path.name for path in (out / "figures").iterdir()} >= {"loss.png", "f1.png", "predictions.png"}
