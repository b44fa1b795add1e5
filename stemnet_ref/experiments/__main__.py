"""Repeat the thesis's Table 3 on frames of one's own: python -m stemnet_ref.experiments table3 --help"""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from ..backends import choose
from ..data.training import check_crops, discover, prepare
from ..errors import InputError, listed, pluralize
from ..program import cli
from ..program.options import Option, Parser, flag_of
from ..storage import files, locks, outputs, readers
from ..training.saved import read_config
from ..training.settings import COMPUTATION, FRAMES, MASKS, chosen_of
from ..training.settings import OPTIONS as SETTINGS
from . import page, table
from .runs import check_same, train
from .variants import CHANNELS, of_sweep, of_table_3, parsed, with_one_gap

PROG = "python -m stemnet_ref.experiments"
EXPERIMENT = "experiment.json"
WRITTEN = {"table3.csv": outputs.table(table.flat({})[0]), "table3.md": page.MARKDOWN, "report.html": outputs.REPORT}


OPTIONS = {
    "frames": FRAMES, "masks": MASKS,
    "out": Option("folder for the runs, table3.csv, table3.md and report.html", metavar="DIR", required=True),
    "seeds": Option("runs of each network, with seeds from --seed on", 3, int, (1, 1000)),
    "vary": Option("in place of the three networks, Network5 (or what --channels says) with these values of an option "
                   "of run_train.py, as in keep_prob=0.5,0.75,1; semicolons between values that have commas themselves",
                   metavar="NAME=A,B,C"),
    "fake": Option("add a Network5 that sees the same frame five times", False, bool),
    **COMPUTATION, **SETTINGS,
    "channels": replace(SETTINGS["channels"], default_text=f"{CHANNELS} with --vary"),
}


def options():
    """Return the parser. A setting that is not given is absent from the result, so that presets can fill it."""
    parser = Parser(PROG, "Train networks with several seeds each on the same frames, and compare them as Table 3 "
                          "of the thesis does. The same command again goes on after an interruption. --preset, "
                          "--channels and --neighbours are for --vary alone, where --channels is 5 unless given.",
                    OPTIONS)
    parser.add_argument("experiment", choices=("table3",),
                        help="Network1 and Network5 with Table 1, and Network5 with Table 2")
    return parser


def main(argv=None):
    """Run the experiment; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    given = vars(options().parse_args(argv))
    variants, title, seeds = resolve(given)
    out = Path(given["out"])
    with locks.Claim(out, check=lambda: _check_out(out, title), log=cli.log) as claim:
        return run(argv, given, variants, title, seeds, claim)


def run(argv, given, variants, title, seeds, claim):
    """Run the experiment in a folder that is claimed; return the exit status."""
    out, command = claim.folder, shlex.join(["python", "-m", "stemnet_ref.experiments", *map(str, argv)])
    backend = choose(given["backend"], given["precision"])
    runs = plan(given, variants, seeds, out)
    claim.take()
    cli.log(f"{title}: {pluralize(len(runs), 'run')}, backend {backend.name}, writing to {out}")
    note_others(out, {folder for _, _, folder in runs})
    files.write_json(out / EXPERIMENT, {"experiment": title}, outputs.EXPERIMENT)
    results, configs, trained = {variant.title: {} for variant in variants}, {}, False
    with cli.stop_request() as stop:
        for number, (name, settings, folder) in enumerate(runs, 1):
            cli.log(f"{number} of {len(runs)}: {name}, seed {settings.seed}")
            rows, new = train(settings, folder, given, stop, verbose=number == 1)
            trained = trained or new
            if stop():
                if trained and any(results.values()):
                    page.write(out, results, configs, title, command)
                cli.log(f"stopped, and saved; go on with: {command}")
                return 130
            results[name][settings.seed] = rows
            configs.setdefault(name, read_config(folder))
            if number == len(runs) or (trained and number % len(variants) == 0):
                page.write(out, results, configs, title, command)
                trained = False
    print(table.markdown(table.lines(results, configs)), end="")
    cli.log(f"done: table3.csv, table3.md, figures and report.html in {out}")
    return 0


def plan(given, variants, seeds, out):
    """Return the title, the settings and the folder of every run, seed by seed, after a check that all can be run."""
    found = discover(variants[0].settings, given["frames"], given["masks"], log=lambda line: None)
    variants = with_one_gap(variants, *found, cli.log)
    runs = [(variant.title, variant.seeded(seed), out / f"{variant.name}-seed{seed}")
            for seed in seeds for variant in variants]
    for _, settings, folder in runs:
        check_same(settings, folder)
    _check_data(variants, given)
    return runs


def note_others(out, folders):
    """Say which runs in the experiment's folder are not among those of the table, in `folders`."""
    others = {path.parent for path in out.glob("*/config.json")} - folders
    if others:
        cli.log(f"note: {pluralize(len(others), 'other run')} in {out}, not in this table: "
                f"{listed(sorted(path.name for path in others))}")


def resolve(given):
    """Return the Variants, the experiment's title, and the seeds that the options ask for."""
    chosen = chosen_of(given)
    first, count = chosen.pop("seed", 0), given["seeds"]
    if given["vary"] is not None:
        if given["fake"]:
            raise InputError("--fake: has no effect with --vary; leave one of them out")
        name, values = parsed(given["vary"])
        if name in chosen:
            raise InputError(f"{flag_of(name)}: is varied; leave it out")
        variants, title = of_sweep(chosen, name, values), f"{flag_of(name)} varied"
    else:
        variants, title = of_table_3(chosen, given["fake"]), "Table 3"
    for seed in (first, first + count - 1):
        variants[0].seeded(seed)
    return variants, title, range(first, first + count)


def _check_out(out, title):
    """Raise InputError where a folder holds something other than this experiment."""
    if outputs.is_run(out):
        raise InputError(f"--out {out}: holds a run of run_train.py; choose another folder")
    if outputs.EXPERIMENT.made(out / EXPERIMENT):
        there = readers.read_json(out / EXPERIMENT, "choose another --out", experiment=str)["experiment"]
        if there != title:
            raise InputError(f"--out {out}: holds another experiment ({there}); choose another folder")
    else:
        taken = [name for name in (EXPERIMENT, *WRITTEN, "figures") if os.path.lexists(out / name)]
        if taken:
            raise InputError(f"--out {out}: {taken[0]} there would be overwritten; choose another folder")
    for name, kind in WRITTEN.items():
        outputs.check_replaceable(out / name, kind, remedy="choose another folder")


def _check_data(variants, given):
    """Raise InputError where the frames do not fit a variant, or the validation frames differ between variants."""
    validated = []
    for variant in variants:
        prepared = prepare(variant.settings, given["frames"], given["masks"], log=lambda line: None)
        check_crops(prepared)
        validated.append(prepared.source["validation_frames"])
        if validated[-1] != validated[0]:
            raise InputError(f"{variant.title}: is validated on other frames than {variants[0].title}, so that they "
                             "could not be compared; vary something else")


if __name__ == "__main__":
    sys.exit(cli.run(PROG, main, sys.argv[1:], "use a smaller --crop or --batch-size", keep_going=True))
