"""Ask `check` about right layers with random settings, about known mistakes, and about faults that nobody makes.

    PYTHONPATH=.:tests/support python tests/sweeps/single_layers.py --right 500

Prints what is not right, and the three lines of docs/check.md.
"""

import argparse
import re
from collections import Counter

import numpy as np
from backward_mistakes import MISTAKES
from numpy_layers import RIGHT, backward_of, square_inputs
from right_layers import random_layer

from stemnet_ref.verify import check

# Faults of one output, by name: a function of the right array, and a pattern of what may be said of it
FAULTS = {
    "the first row is 0": (lambda a: _with_zero(a, 1, 0), ""),
    "the last channel is 0": (lambda a: _with_zero(a, -1, -1), ""),
    "one element is wrong": (lambda a: a + (np.arange(a.size) == a.size // 2).reshape(a.shape) * abs(a).max() / 9, ""),
    "noise of 1e-3": (lambda a: a * (1 + 1e-3 * np.random.default_rng(0).standard_normal(a.shape)), ""),
    "noise of 3e-5": (lambda a: a * (1 + 3e-5 * np.random.default_rng(0).standard_normal(a.shape)), ""),
    "1.0003 times": (lambda a: a * 1.0003, r"1\.0003 times"),
    "pi times": (lambda a: a * np.pi, r"3\.14159\d* times"),
    "240/239 times": (lambda a: a * 240 / 239, r"1\.00418\d* times"),
    "-1/2 times": (lambda a: a / -2, r"-0\.5 times"),
    "something is added": (lambda a: a + 1e-2, ""),
    "limited": (lambda a: np.clip(a, -abs(a).max() / 3, abs(a).max() / 3), ""),
    "an image later": (lambda a: np.roll(a, 1, 0), ""),
    "a row later": (lambda a: np.roll(a, 1, min(1, a.ndim - 1)), "rolled by a pixel, down"),
    "a channel later": (lambda a: np.roll(a, 1, -1), ""),
    "squared": (lambda a: a * a, ""), "its root": (np.cbrt, ""), "tanh of it": (np.tanh, ""),
    "less its mean": (lambda a: a - a.mean(), ""), "less its mean over images": (lambda a: a - a.mean(0), ""),
    "divided by its norm": (lambda a: a / np.linalg.norm(a), "times"),
    "summed along the channels": (lambda a: np.cumsum(a, -1), ""),
    "its sign": (np.sign, "y is 1 where x is above 0"),
    "images reversed": (lambda a: a[::-1], "the order of axis 0 reversed"),
    "channels reversed": (lambda a: a[..., ::-1], r"the order of axis \d reversed"),
    "sorted": (lambda a: np.sort(a, -1), ""), "blurred": (lambda a: (a + np.roll(a, 1, -1)) / 2, ""),
    "multiples of 1/256": (lambda a: np.round(a * 256) / 256, "is 0 everywhere"),
    "multiples of 1/16": (lambda a: np.round(a * 16) / 16, "is 0 everywhere"),
    "every third is 0": (lambda a: a * (np.arange(a.size) % 3 > 0).reshape(a.shape), ""),
    "negative ones are 0": (lambda a: np.maximum(a, 0), "where both y and dy are above 0"),
    "the first image twice as large": (lambda a: np.concatenate([2 * a[:1], a[1:]]), ""),
    "float16": (lambda a: a.astype(np.float16), "float16"),
}


def _with_zero(array, axis, at):
    changed = np.array(array)
    np.moveaxis(changed, min(axis, array.ndim - 1), 0)[at] = 0
    return changed


def said(*arguments):
    """Return what `check` says, "" if it accuses nobody."""
    try:
        check(*arguments)
    except AssertionError as error:
        return str(error)
    return ""


def right(numbers):
    """Yield (outcome, words) for right layers: "agrees" or "accused"."""
    for number in numbers:
        arguments, words = random_layer(number)
        text = said(*arguments)
        yield "accused" if text else "agrees", f"{words}{text}"


def mistakes():
    """Yield (outcome, words) for known mistakes: "named", "named among others", "unknown", or "another name"."""
    for (layer, key), planted in MISTAKES.items():
        for does, gradient in planted.items():
            text = said(RIGHT[layer][0], backward_of(layer, **{key: gradient}), square_inputs(layer), layer)
            named = ("named among others" if " Or, which" in text else "named") if re.search(does, text) else (
                "unknown" if "nothing known here" in text else "another name")
            yield named, f"{layer} {key}: {does}{text}"


def faults(layers=RIGHT, names=FAULTS, dtypes=(np.float32, np.float64)):
    """Yield (outcome, words) for faults that nobody makes: "agrees" within rounding, "unknown", "named", "falsely"."""
    for layer in layers:
        for dtype in dtypes:
            inputs, (forward, gradients) = square_inputs(layer, dtype), RIGHT[layer]
            for name in names:
                fault, pattern = FAULTS[name]
                for key, plain in {"y": forward, **gradients}.items():
                    if key == "y" and "labels" in inputs:               # of one number all is a factor
                        continue

                    def wrong(*arrays, plain=plain, fault=fault, dtype=dtype):
                        return fault(plain(*arrays)).astype(dtype)

                    text = said(*((wrong, None) if key == "y" else (forward, backward_of(layer, **{key: wrong}))),
                                inputs, layer)
                    outcome = "agrees" if not text else "unknown" if "nothing known here" in text else (
                        "named" if pattern and re.search(pattern, text) else "falsely named")
                    yield outcome, f"{layer} {key}, {dtype.__name__}: {name}{text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--right", type=int, default=500, help="number of right layers")
    options = parser.parse_args()
    for what, outcomes in {"right layers": right(range(options.right)), "mistakes of backward passes": mistakes(),
                           "faults that nobody makes": faults()}.items():
        counts = Counter()
        for outcome, words in outcomes:
            counts[outcome] += 1
            if outcome in ("accused", "another name", "falsely named"):
                print(outcome, words)
        print(f"{sum(counts.values())} {what}: {', '.join(f'{count} {name}' for name, count in counts.items())}")


if __name__ == "__main__":
    main()
