"""Small experiments, run in this process."""

import refusals

from stemnet_ref.experiments import __main__ as experiments

SMALL = ["--levels", "2", "--features", "2", "--crop", "16", "--crops-per-frame", "2", "--epochs", "2", "--gap", "3"]


def run(*argv):
    return refusals.script(experiments.main, "table3", *argv)
