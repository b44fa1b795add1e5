"""Short runs of training for the tests."""

import csv
from pathlib import Path

import run_train
from stemnet_ref.program import cli

ROOT = Path(__file__).parents[2]
SETTINGS = {"levels": 2, "features": 2, "crop": 16, "crops_per_frame": 2, "epochs": 3, "seed": 5}
SMALL = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def train_main(*argv):
    """Run the script in this process; return its exit status."""
    return cli.run("run_train.py", run_train.main, [str(each) for each in argv])


def rows_of(out):
    with open(out / "metrics.csv") as file:
        return list(csv.DictReader(file))
