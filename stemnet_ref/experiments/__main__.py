"""Repeat the thesis's Table 3 on frames of one's own: python -m stemnet_ref.experiments table3 --help"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from tqdm import tqdm

from .. import cli, files, report
from ..errors import InputError
from ..metrics import COLUMNS
from ..options import add_settings
from ..resume import settings_of
from ..settings import names, option
from ..train import Diverged, Run
from . import page, table
from .variants import of_sweep, of_table_3, parsed

PROG = "python -m stemnet_ref.experiments"
DIVERGED = "diverged.json"


def options():
    """Return the parser."""
    parser = cli.Parser(prog=PROG, argument_default=argparse.SUPPRESS,
                        description="Train networks with several seeds each on the same frames, for the same number "
                                    "of steps, and compare them as Table 3 of the thesis does. The same command again "
                                    "goes on after an interruption.")
    add = parser.add_argument
    add("experiment", choices=("table3",), help="Network1 and Network5 with Table 1, and Network5 with Table 2")
    add("--frames", metavar="PATH", help="as of run_train.py (the package's sample)")
    add("--masks", metavar="PATH", help="likewise")
    add("--out", metavar="DIR", required=True, help="folder for the runs, table3.csv, table3.md and report.html")
    add("--seeds", type=int, metavar="N", help="runs of each, with seeds from --seed on (3)")
    add("--vary", metavar="NAME=A,B,C", help="in place of the three networks, Network5 (or --channels) with these "
                                             "values of an option of run_train.py, as in keep_prob=0.5,0.75,1")
    add("--fake", action="store_true", help="add Network5 that sees five times the same frame")
    add("--device", metavar="NAME", help="auto, cpu or cuda (auto)")
    add("--precision", metavar="NAME", help="fp32 or tf32 (fp32)")
    add_settings(parser)
    return parser


def only_settings():
    """Return a parser of settings alone, for the values of --vary."""
    parser = cli.Parser(prog=PROG, argument_default=argparse.SUPPRESS)
    add_settings(parser)
    return parser


def main(argv=None):
    """Run the experiment; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    given = vars(options().parse_args(argv))
    chosen = {name: given[name] for name in names() if name in given}
    if chosen.get("crop") == 0:
        chosen["crop"] = None
    first, count = chosen.pop("seed", 0), given.get("seeds", 3)
    if not 1 <= count <= 1000:
        raise InputError(f"--seeds {count}: must be from 1 to 1000")
    if "masks" in given and "frames" not in given:
        raise InputError("--masks: --frames is missing; training needs both")
    if "vary" in given:
        if given.get("fake"):
            raise InputError("--fake: has no effect with --vary; leave one of them out")
        name, values = parsed(given["vary"], only_settings())
        if name in chosen:
            raise InputError(f"{option(name)}: is varied; leave it out")
        variants, title = of_sweep(chosen, name, values), f"{option(name)} varied"
    else:
        variants, title = of_table_3(chosen, given.get("fake", False)), "Table 3"
    out = Path(given["out"])
    files.check_folder(out)
    runs = [(variant, seed, out / f"{variant.name}-seed{seed}") for seed in range(first, first + count)
            for variant in variants]
    for variant, seed, folder in runs:
        _check_same(variant.seeded(seed), folder)
    files.make_folder(out)
    command = shlex.join(["python", "-m", "stemnet_ref.experiments", *map(str, argv)])
    results = {variant.title: {} for variant in variants}
    with cli.StopRequest("stopping after this step or validation; Ctrl-C again stops without saving") as stop:
        for number, (variant, seed, folder) in enumerate(runs, 1):
            tqdm.write(f"{number} of {len(runs)}: {variant.title}, seed {seed}")
            rows = train(variant.seeded(seed), folder, given, stop)
            if stop():
                tqdm.write(f"stopped, and saved; go on with: {command}")
                return 130
            results[variant.title][seed] = rows
            if number % len(variants) == 0 or number == len(runs):
                page.write(out, results, title, [command])
    print(table.markdown(table.lines(results)), end="")
    print(f"done: table3.csv, table3.md, figures and report.html in {out}")
    return 0


def train(settings, folder, given, stop):
    """Train a run, or what is left of it; return the rows of its metrics.csv, or None if it diverged or was stopped."""
    if (folder / DIVERGED).exists():
        tqdm.write(f"  had diverged: {json.loads((folder / DIVERGED).read_text())['error']}")
        return None
    silent = [].append                                          # what a run says of its data is the same for all
    resume = (folder / "model.npz").exists()
    run = Run(settings, given.get("frames"), given.get("masks"), folder, resume, given.get("device", "auto"),
              given.get("precision", "fp32"), silent)
    before = "had been done: " if run.epoch >= settings.epochs else ""
    if not before:
        steps = run.steps_per_epoch
        with tqdm(total=settings.epochs * steps, initial=run.epoch * steps + run.position, unit="step", disable=None,
                  leave=False, smoothing=0.05) as bar:
            try:
                complete = run.train(stop, lambda text, done: (bar.set_description(text, refresh=done == 0),
                                                               bar.update(done)))
            except Diverged as error:
                files.write_json(folder / DIVERGED, {"error": str(error)})
                tqdm.write(f"  {error}")
                return None
        if not complete:
            return None
    if not before or not (folder / "report.html").exists():
        report.refresh(run, run.rows)
    row = table.best(run.rows)
    tqdm.write(f"  {before}pooled F1 {row['f1_pooled']:.3f} in epoch {row['epoch']} of {len(run.rows)}, "
               f"{sum(each['seconds'] for each in run.rows):.0f} s")
    return files.read_csv(folder / "metrics.csv", COLUMNS)


def _check_same(settings, folder):
    """Raise InputError where a folder holds a run of other settings; more epochs are no other settings."""
    if not (folder / "model.npz").exists():
        return
    there = settings_of(folder)[0].as_dict()
    for name, value in settings.as_dict().items():
        if there[name] != value and not (name == "epochs" and value > there[name]):
            raise InputError(f"{option(name)} {value}: the run in {folder} has {there[name]}; choose another --out, or "
                             "give what that experiment had")


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:]))
