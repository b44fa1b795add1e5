"""Run right implementations in random settings, and count those that are accused.

    PYTHONPATH=.:tests/support python tests/sweeps/right_runs.py 1000 --framework torch --out shares.csv

Every run has settings of its own, drawn from its number. PyTorch's twin computes in one of the ways of `right_ways`,
the others' twins as they are. What is given is looked at in three of eight views, and the largest share of its bound
that a tensor has in each is a row of the file.
"""

import argparse
import csv
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import actual, frameworks, golden
from stemnet_ref.verify.compare import compare
from stemnet_ref.verify.diagnosis.search import diagnose

COLUMNS = ("run", "framework", "dtype", "way", "view", "verdict", "share", "key", "settings")


def settings(number):
    """Return the arguments of `golden.from_seed` for a run, and what its settings are, as text."""
    rng = np.random.default_rng(number)

    def one_of(*values):
        return values[rng.integers(len(values))]

    preset = one_of("thesis", "thesis", "thesis-table2", "listing")
    levels = int(rng.integers(1, 5))
    chosen = {"preset": preset, "channels": one_of(1, 3, 5), "levels": levels, "features": int(rng.integers(1, 7)),
              "optimizer": one_of("momentum", "sgd", "adam"), "keep_prob": one_of(1.0, 0.75, 0.5, 0.9),
              "l2": one_of(0.0, 0.0, 0.05, 1e-3), "class_weight": one_of(1.0, 2.0, 0.3, 10.0)}
    if rng.random() < 0.3:
        chosen["decay_rate"] = one_of(1.0, 0.5)
    if chosen["optimizer"] == "momentum":
        chosen["momentum"] = one_of(0.2, 0.9)
        chosen["momentum_form"] = one_of("thesis", "tensorflow")
    if chosen["optimizer"] == "adam":
        chosen["adam_form"] = one_of("kingma", "tensorflow")
    elif rng.random() < 0.5:
        chosen["learning_rate"] = one_of(0.01, 0.05, 0.5)
    divisor = 2 ** (levels - 1)
    most = one_of(16, 16, 24, 40) // divisor
    size = [divisor * int(rng.integers(1, max(2, most))) for _ in range(2)]
    counts = size, int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    dtype = np.float64 if rng.random() < 0.5 else np.float32
    text = " ".join(f"{name}={value}" for name, value in chosen.items())
    return (Settings.from_options({**chosen, "crop": None}), *counts, dtype, number), \
        f"{text} size={size[0]}x{size[1]} batch={counts[1]} steps={counts[2]} per_epoch={counts[3]} seed={number}"


def views(given, number):
    """Return the tensors that are shown in each of three views, by the view's name: all, and two that are drawn."""
    rng = np.random.default_rng(number)
    others = {
        "training": lambda key: "/forward/" not in key and "/backward/" not in key,
        "script": lambda key: key in ("1/forward/logits", "1/backward/logits", "1/cost")
        or key.startswith("1/gradient/"),
        "relu and pool": lambda key: key.startswith("1/forward/") and key.endswith(("relu", "pool")),
        "gradients": lambda key: "/gradient/" in key,
        "parameters": lambda key: "/parameter/" in key,
        "costs": lambda key: key.endswith("/cost"),
        "a third": lambda key: rng.random() < 1 / 3,
    }
    drawn = rng.choice(list(others), 2, replace=False)
    return {"all": given, **{name: {key: array for key, array in given.items() if others[name](key)}
                             for name in drawn.tolist()}}


def run(number, framework="torch", ways=None):
    """Yield a row for each view of a run; the number says which of the `ways`, by default all of `right_ways.WAYS`."""
    (arguments, text), way = settings(number), "plain"
    made = golden.from_seed(*arguments)
    if framework == "torch":
        from right_ways import WAYS

        from stemnet_ref.verify.twins import torch_twin

        names = ["plain", *WAYS] if ways is None else ways
        way = names[number % len(names)]
        with pytest.MonkeyPatch.context() as patch:
            changed = made if way == "plain" else WAYS[way](patch, made)
            tensors = torch_twin.train(changed)
        if way.startswith("input"):
            tensors["input"] = torch_twin.nchw(changed.input)
    elif framework == "reference":
        tensors = made.arrays
    else:
        tensors = frameworks.load(framework).train(made)
    layout = frameworks.LAYOUTS.get(framework, "NHWC")
    tensors = {key: array for key, array in tensors.items() if "/" in key or key == "input"}
    given = actual.select(frameworks.arrays(tensors), made, (layout,), log=lambda text: None)
    for view, shown in views(given, number).items():
        if shown:
            rows = diagnose(compare(made, shown)).rows
            worst = max(rows, key=lambda row: (row.verdict == "departs", row.verdict == "unclear", row.share))
            yield dict(zip(COLUMNS, (number, framework, made.input.dtype, way, view, worst.verdict,
                                     f"{worst.share:.4g}", worst.key, text), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--framework", default="torch", choices=(*frameworks.FRAMEWORKS, "reference"))
    parser.add_argument("--way")
    parser.add_argument("--out", default="right_runs.csv")
    given = parser.parse_args()
    begun = time.monotonic()
    with threadpool_limits(1), open(given.out, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(given.first, given.first + given.count):
            for row in run(number, given.framework, given.way and [given.way]):
                writer.writerow(row)
                if row["verdict"] == "departs":
                    print(*row.values(), flush=True)
            file.flush()
    print(f"{given.count} runs in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
