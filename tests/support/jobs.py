"""The commands that write files, in words for killing.py, and what each needs."""

from importlib.util import find_spec

import pytest

SMALL = ["--levels", "1", "--features", "1", "--crop", "16", "--crops-per-frame", "1", "--gap", "1"]
MOVIE = ["--frames", "movie/frames", "--masks", "movie/masks"]
TINY = ["--levels", "1", "--features", "1", "--size", "4", "--steps", "1"]
TRAIN = ["run_train.py", *MOVIE, *SMALL, "--epochs", "2", "--out", "out"]
JOBS = {
    "train": TRAIN, "train with summaries": [*TRAIN, "--summaries"],
    "resume": ["run_train.py", "--resume", "--epochs", "2", "--out", "run"],
    "predict": ["run_predict.py", "run", "movie/frames", "--masks", "movie/masks", "--out", "out"],
    "predict, as the challenge has it": ["run_predict.py", "run", "movie/frames", "--results", "challenge", "--out",
                                         "out"],
    "preprocess": ["preprocess", "movie/frames", "out", "--masks", "movie/masks", "--size", "32", "--memory", "0.01"],
    "check": ["check", "movie/frames", "movie/masks"],
    "explain": ["explain", "--levels", "1", "--features", "1", "--size", "4", "--out", "page.html"],
    "experiments": ["experiments", "table3", *MOVIE, *SMALL, "--epochs", "1", "--channels", "1", "--vary", "l2=0,1",
                    "--seeds", "1", "--out", "out"],
    "golden file": ["verify", "export", *TINY, "--out", "golden.npz"],
    "arrays": ["verify", "weights", "run", "--to", "weights.npz"],
    "a model of weights": ["verify", "weights", "run", "--like", "run", "--to", "model.npz"],
    "safetensors": ["verify", "weights", "run", "--to", "weights.safetensors"],
    "onnx": ["verify", "weights", "run", "--to", "weights.onnx"],
}
NEEDS = {"train with summaries": "tensorboardX", "onnx": "onnx",
         "safetensors": "safetensors"}


def needed(name):
    """Skip the test where the library is missing that a job needs."""
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
