"""Plant deviations in three implementations of docs/golden.md, and count what `verify compare` makes of them.

    PYTHONPATH=. python tests/sweeps/run.py --out sweep.csv
    PYTHONPATH=/another/checkout python tests/sweeps/run.py --only 'padding|dropout' --views all,training

PYTHONPATH says which version of the package is measured. Prints a line for whatever is not right, and the table, which
`tests/sweeps/table.py sweep.csv` prints again.
"""

import argparse
import csv
import os
import random
import re
import sys
import tempfile
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from catalogue import pairs, singles
from judging import FINE, VIEWS, Outcome, judge
from table import line_of, read, table
from threadpoolctl import threadpool_limits

from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden
from stemnet_ref.verify.diagnosis import search
from stemnet_ref.verify.layouts import from_layout

IMPLEMENTATIONS = "torch", "numpy", "keras"            # network_NAME.py, where NAME is installed
NETWORK = {"preset": "thesis", "channels": 3, "features": 4, "levels": 3}
LIMIT = 60              # seconds of the processor for one comparison


@cache
def made(size, options):
    """Return a golden file of a small network."""
    options = dict(options)
    dtype = np.float64 if options.pop("float64", False) else np.float32
    return golden.from_seed(Settings.from_options({**NETWORK, **options, "levels": NETWORK["levels"]}), size, 2, 5, 2,
                            dtype, 1)


def trained(golden_file, name, *changes):
    """Return what an implementation makes of a golden file, in the reference's layouts."""
    implementation = getattr(import_module(f"network_{name}"), name.capitalize())
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        path = Path(folder) / "golden.npz"
        golden.write(golden_file, path, implementation.layout)
        tensors = implementation(path, *changes).train()
    return {key: from_layout(key, array, implementation.layout) for key, array in tensors.items()}


@cache
def right(size, options, name):
    return trained(made(size, options), name)


def outcomes(planted, views=tuple(VIEWS), limit=LIMIT):
    """Return the Outcome of a deviation in each implementation and view."""
    settings, found = dict(planted.settings), []
    size, options = settings.pop("size", (16, 24)), tuple(sorted(settings.items()))
    for name, change in planted.changes.items():
        if not find_spec(name):
            continue
        golden_file = made(size, options)
        actual, plain = trained(golden_file, name, change), right(size, options, name)
        found += [judge(planted, golden_file, actual, plain, name, view, limit) for view in views]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATTERN", help="deviations whose name has this pattern in it")
    parser.add_argument("--views", default=",".join(VIEWS), help="views, with commas between (default: %(default)s)")
    parser.add_argument("--implementations", default=",".join(IMPLEMENTATIONS), help="default: %(default)s")
    parser.add_argument("--pairs", action="store_true", help="two deviations at once, not one")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a comparison (default: %(default)s)")
    parser.add_argument("--like", metavar="FILE", help="the deviations of another sweep's CSV file")
    parser.add_argument("--sample", type=int, metavar="N", help="N of the deviations, at random")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="CSV file with a line for each outcome; goes on with "
                                                        "one that exists")
    options = parser.parse_args()
    known = pairs() if options.pairs else singles()
    chosen = [each for name, each in known.items() if re.search(options.only, name)]
    wanted = options.implementations.split(",")
    chosen = [each._replace(changes={name: each.changes[name] for name in wanted if name in each.changes})
              for each in chosen]
    chosen = [each for each in chosen if each.changes]
    out = Path(options.out or os.devnull)
    found = read([out]) if options.out and out.exists() else []
    done = {each.planted for each in found}
    chosen = [each for each in chosen if each.name not in done]
    if options.like:
        alike = {each.planted for each in read([options.like])}
        chosen = [each for each in chosen if each.name in alike]
    if options.sample:
        chosen = random.Random(0).sample(chosen, min(options.sample, len(chosen)))
    names, views = [each.name for each in chosen], options.views.split(",")
    arguments = [(name, options.pairs, tuple(each.changes), views, options.limit)
                 for name, each in zip(names, chosen, strict=True)]
    print(f"{len(chosen)} deviations, {len(views)} views; stemnet_ref from {Path(search.__file__).parents[2]}")
    with get_context("fork").Pool(options.jobs) as pool, open(out, "a", newline="") as file:
        writer = csv.writer(file)
        if not found:
            writer.writerow(Outcome._fields)
        for rows in pool.imap_unordered(one, arguments):
            found += rows
            writer.writerows(rows)
            file.flush()
            for row in rows:
                if row.verdict not in ("right", "unknown") or (row.shown and not row.first_right):
                    print(line_of(row), flush=True)
    print("\n".join(table(found)))
    return 0 if found and all(row.verdict in FINE for row in found) else 1


def one(arguments):
    """Return the outcomes of a deviation, by its name: functions do not go from one process to another."""
    if find_spec("torch"):
        import_module("torch").set_num_threads(1)
    threadpool_limits(1)
    name, of_pairs, implementations, views, limit = arguments
    planted = (pairs() if of_pairs else singles())[name]
    return outcomes(planted._replace(changes={each: planted.changes[each] for each in implementations}), views,
                    limit)


if __name__ == "__main__":
    sys.exit(main())
